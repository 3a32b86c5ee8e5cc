"""Stops in mid-send: no final dot more than a second after the commit, at a slow server and without any broker.

The server takes its time for each dot: two groups in hand are seconds of work. Whoever asked for leave with a group only, and not
again just before each dot, would be late.
"""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from chamberlist import halt
from chamberlist.clock import Now
from posting.delivery import ledger
from posting.models import Delivery, Lane, Post
from posting.moderation import moderation
from subscriptions import lifecycle
from tests import builders
from tests.checker import reckon
from tests.sending import GROUP, PATIENCE, STOP_COPIES, a_post, ring
from tests.smtpserver import SmtpServer
from tests.test_dispatch import wait_until
from tests.workers import Stack, lane_runner

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State
Stop = Callable[[Post, SmtpServer], dict[str, float]]  # Each address that is to get no copy from then on, and when.

SLOWNESS = 0.3
BEFORE = 40  # Copies that the server has before the stop.
LEAVERS = 16


def halted(post: Post, smtp: SmtpServer) -> dict[str, float]:
    halt.halt(by="a test", reason="a test")
    return everybody(post, time.monotonic())


def recalled(post: Post, smtp: SmtpServer) -> dict[str, float]:
    assert moderation.recall(Post.objects.get(pk=post.pk), by="a test") == ""
    return everybody(post, time.monotonic())


def over(post: Post, smtp: SmtpServer) -> dict[str, float]:
    builders.set_clock_back(post, "expires_at", timedelta(0))
    return everybody(post, time.monotonic())


def left(post: Post, smtp: SmtpServer) -> dict[str, float]:
    """Each time the one whose copy was marked last; and when it should have come, everything is halted."""
    gone: dict[str, float] = {}
    while len(gone) < LEAVERS:
        in_hand = post.deliveries.filter(state=State.SENDING, subscription__state="active").order_by("-pk").first()
        if in_hand is not None:
            assert in_hand.subscription is not None
            assert lifecycle.unsubscribe(in_hand.subscription.handle, how="page")
            gone[in_hand.subscription.address] = time.monotonic()
    smtp.wait_for(len(smtp.received) + 4 * GROUP)
    halt.halt(by="a test", reason="the end of the test")
    return gone


def everybody(post: Post, at: float) -> dict[str, float]:
    return {copy.subscription.address: at for copy in post.deliveries.select_related("subscription") if copy.subscription}


def was_held(post: Post, smtp: SmtpServer, stopped: dict[str, float]) -> None:
    """No dot came late, and copies that a lane had in hand were put back."""
    waits = {mail.recipients[0]: mail.at - stopped[mail.recipients[0]] for mail in smtp.received if mail.recipients[0] in stopped}
    late = [wait for wait in waits.values() if wait > 0]
    print(f"last dot {max(late, default=0):.2f} s after the commit, {len(late)} in all, of {STOP_COPIES} copies")
    assert max(late, default=0) <= 1
    assert post.deliveries.filter(lane__isnull=False).exclude(state=State.SENT).exists(), "some were in hand"
    assert reckon(post, smtp).states[State.SENT] == len(smtp.received) < STOP_COPIES
    assert ledger.counts(post)["in_doubt"] == 0


@pytest.mark.parametrize("stop", [halted, recalled, over, left])
def test_a_stop_holds_within_a_second(stop: Stop, smtp: SmtpServer):
    """No broker was ever there."""
    post = a_post(STOP_COPIES)
    smtp.slowness = SLOWNESS
    with lane_runner(DELIVERY_GROUP=str(GROUP)) as process:
        smtp.wait_for(BEFORE)
        stopped = stop(post, smtp)
        assert process.wait(PATIENCE) == 0
    was_held(post, smtp, stopped)


@pytest.mark.xdist_group("workers")
@pytest.mark.parametrize("stop", [halted, recalled, left])
def test_a_stop_holds_at_a_real_worker_whose_broker_has_just_gone(stop: Stop, stack: Stack, smtp: SmtpServer):
    """Two lanes, and nobody can ring for them any more."""
    post = a_post(STOP_COPIES)
    smtp.slowness = SLOWNESS
    for lane in (1, 2):
        ring(stack, "posting.tasks.deliver", lane)
    stack.start_worker()
    smtp.wait_for(BEFORE)
    assert Lane.objects.filter(leased_until__gt=Now()).count() == 2
    stack.broker.kill()
    stopped = stop(post, smtp)
    wait_until(lambda: not Lane.objects.filter(leased_until__gt=Now()).exists())
    was_held(post, smtp, stopped)

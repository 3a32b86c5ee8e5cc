"""Killed in mid-send: a lane that hands over through a provider's interface leaves nobody with two copies."""

import random
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from chamberlist import halt
from chamberlist.clock import Now
from posting.delivery import dispatch, sweep
from posting.models import Delivery, Lane, Post
from posting.moderation import moderation
from tests import builders
from tests.checker import reckon
from tests.lanerunner import THROUGH_A_PROVIDER
from tests.providerserver import Provider, Request
from tests.workers import lane_runner

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State
GROUP, COPIES, PATIENCE = 8, 60, 120
SHARED = ["marks committed", "a verdict judged", "replies committed"]


@pytest.fixture
def post(provider: Provider, settings) -> Post:
    """A post whose copies wait."""
    settings.DELIVERY_GROUP = GROUP
    promotions = builders.a_list()
    builders.many_members(promotions, COPIES)
    return builders.a_sending_post(builders.a_sender(promotions))


def environment(provider: Provider) -> dict[str, str]:
    return provider.environment | {"DELIVERY_GROUP": str(GROUP), "DELIVERY_CONNECTIONS": "3"}


def survived(post: Post, provider: Provider) -> int:
    """The post goes on to its end once the lease is over; how many are in doubt."""
    Lane.objects.update(leased_until=Now() - timedelta(seconds=1), rests_until=None)
    sweep.sweep()
    dispatch.run_lane(1, seconds=600)
    reckoning = reckon(post, provider)
    assert post.state == Post.State.DONE
    assert set(reckoning.states) <= {State.SENT, State.IN_DOUBT}
    assert reckoning.states[State.IN_DOUBT] <= 2 * GROUP
    return reckoning.states[State.IN_DOUBT]


@pytest.mark.parametrize("point", [*THROUGH_A_PROVIDER, *SHARED])
def test_a_lane_killed_at_each_point_of_a_request(point: str, post: Post, provider: Provider):
    nth = 1 if point == "hanging up on the provider" else random.randint(1, 3)
    with lane_runner(point, str(nth), **environment(provider)) as process:
        assert process.wait(PATIENCE) == -signal.SIGKILL, "it was to be killed"
    survived(post, provider)


def test_a_lane_killed_between_a_request_and_its_response(post: Post, provider: Provider):
    with lane_runner(**environment(provider)) as process:

        def kill(_: Request) -> None:
            if len(provider.requests) == COPIES // 2:
                process.kill()
                process.wait(PATIENCE)

        provider.on_request = kill
        process.wait(PATIENCE)
        provider.on_request = lambda _: None
    assert survived(post, provider) >= 1


@pytest.mark.parametrize("stop", ["halt", "recall"])
def test_a_stop_holds_within_a_second(stop: str, post: Post, provider: Provider):
    """The interface takes 50 ms for each answer; another process hands over."""
    stops: dict[str, Callable[[], object]] = {
        "halt": lambda: halt.halt(by="a test", reason="a test"),
        "recall": lambda: moderation.recall(Post.objects.get(pk=post.pk), by="a test"),
    }
    slow = threading.Event()

    def think(_: Request) -> None:
        slow.wait(0.05)

    provider.on_request = think
    with lane_runner(**environment(provider)) as process:
        provider.wait_for(6)
        stops[stop]()
        at = time.monotonic()
        process.wait(PATIENCE)
    late = [request.at - at for request in provider.requests]
    assert max(late) <= 1
    states = reckon(post, provider).states
    assert 6 <= states[State.SENT] < COPIES and states[State.IN_DOUBT] == 0

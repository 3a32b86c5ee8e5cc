"""A post in mid-send: something goes wrong at a chosen copy, and later beat and the workers go on with what is left.

``make test`` takes a short form; ``make test-crash`` sets the sizes below, and CRASH_SEED repeats a run.
"""

import os
import random
import threading
from collections.abc import Callable
from datetime import timedelta

from celery import current_app

from chamberlist.clock import Now
from posting.delivery import dispatch, sweep
from posting.models import Delivery, Lane, Post, Sender
from tests import builders
from tests.checker import Reckoning, reckon
from tests.smtpserver import SmtpServer
from tests.workers import Stack

State = Delivery.State

RUNS = int(os.environ.get("CRASH_RUNS", "1"))
INSTANTS = int(os.environ.get("CRASH_INSTANTS", "3"))
COPIES = int(os.environ.get("CRASH_COPIES", "150"))
STOP_COPIES = int(os.environ.get("CRASH_STOP_COPIES", "200"))
LARGE = int(os.environ.get("CRASH_LARGE", "2000"))
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.randrange(10**6)
GROUP = 16
PATIENCE = 120


def a_post(copies: int = COPIES) -> Post:
    """A post whose copies wait."""
    promotions = builders.a_list()
    builders.many_members(promotions, copies)
    return builders.a_sending_post(builders.a_sender(promotions))


def another_post() -> Post:
    """The next one, to the same members; the one before is forgotten, so that it counts towards no limit."""
    Post.objects.all().delete()
    return builders.a_sending_post(Sender.objects.get())


def end_leases() -> None:
    """As if a minute had passed since the lane's holder was last heard of."""
    Lane.objects.update(leased_until=Now() - timedelta(seconds=1), rests_until=None)


def go_on() -> None:
    """What beat and the workers do once the lease of whoever died is over."""
    end_leases()
    sweep.sweep()
    dispatch.run_lane(1, seconds=600)


def survived(post: Post, smtp: SmtpServer) -> Reckoning:
    """The post goes on to its end, each copy once, and few are in doubt: two groups of the lane that was killed."""
    go_on()
    reckoning = reckon(post, smtp)
    assert post.state == Post.State.DONE
    assert set(reckoning.states) <= {State.SENT, State.IN_DOUBT}
    assert reckoning.states[State.IN_DOUBT] <= 2 * GROUP
    return reckoning


def at_copy(smtp: SmtpServer, number: int, act: Callable[[], object]) -> None:
    """Do something once, when the server has the whole of its copy with that number."""
    heard = threading.Lock()
    copies = 0

    def dot(_: str) -> None:
        nonlocal copies
        with heard:
            copies += 1
            mine = copies == number
        if mine:
            act()

    smtp.at_dot = dot


def ring(stack: Stack, task: str, *ids: int, times: int = 1) -> None:
    """A message to the stack's worker, without waiting for its beat."""
    with current_app.connection_for_write(stack.broker.url) as broker:
        for _ in range(times):
            current_app.send_task(task, args=ids, connection=broker)


def tell_of_doubts(what: str, reckonings: list[Reckoning]) -> None:
    """For the record of ``make test-crash``."""
    doubts = [reckoning.states[State.IN_DOUBT] for reckoning in reckonings]
    arrived = sum(reckoning.arrived_in_doubt for reckoning in reckonings)
    mean = sum(doubts) / len(doubts)
    print(
        f"{what} (CRASH_SEED={SEED}): {len(doubts)} runs, in doubt {max(doubts)} at most, {mean:.1f} on average; {arrived} arrived"
    )

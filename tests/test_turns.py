"""Turns between posts, and the speed of one connection on a long line."""

import threading
import time

import pytest

from posting.delivery import dispatch
from posting.delivery.turns import LOOK_AGAIN
from posting.models import Delivery
from tests import builders
from tests.checker import reckon
from tests.sending import GROUP, LARGE, PATIENCE, a_post
from tests.slowwire import SlowWire
from tests.smtpserver import SmtpServer
from tests.workers import lane_runner

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State
ROUND_TRIP = 0.05


def test_a_post_of_50_does_not_wait_behind_a_large_one(smtp: SmtpServer):
    """By the order in which the copies arrive, of one lane."""
    smtp.slowness = 0.01
    large, town = a_post(LARGE), builders.a_list("town")
    neighbours = [f"neighbour{number}@town.example" for number in range(50)]
    builders.members(town, *neighbours)
    sender = builders.a_sender(town, address="ann@other.example", name="Other Ltd")
    everyone = threading.Event()
    waiting = set(neighbours)

    def dot(recipient: str) -> None:
        waiting.discard(recipient)
        if not waiting:
            everyone.set()

    smtp.at_dot = dot
    with lane_runner(DELIVERY_GROUP=str(GROUP)) as process:
        smtp.wait_for(4 * GROUP)
        builders.a_sending_post(sender, town)
        ready = time.monotonic()
        assert everyone.wait(PATIENCE)
        process.kill()
        process.wait(PATIENCE)
    received = list(smtp.received)
    is_small = [mail.recipients[0].endswith("@town.example") for mail in received]
    first = is_small.index(True)
    last = len(received) - 1 - is_small[::-1].index(True)
    between = is_small[first:last].count(False)
    waited = received[first].at - ready
    rate = first / (received[first].at - received[0].at)
    print(f"{between} copies of the large post came between the first and the last of the 50, which waited {waited:.2f} s")
    # A group of each in turn: three of the large one stand between four small groups, and two on either side are in hand.
    assert between <= 7 * GROUP
    assert waited <= LOOK_AGAIN + 4 * GROUP / rate + 0.5
    assert large.deliveries.filter(state=State.QUEUED).count() > LARGE // 2


def test_one_connection_on_a_long_line_makes_16_copies_a_second(smtp: SmtpServer, settings):
    """A round trip of 50 ms: about one of them for each copy."""
    settings.DELIVERY_CONNECTIONS, settings.DELIVERY_GROUP = 1, GROUP
    post = a_post(40)
    with SlowWire(smtp.port, round_trip=ROUND_TRIP) as line:
        settings.RELAY = type(settings.RELAY)("127.0.0.1", line.port, "none")
        dispatch.run_lane(1, seconds=60)
    assert reckon(post, smtp).states == {State.SENT: 40}
    assert smtp.connections == 1
    took = smtp.received[-1].at - smtp.received[0].at
    print(f"{39 / took:.1f} copies a second, {took / 39 / ROUND_TRIP:.2f} round trips a copy")
    assert took >= 39 * ROUND_TRIP, "the line is as long as it should be"
    assert 39 / took >= 16

"""How fast copies may leave: by the minute, by the hour, slowly at first, and the same after a restart."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from chamberlist import systemmail
from chamberlist.models import Alert
from posting.delivery import dispatch, pace
from posting.delivery.pace import Ration
from posting.models import Delivery, Pace
from tests import builders
from tests.smtpserver import SmtpServer
from tests.workers import an_old_installation

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State


class Clock:
    """The database's time and this process's, moved by hand."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 23, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def move(self, **span: float) -> None:
        self.moment += timedelta(**span)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    hand = Clock()
    monkeypatch.setattr(pace, "now", hand.now)
    monkeypatch.setattr(pace, "START", 30)
    monkeypatch.setattr("posting.delivery.pace.time.monotonic", hand.monotonic)
    return hand


def drawn_within(clock: Clock, *, seconds: int, every: float = 0.5) -> int:
    """What a lane that draws all it can gets within so many seconds."""
    number = 0
    for _ in range(int(seconds / every)):
        drawn, _ = pace.draw(1000)
        number += drawn
        clock.move(seconds=every)
    return number


def test_copies_leave_at_the_rate_that_is_set(clock: Clock, settings: Any):
    an_old_installation()
    settings.DELIVERY_RATE = 600
    assert drawn_within(clock, seconds=60) in range(600, 611), "at most a second's worth more"
    assert drawn_within(clock, seconds=60) in range(599, 602)


def test_a_pause_saves_up_a_second_and_no_more(clock: Clock, settings: Any):
    an_old_installation()
    settings.DELIVERY_RATE = 600
    drawn_within(clock, seconds=10)
    clock.move(hours=5)
    assert pace.draw(1000)[0] == 10


def test_a_rate_below_one_a_second_still_lets_one_go(clock: Clock, settings: Any):
    an_old_installation()
    settings.DELIVERY_RATE = 1
    assert drawn_within(clock, seconds=600, every=10) in (10, 11)


def test_a_new_installation_starts_slowly_and_grows_with_what_it_has_sent(clock: Clock, settings: Any):
    settings.DELIVERY_RATE = 600
    assert drawn_within(clock, seconds=120, every=1) in range(59, 63), "30 a minute"
    Pace.objects.update(drawn=6000)
    clock.move(seconds=1)
    drawn_within(clock, seconds=5)
    before = Pace.objects.get().drawn
    drawn_within(clock, seconds=60)
    assert Pace.objects.get().drawn - before in range(99, 104), "a 60th of what it has sent"
    Pace.objects.update(drawn=10**8)
    drawn_within(clock, seconds=5)
    assert drawn_within(clock, seconds=60) in range(599, 602), "never above the rate"


def test_a_list_of_a_million_gets_through_within_a_day_from_the_very_start(settings: Any):
    settings.DELIVERY_RATE = 100_000
    row, minutes = Pace(), 0
    while row.drawn < 1_000_000:
        row.drawn += int(60 * pace.per_second(row))
        minutes += 1
    assert minutes < 12 * 60


def test_a_restart_opens_no_bucket(clock: Clock, settings: Any):
    an_old_installation()
    settings.DELIVERY_RATE = 600
    assert pace.draw(1000)[0] == 10
    connection.close()
    assert Ration().for_a(16) == 0, "another lane, another process: the row is the same"


def test_a_clock_set_back_stops_nothing_for_long(clock: Clock, settings: Any):
    an_old_installation()
    settings.DELIVERY_RATE = 600
    pace.draw(1000)
    clock.move(days=-32)
    assert pace.draw(1000)[0] == 10
    clock.move(seconds=1)
    assert pace.draw(1000)[0] in (9, 10)


def test_an_hour_has_its_cap_and_staff_are_told_once(clock: Clock, settings: Any):
    an_old_installation()
    settings.DELIVERY_RATE, settings.COPIES_AN_HOUR = 600, 100
    assert drawn_within(clock, seconds=1800, every=30) == 100
    assert Alert.objects.get().kind == "copies an hour"
    drawn, wait = pace.draw(10)
    assert (drawn, wait) == (0, 1800)
    clock.move(seconds=1800)
    assert pace.draw(1000)[0] == 10


def test_a_ration_is_drawn_for_many_groups_at_once_and_used_group_by_group(clock: Clock, settings: Any):
    an_old_installation()
    ration = Ration()
    assert ration.for_a(16) == 16
    assert Pace.objects.get().drawn == 10**9 + pace.MOST * 16
    ration.left -= 16
    assert ration.for_a(16) == 16
    assert Pace.objects.get().drawn == 10**9 + pace.MOST * 16


def test_what_a_lane_has_drawn_and_not_used_counts_for_no_hour(clock: Clock, settings: Any):
    an_old_installation()
    ration = Ration()
    ration.for_a(16)
    ration.left -= 3
    ration.give_back()
    row = Pace.objects.get()
    assert (row.drawn, row.in_hour, ration.left) == (10**9 + 3, 3, 0)


def test_a_clock_that_steps_about_the_full_hour_opens_one_hour(clock: Clock, settings: Any):
    an_old_installation()
    settings.DELIVERY_RATE, settings.COPIES_AN_HOUR = 60_000, 100
    clock.move(minutes=59, seconds=59)
    drawn = 0
    for step in (2, -3, 4, -3, 4):
        drawn += pace.draw(1000)[0]
        clock.move(seconds=step)
    assert drawn == 200, "what is left of one hour, and the next"


def test_an_empty_bucket_is_not_asked_at_every_turn(clock: Clock, settings: Any, django_assert_num_queries: Any):
    an_old_installation()
    settings.DELIVERY_RATE = 60
    ration = Ration()
    assert ration.for_a(16) == 1
    ration.left -= 1
    with django_assert_num_queries(0):
        assert ration.for_a(16) == 0
    clock.move(seconds=1.01)
    assert ration.for_a(16) == 1


def test_two_lanes_draw_from_one_bucket(clock: Clock, settings: Any):
    an_old_installation()
    settings.DELIVERY_RATE = 600
    together, drawn = threading.Barrier(4), list[int]()

    def draw() -> None:
        together.wait()
        drawn.append(pace.draw(1000)[0])
        connection.close()

    lanes = [threading.Thread(target=draw) for _ in range(4)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    assert sorted(drawn) == [0, 0, 0, 10]


def test_a_lane_hands_over_what_the_pace_gives_and_no_more(smtp: SmtpServer, settings: Any, monkeypatch: pytest.MonkeyPatch):
    promotions = builders.a_list()
    builders.many_members(promotions, 30)
    post = builders.a_sending_post(builders.a_sender(promotions))
    an_old_installation()
    settings.DELIVERY_RATE, settings.DELIVERY_GROUP = 60 * 20, 4
    monkeypatch.setattr(pace, "_full", lambda row, *_: 0.0 if row.drawn >= 10**9 + 20 else 20.0)
    assert dispatch.run_lane(1, seconds=1.0), "there is more to do"
    assert len(smtp.received) == 20
    assert post.deliveries.filter(state=State.QUEUED).count() == 10


def test_an_alert_about_the_cap_reads_like_one(clock: Clock, settings: Any, smtp: SmtpServer):
    settings.COPIES_AN_HOUR = 1
    pace.draw(10)
    systemmail.send_due()
    [mail] = smtp.received
    assert "1 copies have left" in mail.text and "COPIES_AN_HOUR" in mail.text

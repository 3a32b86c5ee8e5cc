"""Counting attempts in Postgres."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import RequestFactory

from chamberlist import tasks, throttle
from chamberlist.clock import now
from chamberlist.models import ThrottleCounter
from tests import builders

HOUR = timedelta(days=1)  # A window long enough not to end in the middle of a test, but at midnight.


@pytest.mark.django_db
def test_so_many_tries_pass_and_no_more():
    hits = [throttle.hit("a test", "anne", limit=3, per=HOUR) for _ in range(5)]
    assert hits == [True, True, True, False, False]


@pytest.mark.django_db
def test_each_kind_and_each_key_is_counted_alone():
    assert throttle.hit("a test", "anne", limit=1, per=HOUR)
    assert throttle.hit("a test", "bob", limit=1, per=HOUR)
    assert throttle.hit("another", "anne", limit=1, per=HOUR)
    assert not throttle.hit("a test", "anne", limit=1, per=HOUR)


@pytest.mark.django_db
def test_a_new_window_starts_at_nothing():
    assert throttle.hit("a test", "anne", limit=1, per=HOUR)
    builders.later(ThrottleCounter.objects.get(), "window", HOUR)
    assert throttle.hit("a test", "anne", limit=1, per=HOUR)


@pytest.mark.django_db
def test_the_uses_of_a_thing_are_counted_from_when_it_was_given_out():
    given = now()
    assert [throttle.use("a thing", "one", since=given) for _ in range(3)] == [1, 2, 3]
    assert throttle.use("a thing", "another", since=given) == 1
    assert list(ThrottleCounter.objects.values_list("window", flat=True).distinct()) == [given]


@pytest.mark.django_db
@pytest.mark.parametrize(("passed", "minutes"), [(0, 60), (59.9, 60), (60, 59), (30 * 60 + 1, 30), (59 * 60, 1), (3599.9, 1)])
def test_the_rest_of_a_window_is_told_in_whole_minutes(monkeypatch: pytest.MonkeyPatch, passed: float, minutes: int):
    full_hour = datetime(2026, 5, 4, 10, tzinfo=UTC)
    monkeypatch.setattr(throttle, "now", lambda: full_hour + timedelta(seconds=passed))
    assert throttle.minutes_left(timedelta(hours=1)) == minutes


@pytest.mark.django_db
def test_a_good_attempt_is_not_counted_and_the_others_stay():
    throttle.hit("a test", "bob", limit=1, per=HOUR)
    for _ in range(2):
        throttle.hit("a test", "anne", limit=3, per=HOUR)
    for _ in range(5):
        assert throttle.hit("a test", "anne", limit=3, per=HOUR)
        throttle.take_back("a test", "anne")
    assert throttle.hit("a test", "anne", limit=3, per=HOUR)
    assert not throttle.hit("a test", "anne", limit=3, per=HOUR)
    assert not throttle.hit("a test", "bob", limit=1, per=HOUR)


@pytest.mark.django_db
def test_what_was_never_counted_cannot_be_taken_back():
    throttle.take_back("a test", "anne")
    throttle.hit("a test", "anne", limit=1, per=HOUR)
    for _ in range(3):
        throttle.take_back("a test", "anne")
    assert throttle.hit("a test", "anne", limit=1, per=HOUR)
    assert not throttle.hit("a test", "anne", limit=1, per=HOUR)


@pytest.mark.django_db
def test_no_counter_names_what_it_counts():
    throttle.hit("a test", "203.0.113.0/24 mary", limit=1, per=HOUR)
    counter = ThrottleCounter.objects.get()
    assert len(bytes(counter.bucket)) == 32
    assert b"mary" not in bytes(counter.bucket)
    assert str(counter) == f"throttle counter {counter.pk}"


@pytest.mark.django_db
def test_counters_of_windows_that_are_over_are_deleted():
    throttle.hit("a test", "anne", limit=1, per=HOUR)
    throttle.hit("a test", "bob", limit=1, per=HOUR)
    builders.set_clock_back(ThrottleCounter.objects.order_by("pk")[0], "window", throttle.KEPT * 2)
    tasks.prune()
    assert ThrottleCounter.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_tries_at_the_same_moment_are_all_counted():
    start = threading.Barrier(6)
    passed: list[bool] = []

    def try_it() -> None:
        try:
            start.wait(10)
            passed.append(throttle.hit("a test", "anne", limit=2, per=HOUR))
        finally:
            connection.close()

    threads = [threading.Thread(target=try_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(passed) == [False] * 4 + [True] * 2


@pytest.mark.parametrize(
    ("hops", "forwarded", "source", "network"),
    [
        (0, None, "203.0.113.77", "203.0.113.0/24"),
        (0, "198.51.100.1", "203.0.113.77", "203.0.113.0/24"),
        (1, "198.51.100.1", "10.0.0.1", "198.51.100.0/24"),
        (1, "192.0.2.66, 198.51.100.1", "10.0.0.1", "198.51.100.0/24"),
        (2, "192.0.2.66, 198.51.100.1, 10.0.0.2", "10.0.0.1", "198.51.100.0/24"),
        (2, "198.51.100.1", "203.0.113.77", "203.0.113.0/24"),
        (1, None, "203.0.113.77", "203.0.113.0/24"),
        (0, None, "2001:db8:1:2345::1", "2001:db8:1:2300::/56"),
        (0, None, "::ffff:203.0.113.77", "203.0.113.0/24"),
        (0, None, "fe80::1%eth0", "fe80::/56"),
        (1, "198.51.100.7:51234", "10.0.0.1", "198.51.100.0/24"),  # As some proxies write it (RFC 7239 section 6).
        (1, "[2001:db8:1:2345::1]:443", "10.0.0.1", "2001:db8:1:2300::/56"),
        (1, "[2001:db8:1:2345::1]", "10.0.0.1", "2001:db8:1:2300::/56"),
        (1, "[::ffff:203.0.113.77]:443", "10.0.0.1", "203.0.113.0/24"),
        (1, "[]:443", "10.0.0.1", "unknown"),
        (1, "nonsense", "10.0.0.1", "unknown"),
        (0, None, "", "unknown"),
    ],
)
def test_a_network_is_read_past_the_trusted_proxies_alone(hops: int, forwarded: str | None, source: str, network: str, settings):
    settings.PROXY_HOPS = hops
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=source)
    assert throttle.network(request) == network


def test_around_a_network_of_ipv6_is_the_block_that_one_customer_gets():
    assert throttle.around("2001:db8:1:2300::/56") == "2001:db8:1::/48"
    assert [throttle.around(network) for network in ("203.0.113.0/24", "unknown", "")] == ["", "", ""]

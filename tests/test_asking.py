"""How often an address is mailed because somebody typed it: once a day, three times in 30 days, over all lists together."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from chamberlist.models import SystemMail
from subscriptions import addresses, lifecycle, requests
from subscriptions.models import MailingList, Subscription, SubscriptionRequest, Suppression
from tests import builders
from tests.test_lifecycle import a_day_passes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
ANNE = addresses.parse("anne@bakery.example")
SPELLINGS = ("anne@bakery.example", "Anne@bakery.example", "ANNE@BAKERY.EXAMPLE", " anne@Bakery.Example ")


@pytest.fixture
def lists() -> list[MailingList]:
    return [builders.a_list(slug) for slug in ("promotions", "news", "fairs", "jobs")]


def mailed() -> int:
    return SystemMail.objects.count()


def test_an_address_is_mailed_once_a_day_and_three_times_in_thirty_days_over_all_lists(lists: list[MailingList]):
    seen = []
    for day in range(6):
        for mailing_list in (*lists[day % 4 :], *lists[: day % 4]):  # Another one is first each day.
            lifecycle.sign_up(mailing_list, ANNE, how="form")
        seen.append(mailed())
        a_day_passes()
    assert seen == [1, 2, 3, 3, 3, 3]
    a_day_passes(30)
    assert lifecycle.sign_up(lists[3], ANNE, how="form")


def test_the_third_mail_and_no_fourth_on_the_thirtieth_day(lists: list[MailingList]):
    for days in (10, 10, 9.9):
        assert lifecycle.sign_up(lists[0], ANNE, how="form")
        a_day_passes(days)
    assert not lifecycle.sign_up(lists[0], ANNE, how="form")
    a_day_passes(0.2)
    assert lifecycle.sign_up(lists[0], ANNE, how="form")


def test_another_spelling_of_the_address_is_the_same_address(lists: list[MailingList]):
    for spelling in SPELLINGS:
        for mailing_list in lists:
            lifecycle.sign_up(mailing_list, addresses.parse(spelling), how="form")
    assert mailed() == 1


def test_a_member_is_told_no_oftener_than_others_are_asked(lists: list[MailingList]):
    """Subscribed here and asked there: both mails count together."""
    builders.a_member(lists[0])
    for _ in range(5):
        for mailing_list in lists:
            lifecycle.sign_up(mailing_list, ANNE, how="form")
        a_day_passes()
    assert mailed() == 3


def test_a_suppressed_address_is_asked_no_oftener(lists: list[MailingList]):
    lifecycle.suppress(ANNE.hash, None, Suppression.Reason.COMPLAINT)
    for _ in range(5):
        for mailing_list in lists:
            lifecycle.sign_up(mailing_list, ANNE, how="form")
        a_day_passes()
    assert mailed() == 3


def test_what_was_mailed_is_counted_whatever_became_of_it(lists: list[MailingList]):
    assert lifecycle.sign_up(lists[0], ANNE, how="form")
    for to in (SystemMail.State.SENDING, SystemMail.State.FAILED):
        assert SystemMail.objects.get().advance(to)
    assert not lifecycle.sign_up(lists[1], ANNE, how="form")


def test_a_thousand_requests_for_an_address_make_one_mail_and_leave_nothing(lists: list[MailingList]):
    for number in range(40):
        requests.receive(lists[number % 4], ANNE)
    assert requests.take() == 40
    assert mailed() == 1
    assert Subscription.objects.count() == 1
    assert not SubscriptionRequest.objects.exists()


def test_a_flood_for_one_address_keeps_nobody_else_from_being_asked(lists: list[MailingList]):
    for _ in range(9):
        lifecycle.sign_up(lists[0], ANNE, how="form")
    assert lifecycle.sign_up(lists[0], addresses.parse("bob@butcher.example"), how="form")


def test_the_link_to_what_is_set_is_mailed_once_a_day_however_often_a_stranger_had_it_mailed(lists: list[MailingList]):
    """Whoever holds a forwarded copy can ask each day; the member gets the link on the next day all the same."""
    members = [builders.a_member(each) for each in lists[:2]]
    seen = []
    for _ in range(5):
        for member in members * 2:
            lifecycle.ask_to_manage(member.handle, on=member.mailing_list)
        seen.append(mailed())
        a_day_passes()
    assert seen == [1, 2, 3, 4, 5]


def at_the_same_moment(first: Callable[[], object], second: Callable[[], object]) -> list[object]:
    """What two workers make of it: the second begins when the first has written, and has not committed."""
    written, waits = threading.Event(), threading.Event()
    outcomes: list[object] = []

    def begin() -> None:
        with transaction.atomic():
            outcomes.append(first())
            written.set()
            waits.wait(1)  # Until the second is in the middle of it, or waits for us.
        connection.close()

    def follow() -> None:
        written.wait(10)
        outcomes.append(second())
        waits.set()
        connection.close()

    threads = [threading.Thread(target=act) for act in (begin, follow)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_two_lists_at_the_same_moment_make_one_mail():
    """Two workers, each with a request for the same address; the second counts what the first has written."""
    promotions, news = builders.a_list(), builders.a_list("news")
    outcomes = at_the_same_moment(
        lambda: lifecycle.sign_up(promotions, ANNE, how="form"), lambda: lifecycle.sign_up(news, ANNE, how="form")
    )
    assert outcomes == [True, False]
    assert mailed() == 1


@pytest.mark.django_db(transaction=True)
def test_two_lists_at_the_same_moment_make_one_mail_with_what_is_set():
    here, there = (builders.a_member(builders.a_list(slug)) for slug in ("promotions", "news"))
    outcomes = at_the_same_moment(lambda: lifecycle.ask_to_manage(here.handle), lambda: lifecycle.ask_to_manage(there.handle))
    assert outcomes == [None, None]
    assert mailed() == 1

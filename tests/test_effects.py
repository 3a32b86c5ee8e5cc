"""What follows for a member from what came back: each rule and each cause; late, twice and out of order change nothing more."""

import itertools
import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction

from chamberlist.clock import Now
from chamberlist.models import SystemMail
from posting import tasks
from posting.delivery import dispatch
from posting.feedback import effects, events
from posting.feedback.events import Report
from posting.models import Delivery, DeliveryEvent, Post, Sender
from subscriptions import addresses, lifecycle
from subscriptions.models import ConsentEvent, MailingList, Subscription, Suppression
from tests import builders
from tests.smtpserver import SmtpServer
from tests.test_dispatch import state_of

pytestmark = pytest.mark.django_db(transaction=True)
State, Kind = Delivery.State, DeliveryEvent.Kind
Cause, Proof = DeliveryEvent.Cause, DeliveryEvent.Proof
Consent = Subscription.State
ANNE, BOB = "anne@bakery.example", "bob@garage.example"
KEYS = itertools.count()


@pytest.fixture
def promotions() -> MailingList:
    return builders.a_list()


@pytest.fixture
def anne(promotions: MailingList) -> Subscription:
    return builders.members(promotions, ANNE, BOB)[0]


@pytest.fixture
def sender(promotions: MailingList) -> Sender:
    sender = builders.a_sender(promotions)
    Sender.objects.update(posts_a_day=100, posts_a_month=100)
    sender.refresh_from_db()
    return sender


def a_copy(sender: Sender, member: Subscription, state: str = State.SENT) -> Delivery:
    """Her copy of a new post, which the relay took a moment ago."""
    copy = builders.a_delivery(builders.a_sending_post(sender), member)
    Delivery.objects.filter(pk=copy.pk).update(state=state, ended_at=None if state == State.IN_DOUBT else Now())
    copy.refresh_from_db()
    return copy


def tell(
    copy: Delivery,
    kind: str = Kind.BOUNCED,
    cause: str = Cause.MAILBOX,
    proof: str = Proof.ADDRESS,
    *,
    key: str = "",
    status: str = "",
) -> bool:
    key = key or f"a test/{next(KEYS)}"
    return events.record(copy.pk, Report(kind, key, "said something", status=status, cause=cause, proof=proof))


def consent_of(member: Subscription) -> str:
    member.refresh_from_db()
    return member.state


def kinds(member: Subscription) -> list[str]:
    return list(ConsentEvent.objects.filter(address_hash=member.address_hash).values_list("kind", flat=True))


@pytest.mark.parametrize("kind", effects.CAME_BACK)
@pytest.mark.parametrize("state", [State.SENT, State.DELIVERED, State.IN_DOUBT])
@pytest.mark.parametrize("proof", [Proof.ADDRESS, Proof.PROVIDER])
def test_one_proven_failure_for_good_suspends(sender: Sender, anne: Subscription, kind: str, state: str, proof: str):
    assert tell(a_copy(sender, anne, state), kind, proof=proof)
    assert consent_of(anne) == Consent.SUSPENDED
    assert Suppression.objects.get().reason == "bounce"
    assert kinds(anne) == ["imported", "suspended"]
    assert consent_of(anne.mailing_list.subscriptions.exclude(pk=anne.pk).get()) == Consent.ACTIVE


def test_the_lists_rule_may_ask_for_more_posts(sender: Sender, anne: Subscription, promotions: MailingList):
    MailingList.objects.update(suspend_after=2)
    first = a_copy(sender, anne)
    for number in range(3):  # One post counts once, whoever says how often that its copy came back.
        tell(first, status=f"5.1.{number}")
    assert consent_of(anne) == Consent.ACTIVE
    tell(a_copy(sender, anne))
    assert consent_of(anne) == Consent.SUSPENDED


def test_what_came_back_long_ago_counts_no_more(sender: Sender, anne: Subscription, promotions: MailingList):
    MailingList.objects.update(suspend_after=2)
    tell(a_copy(sender, anne))
    DeliveryEvent.objects.update(at=Now() - timedelta(days=promotions.suspend_days, minutes=1))
    tell(a_copy(sender, anne))
    assert consent_of(anne) == Consent.ACTIVE
    tell(a_copy(sender, anne))
    assert consent_of(anne) == Consent.SUSPENDED


def test_without_our_own_address_it_takes_three_posts(sender: Sender, anne: Subscription):
    for expected in (Consent.ACTIVE, Consent.ACTIVE, Consent.SUSPENDED):
        copy = a_copy(sender, anne)
        for status in ("5.1.1", "5.1.10"):
            tell(copy, proof=Proof.MESSAGE_ID, status=status)
        assert consent_of(anne) == expected


def test_proven_failures_are_as_good_as_others(sender: Sender, anne: Subscription):
    MailingList.objects.update(suspend_after=3)
    for proof, expected in (
        (Proof.MESSAGE_ID, Consent.ACTIVE),
        (Proof.ADDRESS, Consent.ACTIVE),
        (Proof.MESSAGE_ID, Consent.SUSPENDED),
    ):
        tell(a_copy(sender, anne), proof=proof)
        assert consent_of(anne) == expected


@pytest.mark.parametrize("cause", [Cause.POLICY, Cause.CONTENT, Cause.UNKNOWN, ""])
def test_what_is_about_us_or_the_message_never_costs_a_member(sender: Sender, anne: Subscription, cause: str):
    for _ in range(12):
        tell(a_copy(sender, anne), cause=cause)
    assert consent_of(anne) == Consent.ACTIVE
    assert not Suppression.objects.exists()


def full(copy: Delivery) -> None:
    tell(copy, cause=Cause.TRANSIENT, status="4.2.2")


def test_ten_full_mailboxes_in_a_row_suspend(sender: Sender, anne: Subscription):
    for _ in range(9):
        full(a_copy(sender, anne))
    assert consent_of(anne) == Consent.ACTIVE
    full(a_copy(sender, anne))
    assert consent_of(anne) == Consent.SUSPENDED


@pytest.mark.parametrize(
    ("state", "ago", "counts_anew"), [(State.DELIVERED, 0, True), (State.SENT, 25, True), (State.SENT, 23, False)]
)
def test_a_success_between_starts_the_count_anew(sender: Sender, anne: Subscription, state: str, ago: int, counts_anew: bool):
    MailingList.objects.update(suspend_after_transient=3)
    builders.later(anne, "confirmed_at", timedelta(days=3))
    full(a_copy(sender, anne))
    full(a_copy(sender, anne))
    builders.later(a_copy(sender, anne, state), "ended_at", timedelta(hours=ago))
    full(a_copy(sender, anne))
    assert consent_of(anne) == (Consent.ACTIVE if counts_anew else Consent.SUSPENDED)


@pytest.mark.parametrize("state", [State.QUEUED, State.IN_DOUBT, State.CANCELLED, State.EXPIRED])
def test_copies_that_say_nothing_are_passed_over(sender: Sender, anne: Subscription, state: str):
    MailingList.objects.update(suspend_after_transient=2)
    full(a_copy(sender, anne))
    a_copy(sender, anne, state)
    full(a_copy(sender, anne))
    assert consent_of(anne) == Consent.SUSPENDED


def test_the_order_of_the_posts_counts_and_not_that_of_the_reports(sender: Sender, anne: Subscription):
    MailingList.objects.update(suspend_after_transient=2)
    first, second, third = (a_copy(sender, anne) for _ in range(3))
    full(third)
    tell(second, Kind.DELIVERED, "")
    full(first)
    assert consent_of(anne) == Consent.ACTIVE


@pytest.mark.parametrize("kind", [Kind.SENT, Kind.DEFERRED, Kind.DELIVERED])
def test_no_other_report_costs_a_member(sender: Sender, anne: Subscription, kind: str):
    copy = a_copy(sender, anne)
    tell(copy, kind)
    assert consent_of(anne) == Consent.ACTIVE


def pending(anne: Subscription) -> None:
    lifecycle.unsubscribe(anne.handle, how="page")
    lifecycle.rejoin(anne.handle)


@pytest.mark.parametrize(
    "before",
    [lambda _: None, lambda anne: lifecycle.pause(anne.handle, days=14), pending],
    ids=["active", "paused", "pending"],
)
def test_a_complaint_ends_it_at_once(sender: Sender, anne: Subscription, rung, before):
    copy = a_copy(sender, anne)
    before(anne)
    assert tell(copy, Kind.COMPLAINED, "")
    assert consent_of(anne) == Consent.UNSUBSCRIBED
    assert Suppression.objects.get().reason == "complaint"
    assert kinds(anne)[-1] == "complained"
    assert not tell(copy, Kind.COMPLAINED, "", key=copy.events.get().key)
    tell(copy, Kind.COMPLAINED, "")
    assert kinds(anne).count("complained") == 1


def test_who_complains_after_leaving_is_not_mailed_again(sender: Sender, anne: Subscription):
    copy = a_copy(sender, anne)
    lifecycle.unsubscribe(anne.handle, how="page")
    tell(copy, Kind.COMPLAINED, "")
    assert Suppression.objects.get().reason == "complaint"


def test_a_pause_stays_a_pause(sender: Sender, anne: Subscription):
    copy = a_copy(sender, anne)
    lifecycle.pause(anne.handle, days=14)
    tell(copy)
    assert consent_of(anne) == Consent.PAUSED
    assert not Suppression.objects.exists()


def test_who_confirms_anew_is_subscribed_and_what_came_back_before_counts_no_more(sender: Sender, anne: Subscription, rung):
    old, older = a_copy(sender, anne), a_copy(sender, anne)
    tell(old)
    assert lifecycle.sign_up(anne.mailing_list, addresses.parse(ANNE), how="form")
    anne.refresh_from_db()
    assert anne.confirmation
    assert SystemMail.objects.filter(purpose="confirmation").count() == 1
    assert lifecycle.confirm(anne.confirmation)
    assert not Suppression.objects.exists()
    tell(older)
    tell(old, status="5.1.10")
    assert consent_of(anne) == Consent.ACTIVE
    tell(a_copy(sender, anne))
    assert consent_of(anne) == Consent.SUSPENDED


def test_a_report_that_comes_twice_counts_once(sender: Sender, anne: Subscription):
    copy = a_copy(sender, anne)
    assert tell(copy, key="the same")
    Subscription.objects.filter(pk=anne.pk).update(state=Consent.ACTIVE)
    assert not tell(copy, key="the same")
    assert consent_of(anne) == Consent.ACTIVE


def test_a_report_of_a_failure_that_comes_after_a_complaint_changes_nothing(sender: Sender, anne: Subscription):
    copy = a_copy(sender, anne)
    tell(copy, Kind.COMPLAINED, "")
    tell(copy)
    assert consent_of(anne) == Consent.UNSUBSCRIBED
    assert kinds(anne) == ["imported", "complained"]


def test_two_failures_at_once_count_one_after_the_other(sender: Sender, anne: Subscription):
    MailingList.objects.update(suspend_after=2)
    first, second = a_copy(sender, anne), a_copy(sender, anne)
    waited: list[bool] = []

    def meanwhile() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
        try:
            tell(second)
        except OperationalError:
            waited.append(True)
        finally:
            connection.close()

    with transaction.atomic():
        tell(first)
        thread = threading.Thread(target=meanwhile)
        thread.start()
        thread.join()
    assert waited and consent_of(anne) == Consent.ACTIVE
    tell(second)
    assert consent_of(anne) == Consent.SUSPENDED


@pytest.mark.parametrize("kind", [Kind.BOUNCED, Kind.COMPLAINED])
def test_whose_subscription_is_erased_has_nothing_to_lose(sender: Sender, anne: Subscription, kind: str):
    copy = a_copy(sender, anne)
    anne.delete()
    assert tell(copy, kind)


def test_a_copy_that_waits_again_is_no_failure(sender: Sender, anne: Subscription):
    tell(a_copy(sender, anne, State.QUEUED))
    assert consent_of(anne) == Consent.ACTIVE


REFUSALS = [
    ("550 5.1.1 <anne@bakery.example> is nobody", Consent.SUSPENDED),
    ("550 5.7.1 we do not trust you", Consent.ACTIVE),
    ("552 5.3.4 too large", Consent.ACTIVE),
]


@pytest.mark.parametrize(("answer", "expected"), REFUSALS)
def test_a_mailbox_that_the_relay_refuses_counts_once_its_post_has_ended(
    smtp: SmtpServer, sender: Sender, anne: Subscription, answer: str, expected: str
):
    post = builders.a_sending_post(sender)
    smtp.at_recipient = lambda to: answer if to == ANNE else None
    dispatch.run_lane(1, seconds=60)
    assert builders.a_delivery(post, anne).state == State.FAILED
    if state_of(post) != Post.State.DONE:
        assert effects.of_refusals() == 0
        tasks.sweep()
    assert state_of(post) == Post.State.DONE
    tasks.weigh_refusals()
    assert consent_of(anne) == expected
    [event] = DeliveryEvent.objects.all()
    assert event.cause and event.proof == Proof.ADDRESS
    assert effects.of_refusals() == 0
    assert DeliveryEvent.objects.count() == 1


def test_copies_that_were_put_off_at_first_are_not_weighed(smtp: SmtpServer, sender: Sender, anne: Subscription):
    post = builders.a_sending_post(sender)
    smtp.at_recipient = lambda to: "450 4.2.2 full" if to == ANNE else None
    dispatch.run_lane(1, seconds=60)
    Post.objects.filter(pk=post.pk).update(state=Post.State.EXPIRED, ended_at=Now())
    assert effects.of_refusals() == 0
    assert consent_of(anne) == Consent.ACTIVE

"""What a delivery report or a complaint that came by mail does to its copy: by action, in any order, once."""

import uuid
from dataclasses import dataclass

import pytest
from django.db import connection

from chamberlist import halt, tokens
from chamberlist.clock import Now
from posting.feedback import returns
from posting.models import Delivery, DeliveryEvent
from subscriptions.models import Subscription
from tests import builders

pytestmark = pytest.mark.django_db
State, Proof = Delivery.State, DeliveryEvent.Proof
ANNE, ELSEWHERE = "anne@bakery.example", "anne.baker@mail.example"


@dataclass(frozen=True)
class Told:
    action: str = "failed"
    status: str = "5.1.1"
    cause: str = "mailbox"
    recipient: str = ANNE
    diagnostic: str = "smtp; 550 5.1.1 <anne@bakery.example> unknown"


@pytest.fixture
def copy() -> Delivery:
    return a_copy()


def a_copy(state: str = State.SENT) -> Delivery:
    copy = builders.a_post_to(ANNE).deliveries.get()
    Delivery.objects.filter(pk=copy.pk).update(state=state, ended_at=None if state == State.IN_DOUBT else Now())
    copy.refresh_from_db()
    return copy


def settle(copy: Delivery, *told: Told, proof: str = Proof.ADDRESS) -> str:
    words = returns.settle(copy.handle, told, proof=proof)
    assert "@" not in words and "bakery" not in words and len(words) <= 300
    copy.refresh_from_db()
    return words


def consent() -> str:
    return Subscription.objects.get().state


DELAYED = Told("delayed", "4.4.1", "transient", diagnostic="no answer from host")
DELIVERED, RELAYED, EXPANDED = (Told(action, "2.0.0", "") for action in ("delivered", "relayed", "expanded"))


@pytest.mark.parametrize("before", [State.SENT, State.DELIVERED, State.IN_DOUBT])
def test_a_copy_that_came_back_is_bounced_and_its_member_suspended(before: str):
    copy = a_copy(before)
    assert settle(copy, Told()) == f"Copy {copy.pk} of post {copy.post_id}: it came back (The mailbox does not exist)."
    assert copy.state == State.BOUNCED and copy.ended_at is not None
    event = copy.events.get()
    assert (event.kind, event.status, event.cause, event.proof) == ("bounced", "5.1.1", "mailbox", "address")
    assert consent() == "suspended"


@pytest.mark.parametrize(
    ("told", "kind", "after", "after_doubt"),
    [
        (DELAYED, "deferred", State.SENT, State.SENT),
        (RELAYED, "sent", State.SENT, State.SENT),
        (EXPANDED, "sent", State.SENT, State.SENT),
        (DELIVERED, "delivered", State.DELIVERED, State.DELIVERED),
    ],
)
def test_what_did_not_fail_costs_nobody_and_settles_a_doubt(told: Told, kind: str, after: str, after_doubt: str):
    copy = a_copy()
    settle(copy, told)
    assert copy.state == after and copy.events.get().kind == kind and copy.events.get().cause == ""
    Delivery.objects.filter(pk=copy.pk).update(state=State.IN_DOUBT)
    settle(copy, Told(told.action, "2.1.5", told.cause))
    assert copy.state == after_doubt
    assert consent() == "active"


def test_a_report_that_comes_twice_counts_once(copy: Delivery):
    settle(copy, Told())
    assert settle(copy, Told(diagnostic="550 other words")).endswith("which was known.")
    assert copy.events.count() == 1


def test_a_delay_that_ends_in_a_failure_and_a_delivery_that_is_told_late(copy: Delivery):
    for told in (DELAYED, DELAYED, Told(), DELIVERED, DELAYED):
        settle(copy, told)
    assert copy.state == State.BOUNCED
    assert copy.events.count() == 3


def test_a_failure_that_is_proven_later_is_proven(copy: Delivery):
    settle(copy, Told(), proof=Proof.MESSAGE_ID)
    assert copy.state == State.BOUNCED and consent() == "active"
    settle(copy, Told(), proof=Proof.ADDRESS)
    assert consent() == "suspended"


def test_a_bounce_from_behind_a_forwarding_address_is_about_this_copy(copy: Delivery):
    settle(copy, Told(recipient=ELSEWHERE))
    assert copy.state == State.BOUNCED and consent() == "suspended"


@pytest.mark.parametrize(
    ("told", "state", "expected"),
    [
        ((Told(recipient=ELSEWHERE), Told("delivered", "2.0.0", "")), State.DELIVERED, "active"),
        ((Told("delivered", "2.0.0", "", ELSEWHERE), Told()), State.BOUNCED, "suspended"),
        ((Told(recipient=ELSEWHERE), Told("delivered", "2.0.0", "", "a@b.example")), State.DELIVERED, "active"),
        ((Told(recipient=ELSEWHERE), Told("failed", "5.7.1", "policy", "a@b.example")), State.BOUNCED, "active"),
        ((Told(recipient=""), Told(recipient="no address")), State.BOUNCED, "suspended"),
    ],
)
def test_of_several_recipients_its_own_counts_and_else_the_mildest(
    copy: Delivery, told: tuple[Told, ...], state: str, expected: str
):
    for order in (told, told[::-1]):
        settle(copy, *order)
    assert copy.state == state and consent() == expected


@pytest.mark.parametrize("cause", ["policy", "content", "unknown", "transient"])
def test_only_a_mailbox_that_is_gone_suspends_at_once(copy: Delivery, cause: str):
    settle(copy, Told(status="5.0.0", cause=cause))
    assert copy.state == State.BOUNCED and consent() == "active"


@pytest.mark.parametrize("told", [(), (Told("failing"),), (Told(""),)])
def test_a_report_that_says_nothing_changes_nothing(copy: Delivery, told: tuple[Told, ...]):
    assert "nothing was done" in settle(copy, *told)
    assert copy.state == State.SENT and not copy.events.exists()


def test_a_handle_of_nothing_does_nothing():
    for words in (
        returns.settle(uuid.uuid4(), [Told()], proof=Proof.ADDRESS),
        returns.complaint(uuid.uuid4(), proof=Proof.ADDRESS),
    ):
        assert words == returns.GONE
    assert not DeliveryEvent.objects.exists()


def test_a_forged_token_leads_nowhere(copy: Delivery):
    token = tokens.make("reply", copy.handle)  # Of another purpose, as stands in each copy.
    for forged in (token, "a" * 52, ""):
        with pytest.raises(tokens.Forged):
            tokens.read("bounce", forged)


def test_a_complaint_ends_the_subscription_once(copy: Delivery):
    assert returns.complaint(copy.handle, proof=Proof.ADDRESS).endswith("it was reported as unwanted.")
    assert returns.complaint(copy.handle, proof=Proof.ADDRESS).endswith("which was known.")
    copy.refresh_from_db()
    assert copy.state == State.COMPLAINED and consent() == "unsubscribed"


def test_refusals_for_reputation_stop_everything_and_suspend_nobody():
    promotions = builders.a_list()
    builders.members(promotions, ANNE, "bob@garage.example", "cleo@florist.example")
    post = builders.a_sending_post(builders.a_sender(promotions))
    Delivery.objects.update(state=State.SENT, ended_at=Now())
    for copy in post.deliveries.all():
        settle(copy, Told(status="5.7.1", cause="policy", diagnostic="550 5.7.1 blocked"))
    assert halt.is_on()
    assert set(promotions.subscriptions.values_list("state", flat=True)) == {"active"}


def test_no_address_of_a_report_is_kept(copy: Delivery):
    settle(copy, Told(recipient=ELSEWHERE, diagnostic=f"550 <{ELSEWHERE}> for {ANNE}\0\r\nBcc: bob@garage.example"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT row_to_json(e)::text FROM posting_deliveryevent e UNION ALL SELECT row_to_json(d)::text FROM posting_delivery d"
        )
        kept = " ".join(text for (text,) in cursor.fetchall())
    assert "550" in kept and not any(name in kept for name in ("mail.example", "bakery", "garage"))


def test_the_words_of_a_report_are_cut_to_what_is_kept(copy: Delivery):
    settle(copy, Told(status="5.1.1", diagnostic="x" * 5000))
    assert len(copy.events.get().text) == 300

"""Every pair of states: what the table allows, ``advance`` does; what it does not know, the database refuses."""

import itertools
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from chamberlist.clock import Now
from chamberlist.models import Halt, SystemMail
from chamberlist.states import Stateful
from posting.models import Delivery, Lane, Post
from subscriptions.models import Subscription, Suppression
from tests import builders

pytestmark = pytest.mark.django_db
MODELS: tuple[type[Stateful], ...] = (Subscription, Post, Delivery, SystemMail)
ACCEPTED: dict[str, Any] = {"accepted_at": Now(), "starts_at": Now(), "expires_at": Now(), "accepted_hash": "0" * 64, "audience": 1}


def what_goes_with(model: type[Stateful], state: str) -> dict[str, Any]:
    """The other columns that the database wants to see beside a state."""
    if model is Subscription:
        pending = {"confirmation": uuid.uuid4(), "asked_at": Now()} if state == "pending" else {"confirmation": None}
        return {**pending, "confirmed_at": Now(), "paused_until": Now() if state == "paused" else None}
    if model is Post:
        return {
            **ACCEPTED,
            "frozen_reason": "A check" if state == "frozen" else "",
            "sealed_reject_reason": "sealed" if state == "rejected" else "",
        }
    if model is Delivery and state == "sending":
        return {"lane": Lane.objects.get_or_create(number=1)[0], "lane_token": 1}
    if model is Delivery and state == "deferred":
        return {"next_attempt_at": Now()}
    return {}


@pytest.fixture
def row(request) -> Stateful:
    model: type[Stateful] = request.param
    if model is SystemMail:
        return SystemMail.objects.create(purpose="alert", object_id=1, expires_at=Now())
    promotions = builders.a_list()
    member = builders.a_member(promotions)
    if model is Subscription:
        return member
    post = builders.a_held_post(builders.a_sender(promotions))
    return post if model is Post else Delivery.objects.create(post=post, subscription=member, address_hash=member.address_hash)


def put(row: Stateful, state: str) -> None:
    type(row)._default_manager.filter(pk=row.pk).update(state=state, **what_goes_with(type(row), state))
    row.refresh_from_db()


@pytest.mark.parametrize("row", MODELS, indirect=True, ids=lambda model: model.__name__)
def test_advance_does_what_the_table_allows_and_nothing_else(row: Stateful):
    model = type(row)
    states = list(model.State.values)  # type: ignore[attr-defined]
    for before, to in itertools.product(states, states):
        put(row, before)
        allowed = to in model.TRANSITIONS.get(before, set())
        assert row.advance(to, **what_goes_with(model, to)) is allowed, f"{before} -> {to}"
        row.refresh_from_db()
        assert row.state == (to if allowed else before), f"{before} -> {to}"


@pytest.mark.parametrize("row", MODELS, indirect=True, ids=lambda model: model.__name__)
def test_the_database_refuses_a_state_that_nobody_knows(row: Stateful):
    with pytest.raises(IntegrityError), transaction.atomic():
        type(row)._default_manager.filter(pk=row.pk).update(state="odd")


@pytest.mark.parametrize("row", MODELS, indirect=True, ids=lambda model: model.__name__)
def test_of_two_workers_only_the_first_one_moves_a_row(row: Stateful):
    other = type(row)._default_manager.get(pk=row.pk)
    to = min(type(row).TRANSITIONS[row.state])
    assert row.advance(to, **what_goes_with(type(row), to))
    assert not other.advance(to, **what_goes_with(type(row), to))
    assert row.state == to


def test_the_tables_are_those_that_the_design_names():
    assert {str(state) for state in Subscription.TRANSITIONS[Subscription.State.PENDING]} == {"active", "unsubscribed"}
    assert not Post.states_before(Post.State.DRAFT)
    assert Post.TRANSITIONS[Post.State.DONE] == {"sending"}  # Only where a person has copies in doubt sent again.
    for final in ("rejected", "discarded", "withdrawn", "recalled", "expired"):
        assert final not in Post.TRANSITIONS
    for final in ("failed", "bounced", "complained", "cancelled", "suppressed", "expired"):
        assert final not in Delivery.TRANSITIONS
    assert Delivery.states_before(Delivery.State.IN_DOUBT) == ["sending"]
    assert "sending" not in Delivery.TRANSITIONS[Delivery.State.IN_DOUBT]  # Never resent by itself.


LINK = uuid.UUID(int=1)
IMPOSSIBLE_SUBSCRIPTIONS = [
    {"state": "pending", "confirmation": None},
    {"state": "active", "confirmation": LINK},
    {"state": "active", "confirmed_at": None},
    {"state": "paused", "paused_until": None},
    {"state": "paused", "paused_until": Now(), "confirmed_at": None},
    {"state": "active", "paused_until": Now()},
    {"state": "pending", "confirmation": LINK, "asked_at": None},
]
IMPOSSIBLE_POSTS = [
    {"state": "accepted", "accepted_at": None},
    {"state": "sending", **ACCEPTED, "audience": None},
    {"state": "done", **ACCEPTED, "audience": None},
    {"state": "accepted", **ACCEPTED, "accepted_hash": ""},
    {"state": "accepted", **ACCEPTED, "expires_at": None},
    {"state": "accepted", **ACCEPTED, "starts_at": None},
    {"state": "frozen", **ACCEPTED},
    {"state": "held", "frozen_reason": "A check"},
    {"state": "rejected"},
]


@pytest.mark.parametrize("columns", IMPOSSIBLE_SUBSCRIPTIONS, ids=str)
def test_the_database_refuses_an_impossible_subscription(columns: dict[str, Any]):
    member = builders.a_member(builders.a_list())
    with pytest.raises(IntegrityError), transaction.atomic():
        Subscription.objects.filter(pk=member.pk).update(**columns)


@pytest.mark.parametrize("columns", IMPOSSIBLE_POSTS, ids=lambda columns: f"{columns['state']}-{len(columns)}")
def test_the_database_refuses_an_impossible_post(columns: dict[str, Any]):
    post = builders.a_held_post(builders.a_sender(builders.a_list()))
    with pytest.raises(IntegrityError), transaction.atomic():
        Post.objects.filter(pk=post.pk).update(**columns)


def test_the_database_refuses_a_post_that_lives_longer_than_72_hours():
    post = builders.an_accepted_post(builders.a_sender(builders.a_list()))
    with pytest.raises(IntegrityError), transaction.atomic():
        Post.objects.filter(pk=post.pk).update(expires_at=Now() + timedelta(hours=73))


@pytest.mark.parametrize("row", [Delivery], indirect=True)
def test_the_database_refuses_a_second_copy_and_a_hand_over_without_a_lane(row: Delivery):
    for again in ({"subscription": row.subscription}, {"address_hash": row.address_hash}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Delivery.objects.create(post=row.post, **again)
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.filter(pk=row.pk).update(state="sending")


def test_one_address_is_on_one_list_once():
    promotions = builders.a_list()
    anne = builders.a_member(promotions)
    with pytest.raises(IntegrityError), transaction.atomic():
        Subscription.objects.create(
            mailing_list=promotions,
            address_hash=anne.address_hash,
            domain_hash=anne.domain_hash,
            confirmation=uuid.uuid4(),
            asked_at=Now(),
        )


@pytest.mark.parametrize("row_values", [{"reason": "odd"}, {"mailing_list": None}, {}], ids=["reason", "all", "list"])
def test_a_suppression_has_a_known_reason_and_stands_once_in_its_scope(row_values: dict[str, Any]):
    promotions = builders.a_list()
    values: dict[str, Any] = {"address_hash": b"1", "mailing_list": promotions, "reason": "bounce", **row_values}
    with pytest.raises(IntegrityError), transaction.atomic():
        Suppression.objects.create(**values)
        Suppression.objects.create(**values)
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("columns", [{"id": 3}, {"halted_at": Now(), "reason": ""}, {"reason": "Left over"}], ids=str)
def test_the_halt_is_one_row_with_a_reason_or_none(columns: dict[str, Any]):
    with pytest.raises(IntegrityError), transaction.atomic():
        Halt.objects.create(**columns)

"""An address that cannot be opened: a damaged one ends its own copy alone, a missing key ends nobody's."""

from typing import Any

import pytest
from django.conf import settings as site

from chamberlist import keys
from chamberlist.models import Alert
from posting.delivery import dispatch, ledger, unreadable
from posting.models import Delivery, Lane, Post
from subscriptions.models import Subscription
from tests import builders
from tests.smtpserver import SmtpServer

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State


@pytest.fixture
def post() -> Post:
    """A post to three members, expanded."""
    promotions = builders.a_list()
    builders.members(promotions, "anne@bakery.example", "bob@garage.example", "cleo@florist.example")
    return builders.a_sending_post(builders.a_sender(promotions))


def counts(post: Post) -> dict[str, int]:
    return {state: number for state, number in ledger.counts(post).items() if number}


def spoil(post: Post, value: str, *, members: int = 1) -> list[Subscription]:
    spoilt = list(Subscription.objects.order_by("pk")[:members])
    Subscription.objects.filter(pk__in=[member.pk for member in spoilt]).update(sealed_address=value)
    return spoilt


def first_key() -> str:
    return site.ADDRESS_KEYS.first[0]


@pytest.mark.parametrize("damage", ["{key}:AAAA", "{key}:!", "no colon!", ""])
def test_a_damaged_address_ends_its_own_copy_and_the_others_go_on(damage: str, smtp: SmtpServer, post: Post):
    [anne] = spoil(post, damage.format(key=first_key()))
    dispatch.run_lane(1, seconds=60)
    post.refresh_from_db()
    assert (post.state, counts(post)) == (Post.State.DONE, {State.SENT: 2, State.FAILED: 1})
    copy = post.deliveries.get(subscription=anne)
    assert copy.status.startswith("5.6.0 ") and "cannot be opened" in copy.status
    anne.refresh_from_db()
    assert anne.state == Subscription.State.ACTIVE
    [alert] = Alert.objects.all()
    assert alert.kind == f"damaged/{post.pk}" and len(smtp.received) == 2
    assert not post.refusals.exists()


def test_a_damaged_address_that_is_left_alone_does_not_hold_up_its_post(smtp: SmtpServer, post: Post):
    spoil(post, f"{first_key()}:AAAA", members=1)
    post.deliveries.exclude(subscription=Subscription.objects.earliest("pk")).update(state=State.CANCELLED)
    dispatch.run_lane(1, seconds=60)
    assert counts(post) == {State.FAILED: 1, State.CANCELLED: 2} and Lane.objects.get().rests_until is None


def test_without_their_key_all_copies_wait_the_lane_rests_and_staff_learn_which_key(smtp: SmtpServer, post: Post):
    spoil(post, "kold:AAAA", members=3)
    assert dispatch.run_lane(1, seconds=60) is False
    post.refresh_from_db()
    assert (post.state, counts(post), smtp.received) == (Post.State.SENDING, {State.QUEUED: 3}, [])
    assert Lane.objects.get().rests_until is not None
    [alert] = Alert.objects.all()
    assert (alert.kind, alert.headline) == ("address key/kold", "ADDRESS_KEYS lacks the key kold")


def test_another_key_under_its_name_ends_nobodys_copy(smtp: SmtpServer, post: Post, settings: Any):
    spoil(post, "kother:AAAA", members=3)
    settings.ADDRESS_KEYS = keys.KeyRing({**site.ADDRESS_KEYS.keys, "kother": bytes(32)})
    builders.members(post.mailing_list, "dora@dairy.example")
    Subscription.objects.filter(pk=Subscription.objects.latest("pk").pk).update(sealed_address="kother:BBBB")
    dispatch.run_lane(1, seconds=60)
    assert counts(post) == {State.QUEUED: 3} and Alert.objects.get().headline == unreadable.WRONG.format(id="kother")


def test_where_others_can_be_opened_they_are_not_kept_waiting(smtp: SmtpServer, post: Post):
    [anne] = spoil(post, "kold:AAAA")
    dispatch.run_lane(1, seconds=60)
    assert counts(post) == {State.SENT: 2, State.QUEUED: 1} and Lane.objects.get().rests_until is None
    copy = post.deliveries.get(subscription=anne)
    assert copy.status == "ADDRESS_KEYS lacks the key kold" and copy.next_attempt_at is not None

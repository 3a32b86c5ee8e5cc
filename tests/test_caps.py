"""Caps: how much one member, one sender and the confirmations in all may come to, counted in the database."""

from datetime import timedelta
from typing import Any

import pytest

from chamberlist import systemmail
from chamberlist.models import Alert, SystemMail, ThrottleCounter
from posting.delivery import closing, dispatch
from posting.models import Delivery, Post, Sender
from posting.submission import submission
from subscriptions import addresses, lifecycle
from tests import builders
from tests.smtpserver import SmtpServer

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State


def send(post: Post) -> None:
    """Whatever of it is due."""
    post.deliveries.filter(state__in=Delivery.WAITING).update(next_attempt_at=post.accepted_at)
    dispatch.run_lane(1, seconds=60)


def states(post: Post) -> list[str]:
    return list(post.deliveries.order_by("pk").values_list("state", flat=True))


def test_a_member_gets_so_many_copies_a_day_over_all_lists_and_the_others_get_theirs(smtp: SmtpServer, settings: Any):
    settings.MEMBER_COPIES_A_DAY = 2
    promotions, fairs = builders.a_list(), builders.a_list("fairs")
    joe = builders.a_sender(promotions, fairs)
    builders.members(promotions, "anne@bakery.example")
    builders.members(fairs, "Anne@bakery.example", "bob@garage.example")
    sent = [builders.a_sending_post(joe, each) for each in (promotions, fairs)]
    for post in sent:
        send(post)
    third = builders.a_sending_post(joe, fairs)
    send(third)
    assert states(third) == [State.QUEUED, State.SENT], "Anne has had two, of two lists"
    waiting = third.deliveries.order_by("pk")[0]
    assert (waiting.attempts, waiting.status) == (0, "this member had as many messages within a day as they may")
    assert waiting.next_attempt_at - third.accepted_at > timedelta(minutes=59), "looked at again in an hour"  # type: ignore[operator]
    assert sorted(mail.recipients[0].lower() for mail in smtp.received) == 2 * ["anne@bakery.example"] + 2 * ["bob@garage.example"]
    builders.set_clock_back(sent[0].deliveries.get(), "ended_at", timedelta(days=1, minutes=1))
    send(third)
    assert states(third) == [State.SENT, State.SENT]


def test_what_waited_for_its_turn_until_the_end_says_why(smtp: SmtpServer, settings: Any):
    settings.MEMBER_COPIES_A_DAY = 1
    first = builders.a_post_to("anne@bakery.example")
    send(first)
    second = builders.a_sending_post(Sender.objects.get())
    send(second)
    builders.set_clock_back(second, "expires_at", timedelta(seconds=1))
    closing.close_posts()
    copy = second.deliveries.get()
    assert copy.state == State.EXPIRED
    assert copy.status == "the post was expired; before: this member had as many messages within a day as they may"


@pytest.mark.parametrize("state", [State.SENDING, State.IN_DOUBT, State.BOUNCED, State.DELIVERED])
def test_what_may_have_arrived_counts_as_a_copy(smtp: SmtpServer, settings: Any, state: str):
    settings.MEMBER_COPIES_A_DAY = 1
    first = builders.a_post_to("anne@bakery.example")
    send(first)
    first.deliveries.update(state=state, ended_at=None)
    second = builders.a_sending_post(Sender.objects.get())
    send(second)
    assert states(second) == [State.QUEUED]


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.EXPIRED])
def test_what_never_arrived_does_not_count(smtp: SmtpServer, settings: Any, state: str):
    settings.MEMBER_COPIES_A_DAY = 1
    first = builders.a_post_to("anne@bakery.example")
    send(first)
    first.deliveries.update(state=state)
    second = builders.a_sending_post(Sender.objects.get())
    send(second)
    assert states(second) == [State.SENT]


def test_a_sender_submits_so_many_a_day():
    joe = builders.a_sender(builders.a_list())
    Sender.objects.update(posts_a_day=1)
    today = builders.a_held_post(joe)
    draft = builders.a_draft(joe)
    answer = submission.submit(draft, content_hash=draft.content_hash)
    assert answer == "Your limit for a day is 1, and you have submitted as many: submit it tomorrow."
    draft.refresh_from_db()
    assert draft.state == Post.State.DRAFT
    builders.set_clock_back(today, "submitted_at", timedelta(days=1, minutes=1))
    assert submission.submit(draft, content_hash=draft.content_hash) == ""


def test_confirmations_in_all_have_a_cap_an_hour_and_nothing_else_waits_for_it(smtp: SmtpServer, settings: Any, rung: Any):
    settings.CONFIRMATIONS_AN_HOUR = 2
    promotions = builders.a_list()
    for text in ("anne@bakery.example", "bob@garage.example", "cleo@florist.example"):
        lifecycle.sign_up(promotions, addresses.parse(text), how="form")
    systemmail.alert("test", "Something else", "It must be told.")
    assert systemmail.send_due() == 3, "two confirmations and the alert"
    assert systemmail.send_due() == 0
    assert systemmail.send_due() == 1, "staff are told of the cap..."
    assert systemmail.send_due() == 0, "...once"
    assert Alert.objects.filter(kind="confirmations an hour").count() == 1
    [waiting] = SystemMail.objects.filter(state="queued")
    assert waiting.attempts == 0
    for counter in ThrottleCounter.objects.all():
        builders.set_clock_back(counter, "window", timedelta(hours=1, minutes=1))
    assert systemmail.send_due() == 1
    assert len(smtp.to("cleo@florist.example")) == 1

"""Leaving by a mail without a token: who proves the address leaves at once, others get a link at most."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from chamberlist import systemmail, tokens
from chamberlist.models import SystemMail, ThrottleCounter
from subscriptions import addresses, leaving, lifecycle, mails
from subscriptions.models import ConsentEvent, MailingList, Subscription, Suppression
from tests import builders
from tests.smtpserver import SmtpServer

pytestmark = pytest.mark.django_db
ANNE = addresses.parse("anne@bakery.example")
State = Subscription.State


@pytest.fixture
def promotions() -> MailingList:
    return builders.a_list()


def pause(member: Subscription) -> None:
    lifecycle.pause(member.handle, days=14)


def suspend(member: Subscription) -> None:
    assert lifecycle.suspend(member.handle, how="bounce")


def leave(member: Subscription) -> None:
    lifecycle.unsubscribe(member.handle, how="page")


def wait(member: Subscription) -> None:
    leave(member)
    lifecycle.rejoin(member.handle)


def suppress(member: Subscription) -> None:
    lifecycle.suppress(bytes(member.address_hash), None, Suppression.Reason.OBJECTION)


@pytest.mark.parametrize("before", [lambda _: None, pause, suspend, wait], ids=["active", "paused", "suspended", "pending"])
def test_a_proven_address_leaves_at_once_and_nothing_is_sent(promotions: MailingList, rung, before):
    anne, bob = builders.members(promotions, ANNE.text, "bob@garage.example")
    other = builders.a_member(builders.a_list("events"), ANNE.text)
    before(anne)
    mails = SystemMail.objects.count()
    assert leaving.leave_verified(promotions, ANNE)
    assert not leaving.leave_verified(promotions, ANNE)
    for member, state in ((anne, State.UNSUBSCRIBED), (bob, State.ACTIVE), (other, State.ACTIVE)):
        member.refresh_from_db()
        assert member.state == state
    assert ConsentEvent.objects.filter(kind="left", how="mail").count() == 1
    assert SystemMail.objects.count() == mails


def test_a_stranger_has_nothing_to_leave(promotions: MailingList):
    assert not leaving.leave_verified(promotions, ANNE)
    assert not ConsentEvent.objects.exists()


def test_an_unproven_address_gets_a_link_with_which_it_leaves(
    smtp: SmtpServer, promotions: MailingList, client: Client, settings, rung
):
    anne = builders.a_member(promotions)
    leaving.offer_leave_link(promotions, ANNE)
    assert systemmail.send_due() == 1
    anne.refresh_from_db()
    assert anne.state == State.ACTIVE
    [mail] = smtp.received
    assert mail.recipients == (ANNE.text,) and mail.sender == "<>"
    assert mail.message["Auto-Submitted"] == "auto-replied"
    found = re.search(rf"{settings.SITE_URL}(/lists/promotions/leave/\w+/)", mail.text)
    assert found
    assert client.post(found[1]).status_code == 200
    anne.refresh_from_db()
    assert anne.state == State.UNSUBSCRIBED


def test_one_link_a_day(promotions: MailingList, rung):
    builders.a_member(promotions)
    for _ in range(5):
        leaving.offer_leave_link(promotions, ANNE)
    mail = SystemMail.objects.get()
    builders.later(mail, "created_at", timedelta(hours=23))
    leaving.offer_leave_link(promotions, ANNE)
    assert SystemMail.objects.count() == 1
    builders.later(mail, "created_at", timedelta(hours=2))
    leaving.offer_leave_link(promotions, ANNE)
    assert SystemMail.objects.count() == 2


def test_twenty_links_an_hour_in_all(promotions: MailingList, rung):
    people = [addresses.parse(text) for text in builders.many_members(promotions, 30)]
    for person in people:
        leaving.offer_leave_link(promotions, person)
    assert SystemMail.objects.count() == leaving.LINKS_AN_HOUR == 20
    for counter in ThrottleCounter.objects.all():
        builders.later(counter, "window", timedelta(hours=1))
    for person in people:
        leaving.offer_leave_link(promotions, person)
    assert SystemMail.objects.count() == 30


def stranger(member: Subscription) -> None:
    member.delete()


@pytest.mark.parametrize("before", [stranger, leave, suspend, wait, suppress], ids=lambda before: before.__name__)
def test_who_is_not_subscribed_gets_nothing(promotions: MailingList, rung, before):
    before(builders.a_member(promotions))
    mails = SystemMail.objects.count()
    leaving.offer_leave_link(promotions, ANNE)
    assert SystemMail.objects.count() == mails
    assert not ThrottleCounter.objects.exists()


def test_who_has_left_meanwhile_gets_no_link(smtp: SmtpServer, promotions: MailingList, rung):
    anne = builders.a_member(promotions)
    leaving.offer_leave_link(promotions, ANNE)
    leave(anne)
    assert systemmail.send_due() == 0
    assert SystemMail.objects.get().state == "cancelled"
    assert not smtp.received


def test_a_suspended_members_page_says_what_happened_and_how_to_come_back(promotions: MailingList, client: Client, rung):
    anne = builders.a_member(promotions)
    suspend(anne)
    mailed = reverse("manage", args=["promotions", tokens.make("manage", anne.handle, lifetime=mails.MANAGE_LIFETIME)])
    page = client.get(mailed).content.decode()
    assert "what we sent to your address came back" in page and "Sign up again" in page and "/lists/promotions/" in page
    assert "You have left" not in page
    assert lifecycle.sign_up(promotions, ANNE, how="form")
    anne.refresh_from_db()
    assert anne.state == State.PENDING and anne.confirmation
    assert lifecycle.confirm(anne.confirmation)
    anne.refresh_from_db()
    assert anne.state == State.ACTIVE and not Suppression.objects.exists()

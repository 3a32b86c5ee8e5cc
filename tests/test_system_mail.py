"""Mails of ours to one person: written down with what causes them, handed over by a real SMTP conversation."""

import re
import time
from datetime import timedelta
from email.utils import getaddresses

import pytest
from celery import current_app
from django.test import Client
from django.utils.module_loading import import_string

from chamberlist import bell, halt, systemmail, tasks
from chamberlist.clock import Now, now
from chamberlist.models import Alert, SystemMail
from subscriptions import addresses, lifecycle
from subscriptions import tasks as member_tasks
from subscriptions.models import MailingList, Subscription, SubscriptionRequest
from tests import builders, signingup
from tests.smtpserver import SmtpServer

pytestmark = pytest.mark.django_db
State = SystemMail.State


@pytest.fixture
def promotions() -> MailingList:
    return builders.a_list()


def asks(mailing_list: MailingList, text: str = "anne@bakery.example") -> SystemMail:
    """Somebody asks to be subscribed; the mail that waits."""
    assert lifecycle.sign_up(mailing_list, addresses.parse(text), how="form")
    return SystemMail.objects.latest("pk")


def now_due(mail: SystemMail) -> None:
    builders.set_clock_back(mail, "next_attempt_at", timedelta(seconds=1))


def test_the_confirmation_arrives_and_its_link_confirms(smtp: SmtpServer, promotions: MailingList, client: Client, settings, rung):
    mail = asks(promotions)
    assert systemmail.send_due() == 1
    assert systemmail.send_due() == 0
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == (State.SENT, 1)
    [received] = smtp.received
    assert received.recipients == ("anne@bakery.example",)
    assert [address for _, address in getaddresses(received.message.get_all("To", []))] == ["anne@bakery.example"]
    assert not any(received.message[name] for name in ("Cc", "Bcc", "Reply-To"))
    assert received.sender.endswith("@lists.chamber.example")
    assert received.message["Auto-Submitted"] == "auto-generated"
    assert received.message["X-Auto-Response-Suppress"] == "DR, RN, NRN, OOF, AutoReply"
    assert received.message["Message-ID"].strip().endswith("@lists.chamber.example>")
    assert "Promotions" in received.message["Subject"]
    html = received.message.get_body(("html",))
    assert html is not None
    found = re.search(rf"{settings.SITE_URL}(/lists/promotions/confirm/\w+/)", received.text)
    assert found
    assert found[1] in html.get_content()
    assert client.post(found[1], {"answer": "confirm"}).status_code == 200
    assert promotions.subscriptions.get().state == Subscription.State.ACTIVE


def test_who_is_subscribed_already_is_told_where_to_change_that(
    smtp: SmtpServer, promotions: MailingList, client: Client, settings, rung
):
    anne = builders.a_member(promotions)
    asks(promotions)
    systemmail.send_due()
    found = re.search(rf"{settings.SITE_URL}(/lists/promotions/choose/\w+/)", smtp.received[0].text)
    assert found
    assert client.get(found[1]).status_code == 200
    lifecycle.pause(anne.handle, days=14)
    lifecycle.ask_to_manage(anne.handle)
    systemmail.send_due()
    html = smtp.received[1].message.get_body(("html",))
    found = re.search(rf"{settings.SITE_URL}(/lists/promotions/settings/\w+/)", smtp.received[1].text)
    assert found and html is not None and found[1] in html.get_content()
    assert "paused until" in client.get(found[1]).content.decode()
    assert client.post(found[1], {"resume": "1"}).status_code == 302
    anne.refresh_from_db()
    assert anne.state == Subscription.State.ACTIVE


def test_each_person_gets_a_mail_of_their_own(smtp: SmtpServer, promotions: MailingList, rung):
    everybody = [f"member{number}@shop.example" for number in range(7)]
    for text in everybody:
        asks(promotions, text)
    assert systemmail.send_due() == 7
    assert [mail.recipients for mail in smtp.received] == [(text,) for text in everybody]
    for mail in smtp.received:
        assert not any(other.encode() in mail.content for other in everybody if other not in mail.recipients)
    assert smtp.connections == 1


def test_a_relay_that_is_down_keeps_the_mail_and_fails_nobody(smtp: SmtpServer, promotions: MailingList, settings, rung):
    mail = asks(promotions)
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    assert systemmail.send_due() == 0
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == (State.QUEUED, 0)
    settings.EMAIL_PORT = port
    assert systemmail.send_due() == 1


def test_a_relay_that_refuses_our_password_fails_nobody(smtp: SmtpServer, promotions: MailingList, settings, rung):
    mail = asks(promotions)
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "chamber", "wrong"
    assert systemmail.send_due() == 0
    mail.refresh_from_db()
    assert mail.state == State.QUEUED


def test_a_5xx_about_the_recipient_is_final_and_kept_without_the_address(smtp: SmtpServer, promotions: MailingList, rung):
    bad, good = asks(promotions, "anne@bakery.example"), asks(promotions, "bob@butcher.example")
    smtp.at_recipient = lambda to: "550 5.1.1 <anne@bakery.example> is nobody" if to.startswith("anne") else None
    assert systemmail.send_due() == 1
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == (State.FAILED, State.SENT)
    assert bad.status.startswith("550 5.1.1")
    assert "anne" not in bad.status
    now_due(bad)
    assert systemmail.send_due() == 0


@pytest.mark.parametrize(
    ("place", "answer", "state"),
    [
        ("at_recipient", "450 4.2.1 busy", State.DEFERRED),
        ("at_dot", "451 4.3.0 later", State.DEFERRED),
        ("at_dot", "554 5.6.0 refused", State.FAILED),
        ("at_mail", "550 5.7.1 you may not send", State.DEFERRED),
        ("at_mail", "450 4.7.1 later", State.DEFERRED),
        ("at_recipient", "", State.DEFERRED),
        ("at_dot", "", State.DEFERRED),
    ],
)
def test_what_passes_is_tried_again_and_what_is_about_us_fails_nobody(
    smtp: SmtpServer, promotions: MailingList, place: str, answer: str, state: str, rung
):
    mail = asks(promotions)
    setattr(smtp, place, lambda _: answer)
    assert systemmail.send_due() == 0
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == (state, 1)
    setattr(smtp, place, lambda _: None)
    assert systemmail.send_due() == 0  # Not before its time.
    now_due(mail)
    assert systemmail.send_due() == (state == State.DEFERRED)
    mail.refresh_from_db()
    assert mail.state == (State.SENT if state == State.DEFERRED else State.FAILED)


def test_the_waits_grow_to_an_hour(smtp: SmtpServer, promotions: MailingList, rung):
    mail = asks(promotions)
    smtp.at_dot = lambda _: "451 4.3.0 later"
    waits = []
    for _ in range(8):
        now_due(mail)
        systemmail.send_due()
        mail.refresh_from_db()
        waits.append(round((mail.next_attempt_at - now()).total_seconds() / 60))
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]


def test_a_hand_over_that_a_killed_worker_left_is_tried_again_after_its_lease(smtp: SmtpServer, promotions: MailingList, rung):
    mail = asks(promotions)
    mail.advance(State.SENDING, next_attempt_at=Now() + systemmail.LEASE)
    assert systemmail.send_due() == 0
    now_due(mail)
    assert systemmail.send_due() == 1


def test_a_mail_that_is_too_late_is_never_sent(smtp: SmtpServer, promotions: MailingList, rung):
    waiting, deferred, handed = (asks(promotions, f"{name}@bakery.example") for name in ("anne", "bob", "carl"))
    for state in (State.SENDING, State.DEFERRED):
        deferred.advance(state)
    handed.advance(State.SENDING)
    for mail in (waiting, deferred, handed):
        now_due(mail)
        builders.later(mail, "expires_at", timedelta(hours=24))
    tasks.send_system_mail()
    assert {mail.state for mail in SystemMail.objects.all()} == {State.EXPIRED}
    assert not smtp.received


def test_a_mail_whose_reason_is_gone_is_not_sent(smtp: SmtpServer, promotions: MailingList, rung):
    for text in ("anne@bakery.example", "bob@butcher.example"):
        asks(promotions, text)
    anne, bob = promotions.subscriptions.order_by("pk")
    assert anne.confirmation is not None
    lifecycle.confirm(anne.confirmation)
    lifecycle.unsubscribe(anne.handle, how="page")
    systemmail.queue("manage", anne.pk)
    gone = bob.pk
    bob.delete()
    for purpose, number in (("already", gone), ("confirmation", anne.pk), ("alert", 1)):
        systemmail.queue(purpose, number)
    assert systemmail.send_due() == 0
    assert {mail.state for mail in SystemMail.objects.all()} == {State.CANCELLED}
    assert not smtp.received


def test_a_halt_stops_everything_but_alerts(smtp: SmtpServer, promotions: MailingList, settings, rung):
    asks(promotions)
    halt.halt(by="mary", reason="A test")
    systemmail.alert("a test", "Something is odd", "Look at bob@butcher.example.")
    assert systemmail.send_due() == 1
    assert [mail.recipients for mail in smtp.received] == [(settings.CHAMBER_ALERTS,)]
    assert "Something is odd" in smtp.received[0].message["Subject"]
    assert "butcher" not in smtp.received[0].text
    halt.resume(by="mary", reason="")
    assert systemmail.send_due() == 1
    assert smtp.received[1].recipients == ("anne@bakery.example",)


def halting(object_id: int) -> systemmail.Mail:
    """A mail during whose rendering somebody stops everything."""
    halt.halt(by="mary", reason="A test")
    return systemmail.Mail("anne@bakery.example", "A test", "Good day")


def slow(object_id: int) -> systemmail.Mail:
    """A mail that takes a day to render."""
    SystemMail.objects.filter(state=State.QUEUED).update(expires_at=Now())
    return systemmail.Mail("anne@bakery.example", "A test", "Good day")


def test_mails_that_cannot_be_written_are_put_off_and_starve_nobody(
    smtp: SmtpServer, promotions: MailingList, monkeypatch: pytest.MonkeyPatch, settings, rung
):
    """A key is missing: more of them than a round has mails, and than the confirmations that may leave in an hour."""
    monkeypatch.setattr(systemmail, "BATCH", 2)
    settings.CONFIRMATIONS_AN_HOUR = 2
    broken = [asks(promotions, f"anne{number}@bakery.example") for number in range(3)]
    Subscription.objects.update(sealed_address="gone:AAAA")
    good = asks(promotions, "bob@butcher.example")
    assert systemmail.send_due() == 2, "the good one, and what staff are told"
    good.refresh_from_db()
    assert good.state == State.SENT
    for mail in broken:
        mail.refresh_from_db()
        assert (mail.state, mail.attempts, mail.status) == (State.DEFERRED, 1, "could not be written: Unreadable")
        assert mail.next_attempt_at > now() + timedelta(minutes=1)
    assert systemmail.send_due() == 0
    assert "System mail" in Alert.objects.get().text
    SystemMail.objects.update(expires_at=Now())
    assert systemmail.send_due() == 0
    assert set(SystemMail.objects.filter(pk__in=[mail.pk for mail in broken]).values_list("state", flat=True)) == {State.EXPIRED}


@pytest.mark.parametrize("first", ["halting", "slow"])
def test_a_halt_or_an_expiry_in_the_middle_of_a_round_holds_for_the_next_mail(
    smtp: SmtpServer, promotions: MailingList, settings, rung, first: str
):
    settings.SYSTEM_MAILS = {**settings.SYSTEM_MAILS, first: f"tests.test_system_mail.{first}"}
    systemmail.queue(first, 1)
    asks(promotions, "bob@butcher.example")
    assert systemmail.send_due() == 1
    assert [mail.recipients for mail in smtp.received] == [("anne@bakery.example",)]
    assert SystemMail.objects.get(state=State.QUEUED).purpose == "confirmation"


def test_the_same_alert_is_mailed_once_an_hour_and_ten_in_all(rung):
    for _ in range(3):
        systemmail.alert("relay", "The relay refuses us", "")
    assert Alert.objects.count() == SystemMail.objects.count() == 1
    for number in range(20):
        systemmail.alert(f"kind {number}", "Something is odd", "")
    assert Alert.objects.count() == SystemMail.objects.count() == systemmail.ALERTS_AN_HOUR
    for alert in Alert.objects.all():
        builders.later(alert, "created_at", timedelta(minutes=61))
    systemmail.alert("relay", "The relay refuses us", "")
    assert Alert.objects.count() == systemmail.ALERTS_AN_HOUR + 1


def test_what_no_cap_counts_any_longer_is_deleted(promotions: MailingList, rung):
    systemmail.alert("a test", "Something is odd", "")
    old, new = asks(promotions, "anne@bakery.example"), asks(promotions, "bob@butcher.example")
    builders.later(old, "created_at", timedelta(days=36))
    builders.later(new, "created_at", timedelta(days=31))
    builders.later(Alert.objects.get(), "created_at", timedelta(days=36))
    tasks.prune()
    assert set(SystemMail.objects.filter(purpose="confirmation")) == {new}
    assert not Alert.objects.exists()


def test_no_address_and_no_text_wait_in_the_outbox_or_ring_the_bell(
    promotions: MailingList, rung, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        mail = asks(promotions)
    values = SystemMail.objects.filter(pk=mail.pk).values().get()
    assert "bakery" not in str(values)
    assert rung == [("chamberlist.tasks.send_system_mail", ())]


def test_nothing_rings_before_the_commit_and_nothing_after_a_rollback(rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        bell.ring("a.task", 1, 2)
    assert rung == []
    assert len(callbacks) == 1
    callbacks[0]()
    assert rung == [("a.task", (1, 2))]


def test_a_broker_that_is_down_costs_only_time(
    smtp: SmtpServer, promotions: MailingList, client: Client, monkeypatch, caplog, django_capture_on_commit_callbacks
):
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(current_app, "_pool", None)
    monkeypatch.setattr(current_app.amqp, "_producer_pool", None)
    began = time.monotonic()
    with django_capture_on_commit_callbacks(execute=True):
        response = signingup.send(client)
    assert response.status_code == 302
    assert time.monotonic() - began < 3  # Nobody waits for it.
    assert "The broker does not answer" in caplog.text
    assert SubscriptionRequest.objects.count() == 1
    member_tasks.take_requests()  # As the beat has them done every few seconds.
    tasks.send_system_mail()
    member_tasks.sweep()
    assert [mail.recipients for mail in smtp.received] == [("anne@bakery.example",)]


def test_every_purpose_has_a_renderer_that_copes_with_what_is_gone(settings):
    for purpose, path in settings.SYSTEM_MAILS.items():
        assert import_string(path)(2**40) is None, purpose


def test_a_domain_in_another_script_gets_its_mail(smtp: SmtpServer, promotions: MailingList, rung):
    asks(promotions, "joe@bäckerei.example")
    assert systemmail.send_due() == 1
    assert smtp.received[0].recipients == ("joe@xn--bckerei-5wa.example",)


def test_an_address_that_would_be_rewritten_on_the_way_gets_nothing_and_holds_up_nobody(
    smtp: SmtpServer, promotions: MailingList, rung
):
    mail = asks(promotions, "jörg@bakery.example")
    asks(promotions, "anne@bakery.example")
    assert systemmail.send_due() == 1
    mail.refresh_from_db()
    assert mail.state == State.FAILED
    assert [received.recipients for received in smtp.received] == [("anne@bakery.example",)]

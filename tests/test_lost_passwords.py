"""The page for lost passwords: whoever asks gets the same answer, staff get one notice, and nobody gets a link."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from chamberlist import systemmail
from chamberlist.clock import Now
from chamberlist.models import Alert, SystemMail, ThrottleCounter
from posting import notices, tasks, views
from posting.models import PasswordRequest, Sender
from posting.submission import lostpasswords, senders
from tests import builders, work
from tests.answers import headers, same_answer, words
from tests.arriving import everything_stored, sent_by
from tests.smtpserver import SmtpServer

pytestmark = pytest.mark.django_db
JOE = "joe@bloggs.example"
PAGE, SENT = "/senders/lost-password/", "/senders/lost-password/sent/"
NOTICE = (
    "Somebody asked for a new password for Bloggs Ltd: call them on the number that you have on file, not on one that a mail names"
)
TYPED = {
    "unknown": "eve@nowhere.example",
    "known": JOE,
    "in capitals": JOE.upper(),
    "revoked": "ann@revoked.example",
    "without a password": "new@bloggs.example",
    "a member, and no sender": "bob@cafe.example",
    "asked before": "ben@bloggs.example",
    "no address": "no address at all",
    "two addresses": f"{JOE}, eve@nowhere.example",
    "long": "x" * 320,
}


@pytest.fixture
def joe() -> Sender:
    return builders.a_sender(builders.a_list(), address=JOE)


@pytest.fixture
def people(joe: Sender) -> None:
    """A sender in each state."""
    promotions = joe.lists.get()
    builders.a_member(promotions, TYPED["a member, and no sender"])
    senders.revoke(builders.a_sender(promotions, address=TYPED["revoked"], name="Ann"), by="a test")
    new = builders.a_sender(promotions, address=TYPED["without a password"], name="New")
    Sender.objects.filter(pk=new.pk).update(password="")
    builders.a_sender(promotions, address=TYPED["asked before"], name="Ben")
    ask(TYPED["asked before"])
    lostpasswords.take()


def ask(address: str, client: Client | None = None, **extra: Any) -> Any:
    return (client or Client()).post(PAGE, {"address": address}, **extra)


def texts() -> list[str]:
    return [notice.text for notice in notices.passwords()]


def mails() -> int:
    return SystemMail.objects.filter(purpose="password_wanted").count()


# The page


def test_a_sender_finds_the_page_and_asks(joe: Sender):
    assert PAGE.encode() in Client().get(reverse("sender_sign_in")).content
    client = Client()
    assert "No password and no link comes by mail" in words(client.get(PAGE))
    response = ask(JOE, client)
    assert (response.status_code, response["Location"]) == (302, SENT)
    assert "Nothing comes by mail." in words(client.get(SENT))


def test_a_form_without_an_address_or_of_another_site_asks_nothing(joe: Sender):
    for typed, sentence in (("  ", b"Please type your contact address."), ("x" * 321, b"at most 320 characters")):
        response = ask(typed)
        assert response.status_code == 422
        assert sentence in response.content
    assert ask(JOE, Client(enforce_csrf_checks=True)).status_code == 403
    assert not PasswordRequest.objects.exists()


def test_looking_changes_nothing(joe: Sender):
    before = everything_stored()
    for page in (PAGE, SENT):
        assert Client().get(page, {"address": JOE}).status_code == Client().head(page).status_code == 200
    assert Client().post(SENT).status_code == 405
    assert everything_stored() == before


def test_whoever_asks_gets_the_same_answer_after_the_same_work(people: None, rung: list[Any]):
    answers = []
    for number, typed in enumerate(TYPED.values()):
        client = Client(REMOTE_ADDR=f"10.0.{number}.1")
        client.get(PAGE)
        with work.recorded() as done:
            response = ask(typed, client)
        assert mails() == 1 and not done.argon2, "the request itself sends nothing"
        answers.append((done.statements, response.status_code, headers(response), set(response.cookies), words(response)))
    assert len(answers[0][0]) == 5, "two counters, a row, and the transaction around it"
    for name, answer in zip(TYPED, answers, strict=True):
        assert answer == answers[0], name


def test_what_was_typed_is_sealed_and_gone_once_it_is_read(joe: Sender):
    ask("eve@nowhere.example")
    assert b"nowhere" not in everything_stored()
    assert PasswordRequest.objects.get().typed == "eve@nowhere.example"
    assert str(PasswordRequest.objects.get()).startswith("password request ")
    tasks.take_password_requests()
    assert not PasswordRequest.objects.exists()


def test_one_network_may_ask_ten_times_an_hour_whoever_they_ask_for(joe: Sender):
    answers = [ask(f"eve{number}@x.example", REMOTE_ADDR="192.0.2.1") for number in range(10)]
    assert {answer.status_code for answer in answers} == {302}
    refused = [ask(address, REMOTE_ADDR="192.0.2.9") for address in (JOE, "eve@x.example", "no address")]
    assert [answer.status_code for answer in refused] == [429] * 3
    assert refused[0]["Retry-After"] == "3600"
    assert same_answer(refused[0], refused[1]) and same_answer(refused[0], refused[2])
    assert ask(JOE, REMOTE_ADDR="198.51.100.1").status_code == 302
    for counter in ThrottleCounter.objects.all():
        builders.later(counter, "window", timedelta(hours=1))
    assert ask(JOE, REMOTE_ADDR="192.0.2.1").status_code == 302


def test_all_networks_together_may_ask_200_times_an_hour_and_one_alone_uses_up_no_more_than_its_own(joe: Sender):
    for _ in range(30):
        ask(JOE, REMOTE_ADDR="192.0.2.1")
    answers = [ask(JOE, REMOTE_ADDR=f"10.0.{number}.1").status_code for number in range(191)]
    assert answers == [302] * (views.LOST_IN_ALL - views.LOST_AN_HOUR) + [429]


def test_who_rents_a_block_of_networks_leaves_most_for_the_others(joe: Sender):
    answers = [ask(JOE, REMOTE_ADDR=f"2001:db8:1:{number:x}00::1").status_code for number in range(views.LOST_AROUND + 2)]
    assert answers == [302] * views.LOST_AROUND + [429] * 2
    assert ask(JOE, REMOTE_ADDR="2001:db8:2::1").status_code == 302


# What staff hear


def test_staff_are_told_once_on_their_first_page_and_by_mail(joe: Sender, smtp: SmtpServer, admin_client: Client):
    for _ in range(3):
        ask(f" {JOE.upper()} ")
        assert lostpasswords.take() == 1
    assert texts() == [NOTICE]
    page = reverse("admin:posting_sender_change", args=[joe.pk])
    first = words(admin_client.get(reverse("admin:index")))
    assert NOTICE in first and page in first
    (mail,) = sent_by(smtp)
    assert mail.recipients == ("office@chamber.example",)
    assert mail.message["Subject"] == "Somebody asked for a new password for Bloggs Ltd"
    assert f"http://localhost{page}" in mail.text and "Call them on the number that you have on file" in mail.text
    assert JOE not in mail.content.decode()
    assert "Somebody asked for a new one" in words(admin_client.get(page))


def test_a_long_list_of_them_says_how_many_more_there_are():
    promotions = builders.a_list()
    for number in range(22):
        builders.a_sender(promotions, address=f"s{number}@x.example", name=f"S{number}")
    assert len(notices.passwords()) == 0
    Sender.objects.update(password_asked_at=Now())
    texts = [notice.text for notice in notices.passwords()]
    assert len(texts) == 21 and texts[-1].startswith("and 2 more asked for a new password")


def test_nothing_is_ever_mailed_to_who_asks(people: None, smtp: SmtpServer):
    for typed in TYPED.values():
        ask(typed, REMOTE_ADDR="192.0.2.1")
    lostpasswords.take()
    assert {mail.recipients for mail in sent_by(smtp)} == {("office@chamber.example",)}


def test_nobody_and_who_may_not_post_cause_no_notice(people: None):
    before = texts(), mails()
    for name in ("unknown", "revoked", "a member, and no sender", "no address", "two addresses", "long"):
        ask(TYPED[name], REMOTE_ADDR="192.0.2.1")
    assert lostpasswords.take() == 6
    assert (texts(), mails()) == before


@contextmanager
def asked(joe: Sender) -> Iterator[None]:
    ask(JOE)
    lostpasswords.take()
    assert texts() == [NOTICE]
    yield
    assert texts() == []
    joe.refresh_from_db()


def test_a_new_password_ends_the_notice_and_the_mail_that_has_not_left(joe: Sender, smtp: SmtpServer):
    with asked(joe):
        senders.issue_password(joe, by="ann")
    assert joe.password_asked_at is None
    assert sent_by(smtp) == []
    assert SystemMail.objects.get().state == SystemMail.State.CANCELLED


def test_so_does_revoking_and_so_does_a_week(joe: Sender):
    with asked(joe):
        senders.revoke(joe, by="ann")
    senders.issue_password(joe, by="ann")
    with asked(joe):
        builders.later(joe, "password_asked_at", timedelta(days=7, seconds=1))
    with asked(joe):  # And opens again.
        senders.issue_password(joe, by="ann")


def test_asking_again_does_not_keep_a_notice_open(joe: Sender):
    with asked(joe):
        builders.later(joe, "password_asked_at", timedelta(days=6))
        ask(JOE)
        lostpasswords.take()
        builders.later(joe, "password_asked_at", timedelta(days=1, seconds=1))


def test_staff_get_a_mail_a_day_about_one_sender_and_five_an_hour_in_all(joe: Sender, smtp: SmtpServer):
    def told() -> int:
        ask(JOE)
        lostpasswords.take()
        return mails()

    assert told() == told() == 1
    senders.issue_password(joe, by="ann")
    assert told() == 1, "nor for another notice on the same day"
    builders.later(SystemMail.objects.get(), "created_at", timedelta(days=1))
    assert told() == 2
    for number in range(6):
        other = builders.a_sender(address=f"no{number}@bloggs.example", name=f"No {number}")
        ask(other.address, REMOTE_ADDR="192.0.2.1")
    lostpasswords.take()
    assert mails() == 1 + lostpasswords.MAILS_AN_HOUR
    assert len(texts()) == 7, "what is not mailed stands on their page"


def test_one_that_cannot_be_read_holds_up_no_other_and_is_tried_again_later(joe: Sender):
    ask("eve@nowhere.example", REMOTE_ADDR="192.0.2.1")
    broken = PasswordRequest.objects.get()
    sealed = broken.sealed_typed
    PasswordRequest.objects.update(sealed_typed="gone:AAAA")
    ask(JOE)
    assert lostpasswords.take() == 1
    assert texts() == [NOTICE]
    assert PasswordRequest.objects.get() == broken
    alert = Alert.objects.get()
    assert alert.headline == "A request for a new password cannot be read" and "nowhere" not in alert.text
    PasswordRequest.objects.update(sealed_typed=sealed)
    assert lostpasswords.take() == 0, "not at once"
    builders.later(broken, "due_at", timedelta(minutes=2, seconds=1))
    assert lostpasswords.take() == 1
    assert not PasswordRequest.objects.exists()


def test_what_cannot_be_read_for_a_week_is_deleted(joe: Sender):
    ask(JOE)
    PasswordRequest.objects.update(sealed_typed="gone:AAAA")
    tasks.prune()
    builders.later(PasswordRequest.objects.get(), "created_at", timedelta(days=7, seconds=1))
    tasks.prune()
    assert not PasswordRequest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_one_mail_of_two_requests(joe: Sender):
    ask(JOE)
    ask(JOE)
    start = threading.Barrier(2)

    def take() -> None:
        try:
            start.wait(10)
            lostpasswords.take()
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert mails() == 1
    assert not PasswordRequest.objects.exists()


def test_a_mail_about_a_sender_who_is_gone_is_none(joe: Sender):
    ask(JOE)
    lostpasswords.take()
    Sender.objects.all().delete()
    assert systemmail.send_due() == 0


def test_who_tries_passwords_from_one_network_locks_the_sender_out_of_that_network_alone(joe: Sender):
    data = {"address": JOE, "password": "wrong"}
    answers = [Client().post(reverse("sender_sign_in"), data, REMOTE_ADDR="192.0.2.1").status_code for _ in range(110)]
    assert answers == [422] * 6 + [429] * 104
    right = data | {"password": builders.PASSWORDS[joe.pk]}
    assert Client().post(reverse("sender_sign_in"), right, REMOTE_ADDR="198.51.100.1").status_code == 302

"""What came by mail is read once, whatever a message, a worker or the database does, and nothing of it stays."""

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import InterfaceError, connection, transaction
from django.test.utils import CaptureQueriesContext

from chamberlist import halt, tokens
from chamberlist.models import Alert, AuditEntry, SystemMail
from posting import tasks
from posting.inbound import attending, keeping, room, routing
from posting.inbound.authentication import Answer, Question
from posting.inbound.destinations import Destination
from posting.inbound.examining import Arrived, Examined
from posting.inbound.routing import Outcome, Read, TryLater
from posting.inbound.sandbox import CannotStart, Sandbox
from posting.models import InboundMail
from tests import builders, workers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
State = InboundMail.State
MISBEHAVING = "tests.misbehaving:"


@pytest.fixture
def route(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[int]]:
    """Route as a test says; which messages were routed."""

    def laid(decide: Any) -> list[int]:
        routed: list[int] = []

        def routing_of(read: Read, answer: Answer | None) -> Outcome:
            routed.append(read.mail.pk)
            outcome: Outcome = decide(read.mail, read.destination, read.examined, answer)
            return outcome

        monkeypatch.setattr(routing, "route", routing_of)
        return routed

    return laid


def as_(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every message makes its reader do this."""
    monkeypatch.setattr(attending, "EXAMINE", MISBEHAVING + function)
    monkeypatch.setattr(attending, "Sandbox", lambda: Sandbox((MISBEHAVING + function,)))


@pytest.fixture(autouse=True)
def plain_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every message is kept and no question asked, unless a test says otherwise: what routes do is tested with them."""
    monkeypatch.setattr(routing, "question", lambda *_: None)
    monkeypatch.setattr(routing, "route", lambda *_: Outcome(State.KEPT, "rest", "Nobody has read it yet."))


def done(mail: InboundMail, *rest: object) -> Outcome:
    return Outcome(State.DONE, "robot", "An automatic reply: dropped.")


def stored(mail: InboundMail) -> str:
    """Its row, as the database would print it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT m::text FROM posting_inboundmail m WHERE id = %s", [mail.pk])
        return str(cursor.fetchone()[0])


def state(mail: InboundMail) -> str:
    mail.refresh_from_db()
    return mail.state


def test_a_message_is_read_and_nothing_of_it_stays(route):
    routed = route(done)
    mail = builders.a_mail()
    content, who, where = bytes(mail.sealed_content or b"").hex(), mail.sealed_envelope_sender, mail.sealed_recipient
    assert content in stored(mail)
    assert attending.attend() is False
    assert (state(mail), mail.kind, mail.outcome, routed) == (State.DONE, "robot", "An automatic reply: dropped.", [mail.pk])
    assert mail.ended_at is not None
    for gone in (content, who, where, "anne", "Buns"):
        assert gone not in stored(mail)


def test_what_is_for_staff_keeps_its_content():
    mail = builders.a_mail()
    attending.attend()
    assert state(mail) == State.KEPT
    assert (mail.content, mail.envelope_sender) == (b"Subject: Buns\n\nTwo for one", "anne@bakery.example")


def test_the_router_gets_what_the_sandbox_read(route):
    seen: list[tuple[str, str, Answer | None]] = []

    def decide(mail: InboundMail, destination: Destination, examined: Examined, answer: Answer | None) -> Outcome:
        seen.append((destination.place, examined.facts.subject, answer))
        return done(mail)

    route(decide)
    builders.a_mail()
    attending.attend()
    assert seen == [("role", "Buns", None)]


def test_what_must_be_asked_of_the_authors_domain_is_asked_in_the_sandbox(route, monkeypatch):
    answers: list[Answer | None] = []

    def decide(mail: InboundMail, destination: Destination, examined: Examined, answer: Answer | None) -> Outcome:
        answers.append(answer)
        return done(mail)

    route(decide)
    monkeypatch.setattr(routing, "question", lambda read: Question(read.mail.content, "anne@bakery.example", "front.example"))
    said = b"Authentication-Results: front.example; dmarc=pass header.from=bakery.example"
    builders.a_mail(said + b"\nFrom: anne@bakery.example\n\nHello")
    attending.attend()
    assert [(answer.dmarc, answer.aligned) for answer in answers if answer] == [("pass", True)]


def test_the_oldest_is_read_first(route):
    routed = route(done)
    mails = [builders.a_mail(b"Subject: %d\n\nx" % number) for number in range(3)]
    builders.later(mails[2], "next_attempt_at", timedelta(hours=1))
    attending.attend()
    assert routed == [mails[2].pk, mails[0].pk, mails[1].pk]


def test_who_leaves_comes_first_then_bounces_and_answers(route):
    routed = route(done)
    places = ("list", "role", "talk", "reply", "bounce", "leave")
    mails = {place: builders.a_mail(b"Subject: %s\n\nx" % place.encode(), place=place) for place in places}
    builders.later(mails["list"], "next_attempt_at", timedelta(hours=1))
    attending.attend()
    first = ("leave", "reply", "bounce", "list", "role", "talk")
    assert routed == [mails[place].pk for place in first]


def test_who_leaves_waits_for_no_more_than_one_slow_message(route, monkeypatch):
    """Each message takes seconds, a reader has as many as it may, and more wait; the other readers are as slow."""
    leaving: list[int] = []

    def decide(mail: InboundMail, *_: object) -> Outcome:
        if mail.place != "leave":
            leaving.append(builders.a_mail(b"Subject: leave %d\n\nx" % mail.pk, place="leave").pk)
        return done(mail)

    monkeypatch.setattr(attending, "SLOW", -1)
    routed = route(decide)
    slow = [builders.a_mail(b"Subject: %d\n\nx" % number).pk for number in range(attending.AT_ONCE + 1)]
    attending.attend()
    assert routed == [pk for pair in zip(slow, leaving, strict=True) for pk in pair]


def test_a_flood_of_large_messages_makes_nobody_who_leaves_wait_for_their_words(monkeypatch):
    seen: list[int] = []

    def call(sandbox: Sandbox, function: str, arrived: Arrived) -> Examined:
        seen.append(len(arrived.raw))
        return Examined()

    monkeypatch.setattr(Sandbox, "call", call)
    member = builders.a_member(builders.a_list(), "anne@bakery.example")
    raw = b"Subject: bye\n\n" + b"x" * 300_000
    builders.a_mail(raw, to=f"leave-{tokens.make('leave', member.handle)}", place="leave")
    builders.a_mail(raw)
    attending.attend()
    assert seen == [attending.ENOUGH_TO_LEAVE, len(raw)]


def test_no_more_than_fits_into_memory_is_taken_in_one_go(monkeypatch):
    monkeypatch.setattr(attending, "OCTETS_AT_ONCE", 100)
    sizes = (60, 30, 30, 300, 10)
    mails = [builders.a_mail(b"%d" % number + b"x" * (size - 1)) for number, size in enumerate(sizes)]
    assert [attending.claim() for _ in range(4)] == [mails[:2], [mails[2]], [mails[3]], [mails[4]]]


def test_recovering_loads_nothing_that_a_message_says():
    broken = builders.a_mail(state=State.READING, attempts=attending.MOST_ATTEMPTS)
    builders.later(broken, "next_attempt_at", timedelta(minutes=1))
    with CaptureQueriesContext(connection) as asked:
        attending.recover()
    assert state(broken) == State.QUARANTINED
    assert not [query["sql"] for query in asked if '"sealed_content"' in query["sql"]]


def test_an_address_that_is_gone_since_is_no_reason_to_keep_it(route):
    routed = route(done)
    mail = builders.a_mail(to="a-list-that-was")
    attending.attend()
    assert (state(mail), mail.outcome, routed) == (State.DONE, "It came to an address that is no longer ours.", [])
    assert mail.sealed_content is None


def test_an_outcome_names_no_address(route):
    route(lambda *_: Outcome(State.DONE, "rest", "From anne@bakery.example: dropped."))
    mail = builders.a_mail()
    attending.attend()
    assert "anne" not in stored(mail)


@pytest.mark.parametrize(
    ("function", "words"), [("burn", "2 seconds"), ("devour", "256 MB"), ("leave", "broke down"), ("fail", "Stranger")]
)
def test_what_harms_its_reader_is_kept_for_staff_and_the_next_is_read(function, words, monkeypatch):
    mails = [builders.a_mail(b"Subject: secret words %d\n\nx" % number) for number in range(2)]
    as_(function, monkeypatch)
    attending.attend()
    for mail in mails:
        assert state(mail) == State.QUARANTINED
        assert words in mail.outcome
        assert "secret" not in mail.outcome
        assert mail.content.startswith(b"Subject: secret words")
    alert = Alert.objects.get()  # Of two within the hour.
    assert words in alert.text
    assert SystemMail.objects.filter(purpose="alert").count() == 1


def test_what_is_no_message_is_kept_for_staff():
    mail = builders.a_mail(b"Subject: " + b"x" * 200_000 + b"\n\nHello")
    attending.attend()
    assert (state(mail), "header section" in mail.outcome) == (State.QUARANTINED, True)


@pytest.mark.parametrize(("limit", "most"), [("MOST_KEPT", 1), ("OCTETS_KEPT", 10)])
@pytest.mark.parametrize("is_our_fault", [False, True])
def test_nobody_fills_the_disk_with_what_cannot_be_read(limit: str, most: int, is_our_fault: bool, route, monkeypatch):
    monkeypatch.setattr(room, limit, most)
    if is_our_fault:
        route(lambda *_: 1 / 0)
    mails = [builders.a_mail(b"Subject: %d" % number + b"x" * (9 if is_our_fault else 200_000)) for number in range(3)]
    attending.attend()
    assert [state(mail) for mail in mails] == [State.QUARANTINED, State.DONE, State.DONE]
    assert "It was dropped: too many that could not be read wait for staff already." in mails[1].outcome
    assert mails[1].sealed_content is None
    assert Alert.objects.filter(kind="mail dropped").count() == 1


def test_a_fault_of_the_program_undoes_what_it_began_and_stops_nothing(route, caplog):
    def decide(mail: InboundMail, *rest: object) -> Outcome:
        if b"bad" not in mail.content:
            return done(mail)
        AuditEntry.objects.create(actor="nobody", verb="begun", subject="x")
        raise ValueError(mail.content)

    route(decide)
    bad, good = builders.a_mail(b"Subject: bad\n\nTwo for one"), builders.a_mail()
    with caplog.at_level(logging.DEBUG):
        attending.attend()
    assert (state(bad), bad.outcome) == (State.QUARANTINED, "Reading it failed here (ValueError): the fault is the program's.")
    assert state(good) == State.DONE
    assert not AuditEntry.objects.exists()
    logged = "\n".join(logging.Formatter().format(record) for record in caplog.records)
    assert "ValueError" in logged
    assert "in decide" in logged
    for secret in ("Two for one", "Subject:"):
        assert secret not in logged
    assert "Two for one" not in Alert.objects.get().text


def lose_the_connection(*_: object) -> Outcome:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    raise AssertionError("the connection is still there")


def find_it_closed(*_: object) -> Outcome:
    raise InterfaceError("connection already closed")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("trouble", [lose_the_connection, find_it_closed])
def test_a_database_that_goes_away_costs_an_attempt_and_never_the_message(route, trouble):
    routed = route(trouble)
    mail = builders.a_mail()
    for attempt in (1, 2, 3):
        assert attending.attend() is False
        assert (state(mail), mail.attempts) == (State.READING, attempt)
        assert attending.attend() is False  # Not before the lease is over.
        assert len(routed) == attempt
        builders.later(mail, "next_attempt_at", attending.LEASE)
    attending.attend()
    assert (state(mail), mail.outcome) == (State.QUARANTINED, "Reading it was broken off 3 times.")
    assert mail.content == b"Subject: Buns\n\nTwo for one"


def test_what_can_only_be_done_later_waits_and_not_for_ever(route):
    def decide(*_: object) -> Outcome:
        raise TryLater(90)

    routed = route(decide)
    mail = builders.a_mail()
    for attempt in (1, 2, 3, 4):
        attending.attend()
        assert (state(mail), mail.attempts, len(routed)) == (State.WAITING, attempt, attempt)
        attending.attend()
        assert len(routed) == attempt
        builders.later(mail, "next_attempt_at", timedelta(seconds=90))
    attending.attend()
    assert state(mail) == State.QUARANTINED
    assert mail.sealed_content is not None


@pytest.mark.django_db(transaction=True)
def test_what_asked_to_be_read_later_was_not_broken_off(route):
    """One killed worker is none too many, after however many delays."""
    answers = [TryLater(90), TryLater(90), InterfaceError("connection already closed")]

    def decide(mail: InboundMail, *_: object) -> Outcome:
        if answers:
            raise answers.pop(0)
        return done(mail)

    route(decide)
    mail = builders.a_mail()
    for _ in range(4):
        attending.attend()
        builders.later(mail, "next_attempt_at", attending.LEASE)
    assert (state(mail), mail.attempts, mail.delays) == (State.DONE, 4, 2)


def test_a_worker_that_lost_its_lease_writes_nothing(route):
    """It stood still after the claim; another one took the message over."""

    def decide(mail: InboundMail, *rest: object) -> Outcome:
        AuditEntry.objects.create(actor="nobody", verb="begun", subject="x")
        return done(mail)

    route(decide)
    mail = builders.a_mail()
    [slow] = attending.claim()
    builders.later(mail, "next_attempt_at", attending.LEASE)
    attending.recover()
    assert attending.claim()
    with Sandbox() as own:
        attending._attend_to(slow, own)
    assert (state(mail), mail.attempts) == (State.READING, 2)
    assert not AuditEntry.objects.exists(), "what it had begun is undone"


def test_an_installation_without_a_sandbox_blames_no_message(monkeypatch):
    mail = builders.a_mail()
    monkeypatch.setattr(attending, "Sandbox", lambda: Sandbox(("no.such:function",)))
    with pytest.raises(CannotStart):
        attending.attend()
    assert (state(mail), mail.attempts) == (State.WAITING, 0)


def test_no_process_is_started_where_there_is_no_mail(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    assert attending.attend() is False


def test_reading_goes_on_while_sending_is_stopped(route):
    route(done)
    halt.halt(by="ann", reason="a test")
    mail = builders.a_mail()
    attending.attend()
    assert state(mail) == State.DONE


def test_a_task_that_has_more_to_do_rings_again(route, rung, monkeypatch, django_capture_on_commit_callbacks):
    monkeypatch.setattr(attending.attend, "__defaults__", (0,))
    builders.a_mail()
    with django_capture_on_commit_callbacks(execute=True):
        tasks.read_mail()
    assert rung == [("posting.tasks.read_mail", ())]
    rung.clear()
    monkeypatch.setattr(attending.attend, "__defaults__", (50,))
    with django_capture_on_commit_callbacks(execute=True):
        tasks.read_mail()
    assert ("posting.tasks.read_mail", ()) not in rung


def test_mail_does_not_take_all_workers(route):
    routed = route(done)
    held = attending.AT_ONCE * attending.READERS
    mails = [builders.a_mail(b"Subject: %d\n\nx" % number) for number in range(held + 1)]
    for _ in range(attending.READERS):
        assert len(attending.claim()) == attending.AT_ONCE
    assert attending.attend() is False
    assert (routed, state(mails[-1])) == ([], State.WAITING)


KILLED = """
import os, signal, django
django.setup()
from posting.inbound import attending, routing
POINT = {point!r}
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
if POINT == "examining":
    attending._read = die
elif POINT == "routing":
    routing.route = die
elif POINT == "routed":
    whole = routing.route
    def route(*given):
        outcome = whole(*given)
        attending.InboundMail.advance_many = die
        return outcome
    routing.route = route
elif POINT == "committing":
    before = attending.InboundMail.advance_many
    def advance_many(ids, to, **changes):
        moved = before(ids, to, **changes)
        if to not in ("reading", "waiting"):
            die()
        return moved
    attending.InboundMail.advance_many = advance_many
attending.attend()
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("point", ["examining", "routing", "routed", "committing"])
def test_a_killed_worker_costs_time_and_never_the_message(point):
    mail = builders.a_mail()
    for attempt in (1, 2):
        program = [sys.executable, "-c", KILLED.format(point=point)]
        ended = subprocess.run(program, cwd=workers.REPOSITORY, env=workers.environment(workers.NOBODY), timeout=60)
        assert ended.returncode == -signal.SIGKILL
        assert (state(mail), mail.attempts) == (State.READING, attempt)
        assert mail.content == b"Subject: Buns\n\nTwo for one"
        builders.later(mail, "next_attempt_at", attending.LEASE)
    attending.attend()
    assert (state(mail), mail.attempts) == (State.KEPT, 3)


@pytest.mark.django_db(transaction=True)
def test_no_two_workers_take_the_same_message(monkeypatch):
    monkeypatch.setattr(attending, "READERS", 9)
    mails = [builders.a_mail(b"Subject: %d\n\nx" % number) for number in range(40)]
    routed: list[int] = []
    start = threading.Barrier(4)

    def route(read: Read, answer: Answer | None) -> Outcome:
        routed.append(read.mail.pk)
        return done(read.mail)

    def work() -> None:
        try:
            start.wait(20)
            attending.attend()
        finally:
            connection.close()

    monkeypatch.setattr(routing, "route", route)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(routed) == [mail.pk for mail in mails]
    assert set(InboundMail.objects.values_list("state", "attempts")) == {(State.DONE, 1)}


@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_has_in_hand_is_passed_over(route):
    routed = route(done)
    first, second = builders.a_mail(b"Subject: 1\n\nx"), builders.a_mail(b"Subject: 2\n\nx")
    locked, finish = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            InboundMail.objects.select_for_update().get(pk=first.pk)
            locked.set()
            finish.wait(30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(20)
    attending.attend()
    finish.set()
    holder.join(20)
    assert (routed, state(first), state(second)) == ([second.pk], State.WAITING, State.DONE)


def test_what_was_read_is_known_for_a_while_and_then_forgotten(route):
    route(done)
    old, young = builders.a_mail(b"Subject: 1\n\nx"), builders.a_mail(b"Subject: 2\n\nx")
    attending.attend()
    builders.later(old, "received_at", keeping.KNOWN)
    builders.later(young, "received_at", keeping.KNOWN - timedelta(minutes=1))
    tasks.prune()
    assert list(InboundMail.objects.values_list("pk", flat=True)) == [young.pk]


@pytest.mark.parametrize("examined", [Examined(), Examined(problem="odd")], ids=["kept", "quarantined"])
def test_what_nobody_dealt_with_is_forgotten_after_a_fortnight(examined, monkeypatch):
    monkeypatch.setattr(Sandbox, "call", lambda *_: examined)
    old, young = builders.a_mail(b"Subject: 1\n\nx"), builders.a_mail(b"Subject: 2\n\nx")
    attending.attend()
    builders.later(old, "ended_at", keeping.KEPT)
    builders.later(young, "ended_at", keeping.KEPT - timedelta(minutes=1))
    tasks.prune()
    assert (state(old), old.outcome, old.sealed_content) == (State.DONE, "Nobody dealt with it in 14 days.", None)
    assert state(young) in keeping.FOR_STAFF
    assert young.content == b"Subject: 2\n\nx"


def test_what_still_waits_is_never_forgotten():
    mail = builders.a_mail()
    builders.later(mail, "received_at", timedelta(days=99))
    tasks.prune()
    assert state(mail) == State.WAITING

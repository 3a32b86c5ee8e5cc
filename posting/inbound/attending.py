"""Attending: what came by mail is read, one message after another. Whatever one of them does, the next is read too.

A message is lost by no crash: it waits, or is being read until its lease ends, or has its outcome, written in one transaction with
what it caused.
"""

import logging
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet

from chamberlist import systemmail
from chamberlist.clock import Now
from chamberlist.redaction import redact
from posting.inbound import destinations, routing
from posting.inbound.authentication import Answer
from posting.inbound.examining import Arrived, Examined
from posting.inbound.routing import Outcome, TryLater
from posting.inbound.sandbox import CannotStart, Exceeded, Failed, Sandbox
from posting.models import InboundMail

State = InboundMail.State

READERS = 2  # At a time: mail must not take all workers from the lanes.
AT_ONCE = 8  # Messages that a reader takes in one go, for one commit.
LEASE = timedelta(minutes=5)  # For all of them.
MOST_ATTEMPTS = 3  # Of reading a message that nobody came to the end of: a worker was killed, or the database went away.
MOST_QUARANTINED = 500
MOST_DELAYS = 5  # Of one that asked to be read later.
NOTHING_KEPT: dict[str, Any] = {"sealed_content": None, "sealed_envelope_sender": "", "sealed_recipient": ""}

EXAMINE, CHECK = "posting.inbound.examining:examine", "posting.inbound.authentication:check"

log = logging.getLogger(__name__)


def attend(seconds: float = 50) -> bool:
    """Read what is due, oldest first, for so long; whether there is more. Nothing is sent here, so that a halt does not stop it."""
    until = time.monotonic() + seconds
    recover()
    if InboundMail.objects.filter(state=State.READING).count() > AT_ONCE * (READERS - 1):
        return False  # They go on, and ring again.
    with Sandbox() as sandbox:
        while (is_more := _due().exists()) and time.monotonic() < until:
            sandbox.start()  # Where that fails, no message is to blame, and none is claimed.
            mails = claim()
            if not mails:
                return False  # Others have what is left.
            for mail in mails:
                _attend_to(mail, sandbox)
    return is_more


def recover() -> None:
    """Let what a dead worker had in hand be read again; what nobody could read in three attempts is for staff."""
    over = InboundMail.objects.filter(state=State.READING, next_attempt_at__lte=Now())
    for mail in over.filter(attempts__gte=MOST_ATTEMPTS):
        _quarantine(mail, f"Reading it was broken off {mail.attempts} times.", kind="reading mail failed")
    InboundMail.advance_many(over.values_list("pk", flat=True), State.WAITING, next_attempt_at=Now())


@transaction.atomic
def claim(most: int = AT_ONCE) -> list[InboundMail]:
    """The messages that are due for longest and that nobody else has, for the time of a lease."""
    mails = list(_due().select_for_update(skip_locked=True).order_by("next_attempt_at", "pk")[:most])
    InboundMail.advance_many([mail.pk for mail in mails], State.READING, attempts=F("attempts") + 1, next_attempt_at=Now() + LEASE)
    for mail in mails:
        mail.attempts += 1
    return mails


def _due() -> QuerySet[InboundMail]:
    return InboundMail.objects.filter(state=State.WAITING, next_attempt_at__lte=Now())


def _attend_to(mail: InboundMail, sandbox: Sandbox) -> None:
    """Bring one message to its end: the only place that catches whatever reading it may raise."""
    try:
        _read(mail, sandbox)
    except (Exceeded, Failed) as reason:
        _refuse(mail, str(reason))
    except TryLater as later:
        _put_back(mail, later.seconds)
    except (OperationalError, InterfaceError, CannotStart) as error:
        log.warning("Inbound mail %s is read again when its lease is over: %s.", mail.pk, type(error).__name__)
        connection.close_if_unusable_or_obsolete()
    except Exception as error:  # noqa: BLE001  One bad message never stops the door; and what it raised may quote it.
        name, steps = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
        log.error("Inbound mail %s could not be read here: %s\n%s", mail.pk, name, steps)
        _quarantine(mail, f"Reading it failed here ({name}): the fault is the program's.", kind="reading mail failed")


def _read(mail: InboundMail, sandbox: Sandbox) -> None:
    destination = destinations.find(mail.recipient)
    if destination is None:
        _conclude(mail, partial(Outcome, State.DONE, "", "It came to an address that is no longer ours."))
        return
    arrived = Arrived(mail.envelope_sender, destination.place, mail.content, settings.LIST_DOMAIN)
    examined: Examined = sandbox.call(EXAMINE, arrived)
    if examined.problem:
        _refuse(mail, examined.problem)
        return
    read = routing.recognised(mail, destination, examined)
    question = routing.question(read)
    answer: Answer | None = sandbox.call(CHECK, question) if question else None
    _conclude(mail, partial(routing.route, read, answer))


@transaction.atomic
def _conclude(mail: InboundMail, decide: Callable[[], Outcome]) -> bool:
    """Do what is to be done and write down what it was; neither, where the lease was over and another worker took the message."""
    outcome = decide()
    kept: dict[str, Any] = NOTHING_KEPT if outcome.state == State.DONE else {}
    told = {"kind": outcome.kind[:12], "outcome": redact(outcome.words)[:300], "sender": outcome.sender, "post": outcome.post}
    is_ours = _move(mail, outcome.state, ended_at=Now(), **told, **kept)
    if not is_ours:
        transaction.set_rollback(True)
    return is_ours


def _move(mail: InboundMail, to: str, **changes: Any) -> bool:
    """Whether it was still in our hands: each claim counts an attempt."""
    return InboundMail.advance_many([mail.pk], to, where=Q(state=State.READING, attempts=mail.attempts), **changes) == 1


def _refuse(mail: InboundMail, words: str) -> None:
    """Keep for staff what is no message that can be read; beyond what anybody would look through, it is somebody's attack."""
    if InboundMail.objects.filter(state=State.QUARANTINED).count() < MOST_QUARANTINED:
        _quarantine(mail, words, kind="mail not readable")
    else:
        words = f"{words} It was dropped: {MOST_QUARANTINED} that could not be read wait for staff already."
        _conclude(mail, partial(Outcome, State.DONE, "", words))


@transaction.atomic
def _quarantine(mail: InboundMail, words: str, *, kind: str) -> None:
    """Keep it for staff, and tell them; once an hour, however many there are."""
    if not _conclude(mail, partial(Outcome, State.QUARANTINED, "", words)):
        return
    systemmail.alert(
        kind,
        "A message that came by mail could not be read",
        f"{words} It is kept, and the messages after it are read as usual. On the staff pages, under “Inbound mail”, you can look "
        "at what it says, have it read once more, or discard it. There may be more than one: this is said once an hour.",
    )


@transaction.atomic
def _put_back(mail: InboundMail, seconds: float) -> None:
    if mail.attempts >= MOST_DELAYS:
        _quarantine(mail, f"It could not be dealt with in {mail.attempts} attempts.", kind="reading mail failed")
    else:
        _move(mail, State.WAITING, next_attempt_at=Now() + timedelta(seconds=seconds))

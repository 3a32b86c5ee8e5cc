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
from itertools import accumulate
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When

from chamberlist import systemmail
from chamberlist.clock import Now
from chamberlist.redaction import redact
from posting.inbound import destinations, room, routing
from posting.inbound.authentication import Answer
from posting.inbound.examining import Arrived, Examined
from posting.inbound.routing import Outcome, TryLater
from posting.inbound.sandbox import CannotStart, Exceeded, Failed, Sandbox
from posting.models import InboundMail

State = InboundMail.State

READERS = 2  # At a time: mail must not take all workers from the lanes.
LEAVE = Q(place="leave")  # Read first: leaving holds from the next copy on.
FIRST = Case(When(LEAVE, then=Value(0)), When(place__in=("bounce", "reply"), then=Value(1)), default=Value(2))
SLOW = 1.0  # Seconds for one message; whoever left meanwhile is not to wait for the rest of what was taken in one go.
ENOUGH_TO_LEAVE = 64 * 1024  # Octets: more of such a message decides nothing.
AT_ONCE, OCTETS_AT_ONCE = 8, 20 * 1024 * 1024  # Messages that a reader takes in one go, for one commit.
LEASE = timedelta(minutes=5)  # For all of them.
MOST_ATTEMPTS = 3  # Of reading a message that nobody came to the end of: a worker was killed, or the database went away.
MOST_DELAYS = 5  # Of one that asked to be read later.
NOTHING_KEPT: dict[str, Any] = {"sealed_content": None, "sealed_envelope_sender": "", "sealed_recipient": ""}

EXAMINE, CHECK = "posting.inbound.examining:examine", "posting.inbound.authentication:check"

log = logging.getLogger(__name__)


def attend(seconds: float = 50) -> bool:
    """Read what is due for so long; whether there is more. Nothing is sent here, so that a halt does not stop it."""
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
                begun = time.monotonic()
                _attend_to(mail, sandbox)
                if time.monotonic() - begun > SLOW:
                    _let_go_who_wants_to_leave(sandbox)
    return is_more


def _let_go_who_wants_to_leave(sandbox: Sandbox) -> None:
    for mail in claim(LEAVE):
        _attend_to(mail, sandbox)


def recover() -> None:
    """Let what a dead worker had in hand be read again; what nobody could read in three attempts is for staff."""
    over = InboundMail.objects.filter(state=State.READING, next_attempt_at__lte=Now())
    for mail in over.filter(attempts__gte=F("delays") + MOST_ATTEMPTS).defer("sealed_content"):
        _quarantine(mail, f"Reading it was broken off {mail.attempts - mail.delays} times.", kind="reading mail failed")
    InboundMail.advance_many(over.values_list("pk", flat=True), State.WAITING, next_attempt_at=Now())


@transaction.atomic
def claim(which: Q | None = None, most: int = AT_ONCE) -> list[InboundMail]:
    """The messages of the first kind that are due for longest and that nobody else has, for the time of a lease."""
    due = _due().filter(which or Q()).select_for_update(skip_locked=True).defer("sealed_content")
    mails = _not_too_much(list(due.order_by(FIRST, "next_attempt_at", "pk")[:most]))
    contents = dict(InboundMail.objects.filter(pk__in=[mail.pk for mail in mails]).values_list("pk", "sealed_content"))
    InboundMail.advance_many([mail.pk for mail in mails], State.READING, attempts=F("attempts") + 1, next_attempt_at=Now() + LEASE)
    for mail in mails:
        mail.attempts += 1
        mail.sealed_content = contents[mail.pk]
    return mails


def _not_too_much(mails: list[InboundMail]) -> list[InboundMail]:
    """As many as fit into memory together; one always does."""
    sizes = accumulate(mail.size for mail in mails)
    return [mail for mail, size in zip(mails, sizes, strict=True) if size <= OCTETS_AT_ONCE or mail is mails[0]]


def _due() -> QuerySet[InboundMail]:
    return InboundMail.objects.filter(state=State.WAITING, next_attempt_at__lte=Now())


def _attend_to(mail: InboundMail, sandbox: Sandbox) -> None:
    """Bring one message to its end: the only place that catches whatever reading it may raise."""
    try:
        _read(mail, sandbox)
    except (Exceeded, Failed) as reason:
        _quarantine(mail, str(reason), kind="mail not readable")
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
    content = mail.content[:ENOUGH_TO_LEAVE] if destination.place == "leave" else mail.content
    arrived = Arrived(mail.envelope_sender, destination.place, content, settings.LIST_DOMAIN)
    examined: Examined = sandbox.call(EXAMINE, arrived)
    if examined.problem:
        _quarantine(mail, examined.problem, kind="mail not readable")
        return
    read = routing.recognised(mail, destination, examined)
    question = routing.question(read)
    answer: Answer | None = sandbox.call(CHECK, question) if question else None
    _conclude(mail, partial(routing.route, read, answer))


@transaction.atomic
def _conclude(mail: InboundMail, decide: Callable[[], Outcome]) -> bool:
    """Do what is to be done and write down what it was; neither, where the lease was over and another worker took the message."""
    with connection.cursor() as cursor:
        # What a crash of the database takes back it takes back whole: the message is still there, and is read again. What is sent
        # because of it is claimed by a commit that waits for the disk, and so for this one.
        cursor.execute("SET LOCAL synchronous_commit = off")
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


@transaction.atomic
def _quarantine(mail: InboundMail, words: str, *, kind: str) -> None:
    """Keep for staff what could not be read, and tell them; once an hour, however many there are.

    Beyond what anybody would look through, it is somebody's attack.
    """
    if room.is_full(State.QUARANTINED):
        _drop(mail, words)
        return
    if not _conclude(mail, partial(Outcome, State.QUARANTINED, "", words)):
        return
    systemmail.alert(
        kind,
        "A message that came by mail could not be read",
        f"{words} It is kept, and the messages after it are read as usual. On the staff pages, under “Inbound mail”, you can look "
        "at what it says, have it read once more, or discard it. There may be more than one: this is said once an hour.",
    )


def _drop(mail: InboundMail, words: str) -> None:
    words = f"{words} It was dropped: too many that could not be read wait for staff already."
    if not _conclude(mail, partial(Outcome, State.DONE, "", words)):
        return
    systemmail.alert(
        "mail dropped",
        "Messages that cannot be read are dropped",
        "So many messages that could not be read are kept that there is no room for more: those that come now are deleted. On the "
        "staff pages, under “Inbound mail”, choose “Could not be read” and discard them all, unless you expect something there.",
    )


@transaction.atomic
def _put_back(mail: InboundMail, seconds: float) -> None:
    """Such an attempt is none that was broken off."""
    if mail.delays + 1 >= MOST_DELAYS:
        _quarantine(mail, f"It could not be dealt with in {mail.attempts} attempts.", kind="reading mail failed")
    else:
        _move(mail, State.WAITING, next_attempt_at=Now() + timedelta(seconds=seconds), delays=F("delays") + 1)

"""Keeping: what staff do with a message that is kept for them, and when what came by mail is forgotten."""

from datetime import timedelta

from django.db import transaction

from chamberlist import audit, bell
from chamberlist.clock import Now
from posting.inbound import showing
from posting.inbound.attending import NOTHING_KEPT
from posting.inbound.sandbox import CannotStart, Exceeded, Failed, Sandbox
from posting.inbound.showing import Shown
from posting.models import InboundMail
from subscriptions import disclosure

State = InboundMail.State

FOR_STAFF = (State.KEPT, State.QUARANTINED)
KNOWN = timedelta(days=35)  # For so long a message that comes once more is known by its digest.
KEPT = timedelta(days=14)  # For so long staff may read what is kept for them.
DISCARDED = {"outcome": "Discarded.", **NOTHING_KEPT}
NOTHING = "There was nothing to discard: somebody has dealt with it meanwhile."
GONE = "There is nothing left to read: somebody has dealt with it meanwhile."
READ = "read mail"
# By one member of staff, since each letter shows whose it is: more than an office answers, too little to carry a list away.
READS_A_DAY, READS_A_MONTH = 60, 400
DAY, MONTH = timedelta(days=1), timedelta(days=30)
ENOUGH_READ = (
    f"You have read as many letters as one account may: {READS_A_DAY} in 24 hours, {READS_A_MONTH} in 30 days. "
    "A colleague can read this one; whoever runs the server has been told."
)


def read(mail: InboundMail, *, by: str, reason: str) -> Shown | str:
    """What the message says, once it is on record who reads it and why; or why it is not shown."""
    if not reason.strip():
        return "Please write why you read it: it is kept in the audit trail."
    if mail.state not in FOR_STAFF:
        return GONE
    raw = mail.content
    if not _may_read(mail, by=by, reason=reason):
        return ENOUGH_READ
    try:
        with Sandbox() as sandbox:
            shown: Shown = sandbox.call("posting.inbound.showing:show", raw)
    except (Exceeded, Failed, CannotStart):
        return showing.source(raw)
    return shown


@transaction.atomic
def _may_read(mail: InboundMail, *, by: str, reason: str) -> bool:
    """Put one more reading on record; False, and nothing, where this account has read enough."""
    today, month = (audit.times(by, READ, within=within) for within in (DAY, MONTH))
    if today >= READS_A_DAY or month >= READS_A_MONTH:
        return False
    audit.record(by, READ, mail, reason=reason)
    if today + 1 == READS_A_DAY or month + 1 == READS_A_MONTH:
        words = f"has read {today + 1} letters in a day, {month + 1} in a month. It is shown no more for now."
        disclosure.tell("letters", by, words, headline="A staff account reads many letters")
    return True


@transaction.atomic
def discard(mail: InboundMail, *, by: str, reason: str = "") -> str:
    """Forget what it says, without a word to anybody. "" or why nothing was changed."""
    if mail.state not in FOR_STAFF or not mail.advance(State.DONE, ended_at=Now(), **DISCARDED):
        return NOTHING
    audit.record(by, "discard mail", mail, reason=reason)
    return ""


@transaction.atomic
def discard_all(newest: InboundMail, *, by: str) -> str:
    """Forget what all in its state say that came no later: nobody has seen those that came since. "" or why nothing was changed."""
    state, seen = newest.state, InboundMail.objects.filter(state=newest.state, pk__lte=newest.pk).values_list("pk", flat=True)
    if state not in FOR_STAFF or not (number := InboundMail.advance_many(seen, State.DONE, ended_at=Now(), **DISCARDED)):
        return NOTHING
    audit.record(by, "discard all mail", newest, reason=f"{number} in the state “{State(state).label}” that came no later.")
    return ""


@transaction.atomic
def read_once_more(mail: InboundMail, *, by: str) -> str:
    """Let the program try again, as if it had just come. "" or why nothing was changed."""
    fresh = {"attempts": 0, "delays": 0, "next_attempt_at": Now(), "kind": "", "outcome": "", "ended_at": None}
    if mail.state != State.QUARANTINED or not mail.advance(State.WAITING, **fresh):
        return "It waits to be read already, or somebody has dealt with it meanwhile."
    audit.record(by, "read mail once more", mail)
    bell.ring("posting.tasks.read_mail")
    return ""


def prune() -> None:
    """Forget what has been kept for long enough; a row that loses its content stays until nobody could send its message again."""
    unread = InboundMail.objects.filter(state__in=FOR_STAFF, ended_at__lt=Now() - KEPT).values_list("pk", flat=True)
    words = f"Nobody dealt with it in {KEPT.days} days."
    InboundMail.advance_many(unread, State.DONE, outcome=words, ended_at=Now(), **NOTHING_KEPT)
    InboundMail.objects.filter(state=State.DONE, received_at__lt=Now() - KNOWN).delete()

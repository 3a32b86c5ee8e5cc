"""Halt: a row in Postgres that stops every hand-over, with the broker down too. The fence has one of its own (``fence``)."""

from django.db import transaction

from chamberlist import audit
from chamberlist.clock import Now
from chamberlist.models import Halt
from chamberlist.redaction import redact

BREAKER = "the breaker"  # Who halts by itself.


def is_on() -> bool:
    """Whether sending is stopped, by whomever."""
    return Halt.objects.filter(halted_at__isnull=False).exists()


@transaction.atomic
def halt(*, by: str, reason: str) -> bool:
    """Stop all sending, from the next final dot on; False where it was stopped before.

    What the breaker has to say outlives a person's halt, which anybody may end without a word. No address is kept in the reason.
    """
    row, reason = _locked(), redact(reason)
    if row.halted_at is None:
        change = {"halted_at": Now(), "halted_by": audit.without_address(by), "reason": reason[:200]}
    elif by == BREAKER != row.halted_by:
        change = {"halted_by": by, "reason": f"{reason} ({row.halted_by or 'somebody'} had stopped it: {row.reason})"[:200]}
    else:
        if by != BREAKER:
            audit.record(by, "halt", row, reason=reason)
        return False
    Halt.objects.filter(pk=Halt.BY_PEOPLE).update(**change)
    audit.record(by, "halt", row, reason=reason)
    return True


@transaction.atomic
def resume(*, by: str, reason: str) -> str:
    """Let sending go on; what expired meanwhile stays unsent. "" or why nothing was changed."""
    row = _locked()
    if row.halted_by == BREAKER and not reason.strip():
        return "The breaker stopped it. Look at what it says, and write why sending may go on: it is kept in the audit trail."
    if row.halted_at is not None:
        Halt.objects.filter(pk=Halt.BY_PEOPLE).update(halted_at=None, halted_by="", reason="", resumed_at=Now())
    audit.record(by, "resume", row, reason=reason)
    return ""


def _locked() -> Halt:
    Halt.objects.get_or_create(pk=Halt.BY_PEOPLE)
    return Halt.objects.select_for_update().get(pk=Halt.BY_PEOPLE)

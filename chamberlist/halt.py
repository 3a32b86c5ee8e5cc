"""Halt: a row in Postgres that stops every hand-over, with the broker down too. The fence has one of its own (``fence``)."""

from django.db import transaction

from chamberlist import audit
from chamberlist.clock import Now
from chamberlist.models import Halt


def is_on() -> bool:
    """Whether sending is stopped, by whomever."""
    return Halt.objects.filter(halted_at__isnull=False).exists()


@transaction.atomic
def halt(*, by: str, reason: str) -> None:
    """Stop all sending, from the next final dot on."""
    row, _ = Halt.objects.get_or_create(pk=Halt.BY_PEOPLE)
    Halt.objects.filter(pk=Halt.BY_PEOPLE, halted_at=None).update(halted_at=Now(), reason=reason[:200])
    audit.record(by, "halt", row, reason=reason)


@transaction.atomic
def resume(*, by: str, reason: str) -> None:
    """Let sending go on; what expired meanwhile stays unsent."""
    row, _ = Halt.objects.get_or_create(pk=Halt.BY_PEOPLE)
    Halt.objects.filter(pk=Halt.BY_PEOPLE).update(halted_at=None, reason="")
    audit.record(by, "resume", row, reason=reason)

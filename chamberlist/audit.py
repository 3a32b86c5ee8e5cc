"""The audit trail: what named people did."""

from datetime import timedelta

from django.contrib.auth import get_user_model
from django.db import connection, models

from chamberlist.clock import Now
from chamberlist.models import AuditEntry
from chamberlist.redaction import redact

COMMAND_LINE = "command line"
NO_ADDRESS = "Choose a name without “@”: it stands in the audit trail, which holds no address."


def record(actor: str, verb: str, subject: models.Model | str, *, reason: str = "") -> None:
    """Add one entry, in the transaction of what it records. No address is kept: not in the reason, and not as a name."""
    AuditEntry.objects.create(actor=without_address(actor), verb=verb, subject=name(subject), reason=redact(reason)[:500])


def name(subject: models.Model | str) -> str:
    """What the trail calls a row: its kind and number."""
    return subject if isinstance(subject, str) else f"{subject._meta.verbose_name} {subject.pk}"


def times(actor: str, verb: str, *, within: timedelta) -> int:
    """How often the actor did this lately, by the trail itself, which nobody can set back.

    In the caller's transaction: who asks about the same actor meanwhile waits for its end, so that a cap counts each one.
    """
    actor = without_address(actor)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"audit/{actor}"])
    return AuditEntry.objects.filter(actor=actor, verb=verb, at__gt=Now() - within).count()


def without_address(actor: str) -> str:
    """A staff account that has an address for a name is called by its number: the address may be a member's."""
    if redact(actor) == actor:
        return actor
    user = get_user_model().objects.filter(username=actor).first()
    return f"user {user.pk}" if user else redact(actor)

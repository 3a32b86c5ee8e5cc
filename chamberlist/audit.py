"""The audit trail: what named people did."""

from django.db import models

from chamberlist.models import AuditEntry
from chamberlist.redaction import redact


def record(actor: str, verb: str, subject: models.Model, *, reason: str = "") -> None:
    """Add one entry, in the transaction of what it records. The reason is kept without addresses."""
    name = f"{subject._meta.verbose_name} {subject.pk}"
    AuditEntry.objects.create(actor=actor, verb=verb, subject=name, reason=redact(reason)[:500])

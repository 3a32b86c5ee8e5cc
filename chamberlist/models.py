"""What the site itself keeps: mails of ours to one person, alerts, the halt, the audit trail and the counters of the throttle."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from chamberlist.clock import Now
from chamberlist.states import Stateful, is_one_of

SYSTEM_MAIL_LIFETIME = timedelta(hours=24)


class SystemMailState(models.TextChoices):
    QUEUED = "queued", "Waiting"
    SENDING = "sending", "Being handed over"
    DEFERRED = "deferred", "To be tried again"
    SENT = "sent", "Handed over"
    FAILED = "failed", "Refused"
    CANCELLED = "cancelled", "No longer needed"
    EXPIRED = "expired", "Too late"


class SystemMail(Stateful):
    """The outbox: a mail of ours to one person, written with the change that causes it, so that a flushed broker loses none.

    The row holds no address and no text: the renderer of its ``purpose`` (``settings.SYSTEM_MAILS``) reads both from ``object_id``.
    """

    State = SystemMailState

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        State.QUEUED: {State.SENDING, State.EXPIRED},
        State.DEFERRED: {State.SENDING, State.EXPIRED},
        State.SENDING: {State.SENT, State.DEFERRED, State.FAILED, State.CANCELLED},
    }

    purpose = models.CharField(max_length=32)
    object_id = models.BigIntegerField()
    recipient_hash = models.BinaryField(null=True, help_text="Counts mails to one address without naming it.")
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED, editable=False)
    status = models.CharField(max_length=200, blank=True, help_text="The last reply, without addresses.")
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    next_attempt_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = "system mail"
        constraints = (is_one_of(SystemMailState, name="systemmail_state"),)
        indexes = (
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state__in=("queued", "sending", "deferred")),
                name="systemmail_due",
            ),
            models.Index(fields=["recipient_hash", "created_at"], name="systemmail_by_recipient"),
        )

    def __str__(self) -> str:
        return f"system mail {self.pk}"


class Alert(models.Model):
    """Something that staff must know, mailed to them through the outbox."""

    kind = models.CharField(max_length=40)
    headline = models.CharField(max_length=200)
    text = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"alert {self.pk}"


class Halt(models.Model):
    """What stops all sending, read by every claim: one row for people and the breaker, one for the fence."""

    BY_PEOPLE, FENCE = 1, 2

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    halted_at = models.DateTimeField(null=True, blank=True)
    halted_by = models.CharField(max_length=150, blank=True, db_default="")
    reason = models.CharField(max_length=200, blank=True)
    resumed_at = models.DateTimeField(null=True, blank=True, help_text="What went wrong before this trips the breaker no more.")

    class Meta:
        verbose_name_plural = "halt"
        constraints = (
            models.CheckConstraint(condition=Q(id__in=(1, 2)), name="halt_is_one_of_two"),
            models.CheckConstraint(
                condition=Q(halted_at=None, reason="") | (Q(halted_at__isnull=False) & ~Q(reason="")),
                name="halt_has_reason",
            ),
        )

    def __str__(self) -> str:
        return "halt"


class Fence(models.Model):
    """The database that may send, as it was when a person armed it."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    fence_id = models.UUIDField(help_text="Names the file in STATE_DIR that holds the counter.")
    identity = models.CharField(max_length=80, help_text="Cluster, database and table, as Postgres numbers them.")
    timeline = models.BigIntegerField()
    armed_at = models.DateTimeField()
    armed_by = models.CharField(max_length=150)

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(id=1), name="fence_is_one_row"),)

    def __str__(self) -> str:
        return "fence"


class FenceHost(models.Model):
    """A place from which the armed database sends: raised whenever it does, and then in the place's own file."""

    fingerprint = models.CharField(primary_key=True, max_length=32)
    counter = models.BigIntegerField(default=0)
    beat_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"place {self.pk}"


class AuditEntry(models.Model):
    """Who did what to which object, why and when. Rows are only ever added, and hold no address."""

    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=150)
    verb = models.CharField(max_length=40)
    subject = models.CharField(max_length=80, help_text="What it was done to, as kind and number.")
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name_plural = "audit trail"
        ordering = (F("at").desc(), F("pk").desc())
        indexes = (
            models.Index(fields=["subject", "at"], name="audit_by_subject"),
            models.Index(fields=["actor", "verb", "at"], name="audit_by_actor"),
        )

    def __str__(self) -> str:
        return f"audit entry {self.pk}"


class ThrottleCounter(models.Model):
    """How often something was tried in a window of time; the bucket is a keyed hash, so that it names no address and no network."""

    bucket = models.BinaryField()
    window = models.DateTimeField()
    hits = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["bucket", "window"], name="throttle_bucket_window"),)
        indexes = (models.Index(fields=["window"], name="throttle_window"),)

    def __str__(self) -> str:
        return f"throttle counter {self.pk}"

"""What came in by mail, until it is read; and what staff must look at."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from chamberlist.clock import Now
from chamberlist.sealed import Sealed, SealedBytes
from chamberlist.states import Stateful, is_one_of
from posting.models.post import Post
from posting.models.sender import Sender


class InboundState(models.TextChoices):
    WAITING = "waiting", "Waiting to be read"
    READING = "reading", "Being read"
    DONE = "done", "Read"
    KEPT = "kept", "For you to read"
    QUARANTINED = "quarantined", "Could not be read"


class InboundMail(Stateful):
    """One message to one address of ours. Its content is sealed while it waits, and gone once it is read.

    The row stays for some weeks without content: a message that is delivered again is known by its digest.
    """

    State = InboundState

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        State.WAITING: {State.READING},
        State.READING: {State.DONE, State.KEPT, State.QUARANTINED, State.WAITING},
        State.KEPT: {State.DONE},
        State.QUARANTINED: {State.DONE, State.WAITING},  # A person discards it, or has it read once more.
    }
    OPEN = (State.WAITING, State.READING)

    handle = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    digest = models.BinaryField(unique=True, help_text="A keyed hash of recipient and message: what comes twice is taken once.")
    via = models.CharField(max_length=12, help_text="By which way: smtp, lmtp, stdin, webhook.")
    sealed_envelope_sender = models.TextField(blank=True, editable=False)
    sealed_recipient = models.TextField(blank=True, editable=False)
    sealed_content = models.BinaryField(null=True, editable=False)
    size = models.PositiveIntegerField(help_text="Octets.")
    state = models.CharField(max_length=12, choices=InboundState, default=InboundState.WAITING, editable=False)
    place = models.CharField(max_length=12, blank=True, db_default="", editable=False, help_text="What the address is for.")
    kind = models.CharField(max_length=12, blank=True, help_text="What it was taken for.")
    outcome = models.CharField(max_length=300, blank=True, help_text="What was done, as a sentence without addresses.")
    sender = models.ForeignKey(Sender, null=True, on_delete=models.SET_NULL, related_name="+")
    post = models.ForeignKey(Post, null=True, on_delete=models.SET_NULL, related_name="+")
    attempts = models.PositiveSmallIntegerField(default=0)
    delays = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="Attempts after which it asked for another one.")
    next_attempt_at = models.DateTimeField(db_default=Now())
    received_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    envelope_sender = Sealed("sealed_envelope_sender")
    recipient = Sealed("sealed_recipient")
    content = SealedBytes("sealed_content")

    class Meta:
        verbose_name = "inbound mail"
        verbose_name_plural = "inbound mail"
        ordering = ("-pk",)
        constraints = (
            is_one_of(InboundState, name="inbound_state"),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(sealed_content=None, sealed_envelope_sender="", sealed_recipient=""),
                name="inbound_read_keeps_nothing",
            ),
        )
        indexes = (
            models.Index(fields=["next_attempt_at"], condition=Q(state__in=("waiting", "reading")), name="inbound_due"),
            models.Index(fields=["state"], condition=Q(state__in=("kept", "quarantined")), name="inbound_for_staff"),
            models.Index(fields=["received_at"], name="inbound_by_time"),
        )

    def __str__(self) -> str:
        return f"inbound mail {self.pk}"

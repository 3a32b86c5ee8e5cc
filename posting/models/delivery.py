"""The ledger: one row a copy, the lanes that hand copies over, and what mail servers said."""

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import ExpressionWrapper, Q

from chamberlist.clock import Now
from chamberlist.states import Stateful, is_one_of
from posting.models.post import Post
from subscriptions.models import Subscription


class Lane(models.Model):
    """A path to the relay: whoever holds its lease hands copies over, so that ten deliveries of one task are one lane.

    ``token`` is the fencing token: each new holder raises it, and a write under an older one is refused.
    """

    number = models.PositiveSmallIntegerField(primary_key=True)
    token = models.BigIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    rests_until = models.DateTimeField(null=True, help_text="Back-off after the relay refused us.")
    failures = models.PositiveSmallIntegerField(default=0, help_text="Refusals in a row, for the back-off.")
    marked = ArrayField(
        models.BigIntegerField(), default=list, db_default=[], help_text="The copies that it has in hand are among these."
    )

    def __str__(self) -> str:
        return f"lane {self.number}"


class DeliveryState(models.TextChoices):
    QUEUED = "queued", "Waiting"
    SENDING = "sending", "Being handed over"
    DEFERRED = "deferred", "To be tried again"
    SENT = "sent", "Handed over"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Refused"
    IN_DOUBT = "in_doubt", "In doubt"
    BOUNCED = "bounced", "Came back"
    COMPLAINED = "complained", "Reported as unwanted"
    CANCELLED = "cancelled", "Cancelled"
    SUPPRESSED = "suppressed", "Not to be mailed"
    EXPIRED = "expired", "Too late"


class Delivery(Stateful):
    """One post to one subscription: the fate of one copy. Rows are written by ``audience.expand`` and moved by ``ledger``.

    A copy that is marked and taken changes no column that an index knows, the conditions of indexes included: Postgres then writes
    the row beside its old self and no index at all, whatever the size of the ledger.
    """

    State = DeliveryState

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        State.QUEUED: {State.SENDING, State.CANCELLED, State.SUPPRESSED, State.EXPIRED, State.FAILED},
        State.DEFERRED: {State.SENDING, State.CANCELLED, State.SUPPRESSED, State.EXPIRED, State.FAILED},
        State.SENDING: {
            State.SENT, State.DEFERRED, State.FAILED, State.IN_DOUBT,
            State.QUEUED, State.CANCELLED, State.SUPPRESSED, State.EXPIRED,  # By its live owner, while no dot was written.
        },
        State.SENT: {State.DELIVERED, State.BOUNCED, State.COMPLAINED},
        State.DELIVERED: {State.BOUNCED, State.COMPLAINED},
        State.IN_DOUBT: {State.SENT, State.DELIVERED, State.FAILED, State.BOUNCED, State.COMPLAINED, State.QUEUED},
    }  # fmt: skip
    WAITING = (State.QUEUED, State.DEFERRED)
    OPEN = (*WAITING, State.SENDING)

    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    subscription = models.ForeignKey(Subscription, null=True, on_delete=models.SET_NULL, related_name="deliveries", db_index=False)
    address_hash = models.BinaryField(null=True)
    handle = models.UUIDField(unique=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False)
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED, db_default=State.QUEUED, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    next_attempt_at = models.DateTimeField(
        null=True, db_default=Now(), help_text="Of a copy that waits: empty until it has had its first turn."
    )
    lane = models.ForeignKey(Lane, null=True, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    lane_token = models.BigIntegerField(null=True)
    status = models.CharField(max_length=200, blank=True, db_default="", help_text="The last reply or reason, without addresses.")
    ended_at = models.DateTimeField(null=True)
    is_refused = models.GeneratedField(
        expression=ExpressionWrapper(Q(state__in=(State.FAILED, State.BOUNCED)), models.BooleanField()),
        output_field=models.BooleanField(),
        db_persist=True,
    )

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = (
            is_one_of(DeliveryState, name="delivery_state"),
            # In this order one also finds what a member was sent, and the other the copies of a post.
            models.UniqueConstraint(fields=["subscription", "post"], name="delivery_once_a_subscription"),
            models.UniqueConstraint(fields=["post", "address_hash"], name="delivery_once_an_address"),
            models.CheckConstraint(
                condition=~Q(state="sending") | Q(lane__isnull=False, lane_token__isnull=False),
                name="delivery_sending_has_a_lane",
            ),
            models.CheckConstraint(
                condition=~Q(state="deferred") | Q(next_attempt_at__isnull=False), name="delivery_deferred_has_a_time"
            ),
        )
        indexes = (
            # Who is to be tried again when. The first turns of a post go by the id, from ``Post.begun_to`` to ``Post.last_copy``.
            # Each post has a range of its own, so that none waits behind another.
            models.Index(
                fields=["post", "next_attempt_at", "id"], condition=Q(next_attempt_at__isnull=False), name="delivery_next_turn"
            ),
            # What the breaker counts.
            models.Index(fields=["post"], condition=Q(is_refused=True), name="delivery_refused"),
        )

    def __str__(self) -> str:
        return f"delivery {self.pk}"


class DeliveryEvent(models.Model):
    """What a mail server or a provider reported of one copy, in anymail's words, without addresses."""

    class Kind(models.TextChoices):
        SENT = "sent", "Handed over"
        DEFERRED = "deferred", "Put off"
        REJECTED = "rejected", "Refused"
        FAILED = "failed", "Failed"
        BOUNCED = "bounced", "Came back"
        DELIVERED = "delivered", "Delivered"
        COMPLAINED = "complained", "Reported as unwanted"
        UNKNOWN = "unknown", "Unknown"

    class Cause(models.TextChoices):
        """Why a copy came back, which decides what follows from it."""

        MAILBOX = "mailbox", "The mailbox does not exist"
        TRANSIENT = "transient", "For the moment, such as a full mailbox"
        POLICY = "policy", "Policy or reputation: about us"
        CONTENT = "content", "The message itself"
        UNKNOWN = "unknown", "Not said"

    class Proof(models.TextChoices):
        ADDRESS = "address", "Our own address of this copy (VERP)"
        MESSAGE_ID = "message-id", "The copy's Message-ID"
        PROVIDER = "provider", "The provider's own report"

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="events")
    key = models.CharField(max_length=80, help_text="Names the report, so that one that arrives twice counts once.")
    kind = models.CharField(max_length=12, choices=Kind)
    status = models.CharField(max_length=12, blank=True, help_text="Enhanced status code (RFC 3463).")
    text = models.CharField(max_length=300, blank=True)
    cause = models.CharField(max_length=12, blank=True, db_default="", choices=Cause, help_text="Whose fault a failure is.")
    proof = models.CharField(
        max_length=12, blank=True, db_default="", choices=Proof, help_text="What shows that it is about this copy."
    )
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.UniqueConstraint(fields=["delivery", "key"], name="event_once"),)

    def __str__(self) -> str:
        return f"delivery event {self.pk}"

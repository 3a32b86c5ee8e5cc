"""Lists, who has agreed to receive them, who must never be mailed again, and the proof of each consent."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from chamberlist.clock import Now
from chamberlist.sealed import Sealed
from chamberlist.states import Stateful, is_one_of


class MailingList(models.Model):
    """A list that members subscribe to and approved senders post to."""

    class Moderation(models.TextChoices):
        ALL = "all", "Staff read every post first"
        FIRST = "first", "Staff read a sender's first post"
        NONE = "none", "Posts go out unless a rule holds them"

    class Replies(models.TextChoices):
        OPAQUE = "opaque", "Passed on by us, without showing the member's address"
        SENDER = "sender", "Straight to the sender, who then sees the member's address"
        CHAMBER = "chamber", "To the Chamber's office"

    slug = models.CharField(
        max_length=40,
        unique=True,
        validators=[
            RegexValidator(
                r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
                "Use lower-case letters, digits and hyphens, for example promotions.",
            )
        ],
        help_text="Part of the list's address and of its page; it cannot change later.",
    )
    name = models.CharField(max_length=80)
    description = models.TextField(
        blank=True, help_text="One or two sentences for the subscribe page: what arrives, and how often."
    )
    moderation = models.CharField(max_length=8, choices=Moderation, default=Moderation.ALL)
    replies = models.CharField(
        max_length=8,
        choices=Replies,
        default=Replies.OPAQUE,
        help_text="Where a member's answer goes. What members agree to says so.",
    )
    undo_seconds = models.PositiveIntegerField(
        "time to undo",
        default=300,
        help_text="Seconds between an acceptance and the first copy, in which staff can take it back.",
    )
    suspend_after = models.PositiveSmallIntegerField(
        default=1,
        db_default=1,
        help_text="Suspend a member when copies of so many messages came back for good, as our address of the copy shows.",
    )
    suspend_after_unproven = models.PositiveSmallIntegerField(
        default=3, db_default=3, help_text="The same where only the copy's Message-ID shows which copy came back."
    )
    suspend_after_transient = models.PositiveSmallIntegerField(
        default=10, db_default=10, help_text="A member is suspended after so many messages in a row met a full mailbox or the like."
    )
    suspend_days = models.PositiveSmallIntegerField(
        default=14, db_default=14, help_text="Within how many days failures for good count together."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "list"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("subscribe", args=[self.slug])

    @property
    def list_id(self) -> str:
        """The list's identifier (RFC 2919)."""
        return f"{self.slug}.{settings.LIST_DOMAIN}"

    @property
    def address(self) -> str:
        """The list's own address."""
        return f"{self.slug}@{settings.LIST_DOMAIN}"


class SubscriptionState(models.TextChoices):
    PENDING = "pending", "Not confirmed yet"
    ACTIVE = "active", "Subscribed"
    PAUSED = "paused", "Paused"
    UNSUBSCRIBED = "unsubscribed", "Left"
    SUSPENDED = "suspended", "Suspended, mail came back"


class Subscription(Stateful):
    """One address's consent to one list."""

    State = SubscriptionState

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        State.PENDING: {State.ACTIVE, State.UNSUBSCRIBED},
        State.ACTIVE: {State.PAUSED, State.UNSUBSCRIBED, State.SUSPENDED},
        State.PAUSED: {State.ACTIVE, State.UNSUBSCRIBED},
        State.UNSUBSCRIBED: {State.PENDING},
        State.SUSPENDED: {State.PENDING, State.UNSUBSCRIBED},
    }

    mailing_list = models.ForeignKey(MailingList, on_delete=models.PROTECT, related_name="subscriptions", verbose_name="list")
    handle = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sealed_address = models.TextField(editable=False)
    address_hash = models.BinaryField()
    domain_hash = models.BinaryField()
    state = models.CharField(max_length=16, choices=State, default=State.PENDING, editable=False)
    confirmation = models.UUIDField(
        null=True, unique=True, editable=False, help_text="What the confirmation link carries, while it is open."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    asked_at = models.DateTimeField(null=True, editable=False)
    confirmed_at = models.DateTimeField(null=True, editable=False)
    left_at = models.DateTimeField(null=True, editable=False)
    paused_until = models.DateTimeField(null=True, editable=False)

    address = Sealed("sealed_address")

    class Meta:
        permissions = (("reveal_address", "Can see a member's whole address, with a reason"),)
        constraints = (
            is_one_of(SubscriptionState, name="subscription_state"),
            models.UniqueConstraint(fields=["mailing_list", "address_hash"], name="subscription_once_a_list"),
            models.CheckConstraint(
                condition=Q(state="pending", confirmation__isnull=False, asked_at__isnull=False)
                | (~Q(state="pending") & Q(confirmation=None)),
                name="subscription_pending_has_a_link",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=("active", "paused")) | Q(confirmed_at__isnull=False),
                name="subscription_mailed_only_if_confirmed",
            ),
            models.CheckConstraint(
                condition=Q(state="paused", paused_until__isnull=False) | (~Q(state="paused") & Q(paused_until=None)),
                name="subscription_paused_until",
            ),
        )
        indexes = (
            models.Index(fields=["mailing_list", "state"], name="subscription_audience"),
            models.Index(fields=["address_hash"], name="subscription_by_address"),
            models.Index(fields=["domain_hash"], name="subscription_by_domain"),
        )

    def __str__(self) -> str:
        return f"subscription {self.pk}"


class SubscriptionRequest(models.Model):
    """What somebody asked for on a page, kept until a worker reads it: the page does the same work whoever it is about."""

    class Wish(models.TextChoices):
        SIGN_UP = "sign_up", "Typed an address to subscribe"
        DISOWN = "disown", "Said: this was not me"
        REJOIN = "rejoin", "Left by mistake"
        MANAGE = "manage", "Wants the link to what is set"

    mailing_list = models.ForeignKey(MailingList, on_delete=models.CASCADE)
    handle = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    wish = models.CharField(max_length=8, choices=Wish, default=Wish.SIGN_UP, db_default=Wish.SIGN_UP)
    about = models.UUIDField(null=True, editable=False, help_text="What the link carries: nobody may have such a row.")
    sealed_address = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(db_default=Now(), editable=False)

    address = Sealed("sealed_address")

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(Q(wish="sign_up", about=None) & ~Q(sealed_address=""))
                | Q(wish__in=("disown", "rejoin", "manage"), about__isnull=False, sealed_address=""),
                name="request_by_address_or_link",
            ),
            # A link that is used a thousand times leaves one row. One that a worker has in hand does not count: whoever asks again
            # would have to wait for the worker, for a time that depends on whom it is about.
            models.UniqueConstraint(fields=["mailing_list", "wish", "about"], condition=Q(tries=0), name="request_waits_once"),
        )

    def __str__(self) -> str:
        return f"request {self.pk}"


class Suppression(models.Model):
    """Never mail this address again: on one list, or, without a list, on all."""

    class Reason(models.TextChoices):
        BOUNCE = "bounce", "Mail came back"
        COMPLAINT = "complaint", "Reported as unwanted"
        OBJECTION = "objection", "Said: this was not me, or objected"
        ERASURE = "erasure", "Asked to be forgotten"

    address_hash = models.BinaryField()
    mailing_list = models.ForeignKey(
        MailingList, null=True, blank=True, on_delete=models.CASCADE, related_name="suppressions", verbose_name="list"
    )
    reason = models.CharField(max_length=12, choices=Reason)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["address_hash", "mailing_list"], name="suppression_once_a_list"),
            models.UniqueConstraint(fields=["address_hash"], condition=Q(mailing_list=None), name="suppression_once_for_all"),
            models.CheckConstraint(
                condition=Q(reason__in=("bounce", "complaint", "objection", "erasure")), name="suppression_reason"
            ),
        )

    def __str__(self) -> str:
        return f"suppression {self.pk}"


class ConsentEvent(models.Model):
    """What happened to a consent, and when. Rows are only ever added; the database refuses to change one."""

    class Kind(models.TextChoices):
        REQUESTED = "requested", "Asked to subscribe"
        CONFIRMED = "confirmed", "Confirmed"
        IMPORTED = "imported", "Imported with evidence"
        PAUSED = "paused", "Paused"
        RESUMED = "resumed", "Resumed"
        LEFT = "left", "Left"
        DISOWNED = "disowned", "Said: this was not me"
        LAPSED = "lapsed", "Did not confirm in time"
        SUSPENDED = "suspended", "Suspended: mail came back"
        COMPLAINED = "complained", "Reported a message as unwanted"

    mailing_list = models.ForeignKey(MailingList, on_delete=models.PROTECT, related_name="consent_events", verbose_name="list")
    address_hash = models.BinaryField()
    kind = models.CharField(max_length=12, choices=Kind)
    how = models.CharField(max_length=20, help_text="By which way: form, one-click, page, import, staff, time.")
    wording = models.CharField(max_length=40, blank=True, help_text="The version of the words that the person agreed to.")
    evidence = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = (F("at").asc(), F("pk").asc())
        indexes = (models.Index(fields=["address_hash", "mailing_list", "at"], name="consent_by_address"),)

    def __str__(self) -> str:
        return f"consent event {self.pk}"

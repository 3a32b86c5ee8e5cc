"""What was submitted, and where it is on its way."""

import hashlib
import uuid
from datetime import timedelta
from typing import ClassVar

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import F, Q

from chamberlist.clock import Now
from chamberlist.sealed import Sealed, SealedStrings
from chamberlist.states import Stateful, is_one_of
from posting.models.sender import Sender
from subscriptions.models import MailingList

LIFE = timedelta(hours=24)
LONGEST_LIFE = timedelta(hours=72)


class PostState(models.TextChoices):
    DRAFT = "draft", "Draft"
    HELD = "held", "Waiting for the Chamber"
    ACCEPTED = "accepted", "Accepted"
    SENDING = "sending", "Being sent"
    DONE = "done", "Sent"
    REJECTED = "rejected", "Not accepted"
    DISCARDED = "discarded", "Discarded"
    WITHDRAWN = "withdrawn", "Withdrawn"
    RECALLED = "recalled", "Recalled"
    EXPIRED = "expired", "Expired"
    FROZEN = "frozen", "Stopped for a check"


class Post(Stateful):
    """A message to a list. Acceptance freezes its content and its expiry. What it says may name people, so it is sealed."""

    State = PostState

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        State.DRAFT: {State.HELD, State.WITHDRAWN},
        State.HELD: {State.ACCEPTED, State.REJECTED, State.DISCARDED, State.WITHDRAWN},
        State.ACCEPTED: {State.HELD, State.SENDING, State.RECALLED, State.EXPIRED, State.FROZEN},
        State.SENDING: {State.DONE, State.RECALLED, State.EXPIRED, State.FROZEN},
        State.DONE: {State.SENDING},  # A person has copies in doubt sent again.
        State.FROZEN: {State.ACCEPTED, State.SENDING, State.RECALLED, State.EXPIRED},
    }

    mailing_list = models.ForeignKey(MailingList, on_delete=models.PROTECT, related_name="posts", verbose_name="list")
    sender = models.ForeignKey(Sender, on_delete=models.PROTECT, related_name="posts")
    submission_key = models.UUIDField(help_text="One form or one mail is one post, however often it is submitted.")
    state = models.CharField(max_length=12, choices=State, default=State.DRAFT, editable=False)
    handle = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    sealed_subject = models.TextField(editable=False)
    sealed_body = models.TextField(editable=False)
    sealed_html = models.TextField(
        blank=True, default="", db_default="", editable=False, help_text="The text as HTML, sanitised; else made from the text."
    )
    fingerprint = models.CharField(
        max_length=32, blank=True, db_default="", editable=False, help_text="By which a copy that comes back is known."
    )
    reasons = models.JSONField(default=list, editable=False, help_text="Why it is held, as sentences.")
    sealed_allowed_addresses = models.TextField(
        blank=True, default="", db_default="", editable=False, help_text="Addresses in the text that staff allowed by name."
    )
    sealed_reject_reason = models.TextField(blank=True, default="", db_default="", editable=False)
    frozen_reason = models.CharField(max_length=300, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    submitted_at = models.DateTimeField(null=True, editable=False)
    accepted_at = models.DateTimeField(null=True, editable=False)
    accepted_by = models.CharField(max_length=150, blank=True, editable=False)
    accepted_hash = models.CharField(
        max_length=64, blank=True, editable=False, help_text="The content that was accepted; no other is sent."
    )
    starts_at = models.DateTimeField(null=True, editable=False, help_text="No copy before this: the time to undo.")
    expires_at = models.DateTimeField(null=True, editable=False, help_text="No copy after this.")
    ended_at = models.DateTimeField(null=True, editable=False)
    audience = models.PositiveIntegerField(
        null=True, editable=False, help_text="How many copies were planned when it was expanded."
    )
    begun_to = models.BigIntegerField(
        default=0, db_default=0, editable=False, help_text="Each of its copies with an id up to this one has had its first turn."
    )
    last_copy = models.BigIntegerField(default=0, db_default=0, editable=False, help_text="The highest id of its copies.")

    subject = Sealed("sealed_subject")
    body = Sealed("sealed_body")
    html = Sealed("sealed_html")
    allowed_addresses = SealedStrings("sealed_allowed_addresses")
    reject_reason = Sealed("sealed_reject_reason")

    class Meta:
        ordering = ("-pk",)
        permissions = (("view_named_subscribers", "Can see which addresses in a post subscribe, masked"),)
        constraints = (
            is_one_of(PostState, name="post_state"),
            models.UniqueConstraint(fields=["sender", "submission_key"], name="post_once_a_submission"),
            models.CheckConstraint(
                condition=~Q(state__in=("accepted", "sending", "done", "recalled", "expired", "frozen"))
                | Q(accepted_at__isnull=False, starts_at__isnull=False, expires_at__isnull=False) & ~Q(accepted_hash=""),
                name="post_sent_only_if_accepted",
            ),
            models.CheckConstraint(
                condition=Q(expires_at=None) | Q(expires_at__lte=F("accepted_at") + LONGEST_LIFE),
                name="post_expires_in_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=("sending", "done")) | Q(audience__isnull=False), name="post_sent_to_an_audience"
            ),
            models.CheckConstraint(condition=Q(state="frozen") ^ Q(frozen_reason=""), name="post_frozen_has_reason"),
            models.CheckConstraint(condition=~Q(state="rejected") | ~Q(sealed_reject_reason=""), name="post_rejected_has_reason"),
        )
        indexes = (
            models.Index(fields=["state"], condition=Q(state__in=("held", "accepted", "sending", "frozen")), name="post_open"),
            models.Index(fields=["fingerprint"], condition=~Q(fingerprint=""), name="post_fingerprint"),
        )

    def __str__(self) -> str:
        return f"post {self.pk}"

    @property
    def content_hash(self) -> str:
        """SHA-256 over everything that shapes the copies, as hexadecimal digits."""
        parts = [self.subject, self.body, str(self.sender_id), str(self.mailing_list_id)]
        files = self.attachments.order_by("position").defer("sealed_content") if self.pk else ()
        described = [part for file in files for part in (file.name, file.kind, file.content_id, file.sha256)]
        if self.html or described:
            parts += [self.html, *described]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def state_words(self) -> str:
        """What the state means, for the author."""
        return STATE_WORDS[Post.State(self.state)]


STATE_WORDS = {
    Post.State.DRAFT: "Only you can see it. Submit it when it is ready.",
    Post.State.HELD: "The Chamber has it and will decide. You can still withdraw it.",
    Post.State.ACCEPTED: "The Chamber has accepted it; the first copies leave in a few minutes.",
    Post.State.SENDING: "Copies are on their way, one to each subscriber.",
    Post.State.DONE: "Every copy has been dealt with.",
    Post.State.REJECTED: "The Chamber did not accept it.",
    Post.State.DISCARDED: "The Chamber did not send it.",
    Post.State.WITHDRAWN: "You took it back. Nobody has received it.",
    Post.State.RECALLED: "The Chamber stopped it. Copies that had not left never will.",
    Post.State.EXPIRED: "Its time was over. Copies that had not left by then never will.",
    Post.State.FROZEN: "The Chamber is checking something. No copy leaves meanwhile.",
}

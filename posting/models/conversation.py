"""A member's answer to a copy, and what followed: passed on by us, so that neither side learns the other's address."""

import uuid

from django.db import models

from chamberlist.clock import Now
from chamberlist.sealed import SealedBytes
from posting.models.delivery import Delivery


class Conversation(models.Model):
    """The sender's side of the talk about one copy: its handle makes the opaque address under which the member appears."""

    handle = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    delivery = models.OneToOneField(Delivery, on_delete=models.CASCADE, related_name="conversation")
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"conversation {self.pk}"


class PassedMail(models.Model):
    """A message that is passed on, until it has left: subject, text and files, sealed, as JSON."""

    class To(models.TextChoices):
        SENDER = "sender", "The business"
        MEMBER = "member", "The member"

    handle = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="mails")
    to = models.CharField(max_length=8, choices=To)
    key = models.UUIDField(help_text="One message is passed on once, however often it comes.")
    sealed_content = models.BinaryField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())

    content = SealedBytes("sealed_content")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["conversation", "to", "key"], name="passed_once"),)
        indexes = (models.Index(fields=["created_at"], name="passed_by_time"),)

    def __str__(self) -> str:
        return f"passed mail {self.pk}"

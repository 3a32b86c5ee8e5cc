"""The businesses that may post."""

import uuid

from django.db import models

from chamberlist.clock import Now
from chamberlist.sealed import Sealed
from subscriptions.models import MailingList


class Sender(models.Model):
    """An approved business, with a password that the Chamber issued."""

    name = models.CharField(max_length=80, help_text="As members read it: “Bloggs Ltd”.")
    handle = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sealed_address = models.TextField(editable=False)
    address_hash = models.BinaryField(unique=True)
    password = models.CharField(max_length=200, blank=True, editable=False, help_text="Argon2; empty until one is issued.")
    password_issued_at = models.DateTimeField(null=True, editable=False)
    password_asked_at = models.DateTimeField(
        null=True, editable=False, help_text="When the business said that it lost its password."
    )
    lists = models.ManyToManyField(MailingList, blank=True, related_name="senders")
    posts_a_day = models.PositiveSmallIntegerField(
        default=3, db_default=3, help_text="How many posts this sender may submit in 24 hours."
    )
    posts_a_month = models.PositiveSmallIntegerField(default=8, help_text="How many posts this sender may submit in 30 days.")
    revoked_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    address = Sealed("sealed_address")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"sender {self.pk}"


class PasswordRequest(models.Model):
    """What somebody typed on the page for lost passwords, kept until a worker reads it: the page knows of nobody."""

    handle = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sealed_typed = models.TextField(editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(db_default=Now(), editable=False)

    typed = Sealed("sealed_typed")

    def __str__(self) -> str:
        return f"password request {self.pk}"

"""The files that go with a post."""

import hashlib
import uuid

from django.contrib.postgres.functions import RandomUUID
from django.db import models

from chamberlist.sealed import Sealed, SealedBytes
from posting.models.post import Post


class Attachment(models.Model):
    """A file of an allowed type, sent with every copy; with a ``content_id``, a picture that the HTML text shows."""

    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="attachments")
    position = models.PositiveSmallIntegerField(help_text="Its place in the message, from 0.")
    handle = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    sealed_name = models.TextField(editable=False)
    kind = models.CharField(max_length=60, help_text="Its media type, such as image/png.")
    content_id = models.CharField(max_length=60, blank=True, help_text="Of a picture in the text (RFC 2392), without brackets.")
    sealed_content = models.BinaryField(editable=False)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)

    name = Sealed("sealed_name")
    content = SealedBytes("sealed_content")

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=["post", "position"], name="attachment_once_a_place"),)

    def __str__(self) -> str:
        return f"attachment {self.pk}"

    @classmethod
    def of(cls, post: Post, position: int, *, name: str, kind: str, content: bytes, content_id: str = "") -> "Attachment":
        """A new one, not yet saved."""
        digest = hashlib.sha256(content).hexdigest()
        made = cls(post=post, position=position, kind=kind, content_id=content_id, size=len(content), sha256=digest)
        made.name, made.content = name, content
        return made

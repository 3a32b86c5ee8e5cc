"""What the gate refused, and what showed it."""

import uuid

from django.db import models
from django.db.models import Q

from chamberlist.clock import Now
from chamberlist.sealed import Sealed
from posting.models.delivery import Delivery
from posting.models.post import Post

MOST = 20  # Rows of one post: one fault may show in every copy.


class Half(models.TextChoices):
    """Which look it was that found it."""

    POST = "post", "the post, before its first copy"
    COPY = "copy", "a finished copy"
    MESSAGE = "message", "a copy as a provider was to be given it"


class GateRefusal(models.Model):
    """One refusal, and its evidence: where something differed, with addresses masked and tokens cut. Rows are only added.

    The evidence quotes the post, which is sealed, and so is this. The copy's number stays when the copy's row is gone.
    """

    Half = Half
    MOST = MOST

    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="refusals")
    number = models.PositiveSmallIntegerField(help_text="Among those of its post, from 1.")
    handle = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    delivery = models.ForeignKey(Delivery, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    half = models.CharField(max_length=8, choices=Half)
    reason = models.CharField(max_length=300)
    sealed_excerpt = models.TextField(editable=False)
    at = models.DateTimeField(db_default=Now())

    excerpt = Sealed("sealed_excerpt")

    class Meta:
        ordering = ("number",)
        constraints = (
            models.CheckConstraint(condition=Q(half__in=Half.values), name="gate_refusal_half"),
            models.UniqueConstraint(fields=["post", "number"], name="gate_refusal_once_a_number"),
            models.CheckConstraint(condition=Q(number__gte=1, number__lte=MOST), name="gate_refusals_are_few"),
        )

    def __str__(self) -> str:
        return f"gate refusal {self.pk}"

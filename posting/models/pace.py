"""How fast copies leave: what a rate limit must remember over restarts."""

from django.db import models
from django.db.models import Q


class Pace(models.Model):
    """One row, of which all lanes draw what they may hand over (``delivery.pace``)."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    paid_until = models.DateTimeField(null=True, help_text="What may leave by then has been drawn.")
    hour = models.DateTimeField(null=True, help_text="The hour that is counted.")
    in_hour = models.PositiveIntegerField(default=0, help_text="Copies drawn in that hour.")
    drawn = models.PositiveBigIntegerField(default=0, help_text="Copies drawn in all: a new installation starts slowly.")

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(id=1), name="pace_is_one_row"),)

    def __str__(self) -> str:
        return "pace"

"""Refusals of the gate, written down: once a fault is found there is time for it, and the row outlives the fault."""

from collections.abc import Sequence

from django.db import transaction

from chamberlist.redaction import redact
from posting.delivery.evidence import Refused
from posting.models import GateRefusal, Post


@transaction.atomic
def record(post_id: int, refused: Sequence[Refused]) -> None:
    """Keep them with their post, as long as there is room."""
    Post.objects.select_for_update(no_key=True).get(pk=post_id)  # Two lanes count one after the other.
    kept = GateRefusal.objects.filter(post_id=post_id).count()
    for number, (delivery_id, why) in enumerate(refused[: GateRefusal.MOST - kept], kept + 1):
        row = GateRefusal(post_id=post_id, number=number, delivery_id=delivery_id, half=why.half, reason=redact(why)[:300])
        row.excerpt = why.shown
        row.save(force_insert=True)

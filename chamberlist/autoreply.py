"""Automatic replies: what a mail to us may bring back, and how seldom, so that no loop and no forger can make much of it."""

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction

from chamberlist import systemmail
from chamberlist.clock import Now
from chamberlist.models import SystemMail

DAY = timedelta(days=1)


@transaction.atomic
def reply(purpose: str, object_id: int, *, recipient_hash: bytes) -> bool:
    """Queue one of AUTOMATIC_MAILS; False where any of them was queued for that address within a day: then nothing is."""
    assert purpose in settings.AUTOMATIC_MAILS
    _lock(recipient_hash)
    mails = SystemMail.objects.filter(recipient_hash=recipient_hash, purpose__in=settings.AUTOMATIC_MAILS)
    if mails.filter(created_at__gt=Now() - DAY).exists():
        return False
    systemmail.queue(purpose, object_id, recipient_hash=recipient_hash)
    return True


@transaction.atomic
def receipt(purpose: str, object_id: int, *, recipient_hash: bytes) -> bool:
    """Queue a receipt, once for each object whatever else that address got; False where it was queued before."""
    _lock(recipient_hash)
    if SystemMail.objects.filter(recipient_hash=recipient_hash, purpose=purpose, object_id=object_id).exists():
        return False
    systemmail.queue(purpose, object_id, recipient_hash=recipient_hash)
    return True


def _lock(recipient_hash: bytes) -> None:
    """Two replies to one address are decided one after the other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(recipient_hash[:8], "big", signed=True)])

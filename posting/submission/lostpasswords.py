"""Senders who say that they lost their password: written down at once, read by a worker later, answered by staff by telephone.

No link is ever mailed: who can read a business's mail should not be able to post in its name.
"""

from contextlib import suppress
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from chamberlist import bell, systemmail
from chamberlist.clock import Now
from chamberlist.models import SystemMail
from posting.models import PasswordRequest, Sender
from subscriptions import addresses
from subscriptions.addresses import BadAddress

OPEN = timedelta(days=7)  # Or until a password is issued.
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MAILS_AN_HOUR = 5  # To staff, in all: contact addresses are public, and anybody can type them.
WANTED = "password_wanted"


@transaction.atomic
def receive(typed: str) -> None:
    """Keep what was typed and ring the bell: the same work for every address, and for what is none."""
    request = PasswordRequest()
    request.typed = typed
    request.save()
    bell.ring("posting.tasks.take_password_requests")


def take() -> int:
    """Tell staff of the waiting requests, and drop those of nobody; how many there were. Two workers never take the same one."""
    taken = 0
    while _take_one():
        taken += 1
    return taken


def wanted() -> QuerySet[Sender]:
    """The senders to whom staff owe a password, who waits longest first."""
    return Sender.objects.filter(password_asked_at__gt=Now() - OPEN, revoked_at=None).order_by("password_asked_at", "pk")


@transaction.atomic
def _take_one() -> bool:
    request = PasswordRequest.objects.select_for_update(skip_locked=True).order_by("pk").first()
    if request is None:
        return False
    with suppress(BadAddress):
        _note(addresses.parse(request.typed).hash)
    request.delete()
    return True


def _note(address_hash: bytes) -> None:
    sender = Sender.objects.select_for_update().filter(address_hash=address_hash, revoked_at=None).first()
    if sender is None:
        return
    is_open = Q(password_asked_at__gt=Now() - OPEN)
    Sender.objects.filter(~is_open | Q(password_asked_at=None), pk=sender.pk).update(password_asked_at=Now())
    told = SystemMail.objects.filter(purpose=WANTED)
    if told.filter(object_id=sender.pk, created_at__gt=Now() - DAY).exists():
        return
    if told.filter(created_at__gt=Now() - HOUR).count() < MAILS_AN_HOUR:
        systemmail.queue(WANTED, sender.pk)

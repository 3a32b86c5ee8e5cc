"""Senders who say that they lost their password: written down at once, read by a worker later, answered by staff by telephone.

No link is ever mailed: who can read a business's mail should not be able to post in its name.
"""

import logging
import traceback
from contextlib import suppress
from datetime import timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet

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
LONGEST_WAIT = 60  # Minutes between two tries.

log = logging.getLogger(__name__)


@transaction.atomic
def receive(typed: str) -> None:
    """Keep what was typed and ring the bell: the same work for every address, and for what is none."""
    request = PasswordRequest()
    request.typed = typed
    request.save()
    bell.ring("posting.tasks.take_password_requests")


def take() -> int:
    """Tell staff of the requests that are due, and drop those of nobody; how many were taken. Two workers never take the same one.

    One that cannot be taken is tried again later, and holds up no other.
    """
    taken = 0
    while (request_id := _claim()) is not None:
        taken += _is_taken(request_id)
    return taken


def forget() -> None:
    """Delete what could not be taken for as long as a notice would have stood."""
    PasswordRequest.objects.filter(created_at__lt=Now() - OPEN).delete()


def wanted() -> QuerySet[Sender]:
    """The senders to whom staff owe a password, who waits longest first."""
    return Sender.objects.filter(password_asked_at__gt=Now() - OPEN, revoked_at=None).order_by("password_asked_at", "pk")


@transaction.atomic
def _claim() -> int | None:
    """The first one that is due. Should this try come to no end, it is due again later."""
    request = PasswordRequest.objects.filter(due_at__lte=Now()).select_for_update(skip_locked=True).order_by("pk").first()
    if request is None:
        return None
    again = Now() + timedelta(minutes=min(2 ** min(request.tries + 1, 9), LONGEST_WAIT))
    PasswordRequest.objects.filter(pk=request.pk).update(tries=F("tries") + 1, due_at=again)
    return request.pk


def _is_taken(request_id: int) -> bool:
    try:
        return _take(request_id)
    except (OperationalError, InterfaceError):
        raise  # It is about the database.
    except Exception as error:  # noqa: BLE001  What it raised may quote an address.
        name, steps = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
        log.error("Password request %s could not be taken: %s\n%s", request_id, name, steps)
    systemmail.alert(
        "password requests",
        "A request for a new password cannot be read",
        f"Password request {request_id}, made on the page for lost passwords, failed here ({name}). The others go on. It is tried "
        f"again, in the end once an hour, and deleted after {OPEN.days} days. The worker's log says where it failed.",
    )
    return False


@transaction.atomic
def _take(request_id: int) -> bool:
    request = PasswordRequest.objects.select_for_update(skip_locked=True).filter(pk=request_id).first()
    if request is None:  # Somebody else's by now.
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

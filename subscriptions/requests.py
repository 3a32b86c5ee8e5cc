"""Requests: what is asked for on a page and not done at once.

The page writes it down and knows nothing of the person; a worker reads it later.
"""

import logging
import traceback
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F

from chamberlist import bell, systemmail
from chamberlist.clock import Now
from subscriptions import addresses, lifecycle
from subscriptions.addresses import Address
from subscriptions.models import MailingList, SubscriptionRequest

Wish = SubscriptionRequest.Wish
TASK = "subscriptions.tasks.take_requests"
KEPT = timedelta(days=14)  # One that cannot be taken, as long as a question may wait for its answer.
LONGEST_WAIT = 60  # Minutes between two tries.

log = logging.getLogger(__name__)


@transaction.atomic
def receive(mailing_list: MailingList, address: Address) -> None:
    """Keep the request and ring the bell: the same work for every address."""
    request = SubscriptionRequest(mailing_list=mailing_list)
    request.address = address.text
    request.save()
    bell.ring(TASK)


@transaction.atomic
def wish(mailing_list: MailingList, what: Wish, about: UUID) -> None:
    """Keep what the holder of a link wishes, once until a worker takes it: the same work whoever ``about`` is, if anybody."""
    request = SubscriptionRequest(mailing_list=mailing_list, wish=what, about=about)
    SubscriptionRequest.objects.bulk_create([request], ignore_conflicts=True)
    bell.ring_for_many(TASK)


def take() -> int:
    """Do what is asked for; how many requests were taken. Two workers never take the same one, and none holds up the others."""
    taken = 0
    while (request_id := _claim()) is not None:
        taken += _is_taken(request_id)
    return taken


def forget() -> None:
    """Delete what could not be taken for too long."""
    SubscriptionRequest.objects.filter(created_at__lt=Now() - KEPT).delete()


@transaction.atomic
def _claim() -> int | None:
    """The first one that is due. Should this try come to no end, it is due again later; its row is not locked meanwhile."""
    request = SubscriptionRequest.objects.filter(due_at__lte=Now()).select_for_update(skip_locked=True).order_by("pk").first()
    if request is None:
        return None
    again = Now() + timedelta(minutes=min(2 ** min(request.tries + 1, 9), LONGEST_WAIT))
    SubscriptionRequest.objects.filter(pk=request.pk).update(tries=F("tries") + 1, due_at=again)
    return request.pk


def _is_taken(request_id: int) -> bool:
    try:
        return _take(request_id)
    except (OperationalError, InterfaceError):
        raise  # It is about the database. This one is due again later, so that the next round begins with another.
    except Exception as error:  # noqa: BLE001  One that cannot be read holds up no other; and what it raised may quote an address.
        name, steps = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
        log.error("Request %s could not be taken: %s\n%s", request_id, name, steps)
    systemmail.alert(
        "subscription requests",
        "A member's request cannot be taken",
        f"Request {request_id}, made on a page for members, failed here ({name}). The others go on. It is tried again, in the end "
        f"once an hour, and deleted after {KEPT.days} days. The worker's log says where it failed.",
    )
    return False


@transaction.atomic
def _take(request_id: int) -> bool:
    rows = SubscriptionRequest.objects.select_for_update(skip_locked=True, of=("self",)).select_related("mailing_list")
    request = rows.filter(pk=request_id).first()
    if request is None:  # Somebody else's by now.
        return False
    if not _is_tried_already(request):
        VERBS[Wish(request.wish)](request)
    request.delete()
    return True


def _is_tried_already(request: SubscriptionRequest) -> bool:
    """Whether the same waits for its next try: else a link whose request fails could leave a thousand rows after all."""
    if request.about is None:
        return False
    same = SubscriptionRequest.objects.filter(mailing_list=request.mailing_list, wish=request.wish, about=request.about)
    return same.filter(tries__gt=0, pk__lt=request.pk).exists()


def _sign_up(request: SubscriptionRequest) -> None:
    lifecycle.sign_up(request.mailing_list, addresses.parse(request.address), how="form")


def _by_link(verb: Callable[..., None]) -> Callable[[SubscriptionRequest], None]:
    return lambda request: verb(request.about, on=request.mailing_list)


VERBS: dict[Wish, Callable[[SubscriptionRequest], None]] = {
    Wish.SIGN_UP: _sign_up,
    Wish.DISOWN: _by_link(lifecycle.disown),
    Wish.REJOIN: _by_link(lifecycle.rejoin),
    Wish.MANAGE: _by_link(lifecycle.ask_to_manage),
}

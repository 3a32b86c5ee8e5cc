"""Requests typed on a subscribe page: written down at once, read by a worker later. The page knows nothing of the address."""

from django.db import transaction

from chamberlist import bell
from subscriptions import addresses, lifecycle
from subscriptions.addresses import Address
from subscriptions.models import MailingList, SubscriptionRequest


@transaction.atomic
def receive(mailing_list: MailingList, address: Address) -> None:
    """Keep the request and ring the bell: the same work for every address."""
    request = SubscriptionRequest(mailing_list=mailing_list)
    request.address = address.text
    request.save()
    bell.ring("subscriptions.tasks.take_requests")


def take() -> int:
    """Turn the waiting requests into questions by mail; how many there were. Two workers never take the same one."""
    taken = 0
    while _take_one():
        taken += 1
    return taken


@transaction.atomic
def _take_one() -> bool:
    request = (
        SubscriptionRequest.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("mailing_list")
        .order_by("pk")
        .first()
    )
    if request is None:
        return False
    lifecycle.sign_up(request.mailing_list, addresses.parse(request.address), how="form")
    request.delete()
    return True

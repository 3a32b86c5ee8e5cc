"""Who of some people subscribes: for staff who may know it, and nobody else."""

from collections.abc import Iterable

from subscriptions import addresses
from subscriptions.models import Subscription

RECEIVING = (Subscription.State.ACTIVE, Subscription.State.PAUSED)


def subscribers_among(texts: Iterable[str]) -> list[str]:
    """Those of the addresses, masked, that subscribe to any list."""
    people = {addresses.parse(text).hash: text for text in texts}
    found = Subscription.objects.filter(address_hash__in=people, state__in=RECEIVING).values_list("address_hash", flat=True)
    known = {bytes(address_hash) for address_hash in found}
    return [addresses.masked(text) for address_hash, text in people.items() if address_hash in known]

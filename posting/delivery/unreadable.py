"""Copies whose address cannot be opened: is it about that copy, or about us?

A key that is missing, or another key under its name, is about us: nobody is left out for it, the copies wait. Where the key opens
what others have, the value of this one is damaged: this copy fails, and its post goes on to the others.
"""

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings

from chamberlist import systemmail
from chamberlist.keys import ID
from chamberlist.sealed import Unreadable, unseal
from posting.delivery.ledger import Marked, Outcome, State
from subscriptions.models import Subscription

STATUS = "5.6.0"
DAMAGED = "the address of this member cannot be opened: what is kept of it is damaged"
LACKS = "ADDRESS_KEYS lacks the key {id}"
WRONG = "The key {id} of ADDRESS_KEYS opens nothing"
OTHERS = 20  # Values that are tried in order to see whether a key is the right one.


def outcomes(closed: Sequence[Marked]) -> list[Outcome]:
    """How these copies end, or that they wait; staff are told. Nothing of them has left."""
    handles = [UUID(bytes=copy.subscription) for copy in closed]
    rows = Subscription.objects.filter(handle__in=handles).values_list("handle", "sealed_address")
    values = {handle.bytes: value for handle, value in rows}
    ids = {copy.id: values.get(copy.subscription, "").partition(":")[0] for copy in closed}
    troubles = {key_id: _trouble(key_id, handles) for key_id in set(ids.values())}
    for key_id, trouble in troubles.items():
        if trouble:
            _tell_of_a_key(key_id, trouble)
    damaged = [copy for copy in closed if not troubles[ids[copy.id]]]
    if damaged:
        _tell_of_damage(damaged)
    return [_outcome(copy, troubles[ids[copy.id]]) for copy in closed]


def _outcome(copy: Marked, trouble: str) -> Outcome:
    if trouble:
        return Outcome(copy.id, State.QUEUED, "", trouble, attempts=copy.attempts)  # Behind the others, and later each time.
    return Outcome(copy.id, State.FAILED, STATUS, DAMAGED, spent=False)


def _trouble(key_id: str, handles: Sequence[UUID]) -> str:
    """What is wrong with a key, as a sentence; "" where it is the value that is."""
    if not ID.fullmatch(key_id):
        return ""
    if key_id not in settings.ADDRESS_KEYS.keys:
        return LACKS.format(id=key_id)
    others = Subscription.objects.filter(sealed_address__startswith=f"{key_id}:").exclude(handle__in=handles)
    tried = [_opens(member) for member in others.order_by()[:OTHERS]]
    return "" if any(tried) or not tried else WRONG.format(id=key_id)


def _opens(member: Subscription) -> bool:
    try:
        unseal(member.sealed_address, place=Subscription.address.place_in(member))
    except Unreadable:
        return False
    return True


def _tell_of_a_key(key_id: str, trouble: str) -> None:
    text = "Copies wait, nobody is left out. Put the key back into ADDRESS_KEYS, behind the first one, and start the site anew."
    systemmail.alert(f"address key/{key_id}", trouble, text)


def _tell_of_damage(damaged: Sequence[Marked]) -> None:
    post_id = damaged[0].post_id
    text = (
        f"{len(damaged)} or more copies of post {post_id} cannot be sent, since what is kept of the address is damaged. "
        "They ended as refused; the others go on. The worker's log names the members' rows: put them back from a backup, or "
        "remove the members."
    )
    systemmail.alert(f"damaged/{post_id}", "A member's address cannot be opened", text)

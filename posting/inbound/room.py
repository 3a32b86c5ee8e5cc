"""Room: how much of what comes by mail may wait, to be read or for staff. What is beyond stays with the server that has it."""

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from posting.inbound import destinations
from posting.models import InboundMail

State = InboundMail.State
MB = 1024 * 1024

MOST_WAITING, OCTETS_WAITING = 20_000, 500 * MB  # To be read.
MOST_KEPT, OCTETS_KEPT = 500, 200 * MB  # For staff; as much again of what could not be read.
MOST_LETTERS, OCTETS_LETTERS = 400, 150 * MB  # From then on no letter to staff is taken: those that were taken are all kept.
TO_STAFF = ("role", "owner", "request")
NO_ROOM = "452 4.3.1 There is no room for it at the moment; please try again later"


class NoRoom(Exception):
    """Nothing was taken."""


def refusal() -> str:
    """What a server is told that has a message, or "": whether what waits to be read leaves room for more."""
    waiting = InboundMail.objects.filter(state__in=InboundMail.OPEN)
    return NO_ROOM if _fills(waiting, MOST_WAITING, OCTETS_WAITING) else ""


def refusal_of(recipient: str) -> str:
    """What a server is told that has a mail for this address of ours, or "": staff may have more to read than anybody would."""
    destination = destinations.find(recipient)
    return NO_ROOM if destination is not None and destination.place in TO_STAFF and has_no_room_for_letters() else ""


def ensure(*recipients: str) -> None:
    """Raise ``NoRoom`` where a message to these cannot be taken now."""
    if refusal() or any(map(refusal_of, recipients)):
        raise NoRoom


def has_no_room_for_letters() -> bool:
    """Whether staff have so much to read that letters to them must wait outside; those that were taken and not yet read count."""
    letters = InboundMail.objects.filter(Q(state=State.KEPT) | Q(state__in=InboundMail.OPEN, place__in=TO_STAFF))
    return _fills(letters, MOST_LETTERS, OCTETS_LETTERS)


def is_full(state: str) -> bool:
    """Whether no more may be kept for staff in this state, KEPT or QUARANTINED."""
    return _fills(InboundMail.objects.filter(state=state), MOST_KEPT, OCTETS_KEPT)


def _fills(rows: QuerySet[InboundMail], most: int, most_octets: int) -> bool:
    found = rows.aggregate(number=Count("pk"), octets=Coalesce(Sum("size"), 0))
    return bool(found["number"] >= most or found["octets"] >= most_octets)

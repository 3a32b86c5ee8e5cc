"""Room: how much of what comes by mail may wait, to be read or for staff. What is beyond stays with the server that has it."""

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from posting.inbound import destinations
from posting.models import InboundMail

State = InboundMail.State
MB = 1024 * 1024

MOST_WAITING, OCTETS_WAITING = 20_000, 500 * MB  # To be read; as much again to leave.
MOST_KEPT, OCTETS_KEPT = 500, 200 * MB  # For staff; as much again of what could not be read.
MOST_LETTERS, OCTETS_LETTERS = 400, 150 * MB  # From then on no letter to staff is taken: those that were taken are all kept.
TO_STAFF = ("role", "owner", "request")
NO_ROOM = "452 4.3.1 There is no room for it at the moment; please try again later"


class NoRoom(Exception):
    """Nothing was taken."""


def refusal(place: str) -> str:
    """What a server is told that has a message for such an address of ours, or ""."""
    return NO_ROOM if _has_no_room_to_wait(place) or (place in TO_STAFF and has_no_room_for_letters()) else ""


def ensure(*recipients: str) -> None:
    """Raise ``NoRoom`` where a message to these addresses of ours cannot be taken now."""
    found = [destinations.find(recipient) for recipient in recipients]
    if any(refusal(destination.place) for destination in found if destination is not None):
        raise NoRoom


def _has_no_room_to_wait(place: str) -> bool:
    """Leaving has room of its own: whatever else comes, it is taken."""
    waiting = InboundMail.objects.filter(state__in=InboundMail.OPEN)
    is_to_leave = Q(place="leave")
    return _fills(waiting.filter(is_to_leave if place == "leave" else ~is_to_leave), MOST_WAITING, OCTETS_WAITING)


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

"""The ledger of copies. What is marked SENDING here is committed before a byte of it leaves, and each reply is written back.

A whole group of copies takes one statement (``statements``), whatever its size; the moves are those of ``Delivery.TRANSITIONS``.
"""

import hashlib
import logging
import random
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q

from chamberlist.clock import Now
from chamberlist.sealed import Unreadable, unseal
from posting.delivery import statements
from posting.delivery.lanes import Hold
from posting.delivery.statements import BEGUN, OPEN_POSTS, RECENT_POSTS, RECORD, RECORD_TAKEN, STILL_WANTED
from posting.models import Delivery, DeliveryEvent, Lane, Post
from subscriptions.models import Subscription

log = logging.getLogger(__name__)

State = Delivery.State
LOST = "the worker ended before the answer was read"
SHORTEST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=30)


class Marked(NamedTuple):
    """A copy that a lane has marked: what it takes to build it."""

    id: int
    post_id: int
    handle: bytes  # 16 octets.
    subscription: bytes  # Its handle.
    recipient: str  # "" where no key opens it.
    attempts: int


class Place(NamedTuple):
    """Where copies wait: those of a post, up to its ``last`` one, for their first turn; or, without it, those to be tried again."""

    post_id: int
    last: int | None


class Claim(NamedTuple):
    """What one read of a place gave: the copies to hand over, and where the next read goes on; None at the end."""

    marked: list[Marked]
    last: tuple[datetime | None, int] | None


class Outcome(NamedTuple):
    """How the hand-over of one copy ended. ``status`` is an enhanced code (RFC 3463) or "", ``text`` a reply without addresses."""

    delivery_id: int
    state: str
    status: str = ""
    text: str = ""
    spent: bool = True  # Whether it counts as an attempt: False where nothing was asked of the relay.
    attempts: int = 1
    receipt: str = ""  # What a provider calls the copy that it took: its reports name it.


BEGINNING = (datetime.min.replace(tzinfo=UTC), 0)


def open_places() -> dict[Place, tuple[datetime | None, int]]:
    """Where a copy is due and may leave, by the age of the posts, and behind what to read."""
    found: dict[Place, tuple[datetime | None, int]] = {}
    for post_id, last, first_id, again_id in sorted(OPEN_POSTS.rows({})):
        if first_id:
            found[Place(post_id, last)] = (None, first_id - 1)
        if again_id:
            found[Place(post_id, None)] = BEGINNING
    return found


def note_begun() -> None:
    """Write down how far each post has got, so that nobody reads again what has had its first turn."""
    BEGUN.rows({})


def recent_posts() -> list[int]:
    """The posts of which members may have got copies within the last day."""
    return [number for (number,) in RECENT_POSTS.rows({})]


def is_anything_due() -> bool:
    """Whether a lane would find a copy to hand over now."""
    return bool(open_places())


def claim(
    hold: Hold,
    place: Place,
    *,
    limit: int,
    after: tuple[datetime | None, int] = BEGINNING,
    recent: Sequence[int] = (),
    taken: Sequence[Outcome] = (),
) -> Claim:
    """Mark up to ``limit`` due copies as being handed over by this lane; who must not get one is settled in passing.

    The commit is durable; nothing of a marked copy leaves before it. Who was sent MEMBER_COPIES_A_DAY copies of the ``recent``
    posts within a day waits for an hour. What was ``taken`` (``is_taken``) is recorded by the same commit.
    """
    caps = {"recent": _array(recent), "cap": settings.MEMBER_COPIES_A_DAY}
    values = {"post": place.post_id, "after_id": after[1], **caps, **_ours(hold)}
    is_first = place.last is not None
    values |= {"last": place.last} if is_first else {"after": after[0]}
    behind = (RECORD_TAKEN, _taken(hold, taken)) if taken else None
    rows = statements.claim(limit, is_first=is_first).rows(values, behind=behind)
    marked = [
        Marked(number, place.post_id, _octets(handle), _octets(member), _opened(sealed, member), attempts)
        for _, number, fate, handle, attempts, member, sealed in rows
        if fate == State.SENDING
    ]
    return Claim(marked, rows[-1][:2] if rows else None)


def still_wanted(hold: Hold, ids: Collection[int]) -> frozenset[int]:
    """Which of the copies that this lane marked may still leave: not halted, recalled, expired, left, and the lease is ours."""
    values = {"ids": _array(ids), **_ours(hold)}
    return frozenset(number for (number,) in STILL_WANTED.rows(values))


@transaction.atomic(savepoint=False)
def record(hold: Hold, outcomes: Sequence[Outcome]) -> None:
    """Write how the copies ended. Refused where another lane has marked them since; a reply in doubt of our own is still taken.

    What a server says of a copy again and again is kept once.
    """
    if not outcomes:
        return
    moved = {delivery_id for (delivery_id,) in RECORD.rows(_ends(hold, outcomes))}
    events = [
        DeliveryEvent(
            delivery_id=outcome.delivery_id,
            key=receipt_key(outcome.receipt) or _said_key(outcome),
            kind=KINDS[outcome.state],
            status=outcome.status,
            text=outcome.text[:300],
        )
        for outcome in outcomes
        if outcome.delivery_id in moved and is_told(outcome)
    ]
    if events:
        DeliveryEvent.objects.bulk_create(events, ignore_conflicts=True)


def is_told(outcome: Outcome) -> bool:
    """Whether it is an event to keep, beside what the copy's row says."""
    return bool(outcome.receipt) or outcome.state in TOLD


def is_taken(outcome: Outcome) -> bool:
    """Whether it is the plain case: the relay took the copy, and the copy's row says all there is to say."""
    return outcome.state == State.SENT and not outcome.receipt


def _taken(hold: Hold, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    said = "\n".join([f"{outcome.status} {outcome.text}".strip()[:200] for outcome in outcomes])  # Each is on one line.
    return {"ids": _array(outcome.delivery_id for outcome in outcomes), "said": said.replace("\0", " "), **_ours(hold)}


def _ends(hold: Hold, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "ids": _array(outcome.delivery_id for outcome in outcomes),
        "states": [str(outcome.state) for outcome in outcomes],
        "statuses": [outcome.status for outcome in outcomes],
        "said": [outcome.text.replace("\0", " ") for outcome in outcomes],
        "spent": [outcome.spent for outcome in outcomes],
        "waits": [_wait(outcome) for outcome in outcomes],
        **_ours(hold),
    }


def _said_key(outcome: Outcome) -> str:
    return f"smtp/{outcome.state}/{hashlib.sha256(outcome.text.encode()).hexdigest()[:32]}"


def put_back(hold: Hold, ids: Iterable[int]) -> None:
    """Nothing of these copies has left: they wait again, as if they had not been marked."""
    record(hold, [Outcome(delivery_id, State.QUEUED, spent=False) for delivery_id in ids])


@transaction.atomic
def marked_by(hold: Hold) -> frozenset[int]:
    """The copies that are marked under this lease: what to read after an error during COMMIT, which may still be under way."""
    lane = Lane.objects.select_for_update().filter(number=hold.number).first()
    marked = Delivery.objects.filter(pk__in=lane.marked if lane else [], lane_id=hold.number, lane_token=hold.token)
    return frozenset(marked.filter(state=State.SENDING).values_list("pk", flat=True))


@transaction.atomic
def recover() -> int:
    """Copies marked by a lane whose lease has ended: nobody knows which have left, so they are in doubt. How many.

    What another transaction holds is left to the next time: it may be the reply, at last.
    """
    number = 0
    for lane in Lane.objects.filter(Q(leased_until=None) | Q(leased_until__lte=Now())).select_for_update(skip_locked=True):
        abandoned = Delivery.objects.filter(pk__in=lane.marked, lane_id=lane.number, state=State.SENDING)
        free = abandoned.select_for_update(of=("self",), skip_locked=True).values("pk")
        number += Delivery.advance_many(free, State.IN_DOUBT, status=LOST)
    return number


@transaction.atomic
def recover_strays() -> int:
    """The same for marks that no lane knows of, as the worker of an older version leaves them; it reads each ledger under way."""
    under_way = Q(post__ended_at=None) | Q(post__ended_at__gt=Now() - timedelta(days=1))
    over = Q(lane__leased_until=None) | Q(lane__leased_until__lte=Now()) | ~Q(lane__token=F("lane_token"))
    strays = Delivery.objects.filter(under_way, over, state=State.SENDING, post__audience__gt=0)
    free = list(strays.select_for_update(of=("self",), skip_locked=True).values_list("pk", flat=True))
    still = strays.filter(pk__in=free).values("pk")  # Asked anew, once they are locked: another lane may have marked them since.
    return Delivery.advance_many(still, State.IN_DOUBT, status=LOST)


def counts(post: Post) -> dict[str, int]:
    """How many copies are in each state; they sum to the audience."""
    found = dict(post.deliveries.values_list("state").annotate(Count("pk")).order_by())
    return {state: found.get(state, 0) for state in State.values}


def back_off(attempts: int) -> timedelta:
    """The wait after that many attempts: one minute, doubling up to half an hour, give or take a fifth."""
    doublings = min(max(attempts - 1, 0), 10)
    wait: timedelta = min(SHORTEST_WAIT * 2**doublings, LONGEST_WAIT)
    return wait * random.uniform(0.8, 1.2)  # noqa: S311


KINDS: dict[str, str] = {  # Over SMTP, a copy that was taken writes no event: its row says all there is to say.
    State.SENT: DeliveryEvent.Kind.SENT,
    State.DEFERRED: DeliveryEvent.Kind.DEFERRED,
    State.FAILED: DeliveryEvent.Kind.FAILED,
}
TOLD = (State.DEFERRED, State.FAILED)


def receipt_key(receipt: str) -> str:
    """The key of the event that keeps what a provider calls a copy; "" where it calls it nothing."""
    return f"receipt/{receipt}"[:80] if receipt else ""


def _wait(outcome: Outcome) -> float | None:
    """Seconds until the next attempt; what was put back waits behind the others, where a lane that has read past it finds it."""
    if outcome.state == State.DEFERRED or (outcome.state == State.QUEUED and outcome.spent):
        return back_off(outcome.attempts).total_seconds()
    return 0.0 if outcome.state == State.QUEUED else None


def _opened(sealed_address: str, member: str) -> str:
    try:
        return unseal(sealed_address, place=Subscription.address.place(Subscription, member))
    except Unreadable as error:
        log.error("%s", error)
        return ""


def _octets(handle: str) -> bytes:
    """A UUID as Postgres writes it; to make an object of each costs as much as to open an address."""
    return bytes.fromhex(handle.replace("-", ""))


def _array(numbers: Iterable[int]) -> str:
    """As Postgres writes it, too."""
    return f"{{{','.join(map(str, numbers))}}}"


def _ours(hold: Hold) -> dict[str, Any]:
    return {"lane": hold.number, "token": hold.token}

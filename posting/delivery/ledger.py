"""The ledger of copies. What is marked SENDING here is committed before a byte of it leaves, and each reply is written back.

A whole group of copies takes one statement (``statements``), whatever its size; the moves are those of ``Delivery.TRANSITIONS``.
"""

import hashlib
import logging
import random
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q

from chamberlist.clock import Now
from chamberlist.sealed import Unreadable, unseal
from posting.delivery import statements
from posting.delivery.lanes import MARGIN, Hold
from posting.delivery.statements import OPEN_POSTS, RECENT_POSTS, RECORD, STILL_WANTED
from posting.models import Delivery, DeliveryEvent, Post
from subscriptions.models import Subscription

log = logging.getLogger(__name__)

State = Delivery.State
LOST = "the worker ended before the answer was read"
LEFT = "the member left or paused"
UNWANTED = "not to be mailed"
ENOUGH = "this member had as many messages within a day as they may"
SHORTEST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=30)


class Marked(NamedTuple):
    """A copy that a lane has marked: what it takes to build it."""

    id: int
    post_id: int
    handle: UUID
    subscription: UUID  # Its handle.
    recipient: str  # "" where no key opens it.
    attempts: int


class Claim(NamedTuple):
    """What one read of a post's waiting copies gave: those to hand over, and where the next read goes on; None at the end."""

    marked: list[Marked]
    last: tuple[datetime, int] | None


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


def open_posts() -> list[int]:
    """The posts of which a copy is due and may leave, oldest first."""
    return [number for (number,) in OPEN_POSTS.rows({})]


def recent_posts() -> list[int]:
    """The posts of which members may have got copies within the last day."""
    return [number for (number,) in RECENT_POSTS.rows({})]


def is_anything_due() -> bool:
    """Whether a lane would find a copy to hand over now."""
    return bool(open_posts())


@transaction.atomic(savepoint=False)
def claim(hold: Hold, post_id: int, *, limit: int, after: tuple[datetime, int] = BEGINNING, recent: Sequence[int] = ()) -> Claim:
    """Mark up to ``limit`` due copies of a post as being handed over by this lane; who must not get one is settled in passing.

    The commit is durable; nothing of a marked copy leaves before it. Who was sent MEMBER_COPIES_A_DAY copies of the ``recent``
    posts within a day waits for an hour.
    """
    words = {"left": LEFT, "unwanted": UNWANTED, "enough": ENOUGH}
    caps = {"recent": list(recent), "cap": settings.MEMBER_COPIES_A_DAY}
    values = {"post": post_id, "after": after[0], "after_id": after[1], "margin": timedelta(), **caps, **words}
    rows = sorted(statements.claim(limit).rows({**values, **_ours(hold)}))
    marked = [
        Marked(number, post_id, handle, member, _opened(sealed, member), attempts)
        for _, number, fate, handle, attempts, member, sealed in rows
        if fate == State.SENDING
    ]
    return Claim(marked, rows[-1][:2] if rows else None)


def still_wanted(hold: Hold, ids: Collection[int]) -> frozenset[int]:
    """Which of the copies that this lane marked may still leave: not halted, recalled, expired, left, and the lease is ours."""
    values = {"ids": list(ids), "margin": timedelta(seconds=MARGIN), **_ours(hold)}
    return frozenset(number for (number,) in STILL_WANTED.rows(values))


@transaction.atomic(savepoint=False)
def record(hold: Hold, outcomes: Sequence[Outcome]) -> None:
    """Write how the copies ended. Refused where another lane has marked them since; a reply in doubt of our own is still taken.

    What a server says of a copy again and again is kept once.
    """
    if not outcomes:
        return
    values = {
        "ids": [outcome.delivery_id for outcome in outcomes],
        "states": [str(outcome.state) for outcome in outcomes],
        "statuses": [outcome.status for outcome in outcomes],
        "said": [outcome.text.replace("\0", " ") for outcome in outcomes],
        "spent": [outcome.spent for outcome in outcomes],
        "waits": [_wait(outcome) for outcome in outcomes],
    }
    moved = {delivery_id for delivery_id, _ in RECORD.rows({**values, **_ours(hold)})}
    events = [
        DeliveryEvent(
            delivery_id=outcome.delivery_id,
            key=receipt_key(outcome.receipt) or _said_key(outcome),
            kind=KINDS[outcome.state],
            status=outcome.status,
            text=outcome.text[:300],
        )
        for outcome in outcomes
        if outcome.delivery_id in moved and (outcome.receipt or outcome.state in TOLD)
    ]
    if events:
        DeliveryEvent.objects.bulk_create(events, ignore_conflicts=True)


def _said_key(outcome: Outcome) -> str:
    return f"smtp/{outcome.state}/{hashlib.sha256(outcome.text.encode()).hexdigest()[:32]}"


def put_back(hold: Hold, ids: Iterable[int]) -> None:
    """Nothing of these copies has left: they wait again, as if they had not been marked."""
    record(hold, [Outcome(delivery_id, State.QUEUED, spent=False) for delivery_id in ids])


def marked_by(hold: Hold) -> frozenset[int]:
    """The copies that are marked under this lease: what to read after an error during COMMIT."""
    marked = Delivery.objects.filter(lane_id=hold.number, lane_token=hold.token, state=State.SENDING)
    return frozenset(marked.values_list("pk", flat=True))


@transaction.atomic
def recover() -> int:
    """Copies marked by a lane whose lease has ended: nobody knows which have left, so they are in doubt. How many."""
    abandoned = Delivery.objects.filter(
        Q(lane__leased_until=None) | Q(lane__leased_until__lte=Now()) | ~Q(lane__token=F("lane_token")),
        state=State.SENDING,
    )
    free = abandoned.select_for_update(of=("self",), skip_locked=True).values("pk")
    return Delivery.advance_many(free, State.IN_DOUBT, status=LOST)


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


def _opened(sealed_address: str, member: UUID) -> str:
    try:
        return unseal(sealed_address, place=Subscription.address.place(Subscription, member))
    except Unreadable as error:
        log.error("%s", error)
        return ""


def _ours(hold: Hold) -> dict[str, Any]:
    return {"lane": hold.number, "token": hold.token}

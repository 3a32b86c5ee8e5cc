"""The ledger of copies. What is marked SENDING here is committed before a byte of it leaves, and each reply is written back."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Count, Exists, F, OuterRef, Q

from chamberlist.clock import Now
from chamberlist.models import Halt
from posting.delivery.lanes import MARGIN, Hold
from posting.models import Delivery, DeliveryEvent, Lane, Post
from subscriptions.models import Subscription, Suppression

State = Delivery.State
LOST = "the worker ended before the answer was read"


@dataclass(frozen=True)
class Outcome:
    """How the hand-over of one copy ended. ``status`` is an enhanced code (RFC 3463) or "", ``text`` a reply without addresses."""

    delivery_id: int
    state: str
    status: str = ""
    text: str = ""
    spent: bool = True  # Whether it counts as an attempt: False where nothing was asked of the relay.


def suppressed() -> Exists:
    """The condition that a copy's address must not be mailed."""
    scope = Q(mailing_list=OuterRef("post__mailing_list")) | Q(mailing_list=None)
    return Exists(Suppression.objects.filter(scope, address_hash=OuterRef("address_hash")))


def may_leave() -> Q:
    """The condition under which a copy may leave now: asked when it is marked, and again just before its final dot."""
    return (
        Q(post__state=Post.State.SENDING, post__expires_at__gt=Now(), subscription__state=Subscription.State.ACTIVE)
        & ~suppressed()
        & ~Exists(Halt.objects.filter(halted_at__isnull=False))
    )


def is_due() -> Q:
    """The condition under which a copy waits for its turn, and the turn has come."""
    return Q(state__in=Delivery.states_before(State.SENDING), next_attempt_at__lte=Now())


def is_anything_due() -> bool:
    """Whether a lane would find a copy to hand over now."""
    return Delivery.objects.filter(is_due(), may_leave()).exists()


@transaction.atomic
def mark(hold: Hold, *, limit: int) -> list[Delivery]:
    """Mark up to ``limit`` copies as being handed over by this lane, durably, and give them with their subscriptions."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = on")
    held = Lane.objects.filter(number=hold.number, token=hold.token, leased_until__gt=Now())
    if not held.exists():
        return []
    due = Delivery.objects.filter(is_due(), may_leave()).order_by("next_attempt_at", "pk")
    copies = list(due.select_related("subscription").select_for_update(of=("self",), skip_locked=True)[:limit])
    Delivery.advance_many(
        [copy.pk for copy in copies],
        State.SENDING,
        lane_id=hold.number,
        lane_token=hold.token,
        attempts=F("attempts") + 1,
    )
    return copies


def still_wanted(hold: Hold, ids: Iterable[int]) -> set[int]:
    """Which of the copies that this lane marked may still leave: not halted, recalled, expired, left, and the lease is ours."""
    ours = Lane.objects.filter(number=hold.number, token=hold.token, leased_until__gt=Now() + timedelta(seconds=MARGIN))
    copies = Delivery.objects.filter(may_leave(), Exists(ours), _marked_by(hold), pk__in=list(ids), state=State.SENDING)
    return set(copies.values_list("pk", flat=True))


@transaction.atomic
def record(hold: Hold, outcomes: Iterable[Outcome]) -> None:
    """Write how the copies ended. Refused where another lane has marked them since; a reply in doubt of our own is still taken."""
    for outcome in outcomes:
        changes: dict[str, object] = {"status": f"{outcome.status} {outcome.text}".strip()[:200]}
        if outcome.state == State.DEFERRED or (outcome.state == State.QUEUED and outcome.spent):
            changes["next_attempt_at"] = Now() + back_off(Delivery.objects.get(pk=outcome.delivery_id).attempts)
        elif outcome.state not in Delivery.OPEN and outcome.state != State.IN_DOUBT:
            changes["ended_at"] = Now()
        if not outcome.spent:
            changes["attempts"] = F("attempts") - 1
        moved = Delivery.advance_many([outcome.delivery_id], outcome.state, where=_reported_by(hold, outcome), **changes)
        if moved and outcome.state in (State.DEFERRED, State.FAILED):
            _note(hold, outcome)


def put_back(hold: Hold, ids: Iterable[int]) -> None:
    """Nothing of these copies has left: they wait again, as if they had not been marked."""
    record(hold, [Outcome(delivery_id, State.QUEUED, spent=False) for delivery_id in ids])


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
    return timedelta(minutes=min(2 ** max(attempts - 1, 0), 30)) * random.uniform(0.8, 1.2)  # noqa: S311


def _marked_by(hold: Hold) -> Q:
    return Q(lane_id=hold.number, lane_token=hold.token)


def _reported_by(hold: Hold, outcome: Outcome) -> Q:
    """IN_DOUBT -> QUEUED is a person's decision, never a lane's."""
    mine = _marked_by(hold)
    return mine & Q(state=State.SENDING) if outcome.state == State.QUEUED else mine


def _note(hold: Hold, outcome: Outcome) -> None:
    kind = DeliveryEvent.Kind.DEFERRED if outcome.state == State.DEFERRED else DeliveryEvent.Kind.FAILED
    DeliveryEvent.objects.get_or_create(
        delivery_id=outcome.delivery_id,
        key=f"smtp/{hold.number}/{hold.token}/{Delivery.objects.get(pk=outcome.delivery_id).attempts}",
        defaults={"kind": kind, "status": outcome.status, "text": outcome.text[:300]},
    )

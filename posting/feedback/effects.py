"""Effects: what follows for a member from what came back of a copy. A failure that is about us, or the message, costs nobody."""

from datetime import timedelta
from itertools import takewhile

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from chamberlist.clock import Now
from posting.feedback import causes
from posting.models import Delivery, DeliveryEvent, Post
from subscriptions import lifecycle
from subscriptions.models import Subscription

State = Delivery.State
Kind, Cause, Proof = DeliveryEvent.Kind, DeliveryEvent.Cause, DeliveryEvent.Proof

CAME_BACK = (Kind.BOUNCED, Kind.REJECTED, Kind.FAILED)
FAILED = (State.FAILED, State.BOUNCED)
PROVEN = (Proof.ADDRESS, Proof.PROVIDER)
IN_PEACE = timedelta(hours=24)  # So long after it was taken, a copy of which nobody complained is thought to have arrived.
ENDED = (Post.State.DONE, Post.State.EXPIRED, Post.State.RECALLED)


def of(delivery: Delivery, event: DeliveryEvent) -> None:
    """What follows from a new report, in the transaction that wrote it down and moved the copy."""
    if delivery.subscription_id is None:
        return
    # Two failures at once count one after the other, so that the second sees the first.
    members = Subscription.objects.select_for_update(no_key=True, of=("self",)).select_related("mailing_list")
    member = members.filter(pk=delivery.subscription_id).first()
    if member is None:
        return
    if event.kind == Kind.COMPLAINED:
        lifecycle.complain(member.handle, how="complaint")
    elif event.kind in CAME_BACK and delivery.state in FAILED and _is_enough(member, event):
        lifecycle.suspend(member.handle, how="bounce")


def of_refusals() -> int:
    """The same for the copies that the relay refused in the session, once their post has ended; how many failures were weighed.

    The lane wrote down what the relay said; each failure is weighed once, whoever runs this, and however often.
    """
    recent = Post.objects.filter(state__in=ENDED, ended_at__gt=Now() - timedelta(days=2), audience__gt=0)
    return sum(_weigh(event_id) for post in recent for event_id in list(_unweighed(post)))


def _unweighed(post: Post) -> QuerySet[DeliveryEvent, int]:
    refused = Delivery.objects.filter(post=post, is_refused=True, state=State.FAILED)  # By the breaker's index.
    events = DeliveryEvent.objects.filter(delivery__in=refused, kind=Kind.FAILED, cause="")
    return events.order_by("pk").values_list("pk", flat=True)


@transaction.atomic
def _weigh(event_id: int) -> bool:
    found = DeliveryEvent.objects.select_for_update(of=("self",)).select_related("delivery")
    event = found.filter(pk=event_id, cause="").first()
    if event is None:  # Somebody else weighed it a moment ago.
        return False
    event.cause, event.proof = causes.cause(event.status, event.text), Proof.ADDRESS  # It answered our own RCPT for this copy.
    event.save(update_fields=["cause", "proof"])
    of(event.delivery, event)
    return True


def _is_enough(member: Subscription, event: DeliveryEvent) -> bool:
    """Whether the list's rule says so. Who has paused is mailed nothing: the failure counts with the next one."""
    if member.state != Subscription.State.ACTIVE:
        return False
    mailing_list = member.mailing_list
    if event.cause == Cause.TRANSIENT:
        return _transient_in_a_row(member, mailing_list.suspend_after_transient)
    if event.cause != Cause.MAILBOX:
        return False
    since = Now() - timedelta(days=mailing_list.suspend_days)
    failures = DeliveryEvent.objects.filter(
        delivery__in=_copies(member).filter(state__in=FAILED), kind__in=CAME_BACK, cause=Cause.MAILBOX, at__gt=since
    )
    posts = failures.values("delivery__post").distinct()
    proven = posts.filter(proof__in=PROVEN).count()
    return 0 < proven >= mailing_list.suspend_after or posts.count() >= mailing_list.suspend_after_unproven


def _transient_in_a_row(member: Subscription, limit: int) -> bool:
    """Whether the newest copies, ``limit`` or more in a row, ended so, and none between arrived. The others say nothing."""
    transient = DeliveryEvent.objects.filter(delivery=OuterRef("pk"), kind__in=CAME_BACK, cause=Cause.TRANSIENT)
    arrived = Q(state=State.DELIVERED) | Q(state=State.SENT, ended_at__lte=Now() - IN_PEACE)
    failed = Q(state__in=FAILED) & Exists(transient)
    newest = _copies(member).filter(arrived | failed).order_by("-post_id").values_list("state", flat=True)[:limit]
    return sum(1 for _ in takewhile(lambda state: state in FAILED, newest)) >= limit


def _copies(member: Subscription) -> QuerySet[Delivery]:
    """The copies since the member last confirmed: what came back before says nothing about the mailbox of today."""
    return (
        Delivery.objects.filter(subscription=member)
        .annotate(left_at=Coalesce(F("ended_at"), Now()))
        .filter(left_at__gte=member.confirmed_at)
    )

"""Closing: copies that may leave no longer, and posts that have ended."""

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from chamberlist import systemmail
from chamberlist.clock import Now
from posting.delivery.ledger import suppressed
from posting.models import Delivery, Post
from subscriptions.models import Subscription

State = Delivery.State
WAITING = (State.QUEUED, State.DEFERRED)
OVER = (Post.State.ACCEPTED, Post.State.SENDING, Post.State.FROZEN)


@transaction.atomic
def settle() -> None:
    """Give each waiting copy that may leave no longer its final state, with the reason."""
    waiting = Delivery.objects.filter(state__in=WAITING)
    gone = Q(subscription=None) | ~Q(subscription__state=Subscription.State.ACTIVE)
    _end(waiting.filter(post__state=Post.State.RECALLED), State.CANCELLED, "the post was recalled")
    _end(waiting.filter(post__state=Post.State.EXPIRED), State.EXPIRED, "its time was over")
    _end(waiting.filter(suppressed()), State.SUPPRESSED, "not to be mailed")
    _end(waiting.filter(gone), State.CANCELLED, "the member left or paused")


def close_posts() -> None:
    """A post whose copies have all ended is done; one whose time is over expires, with the copies that still wait."""
    open_copies = Delivery.objects.filter(post=OuterRef("pk"), state__in=Delivery.OPEN)
    done = Post.objects.filter(~Exists(open_copies), state=Post.State.SENDING).values_list("pk", flat=True)
    Post.advance_many(list(done), Post.State.DONE, ended_at=Now())
    for post in Post.objects.filter(state__in=OVER, expires_at__lte=Now()):
        end(post, Post.State.EXPIRED)


@transaction.atomic
def end(post: Post, state: str) -> bool:
    """End a post before its time: recalled or expired; no copy of it leaves from now on."""
    if not post.advance(state, ended_at=Now(), frozen_reason=""):
        return False
    copy_state = State.EXPIRED if state == Post.State.EXPIRED else State.CANCELLED
    _end(Delivery.objects.filter(post=post, state__in=WAITING), copy_state, f"the post was {state}")
    return True


def freeze(post_id: int, reason: str) -> None:
    """Stop a post for a check: no copy of it leaves until a person decides. Staff are told why."""
    frozen = Post.advance_many([post_id], Post.State.FROZEN, frozen_reason=reason[:300])
    if frozen:
        systemmail.alert(f"frozen/{post_id}", f"Post {post_id} is stopped for a check", reason)


def _end(copies: QuerySet[Delivery], state: str, why: str) -> None:
    """Rows that somebody else has in hand are left to them, so that two sweeps never wait for each other."""
    free = copies.select_for_update(of=("self",), skip_locked=True).values("pk")
    Delivery.advance_many(free, state, where=Q(state__in=WAITING), status=why, ended_at=Now())

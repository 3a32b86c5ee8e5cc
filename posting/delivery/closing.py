"""Closing: copies that may leave no longer, and posts that have ended."""

from django.db import transaction
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Concat, Left

from chamberlist import systemmail
from chamberlist.clock import Now
from posting.models import Delivery, Post

State = Delivery.State
OVER = (Post.State.ACCEPTED, Post.State.SENDING, Post.State.FROZEN)


@transaction.atomic
def settle() -> None:
    """End the copies that came back to the queue after their post had ended. Who left since is settled when the turn comes."""
    waiting = Delivery.objects.filter(state__in=Delivery.WAITING)
    _end(waiting.filter(post__state=Post.State.RECALLED), State.CANCELLED, "the post was recalled")
    _end(waiting.filter(post__state=Post.State.EXPIRED), State.EXPIRED, "its time was over")


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
    _end(Delivery.objects.filter(post=post, state__in=Delivery.WAITING), copy_state, f"the post was {state}")
    return True


def freeze(post_id: int, reason: str) -> None:
    """Stop a post for a check: no copy of it leaves until a person decides. Staff are told why."""
    frozen = Post.advance_many([post_id], Post.State.FROZEN, frozen_reason=reason[:300])
    if frozen:
        systemmail.alert(f"frozen/{post_id}", f"Post {post_id} is stopped for a check", reason)


def tell_of_doubts(number: int) -> None:
    """Tell staff that copies ended in doubt."""
    systemmail.alert(
        "doubt",
        "Some copies are in doubt",
        f"Nobody can say whether the mail relay took {number} cop{'y' if number == 1 else 'ies'}. They are not sent again by "
        "themselves. The page of each post shows how many are in doubt; `manage.py resolvedoubt` decides about them.",
    )


def _end(copies: QuerySet[Delivery], state: str, why: str) -> None:
    """Rows that somebody else has in hand are left to them, so that two sweeps never wait for each other."""
    free = copies.select_for_update(of=("self",), skip_locked=True).values("pk")
    before = Case(When(status="", then=Value(why)), default=Left(Concat(Value(f"{why}; before: "), "status"), 200))
    Delivery.advance_many(free, state, where=Q(state__in=Delivery.WAITING), status=before, ended_at=Now())

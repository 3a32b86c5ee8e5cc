"""Closing: copies that may leave no longer, and posts that have ended."""

from django.db import transaction
from django.db.models import Case, Exists, F, Func, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Concat, Left

from chamberlist import systemmail
from chamberlist.clock import Now
from posting.delivery import ledger
from posting.models import Delivery, Lane, Post

State = Delivery.State
BATCH = 10_000
ENDS: dict[str, str] = {Post.State.RECALLED: State.CANCELLED, Post.State.EXPIRED: State.EXPIRED}
OVER = (Post.State.ACCEPTED, Post.State.SENDING, Post.State.FROZEN)


def settle() -> None:
    """End the copies that still wait although their post has ended. Who left since is settled when the turn comes."""
    for post_state, state in ENDS.items():
        for waiting in _waiting(Delivery.objects.filter(post__state=post_state)):
            while _end(waiting, state, f"the post was {post_state}") == BATCH:
                pass
    ledger.note_begun()


def close_posts() -> None:
    """A post whose copies have all ended is done; one whose time is over expires, with the copies that still wait."""
    for post_id in Post.objects.filter(*_nothing_open(), state=Post.State.SENDING).values_list("pk", flat=True):
        _close(post_id)
    for post in Post.objects.filter(state__in=OVER, expires_at__lte=Now()):
        end(post, Post.State.EXPIRED)


@transaction.atomic
def _close(post_id: int) -> None:
    """Under the lock that a person who has copies sent again takes, too: what waits by then keeps the post open."""
    Post.objects.select_for_update().get(pk=post_id)
    if Post.objects.filter(*_nothing_open(), pk=post_id).exists():
        Post.advance_many([post_id], Post.State.DONE, ended_at=Now())


def _nothing_open() -> list[Q]:
    copies = Delivery.objects.filter(post=OuterRef("pk"))
    marked = copies.filter(state=State.SENDING, pk__in=Lane.objects.values(copy=Func("marked", function="unnest")))
    return [~Q(Exists(found)) for found in (*_waiting(copies), marked)]


def _waiting(copies: QuerySet[Delivery]) -> tuple[QuerySet[Delivery], QuerySet[Delivery]]:
    """Two questions, since each has an index of its own: all that has ended is never read."""
    not_begun = Q(pk__gt=F("post__begun_to"), pk__lte=F("post__last_copy"))
    first_turn = copies.filter(not_begun, state=State.QUEUED, next_attempt_at=None)
    return first_turn, copies.filter(state__in=Delivery.WAITING, next_attempt_at__isnull=False)


@transaction.atomic
def end(post: Post, state: str) -> bool:
    """End a post before its time: recalled or expired; no copy of it leaves from now on.

    The rows of a large post are ended by the next sweep: a person's word does not wait for them.
    """
    if not post.advance(state, ended_at=Now(), frozen_reason=""):
        return False
    for waiting in _waiting(Delivery.objects.filter(post=post)):
        _end(waiting, ENDS[state], f"the post was {state}")
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


@transaction.atomic
def _end(copies: QuerySet[Delivery], state: str, why: str) -> int:
    """A batch of them; how many. Rows that somebody else has in hand are left to them: two sweeps never wait for each other."""
    free = list(copies.select_for_update(of=("self",), skip_locked=True).values_list("pk", flat=True)[:BATCH])
    before = Case(When(status="", then=Value(why)), default=Left(Concat(Value(f"{why}; before: "), "status"), 200))
    return Delivery.advance_many(free, state, where=Q(state__in=Delivery.WAITING), status=before, ended_at=Now())

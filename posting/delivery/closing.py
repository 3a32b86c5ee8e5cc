"""Closing: copies that may leave no longer, and posts that have ended."""

from django.db import transaction
from django.db.models import Case, Exists, F, Func, Q, QuerySet, Value, When
from django.db.models.functions import Concat, Left

from chamberlist import systemmail
from chamberlist.clock import Now
from chamberlist.redaction import redact
from posting.delivery import ledger
from posting.models import Delivery, Lane, Post

State = Delivery.State
BATCH = 10_000
ENDS: dict[str, str] = {Post.State.RECALLED: State.CANCELLED, Post.State.EXPIRED: State.EXPIRED}
OVER = (Post.State.ACCEPTED, Post.State.SENDING, Post.State.FROZEN)


def settle() -> None:
    """End the copies that still wait although their post has ended. Who left since is settled when the turn comes."""
    for post_state, state in ENDS.items():
        why = f"the post was {post_state}"
        for post in Post.objects.filter(state=post_state, begun_to__lt=F("last_copy")):
            while _end(first_turns(post), state, why) == BATCH:
                ledger.note_begun()
                post.refresh_from_db(fields=["begun_to"])
        while _end(_wait_again(Delivery.objects.filter(post__state=post_state)), state, why) == BATCH:
            pass
    ledger.note_begun()


def close_posts() -> None:
    """A post whose copies have all ended is done; one whose time is over expires, with the copies that still wait."""
    for post in Post.objects.filter(state=Post.State.SENDING):
        if not _is_open(post):
            _close(post.pk)
    for post in Post.objects.filter(state__in=OVER, expires_at__lte=Now()):
        end(post, Post.State.EXPIRED)


@transaction.atomic
def _close(post_id: int) -> None:
    """Under the lock that a person who has copies sent again takes, too: what waits by then keeps the post open."""
    post = Post.objects.select_for_update().get(pk=post_id)
    if not _is_open(post):
        Post.advance_many([post_id], Post.State.DONE, ended_at=Now())


def _is_open(post: Post) -> bool:
    """Three questions at one moment, since each has an index of its own: all that has ended is never read."""
    copies = Delivery.objects.filter(post=post)
    marked = copies.filter(state=State.SENDING, pk__in=Lane.objects.values(copy=Func("marked", function="unnest")))
    found = Exists(first_turns(post)) | Exists(_wait_again(copies)) | Exists(marked)
    return Post.objects.filter(found, pk=post.pk).exists()


def first_turns(post: Post) -> QuerySet[Delivery]:
    """Its copies that wait and have had no turn; the bounds are numbers, or Postgres might read the whole ledger."""
    not_begun = Delivery.objects.filter(post=post, pk__gt=post.begun_to, pk__lte=post.last_copy)
    return not_begun.filter(state=State.QUEUED, next_attempt_at=None)


def _wait_again(copies: QuerySet[Delivery]) -> QuerySet[Delivery]:
    return copies.filter(state__in=Delivery.WAITING, next_attempt_at__isnull=False)


@transaction.atomic
def end(post: Post, state: str) -> bool:
    """End a post before its time: recalled or expired; no copy of it leaves from now on.

    The rows of a large post are ended by the next sweep: a person's word does not wait for them.
    """
    if not post.advance(state, ended_at=Now(), frozen_reason=""):
        return False
    for waiting in (first_turns(post), _wait_again(Delivery.objects.filter(post=post))):
        _end(waiting, ENDS[state], f"the post was {state}")
    return True


def freeze(post_id: int, reason: str) -> None:
    """Stop a post for a check: no copy of it leaves until a person decides. Staff are told why."""
    frozen = Post.advance_many([post_id], Post.State.FROZEN, frozen_reason=redact(reason)[:300])
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
    return Delivery.advance_many(
        free, state, where=Q(state__in=Delivery.WAITING), status=before, ended_at=Now(), next_attempt_at=None
    )

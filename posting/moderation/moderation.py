"""What staff decide about a post. Each verb is one transaction and gives "" or a sentence that says why nothing was changed."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from chamberlist import audit, bell, sealed, systemmail
from chamberlist.clock import Now
from posting.delivery import closing, fingerprints, gate, searching
from posting.models import Delivery, Post
from posting.models.post import LIFE

State = Post.State
HELD_DAYS = 14
MOVED_ON = "Somebody else was quicker, or it has moved on: it is “{state}” by now. Nothing was changed."
NOT_ACCEPTED: dict[str, Any] = {
    "accepted_at": None,
    "accepted_by": "",
    "accepted_hash": "",
    "sealed_allowed_addresses": "",
    "starts_at": None,
    "expires_at": None,
}


@transaction.atomic
def accept(post: Post, *, content_hash: str, by: str, allow: Iterable[str] = (), now: bool = False) -> str:
    """Let the post go out: to the members who are subscribed when the time to undo is over, or ``now``.

    ``content_hash`` is that of the content which the moderator saw; ``allow`` the addresses in it that they allow by name.
    """
    post = Post.objects.select_for_update(of=("self",)).select_related("mailing_list", "sender").get(pk=post.pk)
    if post.state != State.HELD:  # The table also leads from FROZEN to ACCEPTED: that is to go on, not to accept anew.
        return _moved_on(post)
    if post.content_hash != content_hash:
        return "Its text has changed since you read it. Please read it again."
    strangers = gate.strangers(post)
    meant = {gate.normalised(address) for address in allow}
    post.allowed_addresses = sorted(address for address in strangers if gate.normalised(address) in meant)
    if left := gate.strangers(post):
        return f"It names {len(left)} mail address(es) that you did not allow. Allow each by name, or reject the post."
    if idle := meant - {gate.normalised(address) for address in strangers}:
        return f"You allowed {len(idle)} mail address(es) that do not stand in it. Allow those that do, and no others."
    if searching.sealed_in(post):
        return f"{gate.SEALED} Reject the post, and ask for another file."
    if searching.password_in(post) is not None:
        return f"{gate.GIVES_AWAY} Reject the post, issue a new password, and ask for the message without it."
    if searching.member_link_in(post) is not None:
        return f"{gate.MEMBERS_LINK} Reject the post, and ask for the message without it."
    wait = timedelta(seconds=0 if now else post.mailing_list.undo_seconds)
    accepted = {
        "accepted_at": Now(),
        "accepted_by": audit.without_address(by),
        "accepted_hash": content_hash,
        "fingerprint": fingerprints.of(post.subject, post.body),
        "sealed_allowed_addresses": post.sealed_allowed_addresses,
        "starts_at": Now() + wait,
        "expires_at": Now() + LIFE,
    }
    post.advance(State.ACCEPTED, **accepted)
    allowed = len(post.allowed_addresses)
    audit.record(by, "accept", post, reason=f"{allowed} mail address(es) allowed by name" if allowed else "")
    bell.ring("posting.tasks.sweep", delay=wait.total_seconds())
    return ""


def left_to_allow(post: Post, allow: Iterable[str]) -> list[str]:
    """The addresses that a held post names and that these do not allow: for the eyes of a moderator, who reads the post anyway."""
    meant = {gate.normalised(address) for address in allow}
    return [address for address in gate.strangers(post) if gate.normalised(address) not in meant]


@transaction.atomic
def reject(post: Post, *, reason: str, by: str) -> str:
    """Refuse the post; its author is told the reason by mail."""
    reason = reason.strip()
    if not reason:
        return "Please write a reason: the sender gets it by mail."
    if not post.advance(State.REJECTED, **sealed.columns(post, reject_reason=reason), ended_at=Now()):
        return _moved_on(post)
    audit.record(by, "reject", post, reason=reason)
    systemmail.queue("post_rejected", post.pk)
    return ""


@transaction.atomic
def discard(post: Post, *, by: str) -> str:
    """Drop the post without a word to its author: for what is plainly not meant for the list."""
    if not post.advance(State.DISCARDED, ended_at=Now()):
        return _moved_on(post)
    audit.record(by, "discard", post)
    return ""


@transaction.atomic
def undo(post: Post, *, by: str) -> str:
    """Take an acceptance back before the first copy."""
    accepted = Q(state=State.ACCEPTED)  # The table also leads from DRAFT to HELD: that is the author's.
    if not Post.advance_many([post.pk], State.HELD, where=accepted, **NOT_ACCEPTED):
        return _moved_on(post)
    audit.record(by, "undo", post)
    return ""


@transaction.atomic
def hurry(post: Post, *, by: str) -> str:
    """Do not wait for the time to undo."""
    if not Post.objects.filter(pk=post.pk, state=State.ACCEPTED).update(starts_at=Now()):
        return _moved_on(post)
    audit.record(by, "send now", post)
    bell.ring("posting.tasks.sweep")
    return ""


@transaction.atomic
def recall(post: Post, *, by: str, reason: str = "") -> str:
    """Stop a post for good: copies that have not left never will."""
    if not closing.end(post, State.RECALLED):
        return _moved_on(post)
    audit.record(by, "recall", post, reason=reason)
    return ""


@transaction.atomic
def thaw(post: Post, *, by: str, reason: str) -> str:
    """Let a post that was stopped for a check go on."""
    if not reason.strip():
        return "Please write why it may go on: it is kept in the audit trail."
    to = State.ACCEPTED if post.audience is None else State.SENDING
    frozen = Q(state=State.FROZEN)  # The table also leads from HELD to ACCEPTED: that is to accept.
    if not Post.advance_many([post.pk], to, where=frozen, frozen_reason=""):
        return _moved_on(post)
    audit.record(by, "let go on", post, reason=reason)
    bell.ring("posting.tasks.sweep")
    return ""


@transaction.atomic
def resend_doubts(post: Post, *, by: str, reason: str = "") -> tuple[int, str]:
    """Send the copies in doubt again, on a person's word: how many, or why not. Some members may get the message twice."""
    post = Post.objects.select_for_update(of=("self",)).get(pk=post.pk)
    if post.state not in (State.SENDING, State.DONE):
        return 0, f"It is “{post.get_state_display()}”: no copy of it may leave. Nothing was changed."
    if not Post.objects.filter(pk=post.pk, expires_at__gt=Now()).exists():
        return 0, "Its time is over: nobody wants it any longer. Nothing was changed."
    doubts = post.deliveries.filter(state=Delivery.State.IN_DOUBT).values("pk")
    number = Delivery.advance_many(doubts, Delivery.State.QUEUED, next_attempt_at=Now(), ended_at=None)
    if number and post.state == State.DONE:
        post.advance(State.SENDING, ended_at=None)
    audit.record(by, "send doubts again", post, reason=reason or f"{number} copies")
    bell.ring("posting.tasks.sweep")
    return number, ""


@transaction.atomic
def leave_doubts(post: Post, *, by: str, reason: str = "") -> tuple[int, str]:
    """Leave the copies in doubt as they are, on record: how many."""
    number = post.deliveries.filter(state=Delivery.State.IN_DOUBT).count()
    audit.record(by, "leave doubts", post, reason=reason or f"{number} copies")
    return number, ""


def discard_stale() -> int:
    """Discard what has waited for 14 days, with a notice to its author: "accept all" after a holiday would be a storm."""
    stale = Post.objects.filter(state=State.HELD, submitted_at__lt=Now() - timedelta(days=HELD_DAYS))
    return sum(_discard_stale(post) for post in stale)


@transaction.atomic
def _discard_stale(post: Post) -> bool:
    if not post.advance(State.DISCARDED, ended_at=Now()):
        return False
    systemmail.queue("post_discarded", post.pk)
    return True


def _moved_on(post: Post) -> str:
    return MOVED_ON.format(state=Post.objects.get(pk=post.pk).get_state_display())

"""What posts have to say to staff on the admin's first page."""

from django.urls import reverse

from chamberlist.adminpages import CANNOT_BE_OPENED, opened
from chamberlist.staffsite import Notice
from posting.models import InboundMail, Post
from posting.submission import lostpasswords

VIEW_POST, CHANGE_POST = "posting.view_post", "posting.change_post"
LISTED = 20  # Of each kind.
CHANGE_SENDER, CHANGE_MAIL = "posting.change_sender", "posting.change_inboundmail"


def waiting() -> list[Notice]:
    """The posts that wait for a decision."""
    held = _in(Post.State.HELD)
    return [Notice(f"Waits for you: {_titled(post)}, from {post.sender.name}", _page(post), CHANGE_POST) for post in held]


def frozen() -> list[Notice]:
    """The posts that were stopped for a check."""
    stopped = _in(Post.State.FROZEN)
    return [Notice(f"Stopped for a check: {_titled(post)}", _page(post), VIEW_POST, is_urgent=True) for post in stopped]


def passwords() -> list[Notice]:
    """The senders who said that they lost their password; a mail proves nothing, so staff call them."""
    words = "call them on the number that you have on file, not on one that a mail names"
    wanted = lostpasswords.wanted()
    notices = [
        Notice(
            f"Somebody asked for a new password for {sender.name}: {words}",
            reverse("admin:posting_sender_change", args=[sender.pk]),
            CHANGE_SENDER,
        )
        for sender in wanted[:LISTED]
    ]
    if (more := wanted.count() - LISTED) > 0:
        words = f"and {more} more asked for a new password; they are listed here as those before them get one"
        notices.append(Notice(words, reverse("admin:posting_sender_changelist"), CHANGE_SENDER))
    return notices


def mail() -> list[Notice]:
    """What came by mail and only a person can deal with: how many, and never from whom."""
    kept = InboundMail.objects.filter(state=InboundMail.State.KEPT).count()
    unread = InboundMail.objects.filter(state=InboundMail.State.QUARANTINED).count()
    notices = []
    if kept:
        words = "1 message waits" if kept == 1 else f"{kept} messages wait"
        notices.append(Notice(f"{words} to be read by you", _mail(InboundMail.State.KEPT), CHANGE_MAIL))
    if unread:
        words = "1 message" if unread == 1 else f"{unread} messages"
        notices.append(Notice(f"{words} could not be read", _mail(InboundMail.State.QUARANTINED), CHANGE_MAIL, is_urgent=True))
    return notices


def _in(state: str) -> list[Post]:
    return list(Post.objects.filter(state=state).select_related("sender").order_by("pk")[:LISTED])


def _titled(post: Post) -> str:
    subject = opened(lambda: f"“{post.subject}”")
    return f"post {post.pk}, which {subject}" if subject == CANNOT_BE_OPENED else subject


def _page(post: Post) -> str:
    return reverse("admin:posting_post_change", args=[post.pk])


def _mail(state: str) -> str:
    return f"{reverse('admin:posting_inboundmail_changelist')}?state__exact={state}"

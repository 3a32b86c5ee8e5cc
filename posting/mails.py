"""The mails about a post, or about a mail that was to become one: to its author, and to staff. Rendered when they are sent."""

from uuid import UUID

from django.conf import settings
from django.urls import reverse

from chamberlist import tokens
from chamberlist.redaction import redact
from chamberlist.systemmail import Mail, render
from posting.delivery import copies
from posting.models import InboundMail, Post, Sender
from posting.submission import lostpasswords

NOBODY = UUID(int=0)  # The links of a test copy lead to the pages of a subscription that there never was.


def post_waiting(post_id: int) -> Mail | None:
    """To staff: a post waits for them. None where it was decided by now."""
    post = _post(post_id)
    if post is None or post.state != Post.State.HELD:
        return None
    link = settings.SITE_URL + reverse("admin:posting_post_change", args=[post.pk])
    return render("post_waiting", settings.CHAMBER_ALERTS, {"post": post, "link": link, "reasons": post.reasons})


def password_wanted(sender_id: int) -> Mail | None:
    """To staff: a sender has lost its password. None where it has a new one by now, or may post no longer."""
    sender = lostpasswords.wanted().filter(pk=sender_id).first()
    if sender is None:
        return None
    link = settings.SITE_URL + reverse("admin:posting_sender_change", args=[sender.pk])
    return render("password_wanted", settings.CHAMBER_ALERTS, {"sender": sender, "link": link})


def post_rejected(post_id: int) -> Mail | None:
    """To the author: not accepted, and why."""
    post = _post(post_id)
    return render("post_rejected", post.sender.address, {"post": post, "reason": post.reject_reason}) if post else None


def post_discarded(post_id: int) -> Mail | None:
    """To the author: it waited too long."""
    post = _post(post_id)
    reason = "It waited for 14 days without a decision, and old news should not go out late."
    return render("post_discarded", post.sender.address, {"post": post, "reason": reason}) if post else None


def test_copy(post_id: int) -> Mail | None:
    """To the author alone: the copy as a member would get it."""
    post = _post(post_id)
    if post is None:
        return None
    leave, choose = tokens.make("leave", NOBODY), tokens.make("choose", NOBODY)
    text, html = copies.texts(post, leave=leave, choose=choose)
    return Mail(post.sender.address, f"Test: {post.subject}", text, html, files=copies.attached(post))


def mail_receipt(post_id: int) -> Mail | None:
    """To the author who posted by mail: it came, and what happens next. None where they have taken it back by now."""
    post = _post(post_id)
    if post is None or post.state == Post.State.WITHDRAWN:
        return None
    context = {
        "post": post,
        "mailing_list": post.mailing_list,
        "link": _page(post.pk),
        "is_held": post.state == Post.State.HELD,
        "may_be_stopped": post.state in Post.states_before(Post.State.RECALLED),
    }
    return render("mail_receipt", post.sender.address, context, written="auto-replied")


def mail_refused(inbound_mail_id: int) -> Mail | None:
    """To the sender whose mail was not submitted: why, and where its draft or the form is. None where the business may not post."""
    mail = InboundMail.objects.select_related("sender").filter(pk=inbound_mail_id).first()
    if mail is None or mail.sender is None or mail.sender.revoked_at is not None:
        return None
    link = _page(mail.post_id) if mail.post_id else _form()
    context = {"reason": redact(mail.outcome), "received_at": mail.received_at, "is_draft": bool(mail.post_id), "link": link}
    return render("mail_refused", mail.sender.address, context, written="auto-replied")


def mail_wrong_password(sender_id: int) -> Mail | None:
    """To a sender in whose name a mail came without the right password."""
    sender = Sender.objects.filter(pk=sender_id, revoked_at=None).first()
    if sender is None:
        return None
    return render("mail_wrong_password", sender.address, {"sender": sender, "link": _form()}, written="auto-replied")


def _page(post_id: int) -> str:
    return f"{settings.SITE_URL}{reverse('sender_post', args=[post_id])}"


def _form() -> str:
    return f"{settings.SITE_URL}{reverse('compose')}"


def _post(post_id: int) -> Post | None:
    return Post.objects.select_related("sender", "mailing_list").filter(pk=post_id).first()

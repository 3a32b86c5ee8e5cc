"""How a message becomes a post: written, submitted, withdrawn. Verbs give "" or a sentence that says why nothing was changed."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction

from chamberlist import sealed, systemmail
from chamberlist.clock import Now
from chamberlist.redaction import redact
from posting.delivery import mime
from posting.models import Attachment, Post, Sender
from posting.moderation import moderation, rules
from posting.submission import enclosing
from subscriptions.models import MailingList

State = Post.State


@transaction.atomic
def write(
    sender: Sender,
    mailing_list: MailingList,
    *,
    subject: str,
    body: str,
    key: UUID,
    html: str = "",
    files: Sequence[mime.Attachment] = (),
) -> Post:
    """A new draft; the one that is there where the same form or mail came twice, with the text and the files of the last.

    ``html`` shows a file as a picture where it names its ``content_id`` (``cid:``).
    """
    page, attached = enclosing.enclosed(key, html, files)
    words = {"subject": " ".join(subject.split()), "body": body.strip(), "html": page}
    fresh = {"mailing_list": mailing_list, **words}
    post, is_new = Post.objects.get_or_create(sender=sender, submission_key=key, defaults=fresh)
    if not is_new:  # Perhaps changed after a step back in the browser.
        draft = Post.objects.filter(pk=post.pk, state=State.DRAFT)
        is_draft = draft.update(mailing_list=mailing_list, **sealed.columns(post, **words))
        post.refresh_from_db()
        if not is_draft:
            return post
    post.attachments.all().delete()
    Attachment.objects.bulk_create(Attachment.of(post, place, **file._asdict()) for place, file in enumerate(attached))
    return post


@transaction.atomic
def rewrite(post: Post, mailing_list: MailingList, *, subject: str, body: str) -> str:
    """Change a draft. What it has attached stays; its formatting goes where the text is another one."""
    draft = Post.objects.select_for_update().filter(pk=post.pk, state=State.DRAFT).first()
    if draft is None:
        return "It is no longer a draft, so it was not changed."
    draft.mailing_list, draft.subject = mailing_list, " ".join(subject.split())
    if body.strip().splitlines() != draft.body.splitlines():
        draft.body, draft.html = body.strip(), ""
        draft.attachments.update(content_id="")  # There is no text left to show a picture in.
    draft.save(update_fields=["mailing_list", "sealed_subject", "sealed_body", "sealed_html"])
    return ""


@transaction.atomic
def keep_reasons(post: Post, reasons: Sequence[str]) -> None:
    """Why a draft is to be held whenever it is submitted, beside what the rules say."""
    Post.objects.filter(pk=post.pk, state=State.DRAFT).update(reasons=[redact(reason) for reason in reasons])


@transaction.atomic
def submit(post: Post, *, content_hash: str) -> str:
    """Hand a draft to the Chamber: HELD with its reasons, or accepted where no rule holds it."""
    # The sender's row is locked as well: two posts at once count one after the other.
    post = Post.objects.select_for_update(of=("self", "sender")).select_related("sender", "mailing_list").get(pk=post.pk)
    if post.state in (State.HELD, State.ACCEPTED, State.SENDING, State.DONE, State.FROZEN):
        return ""  # Submitted before: a double click is one post.
    if post.state != State.DRAFT:
        return f"It is “{post.get_state_display()}” by now, so it was not submitted. Please write a new message."
    if post.content_hash != content_hash:
        return "The text has changed since this page was opened. Please look at it again."
    if not post.sender.lists.filter(pk=post.mailing_list_id).exists():
        return "You may not post to this list; please ask the Chamber."
    if _submitted_within(timedelta(days=1), post.sender) >= post.sender.posts_a_day:
        return f"Your limit for a day is {post.sender.posts_a_day}, and you have submitted as many: submit it tomorrow."
    if _submitted_within(timedelta(days=30), post.sender) >= post.sender.posts_a_month:
        return f"Your limit is {post.sender.posts_a_month} messages in 30 days, and you have submitted as many."
    reasons = [*rules.reasons(post), *post.reasons]
    post.advance(State.HELD, reasons=reasons, submitted_at=Now())
    if reasons:
        systemmail.queue("post_waiting", post.pk)
        return ""
    return moderation.accept(post, content_hash=content_hash, by=rules.BY_RULES)


@transaction.atomic
def withdraw(post: Post) -> str:
    """The author takes it back, while it is a draft or waits."""
    if not post.advance(State.WITHDRAWN, ended_at=Now()):
        return "It has been decided by now, so it could not be withdrawn. Please call the Chamber."
    return ""


def send_test_copy(post: Post) -> None:
    """A copy to the author alone."""
    systemmail.queue("test_copy", post.pk)


def _submitted_within(time: timedelta, sender: Sender) -> int:
    return sender.posts.filter(submitted_at__gt=Now() - time).count()

"""How a message becomes a post: written, submitted, withdrawn. Verbs give "" or a sentence that says why nothing was changed."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from chamberlist import systemmail
from chamberlist.clock import Now
from posting.models import Post, Sender
from posting.moderation import moderation, rules
from subscriptions.models import MailingList

State = Post.State
MAX_BODY = 50_000


@transaction.atomic
def write(sender: Sender, mailing_list: MailingList, *, subject: str, body: str, key: UUID) -> Post:
    """A new draft; the one that is there where the same form was sent twice."""
    text = {"mailing_list": mailing_list, "subject": " ".join(subject.split()), "body": body.strip()}
    post, _ = Post.objects.get_or_create(sender=sender, submission_key=key, defaults=text)
    return post


@transaction.atomic
def rewrite(post: Post, mailing_list: MailingList, *, subject: str, body: str) -> str:
    """Change a draft."""
    drafts = Post.objects.filter(pk=post.pk, state=State.DRAFT)
    if not drafts.update(mailing_list=mailing_list, subject=" ".join(subject.split()), body=body.strip()):
        return "It is no longer a draft, so it was not changed."
    return ""


@transaction.atomic
def submit(post: Post, *, content_hash: str) -> str:
    """Hand a draft to the Chamber: HELD with its reasons, or accepted where no rule holds it."""
    post = Post.objects.select_for_update(of=("self",)).select_related("sender", "mailing_list").get(pk=post.pk)
    if post.content_hash != content_hash:
        return "The text has changed since this page was opened. Please look at it again."
    if not post.sender.lists.filter(pk=post.mailing_list_id).exists():
        return "You may not post to this list any longer; please ask the Chamber. Your draft is kept."
    if _submitted_this_month(post.sender) >= post.sender.posts_a_month:
        return (
            f"You have submitted {post.sender.posts_a_month} messages in the last 30 days, which is your limit. Your draft is kept."
        )
    reasons = rules.reasons(post)
    if not post.advance(State.HELD, reasons=reasons, submitted_at=Now()):
        return ""  # Submitted before: a double click is one post.
    if reasons:
        systemmail.queue("post_waiting", post.pk)
        return ""
    return moderation.accept(post, content_hash=content_hash, by="the rules")


@transaction.atomic
def withdraw(post: Post) -> str:
    """The author takes it back, while it is a draft or waits."""
    if not post.advance(State.WITHDRAWN, ended_at=Now()):
        return "It has been decided by now, so it could not be withdrawn. Please call the Chamber."
    return ""


def send_test_copy(post: Post) -> None:
    """A copy to the author alone."""
    systemmail.queue("test_copy", post.pk)


def _submitted_this_month(sender: Sender) -> int:
    return sender.posts.filter(submitted_at__gt=Now() - timedelta(days=30)).count()

"""Replies: what a member answers to a copy, and the business to that, passed on so that neither side learns the other's address.

No header of what came is used, and nothing is passed twice. What is passed on is kept, sealed, until it has left.
"""

import base64
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q

from chamberlist import systemmail, throttle, tokens
from chamberlist.clock import Now
from chamberlist.models import SystemMail
from posting.delivery.mime import Attachment
from posting.feedback import wording
from posting.models import Conversation, Delivery, PassedMail
from subscriptions import lifecycle
from subscriptions.models import Subscription

To = PassedMail.To

A_MEMBER, A_POST, IN_ALL = 5, 30, 200  # Of one member and about one post a day, of all an hour; for each direction.
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LONGEST_TEXT = 100_000  # Characters.
KEPT = timedelta(days=2)
PURPOSES = {To.SENDER: "passed_to_sender", To.MEMBER: "passed_to_member"}
STILL_TO_LEAVE = (SystemMail.State.QUEUED, SystemMail.State.DEFERRED, SystemMail.State.SENDING)
TALKING = (Subscription.State.ACTIVE, Subscription.State.PAUSED)

PASSED = {
    To.SENDER: "A reader's answer was passed on to the business.",
    To.MEMBER: "The business's answer was passed on to the reader.",
}
GONE = "It was an answer to a copy that is no longer kept, so it was not passed on."
AGAIN = "It was passed on before."
REVOKED = "The business is no longer approved, so nothing was passed on."
LEFT = "The reader is no longer subscribed, so nothing was passed on."
TOO_MANY = "Too many answers were passed on lately, so this one was not."
NOTHING = "There was neither text nor a file that can be passed on."


@transaction.atomic
def pass_to_sender(
    delivery_handle: UUID, *, key: UUID, text: str, files: Sequence[Attachment] = (), left_out: Sequence[str] = ()
) -> str:
    """Pass a reader's answer to the business that wrote the post; what was done, as a sentence without addresses.

    ``key`` names the message, ``left_out`` the files that the caller has taken out. Who has left may still be answered for.
    """
    delivery = Delivery.objects.select_related("post__sender", "subscription").filter(handle=delivery_handle).first()
    if delivery is None:
        return GONE
    if delivery.post.sender.revoked_at is not None:
        return REVOKED
    conversation, _ = Conversation.objects.get_or_create(delivery=delivery)
    content = _content(text, files, left_out, own=_own(delivery))
    return _pass(conversation, delivery, To.SENDER, key, content, bytes(delivery.post.sender.address_hash))


@transaction.atomic
def pass_to_member(
    conversation_handle: UUID, *, key: UUID, text: str, files: Sequence[Attachment] = (), left_out: Sequence[str] = ()
) -> str:
    """Pass the business's answer to the reader, while that one is subscribed or paused; otherwise as ``pass_to_sender``.

    The business's own contact address may stand in it; that the message comes from the business is the caller's to prove.
    """
    conversations = Conversation.objects.select_related("delivery__post__sender", "delivery__subscription__mailing_list")
    conversation = conversations.filter(handle=conversation_handle).first()
    if conversation is None:
        return GONE
    delivery = conversation.delivery
    sender, member = delivery.post.sender, delivery.subscription
    if sender.revoked_at is not None:
        return REVOKED
    if not may_hear(member):
        return LEFT
    assert member is not None
    content = _content(text, files, left_out, own=_own(delivery), keep=sender.address)
    return _pass(conversation, delivery, To.MEMBER, key, content, bytes(member.address_hash))


def may_hear(member: Subscription | None) -> bool:
    """Whether a business's answer may go to a member now."""
    if member is None or member.state not in TALKING:
        return False
    return not lifecycle.is_suppressed(bytes(member.address_hash), member.mailing_list)


def read(mail: PassedMail) -> tuple[str, list[Attachment], list[str]]:
    """What is passed on: the text, the files, and the names of those that are not."""
    content: dict[str, Any] = json.loads(mail.content)
    files = [Attachment(name, kind, base64.b64decode(octets)) for name, kind, octets in content["files"]]
    return content["text"], files, content["left_out"]


def forget() -> int:
    """Delete what has left, or never will, and after two days whatever became of it; how many. That they were passed on is kept."""
    waiting = SystemMail.objects.filter(purpose__in=PURPOSES.values(), object_id=OuterRef("pk"), state__in=STILL_TO_LEAVE)
    is_over = ~Exists(waiting) | Q(created_at__lt=Now() - KEPT)
    return PassedMail.objects.filter(is_over, sealed_content__isnull=False).update(sealed_content=None)


def _own(delivery: Delivery) -> list[str]:
    """What the reader's copy holds of the reader's: the address, and the tokens of its links and addresses."""
    made = [tokens.make(purpose, delivery.handle) for purpose in ("reply", "bounce")]
    if delivery.subscription is None:
        return made
    member = delivery.subscription
    return [member.address, *made, *(tokens.make(purpose, member.handle) for purpose in ("leave", "choose"))]


def _content(
    text: str, files: Sequence[Attachment], left_out: Sequence[str], *, own: Sequence[str], keep: str = ""
) -> dict[str, Any]:
    fit, unfit = wording.sorted_out(files, own=own)
    words = wording.without_addresses(text, own=own, keep=keep).strip()
    left = [wording.left_out_name(name) for name in left_out] + unfit
    if len(words) > LONGEST_TEXT:
        words, left = words[:LONGEST_TEXT], [*left, "the rest of a very long text"]
    coded = [(file.name, file.kind, base64.b64encode(file.content).decode()) for file in fit]
    return {"text": words, "files": coded, "left_out": left}


def _pass(
    conversation: Conversation, delivery: Delivery, to: PassedMail.To, key: UUID, content: dict[str, Any], recipient_hash: bytes
) -> str:
    if PassedMail.objects.filter(conversation=conversation, to=to, key=key).exists():
        return AGAIN
    if not content["text"] and not content["files"]:
        return NOTHING
    if not _has_room(delivery, to):
        return TOO_MANY
    mail = PassedMail(conversation=conversation, to=to, key=key)
    mail.content = json.dumps(content).encode()
    try:
        with transaction.atomic():
            mail.save()
    except IntegrityError:  # The same message, at the same moment.
        return AGAIN
    systemmail.queue(PURPOSES[to], mail.pk, recipient_hash=recipient_hash)
    return PASSED[to]


def _has_room(delivery: Delivery, to: PassedMail.To) -> bool:
    """Count one more, unless a cap is reached: then nothing more is counted either."""
    member = delivery.subscription_id or f"copy {delivery.pk}"
    caps = (("a member", str(member), A_MEMBER, DAY), ("a post", str(delivery.post_id), A_POST, DAY), ("in all", "", IN_ALL, HOUR))
    return all(throttle.hit(f"passed to {to}, {what}", key, limit=limit, per=per) for what, key, limit, per in caps)

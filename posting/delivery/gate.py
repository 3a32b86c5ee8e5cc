"""The gate: the last look at what is about to leave. What it refuses freezes the post; it never mends."""

from email import policy
from email.parser import BytesHeaderParser
from html import unescape
from urllib.parse import unquote

from django.conf import settings

from posting.delivery.copies import Compiled, Copy
from posting.delivery.ledger import Marked
from posting.models import Post
from subscriptions import addresses

HEADERS = {  # What a copy may have, each once: whatever else grew into it could reach somebody else.
    "from", "to", "reply-to", "subject", "date", "message-id", "list-id", "list-unsubscribe", "list-unsubscribe-post", "list-help",
    "list-owner", "list-post", "precedence", "x-auto-response-suppress", "feedback-id", "mime-version", "content-type",
}  # fmt: skip
PARSER = BytesHeaderParser(policy=policy.compat32)


def strangers(post: Post) -> list[str]:
    """The addresses in a post's own words that are neither its sender's, nor the Chamber's, nor allowed by staff by name."""
    known = {_normalised(text) for text in _published(post)}
    found = addresses.found_in(f"{post.subject}\n{post.body}")
    return [written for written in found if _normalised(written) not in known]


def check_post(compiled: Compiled) -> str:
    """Once a post: "" or why no copy of it may leave."""
    post = compiled.post
    if post.content_hash != post.accepted_hash:
        return "Its content is not the one that was accepted."
    if strangers(post):
        return "It names an address that staff did not allow."
    known = {_normalised(text) for text in _published(post)}
    for part in (compiled.text, unquote(unescape(compiled.html))):
        if any(_normalised(written) not in known for written in addresses.found_in(part)):
            return "A rendered copy names an address that does not belong into it."
    return ""


def check_copy(compiled: Compiled, marked: Marked, copy: Copy) -> str:
    """Each copy: "" or why it may not leave. One recipient, one To, the same address, and no header that reaches anybody else."""
    head = list(PARSER.parsebytes(copy.message).raw_items())
    to = [_text(value) for name, value in head if name.lower() == "to"]
    if to != [marked.recipient] or copy.recipient != marked.recipient:
        return "It is not addressed to its recipient alone."
    names = [name.lower() for name, _ in head]
    if len(set(names)) != len(names) or not HEADERS.issuperset(names):
        return "It has a header that does not belong into it."
    lines = copy.message.replace(b"\r\n", b"")
    if b"\r" in lines or b"\n" in lines:
        return "It has a line that ends in an odd way."
    return ""


def _text(raw: object) -> str:
    """A header's value as UTF-8; the parser hands over what is not ASCII in disguise (surrogate escapes)."""
    return str(raw).encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()


def _published(post: Post) -> tuple[str, ...]:
    chamber = (settings.CHAMBER.contact, post.mailing_list.address)
    return (*chamber, post.sender.address, *post.allowed_addresses)


def _normalised(text: str) -> str:
    return addresses.parse(text).normalised

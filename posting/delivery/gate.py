"""The gate: the last look at what is about to leave. What it refuses freezes the post; it never mends.

It has two halves. Once a post, a whole specimen is parsed as a receiver would, and searched. For each copy, the finished bytes are
laid on what was searched: all between the slots is the same, and what is in them is derived anew. Where a provider builds the
bytes, what its interface is given is laid on it instead.
"""

import re
from collections.abc import Mapping
from email import policy
from email.message import Message
from email.parser import BytesParser
from email.utils import getaddresses
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote

from django.conf import settings

from chamberlist import providers
from posting.delivery import copies, messages
from posting.delivery.copies import Compiled, Copy, Values
from posting.delivery.ledger import Marked
from posting.models import Post
from subscriptions import addresses

HEADERS = {  # What a copy may have, each once: whatever else grew into it could reach somebody else.
    "from", "to", "reply-to", "subject", "date", "message-id", "list-id", "list-unsubscribe", "list-unsubscribe-post", "list-help",
    "list-owner", "list-post", "precedence", "x-auto-response-suppress", "feedback-id", "mime-version", "content-type",
}  # fmt: skip
GIVEN = HEADERS - {"mime-version", "content-type", *(name.lower() for name in messages.FIELDS)}  # Exactly these, beside the fields.
ELSEWHERE = "It is not addressed to its recipient alone."
CHANGED = "It is not what was checked, with its own values and no others."
LONGEST_LINE = 998  # Octets without CRLF (RFC 5322 section 2.1.1).
LONGEST_RECIPIENT = 254
TAGS = {"html", "head", "meta", "title", "body", "div", "p", "br", "strong", "a"}
ATTRIBUTES = {"lang", "charset", "name", "content", "style", "href", "rel"}
SIGNATURES = re.compile(rb"(?:DKIM-Signature: v=1; [ -~]+\r\n(?: [ -~]+\r\n)+)*")
TOKEN = rb"[a-z2-7]{52}"
GRAMMAR = {
    "recipient": rb'(?:"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])+"|[^\s"(),:;<>@\[\]\\\x00-\x1f\x7f]+)@[a-z0-9.-]+',
    "delivery": rb"[0-9a-f]{32}",
    "reply": TOKEN,
    "leave": TOKEN,
    "choose": TOKEN,
    "bounce": TOKEN,
}
VALUES = re.compile(rb"\0".join(GRAMMAR.values()))  # All in one go: none of them may hold an octet of nought.


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
    specimen = BytesParser(policy=policy.compat32).parsebytes(compiled.specimen)
    return _headers_problem(specimen) or _lines_problem(compiled.specimen) or _parts_problem(specimen, post)


def check_copy(compiled: Compiled, marked: Marked, copy: Copy, own: Values | None = None) -> str:
    """Each copy: "" or why it may not leave. Pure, and quick. ``own``: its values, derived anew and not those it was built with."""
    if not marked.recipient or copy.recipient != marked.recipient or copy.post_id != compiled.post.id:
        return ELSEWHERE
    values = own or copies.values_for(marked)
    if values["recipient"] != marked.recipient.encode() or values["delivery"] != marked.handle.hex().encode():
        return CHANGED
    if problem := _values_problem(values):
        return problem
    if copy.envelope_sender != copies.envelope_sender(values):
        return "Its bounces would not come back to it."
    signatures = SIGNATURES.match(copy.data)
    assert signatures is not None
    if not compiled.data.is_filled(copy.data, values, start=signatures.end()):
        return CHANGED
    return ""


def check_message(compiled: Compiled, marked: Marked, message: messages.Message, backend: str) -> str:
    """Each copy that a provider builds: "" or why ``backend`` may not be given this message."""
    alone = [marked.recipient]
    if not marked.recipient or message.to != alone or message.recipients() != alone or marked.post_id != compiled.post.pk:
        return ELSEWHERE
    values = copies.values_for(marked)
    if problem := _values_problem(values):
        return problem
    if messages.extras(message) != {"metadata": messages.metadata(marked), **providers.untracked(backend)}:
        return "The provider is told more or less than it needs to know about it."
    names = [name.lower() for name in message.extra_headers]
    if set(names) != GIVEN or len(names) != len(GIVEN):
        return "It has a header that does not belong into it, or lacks one."
    if _fields(message) != _checked_fields(compiled, values) or message.attachments or message.content_subtype != "plain":
        return CHANGED
    return ""


def _values_problem(values: Mapping[str, bytes]) -> str:
    if not VALUES.fullmatch(b"\0".join([values[name] for name in GRAMMAR])):
        return "A value of its own has an odd form."
    return ""


def _fields(message: messages.Message) -> dict[str, str]:
    """What a message says, each part by its name."""
    [(name, address)] = getaddresses([message.from_email])
    [reply_to], [html] = message.reply_to, message.alternatives
    fields = {name.lower(): str(value) for name, value in message.extra_headers.items()}
    fields |= {"from": f"{name} <{address}>", "reply-to": reply_to, "subject": str(message.subject)}
    return fields | {"text": str(message.body), html[1]: str(html[0])}


def _checked_fields(compiled: Compiled, values: Mapping[str, bytes]) -> dict[str, str]:
    """The same of the specimen that was checked, with a copy's own values in it."""
    post = compiled.post
    fields = {name: template.fill(values).decode() for name, template in compiled.fields.items()}
    name = messages.words(copies.author_name(post))
    return fields | {"from": f"{name} <{post.mailing_list.address}>", "subject": messages.words(post.subject)}


def _headers_problem(message: "Message[str, str]") -> str:
    names = [name.lower() for name in message]
    if len(set(names)) != len(names) or not HEADERS.issuperset(names) or "to" not in names:
        return "A rendered copy has a header that does not belong into it."
    return ""


def _lines_problem(specimen: bytes) -> str:
    if not specimen.isascii() or b"\n" in specimen.replace(b"\r\n", b"") or b"\r" in specimen.replace(b"\r\n", b""):
        return "A rendered copy has an octet that a mail server may change."
    if max(len(line) for line in specimen.split(b"\r\n")) > LONGEST_LINE - LONGEST_RECIPIENT:
        return "A rendered copy has a line that is longer than mail servers accept."
    return ""


def _parts_problem(message: "Message[str, str]", post: Post) -> str:
    """Every text in it, as its reader sees it."""
    known = {_normalised(text) for text in _published(post)}
    for part in message.walk():
        if part.get_content_maintype() != "text":
            continue
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        text = content.decode(part.get_content_charset("utf-8"), "replace")
        if part.get_content_subtype() == "html":
            if problem := _Foreign.problem(text):
                return problem
            text = unquote(unescape(text))
        if any(_normalised(written) not in known for written in addresses.found_in(text)):
            return "A rendered copy names an address that does not belong into it."
    return ""


class _Foreign(HTMLParser):
    """Looks for what a mail of ours has no use for: pictures, scripts, forms, and whatever else a mail program would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found = ""

    @classmethod
    def problem(cls, html: str) -> str:
        parser = cls()
        parser.feed(html)
        parser.close()
        return parser.found and f"A rendered copy has foreign content: {parser.found[:40]}."

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.found = self.found or tag
        for name, value in attrs:
            is_fetched = "url(" in (value or "").lower() if name == "style" else False
            is_link = name != "href" or re.match(r"(https?://|mailto:)", value or "") is not None
            if name not in ATTRIBUTES or is_fetched or not is_link:
                self.found = self.found or name


def _published(post: Post) -> tuple[str, ...]:
    chamber = (settings.CHAMBER.contact, post.mailing_list.address)
    return (*chamber, post.sender.address, *post.allowed_addresses)


def _normalised(text: str) -> str:
    return addresses.parse(text).normalised

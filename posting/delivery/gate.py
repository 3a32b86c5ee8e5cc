"""The gate: the last look at what is about to leave. What it refuses freezes the post; it never mends.

It has two halves. Once a post, a whole specimen is parsed as a receiver would, and searched. For each copy, the finished bytes are
laid on what was searched: all between the slots is the same, and what is in them is derived anew. Where a provider builds the
bytes, what its interface is given is laid on it instead.
"""

import hashlib
import re
from collections.abc import Mapping
from email import policy
from email.message import Message
from email.mime.base import MIMEBase
from email.parser import BytesParser
from email.utils import getaddresses

from django.conf import settings

from chamberlist import providers
from posting.delivery import copies, foreign, formatted, messages, mime, parts, searching
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
SEALED = "A file of it cannot be looked into."
CHANGED = "It is not what was checked, with its own values and no others."
LONGEST_LINE = 998  # Octets without CRLF (RFC 5322 section 2.1.1).
LONGEST_RECIPIENT = 254
LARGEST = 10_000_000  # Octets of a copy: many mail servers take no more.
MOST_STRANGERS = 200  # The rest are found once these are allowed.
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
    """The addresses that a post names which are neither its sender's, nor the Chamber's, nor allowed by staff by name."""
    return list(named(post))


def named(post: Post) -> dict[str, str]:
    """The same, each with the name of the file in which it stands; "" is the text."""
    known = {_normalised(text) for text in _published(post)}
    found: dict[str, str] = {}
    for written, place in searching.named_in(post):
        if _normalised(written) not in known:
            known.add(_normalised(written))
            found[written] = place
        if len(found) == MOST_STRANGERS:
            break
    return found


def check_post(compiled: Compiled) -> str:
    """Once a post: "" or why no copy of it may leave."""
    post = compiled.post
    if post.content_hash != post.accepted_hash:
        return "Its content is not the one that was accepted."
    if strangers(post):
        return "It names an address that staff did not allow."
    if searching.sealed_in(post):
        return SEALED
    if formatted.clean(post.html) != post.html:
        return "Its formatted text is not in the form in which one is kept."
    if any(hashlib.sha256(file.content).hexdigest() != file.sha256 for file in post.attachments.all()):
        return "A file of it is not the one that was accepted."
    specimen = compiled.specimen
    parsed = BytesParser(policy=policy.compat32).parsebytes(specimen)
    attached = copies.attached(post)
    return (
        _headers_problem(parsed)
        or _lines_problem(specimen)
        or parts.problem(parsed, attached)
        or _texts_problem(parsed, post, {file.content_id for file in attached if file.content_id})
    )


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
    if _fields(message) != _checked_fields(compiled, values) or message.content_subtype != "plain":
        return CHANGED
    if [mime.read(part) if isinstance(part, MIMEBase) else None for part in message.attachments] != compiled.files:
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
    if len(specimen) > LARGEST:
        return f"A copy would be larger than {LARGEST // 1_000_000} MB, with what is attached; many mail servers take no more."
    if max(len(line) for line in specimen.split(b"\r\n")) > LONGEST_LINE - LONGEST_RECIPIENT:
        return "A rendered copy has a line that is longer than mail servers accept."
    return ""


def _texts_problem(message: "Message[str, str]", post: Post, pictures: set[str]) -> str:
    """Both texts, as their reader sees them."""
    known = {_normalised(text) for text in (*_published(post), *pictures)}
    for part in parts.texts(message):
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        text, is_html = content.decode(part.get_content_charset("utf-8"), "replace"), part.get_content_subtype() == "html"
        if is_html and (found := foreign.found_in(text, pictures)):
            return f"A rendered copy has foreign content: {found}."
        written = searching.addresses_in_html(text) if is_html else searching.addresses_in(text)
        if any(_normalised(address) not in known for address in written):
            return "A rendered copy names an address that does not belong into it."
    return ""


def _published(post: Post) -> tuple[str, ...]:
    chamber = (settings.CHAMBER.contact, post.mailing_list.address)
    return (*chamber, post.sender.address, *post.allowed_addresses)


def _normalised(text: str) -> str:
    return addresses.parse(text).normalised

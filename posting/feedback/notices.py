"""Notices: the parts of a report apart. What its author says, what is in fields for programs (RFC 3464), and what comes back of our copy."""

import binascii
import html
import quopri
import re
from base64 import b64decode
from typing import NamedTuple

from chamberlist import parsing
from chamberlist.parsing import Parsed

SEARCHED = 64 * 1024  # Characters of one part.
MOST_PARTS = 40
STATUS_KINDS = ("message/delivery-status", "message/global-delivery-status")
COPY_KINDS = (
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global-headers",
    "message/partial",
)

FIELDS = re.compile(r"^(?:final|original)-recipient[ \t]*:", re.MULTILINE | re.IGNORECASE)
NAMED = re.compile(r"^(?:action|status|diagnostic-code)[ \t]*:", re.MULTILINE | re.IGNORECASE)
HEADER = r"(?:received|return-path|dkim-signature|message-id|mime-version|x-[\w-]+|content-type|delivered-to|list-id|authentication-results|arc-seal)"
# Where the returned message begins, when it stands in the same text as what is said of it.
BEGINS = re.compile(
    rf"^[> \t]*{HEADER}[ \t]*:[ \t]*\S"
    r"|^[-*=_# \t]*(?:(?:begin(?:ning)? of )?(?:the )?(?:original|returned|forwarded|unsent|undelivered|bounced|failed) (?:e-?mail )?(?:message|mail)(?: (?:headers?|text|body|content))?(?: follows?| below| attached)?|message headers? follows?)[-:.*=_# \t]*$"
    r"|^[-* \t]*(?:this is (?:a|the) (?:copy|header|text|body|beginning|message header)|(?:below|included|here|following)(?: this line)? (?:is|are) (?:a|the|your) (?:copy|text|headers?|body|original|message|returned|beginning)\b)[^\n]{0,80}$"
    r"|^[-* \t]*(?:a copy of|the (?:message )?(?:headers?|text|body|first \w+ \w+) of)[^\n]{0,60}\b(?:follow\w*|below)\b[^\n]{0,40}$"
    r"|^[-* \t]*(?:die kopfzeilen|der kopf|kopie|es folgt|unten|urspr.ngliche|le message d.origine|message d.origine|mensaje original|messaggio originale|mensagem original|исходное сообщение)[^\n]{0,80}$",
    re.MULTILINE | re.IGNORECASE,
)
BREAKING = re.compile(r"<(?:br|/?p|/?div|/?tr|/?td|/?li|/?h\d|/?table)\b[^>]{0,500}>", re.IGNORECASE)
HIDDEN = re.compile(r"<(style|script|head)\b[^>]{0,500}>.*?</\1>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
TAG = re.compile(r"<(?!\S{1,64}@)/?[a-z!][^<>]{0,2000}>", re.IGNORECASE)


class Notice(NamedTuple):
    """``said``: the text for people, ``fields``: blocks for programs, ``returned``: what comes back, ``kinds``: the media types of all parts."""

    said: str
    fields: tuple[str, ...]
    returned: tuple[str, ...]
    kinds: frozenset[str]


def read(message: Parsed) -> Notice:
    """The parts of a message, each as far as it is searched."""
    said: list[str] = []
    marked: list[str] = []
    fields: list[str] = []
    returned: list[str] = []
    kinds = {message.get_content_type(), str(message.get_param("report-type") or "").lower()}
    for part in parsing.leaves(message)[:MOST_PARTS]:
        kind = part.get_content_type()
        kinds.add(kind)
        if kind in STATUS_KINDS:
            fields.append(text_of(part))
        elif kind in COPY_KINDS:
            returned.append(text_of(part))
        elif kind == "text/html":
            marked.append(_without_tags(text_of(part)))
        elif part.get_content_maintype() in ("text", "message") or kind == "application/octet-stream":
            text, copy = _apart(text_of(part))
            (fields if FIELDS.search(text) and NAMED.search(text) else said).append(text)
            returned.append(copy)
    if not any(text.strip() for text in said):
        for text, copy in map(_apart, marked):
            said.append(text)
            returned.append(copy)
    return Notice("\n".join(said)[:SEARCHED], tuple(fields), tuple(filter(None, returned)), frozenset(kinds))


def _apart(text: str) -> tuple[str, str]:
    """What is said, and what follows of the returned message; without a word before it, nothing is taken for that."""
    found = next((found for found in BEGINS.finditer(text) if len(text[: found.start()].split()) > 2), None)
    at_fields = FIELDS.search(text)
    if found is None or (at_fields and at_fields.start() > found.start() and NAMED.search(text)):
        return text, ""
    return text[: found.start()], text[found.start() :]


def text_of(part: Parsed) -> str:
    """Also where a kind that must not be encoded is (RFC 2046 section 5.2.1 against what gateways do)."""
    if part.get_content_maintype() != "message":
        return parsing.text(part)[:SEARCHED]
    try:
        octets = parsing.content(part)[: SEARCHED * 2]
    except (UnicodeError, LookupError, ValueError, AttributeError, TypeError):
        return ""
    encoding = str(part.get("Content-Transfer-Encoding") or "").strip().lower()
    if encoding == "quoted-printable":
        octets = quopri.decodestring(octets)
    elif encoding == "base64":
        try:
            octets = b64decode(octets)
        except (binascii.Error, ValueError):
            return ""
    return parsing.plain(octets.decode("utf-8", "replace"))[:SEARCHED]


def _without_tags(marked: str) -> str:
    return html.unescape(TAG.sub("", BREAKING.sub("\n", HIDDEN.sub(" ", marked))))

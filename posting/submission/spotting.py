"""Spotting a password in a mail that is no post: who posts by mail types it out of habit, or forwards a mail that has it. Pure."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import unquote

from chamberlist import parsing
from chamberlist.parsing import Parsed
from posting.delivery import issued, looking
from posting.delivery.unfolding import Sealed
from posting.submission import richtext, stripping
from posting.submission.flowing import unfolded
from posting.submission.richtext import TooMuch

MOST_READ = 3_000_000  # Characters of one mail that are looked at, as it is written and as it is read.
LONGEST_TOP = 100_000  # Of a text, in which the first line is looked for.
TAG = re.compile(r"<[^<>]*>")


def holds_password(message: "Parsed[str, str]") -> bool:
    """Whether a mail gives a password, or has what looks like an issued one anywhere, what it encloses or forwards included."""
    left = MOST_READ
    for part in message.walk():
        if _is_given(part):
            return True
        for text in _texts(part):
            if issued.stands_in(text[: max(left, 0)]):
                return True
            left -= len(text)
            if left <= 0:
                break
    return False


def _is_given(part: "Parsed[str, str]") -> bool:
    headers = (stripping.typed(value) for name in stripping.HEADERS for value in parsing.headers(part, name))
    if any(headers) or stripping.in_subject(parsing.header(part, "Subject")):
        return True
    kind = part.get_content_type()
    if kind == "text/html":
        return stripping.find(_lines(parsing.text(part))) is not None
    return kind == "text/plain" and bool(stripping.cut(unfolded(part, parsing.text(part)[:LONGEST_TOP]))[1])


def _lines(html: str) -> list[str]:
    """What HTML says, line by line; nothing of what is beyond the bounds."""
    if html.count("<") > richtext.MOST_TAGS:
        return []
    try:
        return ["".join(token.text for token in line) for line in richtext.lines(richtext.opened(html))]
    except TooMuch:
        return []


def _texts(part: "Parsed[str, str]") -> Iterator[str]:
    """What its headers and its content say, as it is written and as it is read."""
    yield "\n".join(str(value) for _, value in part.raw_items())
    yield parsing.header(part, "Subject")
    if part.is_multipart():
        return
    kind = part.get_content_type()
    for text in [parsing.text(part)] if kind in ("text/plain", "text/html") else _within(parsing.content(part), kind):
        yield text
        if "<" in text:
            yield unescape(TAG.sub("", text))
        if "&" in text or "%" in text:
            yield unquote(unescape(text))


def _within(content: bytes, kind: str) -> Iterator[str]:
    try:
        yield from looking.texts_in(looking.look(kind, content))
    except Sealed:
        return

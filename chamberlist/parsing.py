"""Messages from strangers (RFC 5322, RFC 2045), parsed within bounds. Pure text: it needs no settings, no database and no secret.

What comes of it has no control characters; nothing here is ever written into a message of ours as it came.
"""

import re
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

LARGEST_HEAD = 128 * 1024  # Octets of the header section; no mail program writes a tenth of it.
MOST_PARTS = 1_000
MOST_NESTED = 50  # Containers in all; each level costs the parser a few frames.
LONGEST_FIELD = 4_000  # Characters of one header that are looked at.

DELIMITER = re.compile(rb"^--", re.MULTILINE)
CONTAINER = re.compile(rb"^content-type:[ \t]*(?:\r?\n[ \t]+)?(?:multipart|message)/", re.MULTILINE | re.IGNORECASE)
END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
# Controls, bidirectional overrides, and what no text can hold: Postgres takes no NUL, UTF-8 no surrogate.
UNPRINTABLE = {*range(32), *range(127, 160), *range(0xD800, 0xE000), *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
BREAKS = dict.fromkeys(UNPRINTABLE - {ord("\n"), ord("\t")})
FALLBACK = "windows-1252"  # What is neither ASCII nor UTF-8 and does not say what it is.

Parsed = Message  # Of the policy ``compat32``: a header is read when it is asked for, and never re-folded.


class Unreadable(ValueError):
    """The message is beyond the bounds, or no message; the sentence says why."""


def parse(raw: bytes) -> "Message[str, str]":
    """Read a message; raises ``Unreadable``. Line ends may be CRLF or LF."""
    found = END_OF_HEAD.search(raw, 0, LARGEST_HEAD)
    if found is None and len(raw) > LARGEST_HEAD:
        raise Unreadable(f"Its header section is longer than {LARGEST_HEAD:,} octets.")
    if sum(1 for _ in DELIMITER.finditer(raw)) > MOST_PARTS * 20 or sum(1 for _ in CONTAINER.finditer(raw)) > MOST_NESTED:
        raise Unreadable(f"It has more than {MOST_PARTS:,} parts, or more than {MOST_NESTED} parts with parts in them.")
    try:
        message = BytesParser(policy=compat32).parsebytes(raw)
        parts = sum(1 for _ in message.walk())
    except (RecursionError, MessageError, LookupError, ValueError):
        raise Unreadable("It has a form that no mail program writes.") from None
    if parts > MOST_PARTS:
        raise Unreadable(f"It has more than {MOST_PARTS:,} parts.")
    return message


def header(message: "Message[str, str]", name: str) -> str:
    """The first header of that name on one line, decoded (RFC 2047); "" where there is none."""
    return next(iter(headers(message, name)), "")


def headers(message: "Message[str, str]", name: str) -> list[str]:
    """Every header of that name, in order."""
    name = name.lower()
    return [_decoded(value) for key, value in message.raw_items() if key.lower() == name]


def leaves(message: "Message[str, str]") -> "list[Message[str, str]]":
    """The parts without parts, in order. What is inside a forwarded message (``message/*``) is not among them."""
    if message.get_content_maintype() == "message":
        return [message]
    if not message.is_multipart():
        return [message]
    parts = message.get_payload()
    assert isinstance(parts, list)
    return [leaf for part in parts if isinstance(part, Message) for leaf in leaves(part)]


def content(part: "Message[str, str]") -> bytes:
    """The octets of a part, decoded of its transfer encoding; of a forwarded message, as it stands."""
    if part.is_multipart():
        inner = part.get_payload()
        assert isinstance(inner, list)
        return b"\n".join(each.as_bytes() for each in inner if isinstance(each, Message))
    decoded = part.get_payload(decode=True)
    return decoded if isinstance(decoded, bytes) else b""


def text(part: "Message[str, str]") -> str:
    """The text of a part with ``\\n`` line ends and no control characters, whatever charset it claims."""
    octets = content(part)
    for charset in (str(part.get_content_charset() or "utf-8"), "utf-8", FALLBACK):
        try:
            return plain(octets.decode(charset))
        except (LookupError, ValueError):
            continue
    return plain(octets.decode("latin-1"))


def plain(words: str) -> str:
    """The text with ``\\n`` line ends, without control characters and bidirectional overrides."""
    return words.replace("\r\n", "\n").replace("\r", "\n").translate(BREAKS)


def _decoded(value: object) -> str:
    written = str(value)[:LONGEST_FIELD]
    raw = written.encode("ascii", "surrogateescape") if _is_octets(written) else b""
    if raw:
        written = _guessed(raw)
    words = []
    try:
        for word, charset in decode_header(" ".join(written.split())):
            words.append(word if isinstance(word, str) else _guessed(word, charset or "ascii"))
    except (MessageError, LookupError, ValueError, RecursionError):
        words = [written]
    return " ".join(plain("".join(words)).split())


def _is_octets(written: str) -> bool:
    try:
        written.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _guessed(octets: bytes, charset: str = "utf-8") -> str:
    for name in (charset, "utf-8", FALLBACK):
        try:
            return octets.decode(name)
        except (LookupError, ValueError):
            continue
    return octets.decode("latin-1")

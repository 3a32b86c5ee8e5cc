"""Messages from strangers (RFC 5322, RFC 2045), parsed within bounds. Pure text: it needs no settings, no database and no secret.

What comes of it has no control characters; nothing here is ever written into a message of ours as it came.
"""

import codecs
import re
import unicodedata
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

LARGEST_HEAD = 128 * 1024  # Octets of the header section; no mail program writes a tenth of it.
MOST_PARTS = 1_000
MOST_NESTED = 50  # Containers in all; each level costs the parser a few frames.
LONGEST_NAME = 100  # Characters of a file's name.
LONGEST_FIELD = 4_000  # Characters of one header that are looked at.
MOST_WORK = 6_000_000  # The parser asks of each line, for each container, whether it ends there: half a second.

DELIMITER = re.compile(rb"^--", re.MULTILINE)
CONTAINER = re.compile(rb"^content-type[ \t]*:(?:\n?[ \t])*(?:multipart|message)/", re.MULTILINE | re.IGNORECASE)
# The library takes the square of the length of a header that has parameters.
LONG_FIELD = re.compile(rb"^content-(?:type|disposition)[ \t]*:(?:[^\n]|\n[ \t]){%d}" % LONGEST_FIELD, re.MULTILINE | re.IGNORECASE)
END_OF_HEAD = re.compile(rb"\n\n")
# Controls, bidirectional overrides, and what no text can hold: Postgres takes no NUL, UTF-8 no surrogate.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]+")
UNFIT = re.compile(r'[<>:"|?*]')  # In a file's name, on one system or another.
FALLBACK = "windows-1252"  # What is neither ASCII nor UTF-8 and does not say what it is.
# Codecs for names and for source code: slow, or full of warnings; no mail is written in them.
NO_CHARSETS = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"}

Parsed = Message  # Of the policy ``compat32``: a header is read when it is asked for, and never re-folded.


class Unreadable(ValueError):
    """The message is beyond the bounds, or no message; the sentence says why."""


def parse(raw: bytes) -> "Message[str, str]":
    """Read a message; raises ``Unreadable``. Line ends may be CRLF, LF or, as the library has it, CR; they become LF."""
    raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if END_OF_HEAD.search(raw, 0, LARGEST_HEAD) is None and len(raw) > LARGEST_HEAD:
        raise Unreadable(f"Its header section is longer than {LARGEST_HEAD:,} octets.")
    containers = sum(1 for _ in CONTAINER.finditer(raw))
    if containers > MOST_NESTED or sum(1 for _ in DELIMITER.finditer(raw)) > MOST_PARTS * 20:
        raise Unreadable(f"It has more than {MOST_PARTS:,} parts, or more than {MOST_NESTED} parts with parts in them.")
    if raw.count(b"\n") * (containers + 10) > MOST_WORK:
        raise Unreadable("It has too many lines.")
    if LONG_FIELD.search(raw):
        raise Unreadable(f"The description of a part is longer than {LONGEST_FIELD:,} octets.")
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
        return b"\n".join(_whole(each) for each in part.get_payload() if isinstance(each, Message))
    decoded = part.get_payload(decode=True)
    return decoded if isinstance(decoded, bytes) else b""


def text(part: "Message[str, str]") -> str:
    """The text of a part with ``\\n`` line ends and no control characters, whatever charset it claims."""
    try:
        charset = str(part.get_content_charset() or "utf-8")
    except ValueError:  # A NUL within the name.
        charset = "utf-8"
    return plain(_guessed(content(part), charset))


def plain(words: str) -> str:
    """The text with ``\\n`` line ends, without control characters and bidirectional overrides."""
    return UNPRINTABLE.sub("", words.replace("\r\n", "\n").replace("\r", "\n"))


def file_name(written: str) -> str:
    """A file's name as it may stand in a header and on a disk: on one line, without folders and what is not seen; "" for none."""
    visible = "".join(character for character in plain(written) if unicodedata.category(character) != "Cf")
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", visible).rstrip("/\\"))[-1]
    name = " ".join(UNFIT.sub("-", last).split()).strip(". ")
    if len(name) <= LONGEST_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    ending = f"{dot}{ending}" if stem and len(ending) < 10 else ""
    return name[: LONGEST_NAME - len(ending)].rstrip(". ") + ending


def _whole(message: "Message[str, str]") -> bytes:
    """A message within another, written as it was read: the library would fold its headers anew, in the square of their length."""
    head = "".join(f"{name}: {value}\n" for name, value in message.raw_items()).encode("utf-8", "surrogateescape")
    if message.is_multipart():
        between = b"\n" if message.get_content_maintype() == "message" else b"\n--\n"
        return between.join([head, *(_whole(each) for each in message.get_payload() if isinstance(each, Message))])
    # Not ``get_payload``: that decodes with the charset which the part claims, slow and faulty ones too.
    return head + b"\n" + str(vars(message)["_payload"] or "").encode("utf-8", "surrogateescape")


def _decoded(value: object) -> str:
    """A header on one line; the parser hides octets beyond ASCII as surrogates."""
    written = " ".join(str(value)[:LONGEST_FIELD].split())
    if not written.isascii():
        written = _guessed(written.encode("utf-8", "surrogateescape"))
    try:
        words = [word if isinstance(word, str) else _guessed(word, charset or "ascii") for word, charset in decode_header(written)]
    except (MessageError, ValueError):
        words = [written]
    return " ".join(plain("".join(words)).split())


def _guessed(octets: bytes, charset: str = "utf-8") -> str:
    """What the octets say in that charset, or in the likeliest one that they fit."""
    for name in (charset[:40], "utf-8", FALLBACK):
        try:
            if codecs.lookup(name).name not in NO_CHARSETS:
                return octets.decode(name)
        except (LookupError, ValueError):
            continue
    return octets.decode("latin-1")

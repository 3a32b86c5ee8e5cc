"""The parts of a mail, sorted: words, files, and what a post cannot have. Pure.

What a mail says is a row of sections, each as plain text, as HTML, or as both (multipart/alternative, RFC 2046 section 5.1.4).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import MessageError
from email.message import Message

from chamberlist import parsing
from chamberlist.parsing import Parsed
from posting.submission.flowing import unfolded

LARGEST_TEXT = 1_500_000  # Octets; the words of a post are far fewer.
LARGEST_HTML = 8_000_000  # With pictures that are written into it.
SILENT = {  # Nobody misses them: a rebuilt message has another signature or none.
    "application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature", "application/pgp-keys",
    "application/applefile", "text/x-amp-html", "text/watch-html",
}  # fmt: skip
FORWARDED = "It contains a forwarded message. Copy the words you need into a new message and send that."
ENCRYPTED = "It is encrypted. Send it again without encryption, or use the form on the web site."
TOO_LONG = "Its text is too long. Shorten it and send it again."


@dataclass(frozen=True)
class Section:
    """One stretch of words. Where both are there, they say the same."""

    plain: str | None
    html: str | None


@dataclass(frozen=True)
class Piece:
    """A file as it came; with a ``content_id`` a picture that the HTML may show."""

    name: str
    kind: str
    content: bytes
    content_id: str = ""


@dataclass
class Parts:
    """What a mail is made of; ``problems`` are sentences about what was left out."""

    sections: list[Section] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def taken_apart(message: "Parsed[str, str]") -> Parts:
    """The parts of a message within the bounds of ``chamberlist.parsing``; raises nothing."""
    parts = Parts()
    parts.sections = list(_sections(message, parts, is_alternative=False))
    return parts


def _sections(part: "Parsed[str, str]", parts: Parts, *, is_alternative: bool) -> Iterator[Section]:
    kind = part.get_content_type()
    if kind in SILENT:
        return
    if kind in ("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"):
        parts.problems.append(ENCRYPTED)
    elif part.get_content_maintype() == "message":
        parts.problems.append(FORWARDED)
    elif part.is_multipart():
        inner = part.get_payload()
        assert isinstance(inner, list)
        children = [list(_sections(each, parts, is_alternative=kind == "multipart/alternative")) for each in inner]  # type: ignore[arg-type]
        if kind == "multipart/alternative":
            yield from _alternative([sections for sections in children if sections])
        else:
            yield from (section for sections in children for section in sections)
    elif part.get_content_maintype() != "multipart":
        yield from _leaf(part, parts, kind, is_alternative=is_alternative)


def _alternative(children: list[list[Section]]) -> Iterator[Section]:
    """One section out of forms of the same: the first that is plain text throughout, and the last that has HTML."""
    plain = next((child for child in children if all(section.plain is not None for section in child)), None)
    html = next((child for child in reversed(children) if any(section.html is not None for section in child)), None)
    if html is not None and plain is not None and len(html) == 1:
        yield Section("\n".join(section.plain or "" for section in plain), html[0].html)
    elif html is not None:  # Words between pictures or files: each stretch for itself.
        yield from html
    else:
        yield from plain or ()


def _leaf(part: "Parsed[str, str]", parts: Parts, kind: str, *, is_alternative: bool) -> Iterator[Section]:
    name, disposition = _name(part), str(part.get("content-disposition", "")).partition(";")[0].strip().lower()
    is_file = disposition == "attachment" or bool(name) or kind not in ("text/plain", "text/html")
    if not is_file and kind == "text/plain":
        if len(parsing.content(part)) > LARGEST_TEXT:
            parts.problems.append(TOO_LONG)
        else:
            yield Section(unfolded(part, parsing.text(part)), None)
    elif not is_file:
        if len(parsing.content(part)) > LARGEST_HTML:
            parts.problems.append(TOO_LONG)
        else:
            yield Section(None, parsing.text(part))
    elif not is_alternative or kind == "text/calendar":  # Of alternatives, one that we know is enough.
        identity = str(part.get("content-id", "")).strip().strip("<>").strip()
        parts.pieces.append(Piece(name, kind, parsing.content(part), identity if kind.startswith("image/") else ""))


def _name(part: "Parsed[str, str]") -> str:
    """The file name that a part gives, however it is written (RFC 2183, RFC 2231, RFC 2047 against the rules), or ""."""
    holder = Message()
    for header, value in part.raw_items():
        if header.lower() in ("content-disposition", "content-type"):
            octets = str(value).encode("utf-8", "surrogateescape")
            holder[header] = " ".join(octets.decode("utf-8", "replace").split())
    try:
        holder["Name"] = " ".join((holder.get_filename() or "").split())
    except (LookupError, ValueError, TypeError, MessageError):
        return "file"
    return parsing.header(holder, "Name")

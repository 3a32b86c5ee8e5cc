"""Evidence: what a refusal of the gate shows staff: where something differs, what was expected there, and what was found. Pure.

What differs may be a member's address or token, in any encoding. So a text is shown as its reader sees it, with addresses masked
and long words cut; what is no text is not shown at all.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from html import unescape
from itertools import zip_longest
from typing import Literal, NamedTuple, Self
from urllib.parse import unquote

from chamberlist.redaction import ADDRESS
from posting.delivery import disguises
from posting.delivery.replies import plain

MOST = 2_000  # Characters of one refusal's evidence.
MOST_DIFFERENCES = 8
MOST_READ = 20_000  # Characters of one text that are taken apart.
BEFORE, WIDTH = 40, 200  # Characters before the first one that differs, and in all.
NOTHING = "nothing"

Half = Literal["post", "copy", "message"]

AROUND_AT = re.compile(r"\s*@\s*")
WRITTEN = re.compile(rf'{ADDRESS.pattern}|[^\s<>"]*@[^\s<>"]*')
TAG = re.compile(r"<[^<>]*>")
RUN = re.compile(r"[A-Za-z0-9+/_=-]{8,}")
WORDS = re.compile(r"(?:(?:[A-Z]{1,5}|[A-Za-z]?[a-z]{0,20})[-=])*[A-Za-z]?[a-z]{1,20}=?|[0-9]{1,10}")
ESCAPE = re.compile(r"\\+(?:u\{0*([0-9a-f]{1,5})\}|u([0-9a-f]{4})|x([0-9a-f]{2}))|=(40)", re.IGNORECASE)  # JSON, C, “=40”.
MOST_ROUNDS = 8  # Encodings, one within the other.
WORDED_AT = re.compile(r"(?<![\w.+%'-])[\w.+%'-]{1,64}\s{1,9}(?:at|ät)\s{1,9}(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}", re.IGNORECASE)
LONGEST_ENCODED = 40  # A longer piece between slashes is a token; a shorter one may be of base64.
KEPT = 4  # Characters of a long word.


class Refusal(str):
    """Why something may not leave, as a sentence; "" where it may. ``shown`` is the evidence, ``half`` the look that found it."""

    __slots__ = ("half", "shown")
    half: Half
    shown: str

    def __new__(cls, reason: str, half: Half = "copy", shown: str = "") -> Self:
        made = super().__new__(cls, reason)
        made.half, made.shown = half, shown[:MOST]
        return made


NONE = Refusal("")


class Refused(NamedTuple):
    """What was refused: a copy by its number, or, with None, the post itself."""

    delivery_id: int | None
    why: Refusal


def masked(text: str) -> str:
    """A text as it is read, on one line: its encodings undone, addresses as ``a•••@b•••.example``, and long words cut."""
    read = _decoded(text[:MOST_READ])
    bare = TAG.sub("", read)
    if "@" in bare and any(found not in read for found in WRITTEN.findall(AROUND_AT.sub("@", bare))):
        read = bare  # Tags stood within an address.
    read = AROUND_AT.sub("@", read)
    read = disguises.hidden(read, _mask)
    read = WORDED_AT.sub(lambda found: _mask(re.sub(r"\s+\w+\s+", "@", found.group())), read)
    read = WRITTEN.sub(lambda found: _mask(found.group()), read)
    return plain(RUN.sub(lambda found: _cut(found.group()), read))


def compared(where: str, expected: str | None, found: str | None) -> str:
    """A line that tells of one place; None is nothing. "" where there is no difference."""
    if expected == found:
        return ""
    before, after = ("" if text is None else masked(text) for text in (expected, found))
    at = next((n for n, (one, two) in enumerate(zip_longest(before, after)) if one != two), 0)
    shown = [NOTHING if text is None else _window(masked(text), at) for text in (expected, found)]
    alike = " (alike but for what is masked here)" if before == after else ""
    return f"{where}: expected {shown[0]}, found {shown[1]}{alike}"


def texts(where: str, expected: str, found: str) -> str:
    """The same for the first line in which two texts differ."""
    pairs = zip_longest(expected.splitlines(), found.splitlines())
    for number, (before, after) in enumerate(pairs, 1):
        if before != after:
            return compared(f"{where}, line {number}", before, after)
    return "" if expected == found else f"{where}: other line ends"


def mappings(expected: Mapping[str, object], found: Mapping[str, object]) -> str:
    """The differences of what has names, a line each."""
    expected, found = ({name: _listed(value) for name, value in each.items()} for each in (expected, found))
    names = dict.fromkeys([*expected, *found])
    said = (
        texts(masked(name), expected[name], found[name])
        if expected.get(name) and found.get(name)
        else compared(masked(name), *(each.get(name) or None for each in (expected, found)))
        for name in names
    )
    return joined(said)


def messages(expected: bytes, found: bytes) -> str:
    """Where two messages differ, as a receiver reads them."""
    try:
        before, after = (BytesParser(policy=compat32).parsebytes(octets) for octets in (expected, found))
        said = joined([*_headers("header ", before, after), *_parts(before, after)])
    except (MessageError, ValueError, LookupError, TypeError, RecursionError):
        said = "It is so built that it cannot be taken apart"
    if said:
        return said
    at = next((n for n, (one, two) in enumerate(zip_longest(expected, found)) if one != two), 0)
    return f"It reads alike, and is written otherwise from octet {at} on; expected {len(expected)} octets, found {len(found)}"


def names(found: Iterable[str], known: Iterable[str]) -> str:
    """Names that are there and should not be, or are there too often, or lack."""
    there, wanted = Counter(found), Counter(known)
    return ", ".join([*(f"{masked(name)} too many" for name in there - wanted), *(f"{name} lacks" for name in wanted - there)])


def joined(said: "Iterator[str] | list[str]") -> str:
    """The first lines, at most so much."""
    lines = [line for line in said if line]
    more = f"\nand {len(lines) - MOST_DIFFERENCES} more" if len(lines) > MOST_DIFFERENCES else ""
    return "\n".join(lines[:MOST_DIFFERENCES])[: MOST - len(more)] + more


def _headers(where: str, before: "Message[str, str]", after: "Message[str, str]") -> Iterator[str]:
    names = dict.fromkeys(name.lower() for message in (before, after) for name, _ in message.raw_items())
    for name in names:
        expected, found = (_values(message, name) for message in (before, after))
        for one, two in zip_longest(expected, found):
            yield compared(f"{where}{masked(name)}", one, two)
    if [name for name, _ in before.raw_items()] != [name for name, _ in after.raw_items()]:
        yield f"{where.strip()}s: other ones, or in another order"


def _values(message: "Message[str, str]", name: str) -> list[str]:
    return [str(value) for key, value in message.raw_items() if key.lower() == name]


def _parts(before: "Message[str, str]", after: "Message[str, str]") -> Iterator[str]:
    for number, (one, two) in enumerate(zip_longest(before.walk(), after.walk())):
        if one is None or two is None:
            kinds = (None if part is None else part.get_content_type() for part in (one, two))
            yield compared(f"part {number}", *kinds)
            continue
        where = f"part {number} ({masked(one.get_content_type())})"
        if number:
            yield from _headers(f"{where}, header ", one, two)
        for place in ("preamble", "epilogue"):
            yield compared(f"{where}, {place}", *(getattr(part, place) or None for part in (one, two)))
        if not one.is_multipart() and not two.is_multipart():
            yield _contents(where, one, two)


def _contents(where: str, before: "Message[str, str]", after: "Message[str, str]") -> str:
    expected, found = (part.get_payload(decode=True) for part in (before, after))
    assert isinstance(expected, bytes) and isinstance(found, bytes)
    if before.get_content_maintype() == "text" and not before.get_filename():
        return texts(where, expected.decode("utf-8", "replace"), found.decode("utf-8", "replace"))
    return "" if expected == found else f"{where}: other octets; expected {len(expected)} of them, found {len(found)}"


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _decoded(text: str) -> str:
    """A text without its encodings; what has more of them, one within the other, than anybody needs is not shown."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    for _ in range(MOST_ROUNDS):
        before, text = text, _once_decoded(text)
        if text == before:
            return text
    return "…"


def _once_decoded(text: str) -> str:
    if "=?" in text:
        try:
            text = str(make_header(decode_header(text)))
        except (MessageError, ValueError, LookupError):
            text = text.partition("=?")[0] + "…"
    text = ESCAPE.sub(lambda found: chr(int(found[found.lastindex or 1], 16)), text)
    text = text.encode("utf-8", "replace").decode()  # Half of a pair of surrogates is no letter.
    return disguises.as_read(unquote(unescape(text), errors="replace"))


def _mask(written: str) -> str:
    local, _, domain = written.rpartition("@")
    host, dot, rest = domain.partition(".")
    return f"{local.strip('<')[:1]}•••@{host[:1]}•••{dot}{re.sub('[^a-z]', '', rest.rpartition('.')[2].lower())[:12]}"


def _cut(run: str) -> str:
    pieces = run.split("/")
    if all(not piece or len(piece) > LONGEST_ENCODED or WORDS.fullmatch(piece) for piece in pieces):  # A path, and no base64.
        return "/".join(piece if not piece or WORDS.fullmatch(piece) else f"{piece[:KEPT]}…" for piece in pieces)
    return f"{run[:KEPT]}…"


def _window(text: str, at: int) -> str:
    start = max(0, at - BEFORE)
    shown = text[start : start + WIDTH]
    return f"“{'…' if start else ''}{shown}{'…' if start + WIDTH < len(text) else ''}”"

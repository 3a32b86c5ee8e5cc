"""Looking into files: every octet sequence in which text may stand, compressed or not, and the texts. Pure, and within bounds.

A PDF whose letters are numbers of glyphs shows what nothing here can read: its links and its properties are found, its page is not.
"""

import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from posting.delivery import pdf, pictures
from posting.delivery.unfolding import Room, unfolded

ROOM = 8 * 1024 * 1024  # Octets that the files of one post may unfold to.
SAMPLE = 4_096

RUN = re.compile(rb"[\x20-\x7e]{8,}")  # In what is no text, shorter ones are mere chance.
WIDE = re.compile(rb"(?:[\x20-\x7e]\0){6,}|(?:\0[\x20-\x7e]){6,}")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffd]+")
FOLD = re.compile(r"\r?\n[ \t]")  # RFC 5545 section 3.1, RFC 6350 section 3.2.


@dataclass(frozen=True)
class Seen:
    """All ``layers`` of a file, itself among them; ``words``: those that are no picture's points. ``unfolded``: octets of it."""

    layers: tuple[bytes, ...] = field(repr=False)
    words: tuple[bytes, ...] = field(repr=False)
    unfolded: int = 0
    is_active: bool = False
    is_text: bool = False


def look(kind: str, octets: bytes, *, room: int = ROOM) -> Seen:
    """What is in a file, whose media type is believed where it is a text; raises ``Sealed`` where that cannot be known."""
    left = Room(room)
    if kind.startswith("text/"):
        return Seen((octets,), (octets,), is_text=True)
    if kind == "application/pdf" or b"%PDF-" in octets[:1024]:
        opened = pdf.opened(octets, left)
        inside = (*opened.streams, *opened.shown, *unfolded(opened.frame, left))
        return Seen((octets, *inside), (opened.frame, *inside), room - left.left, opened.is_active)
    words = pictures.words(octets, left)
    words = octets if words is None else words
    inside = tuple(unfolded(words, left))
    return Seen((octets, words, *inside), (words, *inside), room - left.left)


def texts_in(seen: Seen) -> Iterator[str]:
    """Every text that can be read in a file: all of it, or the runs of letters in it, of one octet or of two each."""
    for layer in seen.words:
        yield from _decoded(layer) if seen.is_text else _readable(layer)


def _readable(octets: bytes) -> Iterator[str]:
    if _is_text(octets):
        yield from _decoded(octets)
    else:
        yield "\n".join(run.decode("ascii") for run in RUN.findall(octets))
    yield "\n".join(run.replace(b"\0", b"").decode("ascii") for run in WIDE.findall(octets))


def _decoded(octets: bytes) -> Iterator[str]:
    """A text, in each way in which it could be meant."""
    if octets[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield from _forms(octets.decode("utf-16", "replace"))
    elif octets[:SAMPLE].count(0) > len(octets[:SAMPLE]) // 4:
        for charset in ("utf-16-le", "utf-16-be"):
            yield from _forms(octets.decode(charset, "replace"))
    try:
        yield from _forms(octets.decode("utf-8-sig"))
    except UnicodeDecodeError:
        yield from _forms(octets.decode("latin-1"))


def _forms(text: str) -> Iterator[str]:
    """Of a calendar and of a card, its long lines are put together again."""
    yield CONTROLS.sub("\n", text)
    if "BEGIN:V" in text.upper():
        yield CONTROLS.sub("\n", FOLD.sub("", text))
    if "QUOTED-PRINTABLE" in text.upper():  # As cards of version 2.1 have it.
        bare = quopri.decodestring(text.encode("utf-8", "replace"))
        yield CONTROLS.sub("\n", bare.decode("utf-8", "replace"))


def _is_text(octets: bytes) -> bool:
    sample = octets[:SAMPLE]
    printable = sum(1 for octet in sample if 32 <= octet < 127 or octet in b"\t\r\n")
    return printable > len(sample) * 0.7

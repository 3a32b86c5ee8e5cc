"""Looking into files: every octet sequence in which text may stand, compressed or not, within bounds. Pure."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from posting.submission import pdf
from posting.submission.pdf import Sealed

ROOM = 8 * 1024 * 1024  # Octets that the files of one post may unfold to.
MOST_STARTS = 500  # Places that look like the beginning of something compressed, most of them by chance.
LARGEST_INSIDE = 256 * 1024

STARTS = re.compile(rb"\x1f\x8b\x08|PK\x03\x04|\x78[\x01\x5e\x9c\xda]")
PNG_TEXTS = (b"zTXt", b"iTXt", b"iCCP")


@dataclass(frozen=True)
class Seen:
    """All ``layers`` of a file, itself among them; ``words``: those that are no picture's points. ``unfolded``: octets of it."""

    layers: tuple[bytes, ...]
    words: tuple[bytes, ...]
    unfolded: int = 0
    is_active: bool = False


def look(kind: str, octets: bytes, *, room: int = ROOM) -> Seen:
    """What is in a file of that media type; raises ``Sealed`` where that cannot be known."""
    if kind == "application/pdf":
        opened = pdf.opened(octets, room)
        inside = (*opened.streams, *_unfolded(opened.frame))
        return Seen((octets, *inside), (opened.frame, *inside), sum(map(len, inside)), opened.is_active)
    if kind.startswith("text/"):
        return Seen((octets,), (octets,))
    words = SHOWN[kind](octets)
    inside = tuple(_unfolded(words))
    return Seen((octets, *inside), (words, *inside), sum(map(len, inside)))


def _png_words(octets: bytes) -> bytes:
    """A PNG without its points: the chunks before, between and after them."""
    words, at = [], 8
    while at + 8 <= len(octets):
        length, name = int.from_bytes(octets[at : at + 4]), octets[at + 4 : at + 8]
        end = at + 12 + length
        if name not in (b"IDAT", b"fdAT"):
            words.append(octets[at + 8 : end])
        at = end
        if name == b"IEND":
            break
    return b"\n".join((*words, octets[at:]))


def _jpeg_words(octets: bytes) -> bytes:
    """A JPEG's segments before the points of its first picture, and what follows the last one."""
    at = 2
    while octets[at : at + 1] == b"\xff" and octets[at + 1 : at + 2] not in (b"\xda", b""):
        at += 2 + int.from_bytes(octets[at + 2 : at + 4])
    return octets[:at] + b"\n" + octets[octets.rfind(b"\xff\xd9") + 2 :][:LARGEST_INSIDE]


def _gif_words(octets: bytes) -> bytes:
    """A GIF's comments and other extensions, the marks of their blocks taken out, and what follows the picture."""
    words = []
    for found in re.finditer(rb"!\xfe|!\xff|!\x01", octets):
        at = found.end()
        comment: list[bytes] = []
        while (length := octets[at] if at < len(octets) else 0) and len(comment) < MOST_STARTS:
            comment.append(octets[at + 1 : at + 1 + length])
            at += 1 + length
        words.append(b"".join(comment))
        if len(words) > MOST_STARTS:
            raise Sealed
    return b"\n".join((*words, octets[octets.rfind(b"\x00;") + 2 :][:LARGEST_INSIDE]))


SHOWN = {"image/png": _png_words, "image/jpeg": _jpeg_words, "image/gif": _gif_words}


def _unfolded(octets: bytes) -> Iterator[bytes]:
    """What zlib, gzip and zip make of it, wherever they begin."""
    for count, found in enumerate(STARTS.finditer(octets)):
        if count >= MOST_STARTS:
            raise Sealed
        at, width = found.start(), 47  # Either zlib's or gzip's own header.
        if found.group() == b"PK\x03\x04":
            name, extra = (int.from_bytes(octets[at + n : at + n + 2], "little") for n in (26, 28))
            at, width = at + 30 + name + extra, -15
        try:
            inside = zlib.decompressobj(width).decompress(octets[at : at + LARGEST_INSIDE], LARGEST_INSIDE)
        except zlib.error:
            continue
        if inside:
            yield inside

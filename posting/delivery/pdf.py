"""PDF files, looked into as far as text goes (ISO 32000): what their streams say, and what they would do. Pure."""

import base64
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from posting.delivery.unfolding import Room, Sealed

MOST_STREAMS = 20_000
LONGEST_DICTIONARY = 10_000
MOST_OPENING = 20

STREAM = re.compile(rb"(?<!end)stream\r?\n")
NAME_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
END = rb"(?![A-Za-z0-9_])"
WORDLESS = re.compile(rb"/(?:Subtype\s*/(?:Image|Type1C|CIDFontType0C|OpenType)|Length1)" + END)  # Pictures and typefaces.
OBJECTS = re.compile(rb"/Type\s*/ObjStm" + END)
FILTER = re.compile(rb"/Filter\s*(?:\[([^\]]*)\]|(/\w+)|(\d+\s+\d+\s+R))")
ACTIVE = re.compile(rb"/(?:JavaScript|JS|Launch|EmbeddedFiles?|RichMedia|SubmitForm|ImportData|GoToE|Rendition)" + END)
ENCRYPTED = re.compile(rb"/Encrypt" + END)
OPENING = re.compile(rb"/(?:OpenAction|AA)\s*(?:(\d+)\s+\d+\s+R|<<([^>]{0,2000}))")
LEAVING = re.compile(rb"/S\s*/URI" + END)
KERNING = re.compile(rb"\)(?:\s*Tj)?[\s\d.+-]*\(")
KERNED_DIGITS = re.compile(rb"(?<=[0-9A-Fa-f])>[\s\d.+-]*<(?=[0-9A-Fa-f])")
DIGITS = re.compile(rb"<([0-9A-Fa-f\s]{12,})>")
ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|\r?\n|(.))", re.DOTALL)
PIXELS = {b"/DCTDecode", b"/DCT", b"/JPXDecode", b"/CCITTFaxDecode", b"/CCF", b"/JBIG2Decode"}


@dataclass(frozen=True)
class Opened:
    """``frame``: all but the bodies of streams; ``streams``: what they say; ``objects``: those with objects in them.

    ``shown``: the strings in all of these as a reader sees them.
    """

    frame: bytes
    streams: tuple[bytes, ...]
    objects: bytes
    shown: tuple[bytes, ...]

    @property
    def is_active(self) -> bool:
        """Whether it runs something, holds other files, or opens a web page by itself."""
        structure = _plain_names(self.frame) + b"\n" + _plain_names(self.objects)
        opening = list(islice(OPENING.finditer(structure), MOST_OPENING + 1))
        if len(opening) > MOST_OPENING or ACTIVE.search(structure):
            return True
        return any(LEAVING.search(_action(found, structure)) for found in opening)


def opened(octets: bytes, room: Room) -> Opened:
    """The file taken apart; raises ``Sealed``.

    Words that are spelled glyph by glyph (a typeface's own numbers) are not read.
    """
    frame, streams, objects = [], [], []
    for before, body in _cut(octets):
        frame.append(before)
        dictionary = _plain_names(before[before.rfind(b"obj") + 3 :][-LONGEST_DICTIONARY:])
        if WORDLESS.search(dictionary):
            continue
        said = _decoded(dictionary, body, room)
        streams.append(said)
        if OBJECTS.search(dictionary):
            objects.append(said)
    outside = b"\n".join(frame)
    if ENCRYPTED.search(_plain_names(outside)):
        raise Sealed
    shown = tuple(form for said in (outside, *streams) for form in _shown(said))
    return Opened(outside, tuple(streams), b"\n".join(objects), shown)


def _cut(octets: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each stream with what stands before it, and at last the rest."""
    at = count = 0
    while found := STREAM.search(octets, at):
        end = octets.find(b"endstream", found.end())
        count += 1
        if end < 0 or count > MOST_STREAMS:
            raise Sealed
        yield octets[at : found.start()], octets[found.end() : end]
        at = end + len(b"endstream")
    yield octets[at:], b""


def _shown(said: bytes) -> Iterator[bytes]:
    """Strings put together where they are kerned, without their escapes, and out of their digits (ISO 32000-1 section 7.3.4)."""
    if b")" in said:
        joined = KERNING.sub(b"", said)
        yield ESCAPE.sub(_meant, joined) if b"\\" in joined else joined
    digits = [re.sub(rb"\s", b"", found) for found in DIGITS.findall(KERNED_DIGITS.sub(b"", said))]
    if digits:
        yield b"\n".join(bytes.fromhex(found[: len(found) & ~1].decode()) for found in digits)


def _meant(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes([int(escape[1], 8) & 0xFF])
    return b"\n" if escape[2] in (b"n", b"r", b"t", b"b", b"f") else escape[2] or b""


def _decoded(dictionary: bytes, body: bytes, room: Room) -> bytes:
    found = FILTER.search(dictionary)
    if found is None:
        return room.take(body)
    if found[3]:
        raise Sealed  # Its filter is written elsewhere: no program that people use does so.
    for name in (found[1] or found[2]).split(b"/")[1:]:
        try:
            body = _unfiltered(b"/" + name.strip(), body, room)
        except (ValueError, zlib.error):
            raise Sealed from None
    return body


def _unfiltered(name: bytes, body: bytes, room: Room) -> bytes:
    if name in (b"/FlateDecode", b"/Fl"):
        return b"".join(room.inflated(body, zlib.MAX_WBITS))
    if name in (b"/ASCIIHexDecode", b"/AHx"):
        digits = re.sub(rb"[^0-9A-Fa-f]", b"", body.partition(b">")[0]).decode()
        return room.take(bytes.fromhex(digits + "0" * (len(digits) % 2)))
    if name in (b"/ASCII85Decode", b"/A85"):
        return room.take(base64.a85decode(body.partition(b"~>")[0].strip()))
    if name in PIXELS:
        return b""
    raise Sealed


def _action(opening: re.Match[bytes], structure: bytes) -> bytes:
    """What is done when the file is opened, written there or elsewhere."""
    if not opening[1]:
        return opening[2]
    place = re.search(rb"(?<!\d)" + opening[1] + rb"\s+\d+\s+obj", structure)
    return structure[place.end() : place.end() + 2_000] if place else b""


def _plain_names(octets: bytes) -> bytes:
    return NAME_ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), octets) if b"#" in octets else octets

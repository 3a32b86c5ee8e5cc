"""What text a file holds: views of it in which an address, if it names one, can be found. Pure, and bounded in what it inflates.

A PDF whose letters are numbers of glyphs shows what nothing here can read: its links and its properties are found, its page is not.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO

MOST_INFLATED = 20_000_000  # Octets, of one file in all.
MOST_PIECES = 5_000
SAMPLE = 4_096
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
ZIPPED = (b"PK\x03\x04", b"PK\x05\x06")

STREAM = re.compile(rb"stream\r?\n")
RUN = re.compile(rb"[\x20-\x7e]{10,}")  # In what is no text, shorter ones are mere chance.
WIDE = re.compile(rb"(?:[\x20-\x7e]\0){6,}|(?:\0[\x20-\x7e]){6,}")
SHOWN = re.compile(rb"\[((?:[^\[\]\\]|\\.)*)\]\s*TJ", re.DOTALL)  # One line of a PDF's page, in pieces between which it is kerned.
PIECE = re.compile(rb"\(((?:[^()\\]|\\.)*)\)", re.DOTALL)
HEXADECIMAL = re.compile(rb"<([0-9A-Fa-f\s]{12,})>")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffd]+")


def texts_in(content: bytes, kind: str) -> Iterator[str]:
    """Every text that can be read in a file of this media type, whatever the type says it is."""
    budget = _Budget()
    if kind.startswith("text/"):
        yield from _decoded(content)
    elif content.startswith(PNG):
        for piece in _png(content, budget):
            yield from _decoded(piece)
    elif content.startswith(JPEG):
        for piece in _jpeg(content):
            yield from _readable(piece)
    elif content.startswith(ZIPPED):
        for piece in _zip(content, budget):
            yield from _decoded(piece) if _is_text(piece) else _readable(piece)
    elif b"%PDF-" in content[:1024]:
        for piece in _pdf(content, budget):
            yield from _readable(piece)
    else:
        yield from _readable(content)


class _Budget:
    """How much may still be inflated."""

    def __init__(self) -> None:
        self.left = MOST_INFLATED

    def inflate(self, octets: bytes) -> bytes:
        """What can be read of a zlib stream; b"" where there is none."""
        inflater, found = zlib.decompressobj(), b""
        try:
            found = inflater.decompress(octets, max(self.left, 1))
        except zlib.error:
            found = b""
        self.left -= len(found)
        return found


def _decoded(octets: bytes) -> Iterator[str]:
    """A text, in each way in which it could be meant."""
    if octets[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield _lines(octets.decode("utf-16", "replace"))
    elif octets[:SAMPLE].count(0) > len(octets[:SAMPLE]) // 4:
        yield from (_lines(octets.decode(charset, "replace")) for charset in ("utf-16-le", "utf-16-be"))
    try:
        yield _lines(octets.decode("utf-8-sig"))
    except UnicodeDecodeError:
        yield _lines(octets.decode("latin-1"))


def _readable(octets: bytes) -> Iterator[str]:
    """What of it is text: all, or the runs of letters in it, of one octet or of two each."""
    if _is_text(octets):
        yield from _decoded(octets)
    elif b"@" not in octets:
        return
    else:
        yield "\n".join(run.decode("ascii") for run in RUN.findall(octets))
    yield "\n".join(run.replace(b"\0", b"").decode("ascii") for run in WIDE.findall(octets))


def _is_text(octets: bytes) -> bool:
    sample = octets[:SAMPLE]
    printable = sum(1 for octet in sample if 32 <= octet < 127 or octet in b"\t\r\n")
    return printable > len(sample) * 0.7


def _lines(text: str) -> str:
    return CONTROLS.sub("\n", text)


def _png(content: bytes, budget: _Budget) -> Iterator[bytes]:
    """Its chunks beside the picture itself, and what is packed in them (W3C PNG sections 5.3 and 11.3)."""
    at = len(PNG)
    for _ in range(MOST_PIECES):
        if at + 8 > len(content):
            return
        size, name = struct.unpack_from(">I4s", content, at)
        data = content[at + 8 : at + 8 + size]
        at += 12 + size
        if name in (b"IDAT", b"fdAT", b"PLTE"):
            continue
        if name == b"IEND":
            break
        yield data
        for opening in re.finditer(rb"\0[\0\x01]*(?=\x78)", data[:400]):
            yield budget.inflate(data[opening.end() :])
    yield content[at:]  # Behind its end.


def _jpeg(content: bytes) -> Iterator[bytes]:
    """Its segments before the picture itself, and what stands behind its end (ITU-T T.81 annex B)."""
    at = 2
    try:
        while content[at] == 0xFF and content[at + 1] != 0xDA:
            [size] = struct.unpack_from(">H", content, at + 2)
            yield content[at + 4 : at + 2 + size]
            at += 2 + size
    except (IndexError, struct.error):
        pass
    yield content[content.rfind(b"\xff\xd9") + 2 :] if b"\xff\xd9" in content else content[at:]


def _zip(content: bytes, budget: _Budget) -> Iterator[bytes]:
    """The names and the members of an archive, such as an office document is one."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            yield archive.comment
            for member in archive.infolist()[:MOST_PIECES]:
                yield member.filename.encode() + b"\n" + member.comment
                if budget.left <= 0:
                    return
                with archive.open(member) as file:
                    octets = file.read(budget.left)
                budget.left -= len(octets)
                yield octets
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError, zlib.error):
        yield content


def _pdf(content: bytes, budget: _Budget) -> Iterator[bytes]:
    """What stands between its streams, and the streams: inflated where they are deflated (ISO 32000-1 section 7.3.8)."""
    at, pieces = 0, [content[:0]]
    for number, opening in enumerate(STREAM.finditer(content)):
        if opening.start() < at:
            continue
        if number == MOST_PIECES:
            break
        end = content.find(b"endstream", opening.end())
        end = len(content) if end < 0 else end
        pieces.append(content[at : opening.start()])
        stream = content[opening.end() : end]
        inflated = budget.inflate(stream) if stream[:1] in b"\x48\x58\x68\x78" and budget.left > 0 else b""
        yield from _page(inflated or stream)
        at = end
    yield from _page(b"\n".join([*pieces, content[at:]]))


def _page(octets: bytes) -> Iterator[bytes]:
    yield octets
    if not _is_text(octets):
        return
    yield b"\n".join(b"".join(PIECE.findall(line)) for line in SHOWN.findall(octets))
    digits = (re.sub(rb"\s", b"", found) for found in HEXADECIMAL.findall(octets))
    yield b"\n".join(bytes.fromhex(found[: len(found) & ~1].decode()) for found in digits)

"""The search: canaries in any octets, in every form that a program could give them.

All canaries share one mark, so one search for the mark's few forms does. Octets are seen as they are, without line ends, and with
every escape undone; what is packed is unpacked, some layers deep.
"""

import base64
import binascii
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.canary.canaries import KINDS, MARK, PATTERN, Aviary, Canary

DEPTH = 4  # Layers of what is packed in what is packed.
LARGEST = 64 * 1024 * 1024  # Octets that one packed thing may become.
AROUND = 400  # Octets beside a find, in which its serial is looked for.
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BASE32 = b"abcdefghijklmnopqrstuvwxyz234567"
LINE_ENDS = re.compile(rb"\r?\n[ \t>|]*|\\n|\\r")
URL_SAFE = bytes.maketrans(b"-_", b"+/")
ESCAPES = re.compile(
    rb"=\r?\n"  # Quoted-printable, a soft line end.
    rb"|=([0-9A-Fa-f]{2})"
    rb"|%([0-9A-Fa-f]{2})"
    rb"|&#[xX]0*([0-9A-Fa-f]{2});?"
    rb"|&#0*([0-9]{2,3});?"
    rb"|\\+u00([0-9A-Fa-f]{2})"
    rb"|\\+x([0-9A-Fa-f]{2})"
    rb"|\\+([0-7]{3})"
    rb"|\?=\s*=\?[\w-]{1,40}\?[qQ]\?"  # RFC 2047: two encoded words are one text.
    rb"|\"?;\s{0,9}[\w-]{1,30}\*\d{1,3}\*?=\"?"  # RFC 2231: a parameter in pieces.
    rb"|&(shy|ZeroWidthSpace|zwnj|zwj|NoBreak|af|it|ic|#8203|#173);"
)
WORDS = re.compile(rb"=\?[\w-]{1,40}\?[bB]\?([A-Za-z0-9+/]*={0,2})\?=(\s*(?==\?[\w-]{1,40}\?[bB]\?))?")
LONG_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}(?:\r?\n[ \t]?[A-Za-z0-9+/_-]+)*")
PACKED_IN_BASE64 = (b"H4sI", b"UEsD", b"eJ", b"eN", b"eA", b"eF")
RUNS = re.compile(rb"[A-Za-z0-9+/_-]{22,}")
HEX_RUNS = re.compile(rb"[0-9a-f]{33,2000}")
CASED = ("hex", "base64", "base32")  # In which upper case looks altogether different.
SIZES = (22, 26, 27, 32, 40, 43, 52, 64)  # Characters of a digest, in base64, base32 and hex.


@dataclass(frozen=True)
class Find:
    """A canary in octets: how it was written there, and which one, where that can be told."""

    encoding: str
    canary: Canary | None
    what: str
    is_secret: bool = False

    def __str__(self) -> str:
        return f"{self.what}, {self.encoding}"  # And never which: a report is printed.


class Searcher:
    """Finds what an ``Aviary`` knows. It is made once all canaries are."""

    def __init__(self, aviary: Aviary) -> None:
        self.aviary = aviary
        self.digests = dict(aviary.digests())
        self.digest_starts = {written[:16].encode() for written in self.digests if re.fullmatch(r"[0-9a-f]+", written)}
        self.needles = [(encoding, needle, "") for encoding, needle in forms(MARK.encode())]
        self.needles += [(encoding, needle, "") for encoding, needle in forms(MARK.upper().encode()) if encoding in CASED]
        for name, secret in aviary.secrets.items():
            self.needles += [(encoding, needle, name) for encoding, needle in forms(secret)]

    def search(self, octets: bytes) -> set[Find]:
        """Every canary in them."""
        return set(self._look(octets, DEPTH))

    def _look(self, octets: bytes, depth: int, within: str = "") -> Iterator[Find]:
        views = dict(seen(octets))
        for name, view in views.items():
            if name != "without line ends":
                yield from self._marks(view, within + (f"{name} " if name != "raw" else ""))
        yield from self._needles(views, within)
        yield from self._hashes(octets, within)
        if depth:
            for kind, inner in unpacked(octets):
                yield from self._look(inner, depth - 1, f"{within}{kind}: ")

    def _marks(self, view: bytes, encoding: str) -> Iterator[Find]:
        lower = view.lower()
        if MARK.encode() not in lower:
            return
        known, number = 0, lower.count(MARK.encode())
        for match in PATTERN.finditer(view):
            canary = self.aviary.canaries.get(match[2].decode().lower())
            known += canary is not None
            if canary is not None:
                yield Find(f"{encoding}plain", canary, KINDS[canary.kind])
        if known < number:
            yield Find(f"{encoding}plain", None, "a part of a canary")

    def _needles(self, views: dict[str, bytes], within: str) -> Iterator[Find]:
        lowered = {name: view.lower() for name, view in views.items()}
        for encoding, needle, secret in self.needles:
            for name in views:
                view = (views if encoding in ("base64", "secret") else lowered)[name]
                if encoding == "base64":
                    view = view.translate(URL_SAFE) if name == "without line ends" else b""
                position = view.find(needle)
                if secret and position >= 0:
                    yield Find(f"{within}{encoding}", None, secret, is_secret=True)
                while not secret and position >= 0 and encoding != "plain":
                    around = view[max(0, position - AROUND) : position + AROUND]
                    yield self._whose(encoding, around, within)
                    position = view.find(needle, position + len(needle))
        if MARK.encode() in lowered["without line ends"]:  # In two lines.
            yield from self._marks(views["without line ends"], f"{within}folded ")

    def _whose(self, encoding: str, around: bytes, within: str) -> Find:
        for octets in DECODERS[encoding](around):
            match = PATTERN.search(octets)
            canary = self.aviary.canaries.get(match[2].decode().lower()) if match else None
            if canary is not None:
                return Find(within + encoding, canary, KINDS[canary.kind])
        return Find(within + encoding, None, "a part of a canary")

    def _hashes(self, octets: bytes, within: str) -> Iterator[Find]:
        for run in RUNS.findall(octets):
            if len(run) in SIZES:
                for written in (run, run.translate(URL_SAFE), run.lower()):
                    canary = self.digests.get(written.decode())
                    if canary is not None:
                        yield Find(f"{within}a hash of the plain address", canary, KINDS[canary.kind])
        for run in HEX_RUNS.findall(octets.lower()):  # Several in a row.
            for start in range(len(run) - 31):
                if run[start : start + 16] in self.digest_starts:
                    found = (self.digests.get(run[start : start + size].decode()) for size in (32, 40, 64))
                    yield from (Find(f"{within}a hash of the plain address", each, KINDS[each.kind]) for each in found if each)


def forms(octets: bytes) -> Iterator[tuple[str, bytes]]:
    """What octets look like in the encodings that change all of them; in lower case, but for base64."""
    yield "plain", octets.lower()
    yield "hex", octets.hex().encode()
    yield "UTF-16", octets.lower().decode("latin-1").encode("utf-16-le").rstrip(b"\0")
    yield from (("base64", core) for core in cores(octets, 6, BASE64))
    yield from (("base32", core) for core in cores(octets, 5, BASE32))


def cores(octets: bytes, width: int, alphabet: bytes) -> set[bytes]:
    """What stands in base64 (``width`` 6) or base32 (5) wherever these octets begin: without the characters that others share."""
    bits = "".join(f"{octet:08b}" for octet in octets)
    found = set()
    for before in range(0, 8 * width, 8):
        skipped = -before % width
        whole = (len(bits) - skipped) // width
        found.add(bytes(alphabet[int(bits[skipped + at * width :][:width], 2)] for at in range(whole)))
    return found


def seen(octets: bytes) -> Iterator[tuple[str, bytes]]:
    """The same octets in several ways."""
    yield "raw", octets
    yield "without line ends", LINE_ENDS.sub(b"", octets)
    undone = ESCAPES.sub(_unescaped, octets)
    if undone != octets:
        yield "escaped", undone
        again = ESCAPES.sub(_unescaped, undone)
        if again != undone:
            yield "escaped twice", again
    if b"?b?" in octets.lower():
        yield "encoded words", WORDS.sub(_word, octets)


def _unescaped(match: "re.Match[bytes]") -> bytes:
    quoted, percent, entity, number, json, python, octal, _ = match.groups()
    if number or octal:
        value = int(number, 10) if number else int(octal, 8)
        return bytes([value]) if value < 256 else match[0]
    hexadecimal = quoted or percent or entity or json or python
    return bytes.fromhex(hexadecimal.decode()) if hexadecimal else b""


def _word(match: "re.Match[bytes]") -> bytes:
    return next(iter(_base64(match[1])), b"")


def _base64(octets: bytes) -> Iterator[bytes]:
    """Decoded from each of four places: where it begins is not known."""
    letters = re.sub(rb"[^A-Za-z0-9+/]", b" ", octets.translate(URL_SAFE))
    for run in letters.split():
        for start in range(4):
            piece = run[start:]
            try:
                yield base64.b64decode(piece[: len(piece) // 4 * 4] if len(piece) % 4 == 1 else piece + b"=" * (-len(piece) % 4))
            except binascii.Error:
                continue


def _base32(octets: bytes) -> Iterator[bytes]:
    for run in re.findall(rb"[a-z2-7]{8,}", octets.lower()):
        for start in range(8):
            piece = run[start:].upper()
            try:
                yield base64.b32decode(piece[: len(piece) // 8 * 8])
            except binascii.Error:
                continue


def _hex(octets: bytes) -> Iterator[bytes]:
    for run in re.findall(rb"[0-9a-f]{8,}", octets.lower()):
        for start in (0, 1):
            piece = run[start:]
            yield bytes.fromhex(piece[: len(piece) // 2 * 2].decode())


DECODERS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "hex": _hex,
    "base64": _base64,
    "base32": _base32,
    "UTF-16": lambda octets: iter([octets.replace(b"\0", b"")]),
}


def unpacked(octets: bytes) -> Iterator[tuple[str, bytes]]:
    """What is packed in them, wherever it begins."""
    for match in re.finditer(rb"\x1f\x8b\x08", octets):
        yield from _inflated("gzip", octets[match.start() :], 31)
    for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", octets):
        yield from _inflated("deflate", octets[match.start() :], 15)
    for match in re.finditer(rb"PK\x03\x04", octets):
        yield from _zipped(octets[match.start() :])
    for match in LONG_BASE64.finditer(octets):
        text = re.sub(rb"\s", b"", match[0]).translate(URL_SAFE)
        if any(sign in text for sign in PACKED_IN_BASE64):
            for inner in _base64(text):
                if re.search(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]|PK\x03\x04", inner):
                    yield "base64", inner


def _inflated(kind: str, octets: bytes, window: int) -> Iterator[tuple[str, bytes]]:
    try:
        found = zlib.decompressobj(window).decompress(octets, LARGEST)
    except zlib.error:
        return
    if found:
        yield kind, found


def _zipped(octets: bytes) -> Iterator[tuple[str, bytes]]:
    """One file of an archive, by its own header: what is damaged behind it hides nothing."""
    if len(octets) < 30:
        return
    method, name, extra = (int.from_bytes(octets[at : at + 2], "little") for at in (8, 26, 28))
    yield "zip", octets[30 : 30 + name]
    if method == zipfile.ZIP_DEFLATED:
        yield from _inflated("zip", octets[30 + name + extra :], -15)

"""Unfolding: what zlib, gzip and zip made small, made large again within bounds. Pure."""

import re
import zlib
from collections.abc import Iterator

MOST_STARTS = 500  # Places that look like the beginning of something compressed, most of them by chance.
STEP = 64 * 1024

STARTS = re.compile(rb"\x1f\x8b\x08|PK\x03\x04|\x78[\x01\x5e\x9c\xda]")
ANY_WIDTH, BARE = 47, -15  # Either zlib's or gzip's own header; none.


class Sealed(ValueError):
    """It cannot be looked into."""


class Room:
    """How many octets may still come of something; ``Sealed`` is raised by what takes more."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, octets: bytes) -> bytes:
        """The octets, which take room."""
        self.left -= len(octets)
        if self.left < 0:
            raise Sealed
        return octets

    def inflated(self, octets: memoryview | bytes, width: int = ANY_WIDTH) -> Iterator[bytes]:
        """What is compressed, piece by piece, so that what stands before a fault is had; raises ``zlib.error``."""
        inflater = zlib.decompressobj(width)
        while octets and not inflater.eof:
            yield self.take(inflater.decompress(octets, STEP))
            octets = inflater.unconsumed_tail
        yield self.take(inflater.flush())


def unfolded(octets: bytes, room: Room) -> Iterator[bytes]:
    """What is compressed in it, wherever it begins."""
    for count, found in enumerate(STARTS.finditer(octets)):
        if count >= MOST_STARTS:
            raise Sealed
        at, width = found.start(), ANY_WIDTH
        if found.group() == b"PK\x03\x04":
            name, extra = (int.from_bytes(octets[at + n : at + n + 2], "little") for n in (26, 28))
            at, width = at + 30 + name + extra, BARE
        if inside := as_far_as_it_goes(memoryview(octets)[at:], room, width):
            yield inside


def as_far_as_it_goes(octets: memoryview | bytes, room: Room, width: int = ANY_WIDTH) -> bytes:
    """What is compressed, up to the first fault; b"" where there is nothing."""
    pieces = []
    try:
        for piece in room.inflated(octets, width):
            pieces.append(piece)  # noqa: PERF402  The ones before a fault are kept.
    except zlib.error:
        pass
    return b"".join(pieces)

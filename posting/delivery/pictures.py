"""Pictures without their points: what PNG, JPEG and GIF files say in words, as octets. Pure."""

from collections.abc import Iterator

from posting.delivery.unfolding import Room, as_far_as_it_goes

PNG, JPEG, GIF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", (b"GIF87a", b"GIF89a")
PACKED = (b"zTXt", b"iTXt", b"iCCP")
LONGEST_HEAD = 400  # Octets of a chunk's keyword and languages.


def words(octets: bytes, room: Room) -> bytes | None:
    """What a picture says; None where it is none."""
    if octets.startswith(PNG):
        return b"\n".join(_png(octets, room))
    if octets.startswith(JPEG):
        return b"\n".join(_jpeg(octets))
    return b"\n".join(_gif(octets)) if octets.startswith(GIF) else None


def _png(octets: bytes, room: Room) -> Iterator[bytes]:
    """The chunks before, between and after the points, and what is packed in them (W3C PNG sections 5.3 and 11.3)."""
    at = len(PNG)
    while at + 8 <= len(octets):
        length, name = int.from_bytes(octets[at : at + 4]), octets[at + 4 : at + 8]
        data = octets[at + 8 : at + 8 + length]
        at += 12 + length
        if name not in (b"IDAT", b"fdAT"):
            yield data
        if name in PACKED:
            yield from (as_far_as_it_goes(memoryview(data)[place:], room) for place in _beginnings(data))
        if name == b"IEND":
            break
    yield octets[at:]


def _beginnings(data: bytes) -> list[int]:
    """Where in a chunk a zlib stream of any window may begin (RFC 1950 section 2.2): behind a NUL, or the method after one."""
    heads = ((place, data[place - 1], data[place], data[place + 1]) for place in range(1, min(len(data) - 1, LONGEST_HEAD)))
    return [
        place
        for place, before, method, check in heads
        if before <= 1 and method & 0x8F == 8 and (method << 8 | check) % 31 == 0 and not check & 0x20
    ]


def _jpeg(octets: bytes) -> Iterator[bytes]:
    """The segments before the points of the first picture, and what follows the last one (ITU-T T.81 annex B)."""
    at = 2
    while octets[at : at + 1] == b"\xff" and octets[at + 1 : at + 2] not in (b"\xda", b""):
        length = int.from_bytes(octets[at + 2 : at + 4])
        yield octets[at + 4 : at + 2 + length]
        at += 2 + length
    yield octets[max(octets.rfind(b"\xff\xd9") + 2, at) :]


def _gif(octets: bytes) -> Iterator[bytes]:
    """Its comments and other extensions, with the marks of their blocks and without, and what follows it (GIF89a appendix A)."""
    at = 13 + _palette(octets[10:11])
    while (mark := octets[at : at + 1]) in (b"!", b","):
        at += 2 if mark == b"!" else 11 + _palette(octets[at + 9 : at + 10])
        blocks, end = _blocks(octets, at)
        if mark == b"!":
            yield b"".join(blocks)
            yield octets[at:end]
        at = end
    yield octets[at:]


def _palette(flags: bytes) -> int:
    """How many octets of colours follow."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _blocks(octets: bytes, at: int) -> tuple[list[bytes], int]:
    blocks = []
    while length := int.from_bytes(octets[at : at + 1]):
        blocks.append(octets[at + 1 : at + 1 + length])
        at += 1 + length
    return blocks, at + 1

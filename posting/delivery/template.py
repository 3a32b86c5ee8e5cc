"""A text that is written once, with slots for what differs from copy to copy."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

SOFT_BREAK = b"=\r\n"  # Quoted-printable (RFC 2045 section 6.7) may break a line within a value.


@dataclass(frozen=True)
class Slot:
    """Where a value, or the part of it that stands on one line, belongs."""

    name: str
    part: slice


@dataclass(frozen=True)
class Template:
    """What stands before, between and after the slots: one piece more than there are slots."""

    pieces: tuple[bytes, ...] = field(repr=False)
    slots: tuple[Slot, ...]

    @classmethod
    def cut(cls, text: bytes, specimen: Mapping[str, bytes]) -> Self:
        """Make a slot of each place in ``text`` where a value of ``specimen`` stands, whole or with soft line breaks in it."""
        pattern = re.compile(b"|".join(b"(?P<%s>%s)" % (name.encode(), _breakable(value)) for name, value in specimen.items()))
        pieces, slots, end = [], [], 0
        for match in pattern.finditer(text):
            assert match.lastgroup is not None
            pieces.append(text[end : match.start()])
            end, taken = match.end(), 0
            *broken, _ = match.group().split(SOFT_BREAK)
            for part in broken:
                slots.append(Slot(match.lastgroup, slice(taken, taken + len(part))))
                pieces.append(SOFT_BREAK)
                taken += len(part)
            slots.append(Slot(match.lastgroup, slice(taken, None)))
        pieces.append(text[end:])
        return cls(tuple(pieces), tuple(slots))

    @property
    def names(self) -> frozenset[str]:
        """The values that it takes."""
        return frozenset(slot.name for slot in self.slots)

    def after(self, mark: bytes) -> Self:
        """What stands behind the first ``mark``. The pieces are shared: they may hold large files."""
        at = next(number for number, piece in enumerate(self.pieces) if mark in piece)
        return type(self)((self.pieces[at].partition(mark)[2], *self.pieces[at + 1 :]), self.slots[at:])

    def dot_stuffed(self) -> Self:
        """The same as it stands between DATA and the final dot (RFC 5321 section 4.5.2). No value begins a line with a dot."""
        assert not self.pieces[0].startswith(b".") and self.pieces[-1].endswith(b"\r\n")
        return type(self)(tuple(piece.replace(b"\r\n.", b"\r\n..") for piece in self.pieces), self.slots)

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """The text with each slot filled."""
        parts: list[bytes] = []
        for piece, name, part in self._steps:
            parts += (piece, values[name][part])
        parts.append(self.pieces[-1])
        return b"".join(parts)

    def is_filled(self, text: bytes, values: Mapping[str, bytes], *, start: int = 0) -> bool:
        """Whether ``text`` from ``start`` on is this with exactly these values: each piece and each value at its own place."""
        at = start
        for piece, name, part in self._steps:
            value = values[name][part]
            if not text.startswith(piece, at):
                return False
            at += len(piece)
            if not text.startswith(value, at):
                return False
            at += len(value)
        return text.startswith(self.pieces[-1], at) and len(text) == at + len(self.pieces[-1])

    @cached_property
    def _steps(self) -> list[tuple[bytes, str, slice]]:
        """Each piece with the slot behind it; looked up once for all copies."""
        return [(piece, slot.name, slot.part) for piece, slot in zip(self.pieces, self.slots, strict=False)]


def _breakable(value: bytes) -> bytes:
    return b"(?:=\r\n)?".join(re.escape(value[at : at + 1]) for at in range(len(value)))

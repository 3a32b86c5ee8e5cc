"""The files of a mail: which may go with a post, under what name, and which not. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from chamberlist import parsing
from posting.delivery import looking
from posting.delivery.looking import Seen
from posting.delivery.mime import Attachment
from posting.delivery.unfolding import Sealed
from posting.submission.parts import Piece

MOST_FILES = 5
MOST_PICTURES = 20  # Shown in the text.
MEBIBYTE = 1024 * 1024
LARGEST_FILE, LARGEST_IN_ALL = 2 * MEBIBYTE, 5 * MEBIBYTE
LONGEST_SHOWN = 60  # Of a name, in a sentence.

ALLOWED = "Files may be PDF, PNG, JPEG, GIF, plain text, CSV or calendar files"
FORM = "Send the message again without it; the form on the web site takes no files."
VAGUE = {  # Windows calls a CSV file a workbook.
    "application/octet-stream", "application/binary", "application/x-download", "application/download", "application/vnd.ms-excel",
}  # fmt: skip
ALIASES = {
    "application/x-pdf": "application/pdf",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "text/comma-separated-values": "text/csv",
    "application/csv": "text/csv",
    "application/ics": "text/calendar",
}
CARDS, CARD = ("text/vcard", "text/x-vcard", "text/directory"), "contact.vcf"  # Whose name is that of a person.
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


def _is_text(octets: bytes) -> bool:
    text = decoded(octets)
    return text is not None and not CONTROL.search(text)


@dataclass(frozen=True)
class Kind:
    """A media type: the endings of its names, the usual one first, and how its octets are known."""

    endings: tuple[str, ...]
    is_so: Callable[[bytes], bool]


KINDS = {
    "application/pdf": Kind(("pdf",), lambda octets: octets.startswith(b"%PDF-")),
    "image/png": Kind(("png",), lambda octets: octets.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")),
    "image/jpeg": Kind(("jpg", "jpeg"), lambda octets: octets.startswith(b"\xff\xd8\xff")),
    "image/gif": Kind(("gif",), lambda octets: octets.startswith((b"GIF87a", b"GIF89a"))),
    "text/plain": Kind(("txt", "text", "md"), _is_text),
    "text/csv": Kind(("csv",), _is_text),
    "text/calendar": Kind(("ics",), lambda octets: _is_text(octets) and b"BEGIN:VCALENDAR" in octets.replace(b"\0", b"").upper()),
}
ENDINGS = {ending: kind for kind, known in KINDS.items() for ending in known.endings}


@dataclass(frozen=True)
class Kept:
    """A file that may go with a post, and what was seen in it."""

    file: Attachment
    seen: Seen

    @property
    def is_text(self) -> bool:
        return self.file.kind.startswith("text/")


@dataclass(frozen=True)
class Sorted:
    """Which files may go with a post; ``problems`` are sentences about the others, whose names are ``left_out``."""

    kept: tuple[Kept, ...]
    problems: tuple[str, ...]
    left_out: tuple[str, ...]


def sort(pieces: Iterable[Piece], *, shown: Mapping[str, str]) -> Sorted:
    """The files that are allowed, in order; ``shown``: our names for the Content-IDs of pictures that the text shows."""
    kept: list[Kept] = []
    problems, left_out = [], []
    room, space, unused = looking.ROOM, LARGEST_IN_ALL, dict(shown)
    for number, piece in enumerate(pieces, 1):
        identity = unused.pop(piece.content_id, "")
        name, kind = named(piece, number)
        problem = _size_problem(name, len(piece.content), space) or _number_problem(kept, is_picture=bool(identity))
        problem = problem or _kind_problem(name, kind, piece.content, is_picture=bool(identity))
        found = None if problem else _looked_into(Attachment(name, kind, _written(kind, piece.content), identity), room)
        if isinstance(found, Kept):
            kept.append(found)
            room, space = room - found.seen.unfolded, space - len(piece.content)
        else:
            problems.append(problem or str(found))
            left_out.append(CARD if kind in CARDS else name)
    return Sorted(tuple(kept), tuple(problems), tuple(left_out))


def named(piece: Piece, number: int) -> tuple[str, str]:
    """A file's name, cleaned, and its media type, known by its name where the mail program was vague."""
    name = parsing.file_name(piece.name)
    stem, dot, ending = name.rpartition(".")
    kind = ALIASES.get(piece.kind, piece.kind)
    if kind in VAGUE or (kind == "text/plain" and ENDINGS.get(ending.lower(), "").startswith("text/")):
        kind = ENDINGS.get(ending.lower(), kind)
    if kind not in KINDS:
        return name or f"file{number}", kind
    if not dot or ending.lower() not in KINDS[kind].endings:
        stem, ending = name, KINDS[kind].endings[0]
    stem = stem[: parsing.LONGEST_NAME - len(ending) - 1].strip(". ")
    return f"{stem or f'file{number}'}.{ending}", kind


def decoded(octets: bytes) -> str | None:
    """The text of a file; None where it is none."""
    charsets = ("utf-16",) if octets.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", parsing.FALLBACK, "latin-1")
    for charset in charsets:
        try:
            return octets.decode(charset)
        except ValueError:
            continue
    return None


def _written(kind: str, octets: bytes) -> bytes:
    """As it is sent: texts in UTF-8."""
    text = decoded(octets) if kind.startswith("text/") else None
    return octets if text is None else text.encode()


def _quoted(name: str) -> str:
    """A name in a sentence, which has to be short."""
    return f"“{name}”" if len(name) <= LONGEST_SHOWN else f"“{name[: LONGEST_SHOWN - 16]}…{name[-15:]}”"


def _size_problem(name: str, size: int, space: int) -> str:
    if size > LARGEST_FILE:
        limit = LARGEST_FILE // MEBIBYTE
        return f"The file {_quoted(name)} is larger than {limit} MB. Make it smaller, or put a link to it into the text."
    if size > space:
        return f"The files are larger than {LARGEST_IN_ALL // MEBIBYTE} MB together. Send fewer of them."
    return ""


def _number_problem(kept: list[Kept], *, is_picture: bool) -> str:
    pictures = sum(1 for each in kept if each.file.content_id)
    if is_picture:
        return f"It shows more than {MOST_PICTURES} pictures. Send fewer of them." if pictures >= MOST_PICTURES else ""
    return f"It has more than {MOST_FILES} files. Send fewer of them." if len(kept) - pictures >= MOST_FILES else ""


def _kind_problem(name: str, kind: str, octets: bytes, *, is_picture: bool) -> str:
    if kind not in KINDS or (is_picture and not kind.startswith("image/")):
        return f"The file {_quoted(name)} is of a kind that is not sent on. {ALLOWED}. {FORM}"
    if not octets:
        return f"The file {_quoted(name)} is empty. {FORM}"
    if not KINDS[kind].is_so(octets):
        return f"The file {_quoted(name)} is not what its type says it is. {FORM}"
    return ""


def _looked_into(file: Attachment, room: int) -> Kept | str:
    """The file with what was seen in it, or why it may not go."""
    try:
        seen = looking.look(file.kind, file.content, room=room)
    except Sealed:
        return f"The file {_quoted(file.name)} is encrypted or cannot be looked into. {FORM}"
    if seen.is_active:
        return f"The file {_quoted(file.name)} contains a program, another file, or a page that opens by itself. {FORM}"
    return Kept(file, seen)

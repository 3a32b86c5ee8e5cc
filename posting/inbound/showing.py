"""Showing: a kept message as a member of staff reads it, plain and bounded. It runs in the sandbox, like all reading."""

from dataclasses import dataclass, field

from inscriptis import get_text

from chamberlist import parsing

MOST_SHOWN = 20_000  # Characters of the text, and octets of a source that is no message.
MOST_FILES = 20
LONGEST_LINE = 120


@dataclass(frozen=True)
class Shown:
    """What stands on the page: the text, or the source as it came; and the names of the files, which are not shown."""

    author: str = field(default="", repr=False)
    subject: str = field(default="", repr=False)
    written: str = ""
    text: str = field(default="", repr=False)
    is_cut: bool = False
    files: tuple[str, ...] = field(default=(), repr=False)


def show(raw: bytes) -> Shown:
    """The message as text; raises ``parsing.Unreadable``."""
    message = parsing.parse(raw)
    leaves = parsing.leaves(message)
    files = [_name(part) for part in leaves if _is_file(part)]
    text = _text([part for part in leaves if not _is_file(part)]).strip()
    return Shown(
        author=parsing.header(message, "From")[:LONGEST_LINE],
        subject=parsing.header(message, "Subject")[:LONGEST_LINE],
        written=parsing.header(message, "Date")[:LONGEST_LINE],
        text=text[:MOST_SHOWN],
        is_cut=len(text) > MOST_SHOWN,
        files=tuple(files[:MOST_FILES]),
    )


def source(raw: bytes) -> Shown:
    """The beginning of what came, as it stands: for what no reader can make out."""
    return Shown(text=parsing.plain(raw[:MOST_SHOWN].decode("utf-8", "replace")), is_cut=len(raw) > MOST_SHOWN)


def _is_file(part: "parsing.Parsed[str, str]") -> bool:
    return part.get_content_maintype() not in ("text", "message") or part.get_content_disposition() == "attachment"


def _name(part: "parsing.Parsed[str, str]") -> str:
    return parsing.file_name(part.get_filename() or "") or parsing.plain(part.get_content_type())[:LONGEST_LINE]


def _text(parts: "list[parsing.Parsed[str, str]]") -> str:
    """The plain parts; where there are none, what the HTML says."""
    plain = [parsing.text(part) for part in parts if part.get_content_subtype() != "html"]
    return "\n\n".join(plain or [get_text(parsing.text(part)) for part in parts])

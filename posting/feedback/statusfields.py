"""The fields of a delivery status notification (RFC 3464), read as mail systems write them rather than as they should."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from posting.delivery.replies import status_in

MOST = 200  # Recipients of one report.
ACTIONS = {
    "fail": "failed",
    "error": "failed",  # OpenSMTPD.
    "perm": "failed",
    "delay": "delayed",
    "defer": "delayed",
    "warn": "delayed",
    "deliver": "delivered",
    "success": "delivered",
    "relay": "relayed",
    "expan": "expanded",
}
BY_CLASS = {"2": "delivered", "4": "delayed", "5": "failed"}  # RFC 3463 section 3.1.
WHERE = ("original-recipient", "final-recipient", "x-actual-recipient")
FIELD = re.compile(r"([A-Za-z][\w-]{0,60})[ \t]*:(.*)")
TYPED = re.compile(r"^\s*(?:[\w-]{1,30}\s*;)+\s*")
STATUS = re.compile(r"(?<![\d.])([245])(?:\.(\d{1,3})(?:\.(\d{1,3}))?)?(?![\d.])")
ADDRESS = re.compile(r"[^\s<>\"'(),;:\[\]@]{1,128}@[^\s<>\"'(),;:@]{1,255}|\"[^\"\n]{1,64}\"@[^\s<>\"'(),;:@]{1,255}")


class Status(NamedTuple):
    """One recipient's: ``action`` is of RFC 3464 section 2.3.3, or "" where it cannot be told."""

    recipient: str
    action: str
    status: str
    diagnostic: str

    def __repr__(self) -> str:
        return f"Status(action={self.action!r}, status={self.status!r})"


def read(text: str) -> list[Status]:
    """The recipients that these blocks tell of."""
    found = [_status(block) for block in _blocks(text) if _is_of_recipient(block)]
    return found[:MOST]


def _blocks(text: str) -> Iterator[dict[str, list[str]]]:
    """The groups of fields between empty lines, or where a second recipient begins; names in lower case."""
    block: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        field = FIELD.match(line)
        if not line.strip():
            yield block
            block, name = {}, ""
        elif line[0] in " \t" and name and not (field and field[1].lower() in WHERE):
            block[name][-1] += f" {line.strip()}"
        elif field := FIELD.match(line.strip()):
            name = field[1].lower()
            if name == "final-recipient" and name in block:
                yield block
                block = {}
            block.setdefault(name, []).append(field[2].strip())
    yield block


def _is_of_recipient(block: dict[str, list[str]]) -> bool:
    return any(name in block for name in WHERE) or ("action" in block and "status" in block)


def _status(block: dict[str, list[str]]) -> Status:
    diagnostic = " ".join(TYPED.sub("", words) for words in block.get("diagnostic-code", []))
    written = " ".join(block.get("status", []))
    status = _code(written)
    comment = written.partition("(")[2].rstrip(")")
    action = _action(" ".join(block.get("action", [])), status or status_in(diagnostic))
    return Status(_recipient(block), action, status, diagnostic or comment)


def _action(written: str, status: str) -> str:
    word = written.strip().lower()
    for start, action in ACTIONS.items():
        if word.startswith(start):
            return action
    return BY_CLASS.get(status[:1], "")


def _code(written: str) -> str:
    """``5.1.1``, also out of ``5.1.1 (no such user)``, ``550 5.1.1`` or a bare ``5``."""
    full = status_in(written)
    if full:
        return full
    found = STATUS.search(written)
    return ".".join([found[1], found[2] or "0", found[3] or "0"]) if found else ""


def _recipient(block: dict[str, list[str]]) -> str:
    """The address that we wrote to, where the report has it; else where the mail ended up."""
    for name in WHERE:
        for value in block.get(name, []):
            found = ADDRESS.search(TYPED.sub("", value))
            if found:
                return found[0].strip(".")
    return ""

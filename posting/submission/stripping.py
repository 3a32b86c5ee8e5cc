"""The password's line: what a sender types into a mail to show who he is. It is read, and taken out of the words. Pure.

An issued password looks like ``abcde-fghjk-mnpqr-stuvw``; who mistypes it may have written anything.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from posting.delivery.issued import DASHES, is_ignored

HEADERS = ("Approved", "Approve", "X-Approved", "X-Approve")
LONGEST = 200
MOST_WRAPPED = 4  # Lines over which a mail program may have broken it.

AROUND = "\\s*_\"'`<>#.,;\u2018\u2019\u201c\u201d\u2022"  # What mail programs and people put around a word.
ISSUED = r"[a-z0-9]{5}(?:\s*-\s*[a-z0-9]{5}){3}"
LABEL = re.compile(rf"[{AROUND}-]*(?:password|(?:x-)?approved?)[\s*_]*[:\uff1a]", re.IGNORECASE)
AT_START = re.compile(rf"[{AROUND}]*({ISSUED})(?![\w-])[{AROUND}]*", re.IGNORECASE)
ALONE = re.compile(ISSUED, re.IGNORECASE)
PREFIXES = re.compile(r"\s*(?:(?:re|aw|fwd?|wg)\s*:\s*)+", re.IGNORECASE)


@dataclass(frozen=True)
class Cut:
    """What goes of a text: its lines up to ``line``, and of that one the characters before ``end``."""

    password: str
    line: int
    end: int


def typed(value: str) -> str:
    """A password as it was meant: without what programs put around it."""
    visible = "".join(character for character in value[: LONGEST * 5] if not is_ignored(character))
    words = " ".join(visible.translate(DASHES).split())
    issued = AT_START.fullmatch(words)
    return re.sub(r"\s", "", issued[1]).lower() if issued else re.sub(rf"^[{AROUND}]+|[{AROUND}]+$", "", words)[:LONGEST]


def is_issued(password: str) -> bool:
    """Whether it has the form of an issued password."""
    return ALONE.fullmatch(password) is not None


def in_subject(subject: str) -> str:
    """The password that a subject begins with, after its label; "" where there is no label."""
    label = LABEL.match(PREFIXES.sub("", subject[: LONGEST * 5], count=1))
    return typed(label.string[label.end() :]) if label else ""


def find(lines: Sequence[str]) -> Cut | None:
    """The password's line, if it is the first that shows anything; None if not."""
    shown = [number for number, line in enumerate(lines) if is_visible(line)][: MOST_WRAPPED + 1]
    if not shown:
        return None
    first = lines[shown[0]]
    kept = [place for place, character in enumerate(first[: LONGEST * 10]) if not is_ignored(character)]
    visible = "".join(first[place] for place in kept).translate(DASHES)
    label = LABEL.match(visible)
    if label is None:
        return None
    issued = AT_START.match(visible, label.end())
    if issued and issued.end() < len(visible):  # Words follow on the same line: they stay.
        return Cut(typed(issued[1]), shown[0], kept[issued.end()])
    value = visible[label.end() :]
    if not issued:
        joined = value
        for number in shown[1:]:
            joined += lines[number][:LONGEST]
            if is_issued(typed(joined)):
                return Cut(typed(joined), number, len(lines[number]))
    return Cut(typed(value), shown[0], len(first))


def cut(text: str) -> tuple[str, str]:
    """A text without the password's line, and the password or ""."""
    lines = text.split("\n")
    found = find(lines)
    if found is None:
        return text, ""
    rest = lines[found.line :]
    rest[0] = rest[0][found.end :]
    return "\n".join(rest).strip("\n") if is_visible(rest[0]) else "\n".join(rest[1:]), found.password


def is_visible(text: str) -> bool:
    """Whether a reader sees anything of it."""
    return any(not character.isspace() and not is_ignored(character) for character in text)

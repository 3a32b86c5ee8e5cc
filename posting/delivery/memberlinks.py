"""Finding in a text what opens a member's pages, or reaches a member: tokens of ours, as in the links of a copy. Pure."""

import re
from collections.abc import Container, Iterator
from html import unescape
from urllib.parse import unquote

from chamberlist import tokens
from posting.delivery import disguises

PURPOSES = ("leave", "choose", "confirm", "undo", "manage", "reply", "bounce", "talk")  # Of all tokens that are mailed.
LENGTHS = (52, 60)  # In base32: of one that works for years, and of one whose time ends.
MOST_TRIED = 1_000  # Each costs a MAC for each purpose and key.

RUN = re.compile(rf"[a-z2-7]{{{LENGTHS[0]},}}", re.IGNORECASE)
SOFT_BREAK = re.compile(r"=\r?\n")  # As in a message that was saved to a file (RFC 2045 section 6.7).
LINE_BREAK = re.compile(r"\s{0,9}\n[\s>|]{0,30}")  # As in one that was quoted.


def stands_in(text: str, *, but: Container[str] = ()) -> bool:
    """Whether a token of ours stands in a text, one of those that are the reader's own aside."""
    return any(is_ours(found) for found in meant_in(text) if found not in but)


def meant_in(text: str) -> Iterator[str]:
    """What looks like a token, in small letters: a word, or either end of a longer one. Some come more than once."""
    read = disguises.as_read(text)
    forms = (read, unquote(unescape(read)), SOFT_BREAK.sub("", read), LINE_BREAK.sub("", read))
    for form in dict.fromkeys(forms):
        for run in RUN.finditer(form):
            yield from (end.lower() for length in LENGTHS for end in _ends(run.group(), length))


def is_ours(token: str) -> bool:
    """Whether it is a token for any purpose."""
    return any(_is_for(purpose, token) for purpose in PURPOSES)


def _ends(run: str, length: int) -> tuple[str, ...]:
    return (run[:length], run[-length:]) if len(run) > length else (run,) if len(run) == length else ()


def _is_for(purpose: str, token: str) -> bool:
    try:
        tokens.read(purpose, token)
    except tokens.Expired:  # Whoever shows it has a member's mail in hand, all the same.
        return True
    except tokens.Forged:
        return False
    return True

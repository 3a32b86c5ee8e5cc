"""What an issued password looks like (``abcde-fghjk-mnpqr-stuvw``), and finding one in a text. Pure."""

import re
import unicodedata
from collections.abc import Iterator

MOST_TRIED = 3  # Of what could be a password without its dashes: each costs a check by Argon2.

DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"), "-")
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
# Only what can hardly be anything else: letters of an issued password, a line broken after a dash.
GROUP, BREAK = "[a-hjkmnp-z2-9]{5}", r"(?:[ \t]*\n[\s>|]{0,30})?"
ANYWHERE = re.compile(rf"(?<![\w-]){GROUP}(?:-{BREAK}{GROUP}){{3}}(?![\w-])", re.IGNORECASE)
LOOSE = re.compile(rf"(?<![^\W_]){GROUP}(?:[\s_.,/-]{{0,3}}{GROUP}){{3}}(?![^\W_])", re.IGNORECASE)


def stands_in(text: str) -> bool:
    """Whether something in a text has the form of an issued password."""
    return ANYWHERE.search(_plain(text)) is not None


def meant_in(text: str) -> Iterator[str]:
    """What could be meant as one, though its dashes are others or none, in its right form."""
    for found in LOOSE.finditer(_plain(text)):
        letters = re.sub(r"[\W_]", "", found.group()).lower()
        if any(map(str.isdigit, letters)) and any(map(str.isalpha, letters)):
            yield "-".join(letters[at : at + 5] for at in range(0, 20, 5))


def is_ignored(character: str) -> bool:
    """Whether a character shows nothing and takes no room: zero-width ones, soft hyphens, byte order marks, selectors."""
    if character.isascii():
        return False
    return unicodedata.category(character) in ("Cf", "Mn", "Me") or character in INVISIBLE


def _plain(text: str) -> str:
    if text.isascii():
        return text
    visible = "".join(character for character in text if not is_ignored(character)).translate(DASHES)
    return unicodedata.normalize("NFKC", visible)

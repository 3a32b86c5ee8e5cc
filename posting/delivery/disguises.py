"""Addresses that a person reads as one and a mail program does not: ``anne (at) bakery.example``, ``anne@bakery . example``. Pure.

Ordinary words must not look like one: ``2 @ £3``, ``open at 9.30 at bakery.example``, ``on Instagram @bakery``. So what stands
before a bare "at" or a loose "@" must be no everyday word, and "at" alone counts only with a "dot" behind it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

MOST_MARKS = 20_000  # In one text.
LONGEST_LOCAL = 64  # RFC 5321 section 4.5.3.1.1, in characters.

UNSEEN = dict.fromkeys([0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10)])
DOTS = dict.fromkeys([0x3002, 0xFF61], ".")  # IDNA reads these as dots (RFC 3490 section 3.1).

LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
TOP = r"(?:[a-z]{2,24}|[A-Z]{2,24})(?![\w@-])"
LINE_END = r"[ \t]{0,9}\n[\s>|]{0,20}"
BRACKETED_DOT = r"\s{0,3}[(\[{<]\s{0,3}(?:dot|punkt|point|\.)\s{0,3}[)\]}>]\s{0,3}"
WORDED_DOT = rf"(?:{BRACKETED_DOT}|\s{{1,3}}(?:dot|punkt)\s{{1,3}})"
LOOSE_DOT = rf"(?:{WORDED_DOT}|[ \t]{{1,3}}\.\s{{0,3}}|\.{LINE_END}|{LINE_END}\.|\.[ ]{{1,3}}(?=(?:com|org|net|co|uk|example)\b))"
AT = re.compile(
    r"(?P<bracketed>\s{0,9}[(\[{<]\s{0,3}(?:at|ät|@)\s{0,3}[)\]}>]\s{0,9}|(?<=\w)[(\[{]a[)\]}](?=\w))|(?P<before>\s{0,20}(?:\n[\s>|]{0,20})?)@(?P<after>[\s>|]{0,20})"
    r"|(?P<word>\s{1,9}(?:at|ät)\s{1,9})",
    re.IGNORECASE,
)
PLAIN = rf"{LABEL}(?:\.{LABEL})*"
WORDED = re.compile(rf"(?:{LABEL}\.)*{LABEL}(?:{WORDED_DOT}{PLAIN})*{WORDED_DOT}(?:{LABEL}\.)*(?i:{TOP})", re.IGNORECASE)
LOOSE = re.compile(rf"{LABEL}(?:{LOOSE_DOT}(?:{LABEL}\.)*)+{TOP}|{LABEL}{LINE_END}{LABEL}(?:\.{LABEL})*\.{TOP}")
DOTTED = re.compile(rf"(?:{LABEL}\.)+[^\W\d_]{{2,24}}(?![\w@-])")
ENDING = r"(?:com|org|net|info|biz|co|uk|ie|eu|de|at|ch|fr|nl|be|it|es|pl|se|dk|us|ca|au|nz|example)(?![\w@-])"
SPACED = re.compile(rf"{LABEL}(?:[ \t]{{1,3}}co)?[ \t]{{1,3}}{ENDING}", re.IGNORECASE)  # Only behind an "at" in brackets.
COMMA = re.compile(rf"{LABEL}(?:[.,]{LABEL}){{0,3}},{ENDING}", re.IGNORECASE)  # Only behind an "@" between two words.
ANY_DOT = re.compile(rf"{LOOSE_DOT}|[.,]|(?<=\w)[ \t]{{1,3}}(?=\w)", re.IGNORECASE)
TITLED_DOT = re.compile(r"\b(?:Dot|Punkt)\b")  # In a name: "the Dot Gallery".
GOES_ON = re.compile(r"[ \t]+\w")
LOCAL = re.compile(rf"[\w.+%'-]{{1,{LONGEST_LOCAL}}}")

# Before "at" or a loose "@" these are words, and no name of a mailbox.
EVERYDAY = frozenset(
    re.findall(
        r"\w+",
        """
    a ab about all also am an and any are as at available be been before bei below bis bluesky book bookings browse buy call can
    check click come deals delivered details do download drop each euch everything facebook fb find follow for free friday from
    full get go had has have he held her here hier him his hosted i ig im in infos insta instagram is it je jetzt join just know
    latest learn linkedin listed live located look looking made mastodon me meet mehr menu menus midnight monday more new noon
    not now nur oder of off on one online only open or order orders our out over page per pinterest please pm prices published
    read register reserve saturday see seen she shop shopping sie sign site so sold stay store sunday that the their them then
    there these they this those threads thursday tickets tiktok to today tomorrow tonight tuesday twitter um und uns unter up us
    view visit von was we website wednesday week went were what when where which who will wir with work works x you your youtube
    """,
    )
)


class Found(NamedTuple):
    """An address in a disguise, and from where to where in the text it stands."""

    address: str
    start: int
    end: int


def as_read(text: str) -> str:
    """The text as a reader sees it: without what has no width, and in plain letters."""
    if text.isascii():
        return text
    bare = "".join(letter for letter in text.translate(UNSEEN) if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFKC", bare).translate(DOTS)


def found_in(text: str) -> Iterator[Found]:
    """Each disguised address of a text (``as_read``), in its plain form."""
    for count, mark in enumerate(AT.finditer(text)):
        if count >= MOST_MARKS:
            return
        domain = _domain(text, mark)
        local = LOCAL.match(text[max(0, mark.start() - LONGEST_LOCAL) : mark.start()][::-1]) if domain else None
        if domain and local and not _is_ordinary(local.group()[::-1], mark):
            written = local.group()[::-1].lstrip(".'-%")
            if written:
                plain = re.sub(r"[\s>|]", "", ANY_DOT.sub(".", domain.group()))
                yield Found(f"{written.rstrip('.')}@{plain}", mark.start() - len(written), domain.end())


def hidden(text: str, mask: Callable[[str], str]) -> str:
    """The text with each of them as ``mask`` says."""
    pieces, at = [], 0
    for found in found_in(text):
        if found.start >= at:
            pieces += [text[at : found.start], mask(found.address)]
            at = found.end
    return "".join([*pieces, text[at:]])


def _domain(text: str, mark: re.Match[str]) -> re.Match[str] | None:
    """What follows it, where that is a domain and the whole is no plain address."""
    at = mark.end()
    if mark["word"]:
        found = WORDED.match(text, at)
        is_name = found and (TITLED_DOT.search(found.group()) or re.split(r"\W", found.group())[0].lower() in EVERYDAY)
        return None if is_name else found
    worded = WORDED.match(text, at) or LOOSE.match(text, at)
    if worded and GOES_ON.match(text, worded.end()) and re.split(r"\W", worded.group())[-1].lower() in EVERYDAY:
        worded = None  # Another sentence: “Half price @ weekends . see below”.
    if mark["bracketed"]:
        return worded or DOTTED.match(text, at) or SPACED.match(text, at)
    if mark["before"] or mark["after"]:
        return worded or DOTTED.match(text, at)
    return worded or COMMA.match(text, at)


def _is_ordinary(word: str, mark: re.Match[str]) -> bool:
    """Whether the word before the mark is one of everyday, or a number, or the name of what a handle is for."""
    if mark["bracketed"] or not (mark["word"] or mark["before"]):
        return False
    last = word.strip(".'-%").lower()
    is_handle = bool(mark["before"]) and not mark["after"]
    return last in EVERYDAY or not any(letter.isalpha() for letter in last) or (is_handle and not word[:1].islower())

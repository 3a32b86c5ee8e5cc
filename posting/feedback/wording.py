"""What a person wrote, made fit to be passed on: without mail addresses, and without the links and addresses of their own copy.

Mail programs quote, wrap and rewrite: an address may stand in a link of a filter, or be split by a line break.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import PurePath

from chamberlist import parsing
from chamberlist.redaction import ADDRESS, MASK, redact
from posting.delivery.mime import Attachment

HIDDEN_LINK = "[link]"
LONGEST_NAME = 80
INVISIBLE = dict.fromkeys((0x00AD, 0x200B, 0x2060, 0xFEFF))
AT_SIGN = re.compile(r"\uff20|\ufe6b|&#0{0,4}64;|&#x0{0,4}40;|&commat;", re.IGNORECASE)
BREAK = r"[\s>|=]{0,30}"  # How a line break in a quotation looks.
TOKEN = rf"{BREAK}[a-z2-7](?:{BREAK}[a-z2-7]){{51}}"
# Each is tried from the start of a word alone: else a long word would take the square of its length.
WORD, REST = r"(?<![^\s<>\"'])[^\s<>\"']*", r"[^\s<>\"']*"
# The links and addresses of a copy carry a token, with which one can leave or pause for the member.
OWN_LINK = re.compile(rf"{WORD}?\b(?:leave|choose|confirm|resume)(?:/|%2F){TOKEN}{REST}", re.IGNORECASE)
OWN_LOCAL_PART = re.compile(rf"\b(?:leave|[brc])-{TOKEN}", re.IGNORECASE)
# A filter's link (https://…?data=anne%40bakery.example) holds the address of who got it.
CODED = re.compile(rf"{WORD}%(?:25){{0,3}}40{REST}", re.IGNORECASE)
AT = rf"(?:{BREAK}@{BREAK}|\s?[\[({{]\s?at\s?[\])}}]\s?)"
SPLIT = re.compile(rf"(?<![\w.+-])[\w.+-]{{1,64}}{AT}[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,8}}", re.IGNORECASE)
IN_A_FILE = re.compile(rb"[a-z0-9._%+-]{2,64}@(?:[a-z0-9-]{2,63}\.){1,8}[a-z]{2,}")


def without_addresses(text: str, *, own: Iterable[str] = (), keep: str = "") -> str:
    """The text with ``[address]`` for each mail address but ``keep``, and ``[link]`` for what leads to the writer's own pages.

    ``own`` are the writer's address and tokens, as far as they are known: these are found wherever a line breaks.
    """
    text = AT_SIGN.sub("@", parsing.plain(text).translate(INVISIBLE))
    text = OWN_LOCAL_PART.sub(MASK, OWN_LINK.sub(HIDDEN_LINK, text))
    text = CODED.sub(HIDDEN_LINK, text)
    for secret in own:
        text = re.sub(BREAK.join(map(re.escape, secret)), MASK, text, flags=re.IGNORECASE)
    for pattern in (SPLIT, ADDRESS):
        text = pattern.sub(lambda found: _kept(found.group(), keep), text)
    return text


def sorted_out(files: Iterable[Attachment], *, own: Collection[str] = ()) -> tuple[list[Attachment], list[str]]:
    """The files that can be passed on, under names without addresses, and the names of those in which a mail address stands."""
    fit, unfit = [], []
    for number, file in enumerate(files, 1):
        name = file_name(file.name) or f"file {number}"
        if _names_anybody(file.content, own):
            unfit.append(name)
        else:
            fit.append(file._replace(name=name))
    return fit, unfit


def file_name(name: str) -> str:
    """A file's name on one line, without folders and addresses."""
    words = " ".join(parsing.plain(name).replace("\\", "/").split())
    shown = redact(without_addresses(PurePath(words).name))
    stem, dot, end = shown.rpartition(".")
    return f"{stem[: LONGEST_NAME - len(end)]}{dot}{end}" if len(shown) > LONGEST_NAME > len(end) else shown[:LONGEST_NAME]


def _kept(found: str, keep: str) -> str:
    bare = found.strip(".,;:!?*_~`'()[]{}<>").casefold().removeprefix("mailto:")
    return found if keep and bare == keep.casefold() else MASK


def _names_anybody(content: bytes, own: Collection[str]) -> bool:
    """Whether a mail address, or a token of the writer's, stands in the octets as they are, or as UTF-16 has them."""
    both = content.lower(), content.replace(b"\0", b"").lower()
    return any(IN_A_FILE.search(octets) or any(secret.lower().encode() in octets for secret in own) for octets in both)

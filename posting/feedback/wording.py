"""What a person wrote, made fit to be passed on: without mail addresses, and without the links and addresses of their own copy.

Mail programs quote, wrap and rewrite: an address may stand in a link of a filter, or be split by a line break.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import PurePath

from chamberlist import parsing
from chamberlist.redaction import ADDRESS, MASK, redact
from posting.delivery import searching
from posting.delivery.mime import Attachment
from posting.delivery.unfolding import Sealed

HIDDEN_LINK = "[link]"
OWN_NAMES = {".vcf", ".vcard", ".asc", ".pgp", ".gpg", ".key", ".p7s", ".p7m", ".cer", ".crt", ".pem"}
INVISIBLE = dict.fromkeys((0x00AD, 0x200B, 0x2060, 0xFEFF))
AT_SIGN = re.compile(r"\uff20|\ufe6b|&#0{0,4}64;|&#x0{0,4}40;|&commat;", re.IGNORECASE)
BREAK = r"[\s>|=]{0,30}"  # How a line break in a quotation looks.
BREAKING = re.compile(r"[\s>|=]+")
TOKEN = rf"{BREAK}[a-z2-7](?:{BREAK}[a-z2-7]){{51}}"
# Each is tried from the start of a word alone: else a long word would take the square of its length.
WORD, REST = r"(?<![^\s<>\"'])[^\s<>\"']*", r"[^\s<>\"']*"
# The links and addresses of a copy carry a token, with which one can leave or pause for the member.
SLASH = r"%(?:25){0,3}2F"  # As it stands in a filter's link.
OWN_LINK = re.compile(rf"{WORD}?(?:\b|{SLASH})(?:leave|choose|confirm|settings)(?:/|{SLASH}){TOKEN}{REST}", re.IGNORECASE)
OWN_LOCAL_PART = re.compile(rf"\b(?:leave|[brc])-{TOKEN}", re.IGNORECASE)
# A filter's link (https://…?data=anne%40bakery.example) holds the address of who got it.
CODED = re.compile(rf"{WORD}%(?:25){{0,3}}40{REST}", re.IGNORECASE)
AT = rf"(?:{BREAK}@{BREAK}|\s?[\[({{]\s?at\s?[\])}}]\s?)"
SPLIT = re.compile(rf"(?<![\w.+-])[\w.+-]{{1,64}}{AT}[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,8}}", re.IGNORECASE)
IN_A_FILE = re.compile(r"[a-z0-9._%+-]{2,64}@(?:[a-z0-9-]{2,63}\.){1,8}[a-z]{2,}")


def without_addresses(text: str, *, own: Iterable[str] = (), keep: str = "") -> str:
    """The text with ``[address]`` for each mail address but ``keep``, and ``[link]`` for what leads to the writer's own pages.

    ``own`` are the writer's address and tokens, as far as they are known: these are found wherever a line breaks.
    """
    text = AT_SIGN.sub("@", parsing.plain(text).translate(INVISIBLE))
    text = OWN_LOCAL_PART.sub(MASK, OWN_LINK.sub(HIDDEN_LINK, text))
    text = CODED.sub(HIDDEN_LINK, text)
    joined = BREAKING.sub("", text).lower()
    for secret in own:
        if BREAKING.sub("", secret).lower() in joined:  # To make a pattern of each would take longer than all the rest.
            text = re.sub(BREAK.join(map(re.escape, secret)), MASK, text, flags=re.IGNORECASE)
    for pattern in (SPLIT, ADDRESS):
        text = pattern.sub(lambda found: _kept(found.group(), keep), text)
    return text


def sorted_out(files: Iterable[Attachment], *, own: Collection[str] = ()) -> tuple[list[Attachment], list[str]]:
    """The files that can be passed on, under names without addresses, and the names of the others, each with why it cannot."""
    fit, unfit = [], []
    for number, file in enumerate(files, 1):
        if problem := _problem(file, own):
            unfit.append(f"{left_out_name(file.name) or f'file {number}'} ({problem})")
        else:
            fit.append(file._replace(name=file_name(file.name) or f"file {number}"))
    return fit, unfit


def file_name(name: str) -> str:
    """A file's name without folders and addresses."""
    return redact(parsing.file_name(redact(without_addresses(name))))


def left_out_name(name: str) -> str:
    """The same; of what mail programs enclose by themselves the kind alone, for it is called what its owner is called."""
    name = file_name(name)
    ending = PurePath(name).suffix.lower()
    return f"a {ending} file" if ending in OWN_NAMES else name


def _kept(found: str, keep: str) -> str:
    bare = found.strip(".,;:!?*_~`'()[]{}<>").casefold().removeprefix("mailto:")
    return found if keep and bare == keep.casefold() else MASK


def _problem(file: Attachment, own: Collection[str]) -> str:
    """Why a file cannot be passed on, or ""."""
    try:
        named = any(_names_anybody(text, own) for text in searching.texts_in_file(file.content, file.kind))
    except Sealed:
        return "it cannot be looked into"
    return "a mail address stands in it" if named else ""


def _names_anybody(text: str, own: Collection[str]) -> bool:
    """Whether a mail address, or a token of the writer's, stands in a text of a file."""
    lower = text.lower()
    squeezed = "".join(lower.split())
    if IN_A_FILE.search(lower) or any(secret.lower() in lower or secret.lower() in squeezed for secret in own):
        return True
    return next(searching.addresses_in(text), None) is not None

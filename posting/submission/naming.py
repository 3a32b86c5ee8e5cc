"""The mail addresses that a mail names, each of which may be a third party's. Pure; whoever calls compares them."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from chamberlist.redaction import ADDRESS

MOST = 200
LONGEST = 254

AROUND = ".,;:!?*_~`'()[]{}<>|/\\\u2018\u2019\u201c\u201d"
BETWEEN = re.compile(r"[?&=/#|]")
DOMAIN = re.compile(r"(?:[\w-]+\.)+[^\W\d][\w-]+|\[[0-9A-Fa-f.:]+\]")
# In a file's octets, chance writes more than people do: plain addresses alone, and no single letters.
# The domain is looked for first, and the local part from its end: else a long word would take the square of its length.
AT_DOMAIN = re.compile(rb"@(?:[A-Za-z0-9][A-Za-z0-9-]{1,62}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])")
LOCAL_BACKWARDS = re.compile(rb"[A-Za-z0-9._%+'-]{1,63}[A-Za-z0-9]")


def in_texts(texts: Iterable[str]) -> Iterator[str]:
    """Addresses in words, as written."""
    for text in texts:
        for form in (text, unquote(text)) if "%40" in text else (text,):
            for match in ADDRESS.finditer(form):
                written = match.group()
                # A link may name several: mailto:anne@bakery.example?cc=bob@bakery.example (RFC 6068).
                pieces = BETWEEN.split(written) if written.count("@") > 1 else [written]
                yield from filter(None, map(_trimmed, pieces))


def in_octets(layers: Iterable[bytes]) -> Iterator[str]:
    """Addresses in files, in characters of one octet or of two."""
    for layer in layers:
        for form in (layer, layer.replace(b"\0", b"")) if b"\0" in layer else (layer,):
            for match in AT_DOMAIN.finditer(form):
                before = form[max(match.start() - 64, 0) : match.start()]
                if local := LOCAL_BACKWARDS.match(before[::-1]):
                    yield (local.group()[::-1] + match.group()).decode()


def few(found: Iterable[str]) -> tuple[str, ...]:
    """Each once, in order, and no more than anybody would look at."""
    kept: dict[str, str] = {}
    for address in found:
        kept.setdefault(address.lower(), address)
        if len(kept) >= MOST:
            break
    return tuple(kept.values())


def _trimmed(match: str) -> str:
    """The address alone, without what stands around it in a text or a link; "" where it is none."""
    local, _, domain = match.strip(AROUND).removeprefix("mailto:").rpartition("@")
    found = DOMAIN.match(domain)
    local = local.lstrip(AROUND)
    return f"{local}@{found.group()}" if found and local and len(local) + len(domain) <= LONGEST * 4 else ""

"""The web sites that may show our subscribe form inside a page of theirs, as a setting names them."""

import re
from urllib.parse import urlsplit

from chamberlist.relay import is_loopback

MOST = 20
HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
FORM = (
    "EMBED_ORIGINS names web sites without a path, separated by commas, for example "
    "https://www.chamber.example; a host with other letters is written in its xn-- form."
)


def parse(text: str) -> tuple[str, ...]:
    """The origins (RFC 6454) in ``text``, separated by commas; ValueError with a sentence for anything else."""
    named = [part.strip() for part in text.split(",")] if text.strip() else []
    if len(named) > MOST:
        raise ValueError(f"EMBED_ORIGINS names {len(named)} web sites; {MOST} are the most.")
    return tuple(dict.fromkeys(_origin(part) for part in named))


def _origin(text: str) -> str:
    """One origin. It becomes part of a header, so that nothing passes that is not a scheme, a host and a port."""
    found = re.fullmatch(r"(https?)://([a-z0-9.-]+)(?::([0-9]{1,5}))?", text)
    if found is None or not HOST.fullmatch(found[2]) or not _is_port(found[3]):
        raise ValueError(FORM)
    if found[1] == "http" and not is_loopback(urlsplit(text).hostname or ""):
        raise ValueError("EMBED_ORIGINS: http:// is for this machine alone; write https:// for any other.")
    return text


def _is_port(text: str | None) -> bool:
    return text is None or 1 <= int(text) <= 65535

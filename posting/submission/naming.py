"""The mail addresses that a mail is addressed to, each of which may be a third party's. Pure; whoever calls compares them."""

from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from chamberlist.redaction import written_in

MOST = 200


def in_texts(texts: Iterable[str]) -> Iterator[str]:
    """Addresses in words, as written."""
    for text in texts:
        yield from written_in(text)
        if "%40" in text:
            yield from written_in(unquote(text))


def few(found: Iterable[str]) -> tuple[str, ...]:
    """Each once, in order, and no more than anybody would look at."""
    kept: dict[str, str] = {}
    for address in found:
        kept.setdefault(address.lower(), address)
        if len(kept) >= MOST:
            break
    return tuple(kept.values())

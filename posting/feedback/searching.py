"""Searching: the recipients that a report names in its text, in the form of no standard, and what it says of each."""

import logging
import re
from collections.abc import Iterator
from typing import NamedTuple

from flufl.bounce import all_failures

from chamberlist.parsing import Parsed

LONGEST = 16 * 1024  # Characters of a text that are searched for addresses.
MOST = 50
AROUND = 1_200
LISTED, KNOWN = 4, 10  # What it weighs that an address stands in a list, or is the one that we wrote to.
ADDRESS = re.compile(
    r"(?<![^\s<>\"'(),;:\[\]=*`„“»«>-])[^\s<>\"'(),;:\[\]@`„“»«]{1,64}"
    r"@(?:[^\s<>\"'(),;:\[\]@./?=&`„“»«]{1,63}\.){1,10}[^\s<>\"'(),;:\[\]@./?=&`„“»«]{2,63}"
)
OFFICES = re.compile(
    r"(?:postmaster|mailer-?daemon|mdaemon|daemon|abuse|hostmaster|help-?desk|support|admin(?:istrator)?|noc|no-?reply|webmaster|root)@",
    re.IGNORECASE,
)
# A line that has an address, and nothing else but a mark.
ALONE = re.compile(
    r"[ \t>*\"'<(\[-]{0,20}(?:(?:smtp|rfc822|recipient|mailto|address|user)[;:=]{1,2}[ \t]*)?[<\"'\[(]?\Z", re.IGNORECASE
)
ENDED = re.compile(r"[>\"'\])]{0,3}[ \t]*(?::|\.{0,3}[ \t]*(?:\n|\Z)|<mailto:|\n)")
DIRECT = re.compile(r"(?:smtp[:=]|expanded from: ?|rcpt to: ?|recipient: ?)[<\"'\[]{0,2}\Z", re.IGNORECASE)
TO_LINE = re.compile(r"[\W_]{0,12}to:[ \t]*[\"<]?", re.IGNORECASE)  # A header of the message that is quoted.
NAMED = re.compile(
    r"\b(?:recipients?|rcpt|to|for|user|address(?:es)?|mailbox|account|deliver\w*|undeliverable|reach\w*|failed|unknown|empf\w+"
    r"|destinat\w+|an|pour|para)\b[^\n@]{0,60}\Z",
    re.IGNORECASE,
)
OF_OTHERS = re.compile(
    r"\b(?:from|sender|contact|questions?|help|assistance|sent by|write to|reply to|e-?mail us|return path)\b[^\n@]{0,50}\Z",
    re.IGNORECASE,
)

logging.getLogger("flufl.bounce").disabled = True  # It writes a traceback, and what it quotes, wherever a format does not fit.


class Named(NamedTuple):
    """A recipient, and the words about it."""

    recipient: str
    near: str

    def __repr__(self) -> str:
        return "Named()"


class Place(NamedTuple):
    address: str
    start: int
    end: int
    weight: int


def recipients(said: str, *, domain: str, known: tuple[str, ...] = (), message: Parsed) -> list[Named]:
    """The recipients that the text names, most likely ones only; ``known`` are those that the copy or a header names."""
    text = said[:LONGEST]
    places = list(_places(text, domain, {address.lower() for address in known}))
    best = max((place.weight for place in places), default=0)
    if best < LISTED and len(said) < LONGEST:
        others = _by_other_formats(message, domain)
        if others:
            return [Named(address, _around(text, address)) for address in others]
    enough = LISTED if best < KNOWN else KNOWN
    listed = [place for place in places if place.weight >= enough] or [place for place in places if place.weight == best][:1]
    first = {place.address.lower(): place for place in reversed(listed[:MOST])}
    return [Named(place.address, _near(text, place, places)) for place in reversed(first.values())]


def _places(text: str, domain: str, known: set[str]) -> Iterator[Place]:
    for found in ADDRESS.finditer(text):
        address = found[0].strip(".")
        if _is_ours(address, domain):
            continue
        before = text[max(0, found.start() - 120) : found.start()].rpartition("\n")[2]
        if TO_LINE.fullmatch(before):
            yield Place(address, found.start(), found.end(), 0)
            continue
        weight = 1 + (KNOWN * (address.lower() in known))
        weight += LISTED * bool(DIRECT.search(before) or (ALONE.match(before) and ENDED.match(text, found.start() + len(address))))
        weight += 2 * bool(NAMED.search(before)) - 3 * bool(OF_OTHERS.search(before)) - 3 * bool(OFFICES.match(address))
        yield Place(address, found.start(), found.end(), max(weight, 1))


def _near(text: str, place: Place, places: list[Place]) -> str:
    """From the start of the address's line to the next recipient."""
    start = text.rfind("\n", 0, place.start) + 1
    others = [
        other.start
        for other in places
        if other.start > place.end and other.weight >= place.weight and other.address != place.address
    ]
    return text[start : min([*others, start + AROUND])]


def _around(text: str, address: str) -> str:
    at = text.lower().find(address.lower())
    return text[text.rfind("\n", 0, at) + 1 :][:AROUND] if at >= 0 else text[:AROUND]


def _by_other_formats(message: Parsed, domain: str) -> list[str]:
    """What flufl.bounce finds. It is asked for addresses alone: what is permanent it often takes from the format."""
    try:
        passing, lasting = all_failures(message)
    except Exception:  # noqa: BLE001 (It raises many kinds on mail that is merely odd.)
        return []
    addresses = [octets.decode("ascii", "replace").strip() for octets in (*lasting, *passing)]
    return sorted({address for address in addresses if "@" in address and not _is_ours(address, domain)})[:MOST]


def _is_ours(address: str, domain: str) -> bool:
    at = address.lower().rpartition("@")[2].strip(".>")
    return at == domain.lower() or at.endswith(f".{domain.lower()}")

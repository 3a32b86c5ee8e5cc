"""DMARC (RFC 9989): which policy a domain publishes for mail in its name, and which domains belong to one organisation."""

from dataclasses import dataclass
from typing import Literal, cast

from posting.inbound.lookups import Lookups
from posting.inbound.signatures import tag_list

Wish = Literal["none", "quarantine", "reject", ""]
MILDER: dict[str, Wish] = {"reject": "quarantine", "quarantine": "none"}  # A domain that only tries its policy out (t=y).


@dataclass(frozen=True)
class Record:
    """A policy record, and the domain that published it."""

    domain: str
    tags: dict[str, str]


@dataclass(frozen=True)
class Policy:
    """What holds for an author's domain; ``wish`` is "" where nobody published anything."""

    organisation: str
    wish: Wish
    strict: bool


def policy(domain: str, lookups: Lookups) -> Policy:
    """The policy for a domain in a From (RFC 9989 section 4.10.1); raises ``lookups.Unanswered``."""
    records = walk(domain, lookups)
    if not records:
        return Policy(domain, "", strict=False)
    organisation = _organisation(domain, records)
    if records[0].domain == domain:
        record, wish = records[0], records[0].tags.get("p")
    else:
        # A public suffix's own record holds where the organisation below it has none.
        record = next((each for each in records if each.domain == organisation), records[-1])
        wish = record.tags.get("sp", record.tags.get("p"))
        if "np" in record.tags and not lookups.ask(domain).exists:
            wish = record.tags["np"]
    known = cast("Wish", wish if wish in ("none", "quarantine", "reject") else "none")
    trying = record.tags.get("t") == "y"
    return Policy(organisation, MILDER.get(known, known) if trying else known, strict=record.tags.get("adkim") == "s")


def organisation(domain: str, lookups: Lookups) -> str:
    """The organisational domain of a domain (RFC 9989 section 4.10.2); raises ``lookups.Unanswered``."""
    return _organisation(domain, walk(domain, lookups))


def walk(domain: str, lookups: Lookups) -> list[Record]:
    """The records from a domain upwards, the nearest first: at most eight look-ups (RFC 9989 section 4.10)."""
    labels = domain.split(".")
    above = labels[-7:] if len(labels) >= 8 else labels[1:]
    records: list[Record] = []
    for target in (domain, *(".".join(above[cut:]) for cut in range(len(above)))):
        record = _record(target, lookups)
        if record:
            records.append(record)
            if record.tags.get("psd") in ("y", "n"):
                break
    return records


def _record(domain: str, lookups: Lookups) -> Record | None:
    """The policy record of exactly this domain; several are as good as none."""
    texts = [text.decode("utf-8", "replace") for text in lookups.texts(f"_dmarc.{domain}")]
    read = [tag_list(text) for text in texts if text.replace(" ", "").startswith("v=DMARC1")]
    if len(read) != 1 or read[0] is None or read[0].get("v") != "DMARC1":
        return None
    return Record(domain, {name: value.lower() for name, value in read[0].items()})


def _organisation(domain: str, records: list[Record]) -> str:
    if not records:
        return domain
    last = records[-1]
    if last.tags.get("psd") == "y" and last.domain != domain:
        below = last.domain.count(".") + 2  # A public suffix: the organisation is one label below it.
        return ".".join(domain.split(".")[-below:])
    return last.domain

"""Members from a file: with evidence of their consent, or asked one by one."""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import TextIO

from django.db import transaction
from django.db.models import Q

from chamberlist.clock import now
from chamberlist.redaction import redact
from subscriptions import addresses, consent, lifecycle
from subscriptions.addresses import Address, BadAddress
from subscriptions.models import ConsentEvent, MailingList, Subscription, Suppression

CHUNK = 1000
OUTCOMES = ("imported", "asked", "asked_lately", "already", "left_before", "suppressed", "repeated", "bad")


class BadFile(ValueError):
    """The file cannot be used; the message says why and names no address."""


@dataclass(frozen=True)
class Rows:
    """What a file holds: its addresses without repetitions, in order, and the numbers of the rows that are none."""

    addresses: list[Address]
    repeated: int
    bad: list[int]


def read(file: TextIO) -> Rows:
    """Read a CSV file with a column ``email``; row numbers are those of a spreadsheet, the heading being row 1.

    Commas, semicolons (as a spreadsheet writes where the comma is for decimals) and tabs are read alike.
    """
    heading = file.readline()
    separator = max(",;\t", key=heading.count)
    found: dict[bytes, Address] = {}
    bad: list[int] = []
    repeated = column = number = 0
    try:
        for number, row in enumerate(csv.reader(chain([heading], file), delimiter=separator), start=1):
            if number == 1:
                column = _column(row)
            elif any(cell.strip() for cell in row):
                try:
                    address = addresses.parse(row[column] if column < len(row) else "")
                except BadAddress:
                    bad.append(number)
                    continue
                repeated += address.hash in found
                found.setdefault(address.hash, address)
    except csv.Error as error:
        raise BadFile(f"Row {number + 1} cannot be read as CSV ({error}). Nothing was imported.") from None
    return Rows(list(found.values()), repeated, bad)


def _column(heading: list[str]) -> int:
    names = [name.strip().lower() for name in heading]
    if "email" not in names:
        raise BadFile("The file has no column named email. Write that word into the first row, above the addresses.")
    return names.index("email")


@transaction.atomic
def with_evidence(mailing_list: MailingList, rows: Rows, *, evidence: str) -> dict[str, int]:
    """Subscribe who is new to the list, on the evidence given. Who left, or must not be mailed, stays as they are."""
    counts = _counts(rows)
    for start in range(0, len(rows.addresses), CHUNK):
        new = []
        for address, outcome in _sorted_out(mailing_list, rows.addresses[start : start + CHUNK]):
            counts[outcome] += 1
            if outcome == "imported":
                new.append(address)
        _subscribe(mailing_list, new, evidence)
    return dict(counts)


def by_asking(mailing_list: MailingList, rows: Rows, *, evidence: str) -> dict[str, int]:
    """Mail the question to who is new to the list; only their own answer subscribes them."""
    counts = _counts(rows)
    for start in range(0, len(rows.addresses), CHUNK):
        for address, outcome in _sorted_out(mailing_list, rows.addresses[start : start + CHUNK]):
            if outcome == "imported":
                asked = lifecycle.sign_up(mailing_list, address, how="import", evidence=evidence)
                counts["asked" if asked else "asked_lately"] += 1
            else:
                counts[outcome] += 1
    return dict(counts)


def _counts(rows: Rows) -> Counter[str]:
    return Counter(dict.fromkeys(OUTCOMES, 0) | {"repeated": rows.repeated, "bad": len(rows.bad)})


def _sorted_out(mailing_list: MailingList, chunk: list[Address]) -> Iterable[tuple[Address, str]]:
    hashes = [address.hash for address in chunk]
    known = Subscription.objects.filter(mailing_list=mailing_list, address_hash__in=hashes)
    states = {bytes(address_hash): state for address_hash, state in known.values_list("address_hash", "state")}
    scope = Q(mailing_list=mailing_list) | Q(mailing_list=None)
    suppressed = Suppression.objects.filter(scope, address_hash__in=hashes).values_list("address_hash", flat=True)
    never = {bytes(address_hash) for address_hash in suppressed}
    for address in chunk:
        state = states.get(address.hash)
        if address.hash in never:
            yield address, "suppressed"
        elif state in (Subscription.State.UNSUBSCRIBED, Subscription.State.SUSPENDED):
            yield address, "left_before"
        else:
            yield address, "already" if state else "imported"


def _subscribe(mailing_list: MailingList, new: list[Address], evidence: str) -> None:
    moment = now()
    subscriptions = []
    for address in new:
        subscription = Subscription(
            mailing_list=mailing_list,
            address_hash=address.hash,
            domain_hash=address.domain_hash,
            state=Subscription.State.ACTIVE,
            confirmed_at=moment,
        )
        subscription.address = address.text
        subscriptions.append(subscription)
    Subscription.objects.bulk_create(subscriptions)
    version = consent.wording(mailing_list).version
    ConsentEvent.objects.bulk_create(
        ConsentEvent(
            mailing_list=mailing_list,
            address_hash=address.hash,
            kind=ConsentEvent.Kind.IMPORTED,
            how="import",
            wording=version,
            evidence=redact(evidence)[:500],
        )
        for address in new
    )

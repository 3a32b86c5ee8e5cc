"""Receiving: the one way in for mail, whichever door it comes by. What is taken is sealed and on disk before anybody is told so."""

import hashlib
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from chamberlist import bell
from chamberlist.sealed import blind_index
from posting.inbound import destinations
from posting.models import InboundMail

LARGEST = 10 * 1024 * 1024  # Octets.
MOST_RECIPIENTS = 10  # Of one message: nobody has a reason to write to more of our addresses at once.

TOO_LARGE = f"552 5.3.4 The message is larger than {LARGEST} octets"


def refusal(raw: bytes) -> str:
    """What a server is told whose message is none that we take, or "".

    A line break that is not CRLF ends a message for some servers and not for others (RFC 5321 section 2.3.8; SMTP smuggling).
    """
    if len(raw) > LARGEST:
        return TOO_LARGE
    lines = raw.count(b"\r\n")
    if raw.count(b"\r") != lines or raw.count(b"\n") != lines:
        return "550 5.6.0 The message has a CR or LF alone, where lines end with both"
    if b"\0" in raw:
        return "550 5.6.0 The message has a NUL in it"
    return ""


def with_crlf(raw: bytes) -> bytes:
    """A message as a file of this machine has it, with the line ends of a mail."""
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")  # A pattern would take a piece of memory for each line.


def take(envelope_sender: str, recipients: Sequence[str], raw: bytes, *, via: str) -> int:
    """Keep one message for each recipient; committed when this returns. How many were new: what comes twice is taken once.

    One copy at a time is sealed and written, so that many recipients take no more memory than one.

    ``recipients`` are addresses of ours (``destinations.find``); ``envelope_sender`` is "" for the null sender.
    """
    fingerprint = hashlib.sha256(raw).hexdigest()
    handles: list[UUID] = []
    with transaction.atomic(durable=True):
        for recipient in dict.fromkeys(map(destinations.complete, recipients)):
            row = _row(envelope_sender, recipient, raw, fingerprint, via)
            InboundMail.objects.bulk_create([row], ignore_conflicts=True)
            handles.append(row.handle)
        new = InboundMail.objects.filter(handle__in=handles).count()
        if new:
            bell.ring_for_many("posting.tasks.read_mail")
    return new


def _row(envelope_sender: str, recipient: str, raw: bytes, fingerprint: str, via: str) -> InboundMail:
    destination = destinations.find(recipient)
    row = InboundMail(digest=blind_index("inbound/1", f"{recipient}\0{fingerprint}"), via=via, size=len(raw))
    row.place = destination.place if destination else ""
    row.envelope_sender = envelope_sender
    row.recipient = recipient
    row.content = raw
    return row

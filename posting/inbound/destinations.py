"""Destinations: which addresses of LIST_DOMAIN are ours, and what for. Every other recipient is refused in the session."""

import re
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from django.conf import settings

from chamberlist import tokens
from subscriptions.models import MailingList

Place = Literal["list", "request", "owner", "bounce", "reply", "talk", "leave", "role", "no-reply"]

TOKENS: dict[str, tuple[Place, str]] = {  # prefix of the local part: place, purpose of the token
    "b": ("bounce", "bounce"),  # The envelope sender of a copy (VERP); its handle is the delivery's.
    "r": ("reply", "reply"),  # Reply-To of a copy; the delivery's.
    "c": ("talk", "talk"),  # Under which a member appears to the sender; the conversation's.
    "leave": ("leave", "leave"),  # List-Unsubscribe; the subscription's.
}
TOKEN_LENGTH = 52  # Characters of base32 for a handle and its MAC.
ENDS: dict[str, Place] = {"-request": "request", "-owner": "owner"}  # Of the local part, behind a list's name.
ROLES = ("postmaster", "abuse", "hostmaster", "security")  # RFC 5321 section 4.5.1, RFC 2142.
LOCAL = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
UNKNOWN = "550 5.1.1 There is no such address here"
FOREIGN = "550 5.7.1 Mail for other domains is not taken here"


@dataclass(frozen=True)
class Destination:
    """One address of ours: a list's by its ``slug``, or the ``handle`` that a valid token carries."""

    place: Place
    slug: str = ""
    handle: UUID | None = None


def find(recipient: str) -> Destination | None:
    """What an address is for; None where it is not ours: another domain, a forged token, no such list, or an odd form.

    Without percent hack, source route or quoted local part (RFC 5321 section 4.1.2): those are other servers' ways to relay.
    Upper case is the same address: some servers fold what they bring back. Letters beyond ASCII never are one of ours.
    """
    local, domain = _parts(recipient)
    if domain != settings.LIST_DOMAIN or not LOCAL.fullmatch(local):
        return None
    if local in ROLES:
        return Destination("role")
    if local == "no-reply":
        return Destination("no-reply")
    prefix, _, token = local.partition("-")
    if prefix in TOKENS and len(token) == TOKEN_LENGTH:
        place, purpose = TOKENS[prefix]
        try:
            return Destination(place, handle=tokens.read(purpose, token))
        except tokens.Forged:
            return None
    return _of_a_list(local)


def refusal(recipient: str) -> str:
    """What a server is told that has a mail for this address (RFC 5321 section 3.6.2), or "" where it is ours."""
    if find(recipient) is not None:
        return ""
    return UNKNOWN if _parts(recipient)[1] == settings.LIST_DOMAIN else FOREIGN


def complete(recipient: str) -> str:
    """The address in the one form that we keep: lower case, with its domain."""
    return "@".join(_parts(recipient))


def _parts(recipient: str) -> tuple[str, str]:
    if not recipient.isascii():
        return "", ""
    if recipient.lower() == "postmaster":  # The one address that needs no domain (RFC 5321 section 4.5.1).
        return "postmaster", settings.LIST_DOMAIN
    local, _, domain = recipient.lower().rpartition("@")
    return local, domain


def _of_a_list(local: str) -> Destination | None:
    """A list may be called like another one's helper: its own name comes first."""
    readings: list[tuple[Place, str]] = [("list", local)]
    readings += [(place, local[: -len(end)]) for end, place in ENDS.items() if local.endswith(end)]
    there = set(MailingList.objects.filter(slug__in=[slug for _, slug in readings]).values_list("slug", flat=True))
    return next((Destination(place, slug=slug) for place, slug in readings if slug in there), None)

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
ROLES = ("postmaster", "abuse", "hostmaster", "security")  # RFC 5321 section 4.5.1, RFC 2142.
LOCAL = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


@dataclass(frozen=True)
class Destination:
    """One address of ours: a list's by its ``slug``, or the ``handle`` that a valid token carries."""

    place: Place
    slug: str = ""
    handle: UUID | None = None


def find(recipient: str) -> Destination | None:
    """What an address is for; None where it is not ours: another domain, a forged token, no such list, or an odd form.

    Without percent hack, source route or quoted local part (RFC 5321 section 4.1.2): those are other servers' ways to relay.
    """
    local, at, domain = recipient.lower().rpartition("@")
    if not at or domain != settings.LIST_DOMAIN or not LOCAL.fullmatch(local):
        return None
    if local in ROLES:
        return Destination("role")
    if local == "no-reply":
        return Destination("no-reply")
    prefix, _, token = local.partition("-")
    if prefix in TOKENS and len(token) == 52:
        place, purpose = TOKENS[prefix]
        try:
            return Destination(place, handle=tokens.read(purpose, token))
        except tokens.Forged:
            return None
    return _of_a_list(local)


def _of_a_list(local: str) -> Destination | None:
    slugs = {local: "list", local.removesuffix("-request"): "request", local.removesuffix("-owner"): "owner"}
    for slug, place in slugs.items():
        if (place == "list" or slug != local) and MailingList.objects.filter(slug=slug).exists():
            return Destination(place, slug=slug)  # type: ignore[arg-type]
    return None

"""Opaque tokens for links and addresses: a random 128-bit handle, for one purpose, under a MAC that any of TOKEN_KEYS proves.

Lower-case base32: a token survives mail systems that fold case, and fits a local part of 64 octets (RFC 5321 section 4.5.3.1.1).
"""

import base64
import binascii
import hmac
import time
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.http import Http404

HANDLE_BYTES = MAC_BYTES = 16
EXPIRY_BYTES = 5


class Forged(Http404):
    """Not a token of ours for this purpose. A view lets it pass: the page does not exist."""


class Expired(Forged):
    """A token of ours whose time is over."""


def make(purpose: str, handle: UUID, *, lifetime: timedelta | None = None) -> str:
    """The token of ``handle`` for ``purpose``; it works for years, or for ``lifetime``."""
    body = handle.bytes
    if lifetime is not None:
        body += int(time.time() + lifetime.total_seconds()).to_bytes(EXPIRY_BYTES, "big")
    _, key = settings.TOKEN_KEYS.first
    return base64.b32encode(body + _mac(key, purpose, body)).decode().rstrip("=").lower()


def read(purpose: str, token: str) -> UUID:
    """The handle in ``token``; raises ``Forged``, or ``Expired`` when its lifetime is over."""
    try:
        raw = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    except (binascii.Error, ValueError):
        raise Forged from None
    body, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    if len(body) not in (HANDLE_BYTES, HANDLE_BYTES + EXPIRY_BYTES):
        raise Forged
    if not any(hmac.compare_digest(mac, _mac(key, purpose, body)) for key in settings.TOKEN_KEYS.keys.values()):
        raise Forged
    if len(body) > HANDLE_BYTES and int.from_bytes(body[HANDLE_BYTES:], "big") < time.time():
        raise Expired
    return UUID(bytes=body[:HANDLE_BYTES])


def _mac(key: bytes, purpose: str, body: bytes) -> bytes:
    return hmac.digest(key, purpose.encode() + b"\0" + body, "sha256")[:MAC_BYTES]

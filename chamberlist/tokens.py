"""Opaque tokens for links and addresses: a random 128-bit handle, for one purpose, under a MAC that any of TOKEN_KEYS proves.

Lower-case base32: a token survives mail systems that fold case, and fits a local part of 64 octets (RFC 5321 section 4.5.3.1.1).
"""

import base64
import binascii
import hashlib
import hmac
import time
from datetime import timedelta
from functools import cache
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
    return _base32(body + _mac(key, purpose, body))


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


# A copy needs four tokens: the two functions below take a third of the time of ``hmac.digest`` and ``base64.b32encode``.


def _mac(key: bytes, purpose: str, body: bytes) -> bytes:
    inner, outer = (state.copy() for state in _keyed(key))
    inner.update(purpose.encode() + b"\0" + body)
    outer.update(inner.digest())
    return outer.digest()[:MAC_BYTES]


@cache
def _keyed(key: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """The states of HMAC-SHA256 (RFC 2104 section 2) once the key has been read."""
    block = key.ljust(64, b"\0")
    return hashlib.sha256(bytes(octet ^ 0x36 for octet in block)), hashlib.sha256(bytes(octet ^ 0x5C for octet in block))


def _spreading() -> list[tuple[int, int, int]]:
    """How far, and which bits, to move apart so that 64 groups of 5 bits stand in an octet each: halves, quarters and so on."""
    steps, size = [], 64
    while size > 1:
        half, blocks = size // 2, range(0, 8 * 64, 8 * size)
        low = sum((1 << 5 * half) - 1 << at for at in blocks)
        steps.append((3 * half, low, low << 5 * half))
        size = half
    return steps


SPREADING = _spreading()
ALPHABET = b"abcdefghijklmnopqrstuvwxyz234567".ljust(256)  # RFC 4648 section 6, in lower case.


def _base32(raw: bytes) -> str:
    """Up to 40 octets in base32, without padding."""
    length = -(-len(raw) * 8 // 5)
    bits = int.from_bytes(raw, "big") << length * 5 - len(raw) * 8
    for distance, low, high in SPREADING:
        bits = bits & low | (bits & high) << distance
    return bits.to_bytes(64, "big")[-length:].translate(ALPHABET).decode()

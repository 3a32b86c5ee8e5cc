"""Opaque tokens for links and addresses: a random 128-bit handle, for one purpose, under a MAC that any of TOKEN_KEYS proves.

Lower-case base32: a token survives mail systems that fold case, and fits a local part of 64 octets (RFC 5321 section 4.5.3.1.1).
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache, lru_cache
from itertools import chain, islice
from operator import add
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
    return _base32([body + _mac(key, purpose, body)])[0].decode()


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


# A copy has four tokens, each derived twice: what follows takes a third of the time of ``hmac.digest`` and ``base64.b32encode``.


def make_all(handles: Mapping[str, Sequence[bytes]]) -> dict[str, list[bytes]]:
    """The tokens of as many handles (of 16 octets) for each purpose, as ``make`` gives them, in ASCII."""
    _, key = settings.TOKEN_KEYS.first
    raw: list[bytes] = []
    for purpose, bodies in handles.items():
        raw += map(add, bodies, _macs(key, purpose, bodies))
    tokens = chain.from_iterable(_base32(raw[at : at + AT_ONCE]) for at in range(0, len(raw), AT_ONCE))
    return {purpose: list(islice(tokens, len(bodies))) for purpose, bodies in handles.items()}


def _mac(key: bytes, purpose: str, body: bytes) -> bytes:
    return _macs(key, purpose, [body])[0]


def _macs(key: bytes, purpose: str, bodies: Sequence[bytes]) -> list[bytes]:
    begun, ending = _begun(key, purpose)
    macs = []
    for body in bodies:
        inner, outer = begun.copy(), ending.copy()
        inner.update(body)
        outer.update(inner.digest())
        macs.append(outer.digest()[:MAC_BYTES])
    return macs


@lru_cache
def _begun(key: bytes, purpose: str) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """The inner and the outer state of HMAC-SHA256 (RFC 2104 section 2) once they have read the key, and the purpose."""
    block = key.ljust(64, b"\0")
    inner, outer = (hashlib.sha256(bytes(octet ^ pad for octet in block)) for pad in (0x36, 0x5C))
    inner.update(purpose.encode() + b"\0")
    return inner, outer


AT_ONCE = 64  # Values that are written as one number.
ROOM = 64  # Octets for one value: 40 of them become as many characters of 5 bits.
ALPHABET = b"abcdefghijklmnopqrstuvwxyz234567".ljust(256)  # RFC 4648 section 6, in lower case.


def _base32(values: Sequence[bytes]) -> list[bytes]:
    """Values of one length, of up to 40 octets, in base32 without padding: all of them as one number, split in five steps."""
    size = len(values[0])
    length = -(-size * 8 // 5)
    number = int.from_bytes(bytes(ROOM - size).join([b"", *values]), "big") << length * 5 - size * 8
    for distance, low, high in _spreading(len(values)):
        number = number & low | (number & high) << distance
    text = number.to_bytes(ROOM * len(values), "big").translate(ALPHABET)
    return [text[end - length : end] for end in range(ROOM, len(text) + 1, ROOM)]


@cache
def _spreading(values: int) -> list[tuple[int, int, int]]:
    """How far, and which bits, to move apart so that each group of 5 bits stands in an octet: halves, quarters and so on."""
    steps, size = [], ROOM
    while size > 1:
        half, blocks = size // 2, range(0, 8 * ROOM * values, 8 * size)
        low = sum((1 << 5 * half) - 1 << at for at in blocks)
        steps.append((3 * half, low, low << 5 * half))
        size = half
    return steps

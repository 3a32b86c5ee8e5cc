"""Key rings: secrets as they stand in the environment, ``id:base64url of 32 bytes``, comma-separated.

The first key of a ring makes, all of them open. ``manage.py makekeys`` prints fresh ones in a whole environment block,
``makekeys --address-key`` one alone, to be put before the others of ADDRESS_KEYS;
``python -m chamberlist.keys`` prints them alone.
"""

import base64
import binascii
import re
import secrets
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, pairwise

KEY_BYTES, SECRET_LENGTH = 32, 40
EXAMPLE = re.compile(r"insecure|secret|change.?me|example|password|default|replace|your.?key|keyboard.?cat", re.IGNORECASE)
BLOCK = """\
# Secrets, made now. Keep them out of backups of the database: together with it they show the members.
{secrets}

# Where everything is. Change what stands in capitals.
DATABASE_URL=postgres://chamberlist:PASSWORD@localhost:5432/chamberlist
REDIS_URL=redis://localhost:6379/0
SITE_URL=https://LISTS.CHAMBER.EXAMPLE
LIST_DOMAIN=LISTS.CHAMBER.EXAMPLE
SMTP_URL=smtp://USER:PASSWORD@SMTP.CHAMBER.EXAMPLE:587/?tls=starttls
STATE_DIR=/var/lib/chamberlist

# The Chamber, as its pages and mails name it.
CHAMBER_NAME=THE CHAMBER OF COMMERCE
CHAMBER_POSTAL_ADDRESS=1 HIGH STREET, TOWN
CHAMBER_CONTACT=OFFICE@CHAMBER.EXAMPLE
CHAMBER_COLOUR=#1d5c63"""
ID = re.compile(r"[A-Za-z0-9]{1,32}")  # It stands before each sealed value, and SQL reads it there.
SECRETS = ("ADDRESS_KEYS", "INDEX_KEYS", "TOKEN_KEYS")


class BadKeys(ValueError):
    """The text is no key ring; the message names the variable and says what to do, and never quotes a secret."""


@dataclass(frozen=True)
class KeyRing:
    """Ordered keys by id."""

    keys: dict[str, bytes] = field(repr=False)

    @cached_property
    def first(self) -> tuple[str, bytes]:
        """The id and the bytes of the key that makes new values."""
        return next(iter(self.keys.items()))


def fresh(key_id: str = "") -> str:
    """A ring of one new key, as it stands in the environment; without an id it gets one of its own."""
    return f"{key_id or 'k' + secrets.token_hex(3)}:{base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode().rstrip('=')}"


def parse(name: str, text: str) -> KeyRing:
    """Read the ring in variable ``name``; raises ``BadKeys`` where it is not one."""
    advice = f"{name}: run `manage.py makekeys` for a good value and keep every old key in the list."
    keys: dict[str, bytes] = {}
    for position, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        key_id, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not ID.fullmatch(key_id) or len(key) != KEY_BYTES:
            raise BadKeys(f"Key {position} is not of the form id:base64url of {KEY_BYTES} bytes. {advice}")
        if len(set(key)) < KEY_BYTES // 4 or _is_regular(key) or all(32 <= octet < 127 for octet in key):
            raise BadKeys(f"Key {position} is not random. {advice}")
        if key_id in keys:
            raise BadKeys(f"Two keys have the same id {key_id}. {advice}")
        keys[key_id] = key
    if not keys:
        raise BadKeys(f"There is no key. {advice}")
    return KeyRing(keys)


def check_apart(**rings: KeyRing) -> None:
    """Raises ``BadKeys`` where two rings, by the names of their variables, share a key: a leak of one would be one of both."""
    for (name, ring), (other_name, other) in combinations(rings.items(), 2):
        if set(ring.keys.values()) & set(other.keys.values()):
            raise BadKeys(
                f"{name} and {other_name} have a key in common, so that a leak of one would be a leak of both. "
                "Run `manage.py makekeys` and take a key of its own for the one that was filled in last."
            )


def checked_secret_key(text: str) -> str:
    """``SECRET_KEY``; raises ``BadKeys`` where it can be guessed."""
    advice = "Run `manage.py makekeys` for a good SECRET_KEY; everybody must then sign in again, and nothing is lost."
    if len(text) < SECRET_LENGTH or len(set(text)) < 10:
        raise BadKeys(f"SECRET_KEY is too short to be a secret. {advice}")
    if EXAMPLE.search(text):
        raise BadKeys(f"SECRET_KEY is one of an example, which everybody knows. {advice}")
    if _is_regular(text.encode()):
        raise BadKeys(f"SECRET_KEY is not random. {advice}")
    return text


def _is_regular(octets: bytes) -> bool:
    """Whether it is one piece again and again, or goes on by the same step for the most part."""
    if any(octets[period:] == octets[:-period] for period in range(1, len(octets) // 2 + 1)):
        return True
    steps = Counter((after - before) % 256 for before, after in pairwise(octets))
    return steps.most_common(1)[0][1] > len(octets) // 2


def environment() -> dict[str, str]:
    """Fresh secrets, by the names of their variables."""
    return {"SECRET_KEY": secrets.token_urlsafe(48)} | {name: fresh() for name in SECRETS}


def lines() -> str:
    """Fresh secrets, one ``NAME=value`` a line."""
    return "\n".join(f"{name}={value}" for name, value in environment().items())


def block() -> str:
    """A complete environment block with fresh secrets."""
    return BLOCK.format(secrets=lines())


if __name__ == "__main__":
    print(lines())

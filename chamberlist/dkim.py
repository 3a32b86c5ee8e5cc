"""The keys that sign our mail (DKIM, RFC 6376): ``DKIM_SELECTOR`` and ``DKIM_KEY`` read into signers."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

SHORTEST_RSA = 2048  # Bits; RFC 8301 section 3.2 asks signers for so many.
ED25519_SIGNATURE = 64  # Octets (RFC 8032 section 5.1.6).
PEM = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)
LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")
ADVICE = "docs/production.md shows how to make a key."


class BadDkim(ValueError):
    """Not usable; the message names the variable, says what to do, and quotes no key."""


@dataclass(frozen=True)
class Signer:
    """One key, and the selector under which the domain publishes its other half."""

    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> Literal["rsa-sha256", "ed25519-sha256"]:
        """The ``a=`` of its signatures."""
        return "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data``, the same each time. Ed25519 signs the hash of it (RFC 8463 section 3)."""
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(data, PKCS1v15(), hashes.SHA256())
        return self.key.sign(hashlib.sha256(data).digest())

    def has_signed(self, data: bytes, signature: bytes) -> bool:
        """Whether that is the signature of this key over ``data``: RSA verifies faster than it signs, and Ed25519 slower."""
        if self._public is None:
            return self.sign(data) == signature
        try:
            self._public.verify(signature, data, PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    @property
    def length(self) -> int:
        """How many octets a signature of this key has."""
        return -(-self.key.key_size // 8) if isinstance(self.key, RSAPrivateKey) else ED25519_SIGNATURE

    @cached_property
    def _public(self) -> RSAPublicKey | None:
        return self.key.public_key() if isinstance(self.key, RSAPrivateKey) else None

    def record(self, domain: str) -> tuple[str, str]:
        """Name and text of the TXT record that the domain must have (RFC 6376 section 3.6.1)."""
        public = self.key.public_key()
        if isinstance(self.key, RSAPrivateKey):
            kind, octets = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, octets = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"{self.selector}._domainkey.{domain}", f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode()}"


def parse(selectors: str, keys: str) -> tuple[Signer, ...]:
    """The signers, in the order given: as many keys (PEM, one after the other) as selectors (comma-separated).

    Both empty: nothing is signed. Raises ``BadDkim``.
    """
    names = [name.strip() for name in selectors.split(",") if name.strip()]
    found = PEM.findall(keys.replace("\\n", "\n"))  # A line of an environment file holds no line break.
    if PEM.sub("", keys.replace("\\n", "\n")).strip():
        raise BadDkim(f"DKIM_KEY holds something that is no PEM key. {ADVICE}")
    if len(names) != len(found):
        raise BadDkim(
            f"DKIM_SELECTOR names {len(names)} and DKIM_KEY holds {len(found)}: write one selector for each key, in the same order."
        )
    if len(set(names)) != len(names) or not all(LABEL.fullmatch(name) for name in names):
        raise BadDkim("DKIM_SELECTOR takes names such as c2026 or rsa2026,ed2026: letters, digits and hyphens, each once.")
    return tuple(Signer(name, _read(pem, position)) for position, (name, pem) in enumerate(zip(names, found, strict=True), 1))


def records(signers: Sequence[Signer], domain: str) -> list[tuple[str, str]]:
    """What the domain must publish, a TXT record for each signer."""
    return [signer.record(domain) for signer in signers]


def _read(pem: str, position: int) -> RSAPrivateKey | Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadDkim(f"Key {position} of DKIM_KEY cannot be read, or has a password. {ADVICE}") from None
    if isinstance(key, RSAPrivateKey) and key.key_size < SHORTEST_RSA:
        raise BadDkim(f"Key {position} of DKIM_KEY is an RSA key of {key.key_size} bits; receivers want {SHORTEST_RSA}. {ADVICE}")
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise BadDkim(f"Key {position} of DKIM_KEY is neither RSA nor Ed25519. {ADVICE}")
    return key

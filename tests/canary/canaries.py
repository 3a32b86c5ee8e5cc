"""Canaries: addresses and secrets that stand only where the audit puts them. Half of an address is as good a find as all of it."""

import base64
import hashlib
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

MARK = "qzjxkvq"  # In each half of each address; no word of any language, and in base64 neither "+" nor "/".
LETTERS = "abcdefghijklmnop"
LENGTH = 8
PATTERN = re.compile(rf"{MARK}([a-z])([{LETTERS}]{{{LENGTH}}})".encode(), re.IGNORECASE)
KINDS = {
    "m": "a member's address",
    "s": "a sender's contact address",
    "v": "an address that a visitor typed",
    "n": "an address named in a post",
    "f": "an address named in a file",
    "i": "the author of a mail that came in",
    "u": "an address in a header of a browser",
    "k": "a secret",
}


@dataclass(frozen=True)
class Canary:
    """One thing to look for. It is never printed: ``kind`` is."""

    kind: str
    serial: str
    text: str = field(repr=False)

    @property
    def spellings(self) -> set[str]:
        """What a hash of the plain address might have been made of."""
        local, _, domain = self.text.rpartition("@")
        found = {self.text, local, domain}
        if "xn--" in domain:
            found |= {f"{local}@{domain.encode().decode('idna')}", domain.encode().decode("idna")}
        return found | {each.lower() for each in found} | {each.upper() for each in found}


class Aviary:
    """Makes canaries, and knows them by their serials."""

    def __init__(self, seed: int | None = None) -> None:
        self.chance = random.Random(seed)
        self.canaries: dict[str, Canary] = {}
        self.secrets: dict[str, bytes] = {}  # Those that were not of our making, by what they are.

    def address(self, kind: str, form: str = "{local}@{domain}") -> str:
        """A new address of this kind; ``form`` says how it is written."""
        serial = "".join(self.chance.choices(LETTERS, k=LENGTH))
        assert kind in KINDS and serial not in self.canaries
        local, domain = f"{MARK}{kind}{serial}", f"{MARK}{kind}{serial}.example"
        text = form.format(local=local, domain=domain)
        self.canaries[serial] = Canary(kind, serial, text)
        return text

    def members(self, number: int) -> list[str]:
        """So many, some of an odd form."""
        return [self.address("m", FORMS[place] if place < len(FORMS) else "{local}@{domain}") for place in range(number)]

    def secret(self, name: str, value: bytes | str) -> None:
        """Look for this as well: at least eight octets of it."""
        octets = value.encode() if isinstance(value, str) else value
        assert len(octets) >= 8
        self.secrets[name] = octets

    def of(self, text: str) -> Canary:
        """The canary of an address."""
        found = PATTERN.search(text.encode())
        assert found is not None
        return self.canaries[found[2].decode().lower()]

    def digests(self) -> Iterator[tuple[str, Canary]]:
        """What each plain address, or a half of it, hashes to: as hex, base64 and base32 without padding."""
        for canary in self.canaries.values():
            for spelling in canary.spellings:
                for algorithm in ("md5", "sha1", "sha256"):
                    digest = hashlib.new(algorithm, spelling.encode(), usedforsecurity=False).digest()
                    for written in as_text(digest):
                        yield written, canary


FORMS = (
    '"{local} of the bakery"@{domain}',  # Quoted (RFC 5321 section 4.1.2).
    '"{local}@home"@{domain}',
    "{local}+chamber@{domain}",
    "{local}@büro.{domain}",  # Written as xn-- where mail goes.
    "{local}@{domain}".replace("{domain}", "mail.{domain}"),
    "O'{local}@{domain}",
    "{local}=x@{domain}",
    "jörg{local}@{domain}",
    "{local}" + "y" * 40 + "@{domain}",
    "{local}@" + "a" * 60 + "." + "b" * 60 + ".{domain}",
    "a.b.{local}.c@{domain}",
    "%{local}%@{domain}",
    "&{local}&@{domain}",
)


def as_text(digest: bytes) -> Iterable[str]:
    """A digest as programs write it."""
    return (
        digest.hex(),
        base64.b64encode(digest).decode().rstrip("="),
        base64.b32encode(digest).decode().rstrip("=").lower(),
    )

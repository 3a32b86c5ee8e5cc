"""Mail addresses: read, compared, masked. Pure text; nothing here knows who subscribes."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from email_validator import EmailNotValidError, validate_email

from chamberlist.redaction import written_in
from chamberlist.sealed import blind_index

MAX_OCTETS = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets.
MAX_LOCAL_OCTETS = 64  # RFC 5321 section 4.5.3.1.1.


class BadAddress(ValueError):
    """Not a mail address that anybody could have; the message says why and quotes nothing."""


@dataclass(frozen=True)
class Address:
    """One mail address: ``text`` is where mail goes, ``normalised`` what two spellings of it share."""

    text: str = field(repr=False)
    normalised: str = field(repr=False)

    @property
    def hash(self) -> bytes:
        """The blind index of the address, 32 bytes. Version 1: NFC, lower case, IDNA domain, no folding of a provider's own."""
        return blind_index("address/1", self.normalised)

    @property
    def domain_hash(self) -> bytes:
        """The blind index of the domain alone."""
        return blind_index("domain/1", self.normalised.rpartition("@")[2])


def parse(text: str) -> Address:
    """Read one address, as a person types it (RFC 5321 section 4.1.2, RFC 6531); raises ``BadAddress``."""
    text = unicodedata.normalize("NFC", text.strip())
    try:
        found = validate_email(text, check_deliverability=False, allow_quoted_local=True)
    except EmailNotValidError:
        raise BadAddress("This is not a complete mail address. It should look like name@business.example.") from None
    if "=?" in found.local_part:  # Libraries take it for an encoded word (RFC 2047), and would mail another address.
        raise BadAddress("This mail address has a form that cannot be mailed. Please use another one.")
    domain = found.ascii_domain.lower()
    sendable = f"{found.local_part}@{domain}"
    if len(sendable.encode()) > MAX_OCTETS or len(found.local_part.encode()) > MAX_LOCAL_OCTETS:
        raise BadAddress("This mail address is longer than mail servers accept.")
    return Address(sendable, f"{unicodedata.normalize('NFC', found.local_part.lower())}@{domain}")


def domain_hash(text: str) -> bytes:
    """The blind index of a domain, as a person types it; raises ``BadAddress``."""
    return parse(f"x@{text.strip().removeprefix('@')}").domain_hash


def masked(text: str) -> str:
    """Enough to recognise one's own address, too little to learn another's: ``j•••@b•••.example``.

    It is the same three facts of every address. A short one is not treated in a way of its own: that would tell that it is short.
    """
    local, _, domain = text.rpartition("@")
    host, dot, rest = domain.partition(".")
    return f"{local[:1]}•••@{host[:1]}•••{dot}{rest.rpartition('.')[2]}"


def found_in(text: str) -> list[str]:
    """The mail addresses that stand in a text, as written, each once, in order."""
    return list(each_found_in(text))


def each_found_in(text: str) -> Iterator[str]:
    """The same, one at a time: a text may be long."""
    found = set[str]()
    for written in written_in(text):
        try:
            normalised = parse(written).normalised
        except BadAddress:
            continue
        if normalised not in found:
            found.add(normalised)
            yield written

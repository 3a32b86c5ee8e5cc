"""DKIM signatures (RFC 6376, RFC 8463) for the copies of a post: what all copies share is canonicalised and hashed once."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from textwrap import wrap
from typing import Self

from chamberlist.dkim import Signer
from posting.delivery.template import Template

# Named once more than they stand in a copy, so that nobody can add another one (RFC 6376 section 8.15).
OVERSIGNED = ("From", "Reply-To", "To", "Subject", "Date", "Content-Type")
SIGNED = (
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Id",
    "List-Help",
    "List-Owner",
    "Message-ID",
    "MIME-Version",
    "Feedback-ID",
)
NAMES = (*OVERSIGNED, *OVERSIGNED, *SIGNED)
WIDTH = 72
VALUE = rb"(?:[A-Za-z0-9+/]{%d}\r\n )*[A-Za-z0-9+/]{1,%d}={0,2}\r\n" % (WIDTH, WIDTH)


@dataclass(frozen=True)
class Signature:
    """The signatures of one post's copies by one key: ``opening`` is all that stands before the hash of the body."""

    signer: Signer
    opening: bytes = field(repr=False)
    canonical: bytes = field(repr=False)

    @classmethod
    def by(cls, signer: Signer, domain: str) -> Self:
        """``c=relaxed/simple``: headers may be folded anew on the way, the body is as it is. No ``l=``: all of it is signed."""
        how = f"v=1; a={signer.algorithm}; c=relaxed/simple;"
        who = f"d={domain}; s={signer.selector};"
        names = "\r\n ".join(wrap(f"h={':'.join(NAMES)};".replace(":", ": "), WIDTH)).replace(": ", ":")
        opening = f"DKIM-Signature: {how}\r\n {who}\r\n {names}\r\n bh=".encode()
        return cls(signer, opening, relaxed(opening))

    def header(self, headers: bytes, body_hash: bytes) -> bytes:
        """The header for a copy with these canonical headers and this hash of its body."""
        signature = base64.b64encode(self.signer.sign(headers + self.canonical + body_hash + b"; b="))
        lines = b"\r\n ".join(signature[at : at + WIDTH] for at in range(0, len(signature), WIDTH))
        return self.opening + body_hash + b";\r\n b=" + lines + b"\r\n"

    @property
    def form(self) -> bytes:
        """What it looks like, as a pattern: all but the two values is as it always is."""
        return re.escape(self.opening) + rb"[A-Za-z0-9+/]{43}=;\r\n b=" + VALUE


class Signing:
    """Signs the copies of one post."""

    def __init__(self, signers: Sequence[Signer], domain: str, head: bytes, body: Template, specimen: Mapping[str, bytes]) -> None:
        """``head`` is that of a copy that has the ``specimen``'s values; the empty line is in neither."""
        self.signatures = [Signature.by(signer, domain) for signer in signers]
        self.headers = Template.cut(_signed(head), specimen)
        self.shared = hashlib.sha256(body.pieces[0])
        self.own = Template((b"", *body.pieces[1:]), body.slots)

    @cached_property
    def form(self) -> re.Pattern[bytes]:
        """What the headers before those of a copy look like: one of each key, and no word in them that is not of every copy."""
        return re.compile(b"".join(signature.form for signature in self.signatures))

    def sign(self, values: Mapping[str, bytes]) -> bytes:
        """The headers that belong before those of the copy with these values."""
        if not self.signatures:
            return b""
        headers = self.headers.fill({**values, "recipient": _single_spaced(values["recipient"])})
        body = self.shared.copy()
        body.update(self.own.fill(values))
        body_hash = base64.b64encode(body.digest())
        return b"".join([signature.header(headers, body_hash) for signature in self.signatures])


def relaxed(header: bytes) -> bytes:
    """A header in the relaxed form of RFC 6376 section 3.4.2."""
    name, _, value = header.partition(b":")
    return name.strip().lower() + b":" + _single_spaced(value.replace(b"\r\n", b"")).strip()


def _single_spaced(value: bytes) -> bytes:
    return re.sub(rb"[ \t]+", b" ", value)


def _signed(head: bytes) -> bytes:
    """The headers that are signed, in that order (RFC 6376 section 5.4.2: one that is named too often counts as empty)."""
    lines = re.split(rb"\r\n(?![ \t])", head)
    found = {relaxed(line).partition(b":")[0]: relaxed(line) for line in lines if line}
    return b"".join(found[name.lower().encode()] + b"\r\n" for name in dict.fromkeys(NAMES))

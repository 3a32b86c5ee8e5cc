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
FOLD = b"\r\n "


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
        return self._before(body_hash) + _folded(self.signer.sign(self._signed(headers, body_hash))) + b"\r\n"

    def end(self, data: bytes, at: int, headers: bytes, body_hash: bytes) -> int:
        """Where this header, which begins ``at``, ends; -1 where anything else stands there. A word of it is a word of everybody's.

        The signature is not made anew, which with RSA takes long: that it verifies leaves no room for another one.
        """
        before = self._before(body_hash)
        begin = at + len(before)
        end = begin + self._length
        try:
            signature = base64.b64decode(data[begin:end].replace(FOLD, b""), validate=True)
        except ValueError:
            return -1
        is_ours = data.startswith(before, at) and data.startswith(_folded(signature) + b"\r\n", begin)
        return end + 2 if is_ours and self.signer.has_signed(self._signed(headers, body_hash), signature) else -1

    @cached_property
    def _length(self) -> int:
        return len(_folded(bytes(self.signer.length)))

    def _before(self, body_hash: bytes) -> bytes:
        return self.opening + body_hash + b";\r\n b="

    def _signed(self, headers: bytes, body_hash: bytes) -> bytes:
        return headers + self.canonical + body_hash + b"; b="


class Signing:
    """Signs the copies of one post."""

    def __init__(self, signers: Sequence[Signer], domain: str, head: bytes, body: Template, specimen: Mapping[str, bytes]) -> None:
        """``head`` is that of a copy that has the ``specimen``'s values; the empty line is in neither."""
        self.signatures = [Signature.by(signer, domain) for signer in signers]
        self.headers = Template.cut(_signed(head), specimen)
        self.shared = hashlib.sha256(body.pieces[0])
        self.own = Template((b"", *body.pieces[1:]), body.slots)

    def sign(self, values: Mapping[str, bytes]) -> bytes:
        """The headers that belong before those of the copy with these values."""
        if not self.signatures:
            return b""
        headers, body_hash = self._hashed(values)
        return b"".join([signature.header(headers, body_hash) for signature in self.signatures])

    def end(self, data: bytes, values: Mapping[str, bytes]) -> int:
        """Where in ``data``, a copy with these values, the signatures end: one by each key, and nothing else; -1 where not."""
        at = 0
        headers, body_hash = self._hashed(values) if self.signatures else (b"", b"")
        for signature in self.signatures:
            at = signature.end(data, at, headers, body_hash)
            if at < 0:
                break
        return at

    def _hashed(self, values: Mapping[str, bytes]) -> tuple[bytes, bytes]:
        """The headers of the copy with these values that are signed, canonical, and the hash of its body."""
        headers = self.headers.fill({**values, "recipient": _single_spaced(values["recipient"])})
        body = self.shared.copy()
        body.update(self.own.fill(values))
        return headers, base64.b64encode(body.digest())


def relaxed(header: bytes) -> bytes:
    """A header in the relaxed form of RFC 6376 section 3.4.2."""
    name, _, value = header.partition(b":")
    return name.strip().lower() + b":" + _single_spaced(value.replace(b"\r\n", b"")).strip()


def _folded(octets: bytes) -> bytes:
    """In base64, on lines of their width."""
    written = base64.b64encode(octets)
    return FOLD.join(written[at : at + WIDTH] for at in range(0, len(written), WIDTH))


def _single_spaced(value: bytes) -> bytes:
    return re.sub(rb"[ \t]+", b" ", value)


def _signed(head: bytes) -> bytes:
    """The headers that are signed, in that order (RFC 6376 section 5.4.2: one that is named too often counts as empty)."""
    lines = re.split(rb"\r\n(?![ \t])", head)
    found = {relaxed(line).partition(b":")[0]: relaxed(line) for line in lines if line}
    return b"".join(found[name.lower().encode()] + b"\r\n" for name in dict.fromkeys(NAMES))

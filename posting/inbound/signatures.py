"""DKIM signatures of other people's mail, verified (RFC 6376, RFC 8301, RFC 8463).

Our own, because the library for it takes the square of a hostile body's length, hashes it anew for each signature, and knows
Ed25519 only with one more library; it judges the same messages in the tests. What is here takes time in proportion to the message.
"""

import base64
import binascii
import hashlib
import re
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from posting.inbound.lookups import Lookups, Unanswered

MOST = 5  # Signatures of one message that are looked at; what comes after is a way to make us work.
LARGEST_HEAD = 128 * 1024
LARGEST_KEY = 2_048  # Characters of a key record; RSA of 8,192 bits has 1,400.
RSA_BITS = range(1024, 8193)  # RFC 8301 section 3.2.
SKEW = 300  # Seconds that clocks may differ.
NEEDED = ("v", "a", "b", "bh", "d", "h", "s")
# A second one would be shown by one program and signed by another (RFC 6376 section 8.15, RFC 5322 section 3.6).
SINGLE = (
    *(b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding"),
)
TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
DOMAIN = re.compile(r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
SELECTOR = re.compile(r"(?=.{1,200}$)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
OWN_HASH = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
SPACES = re.compile(rb"[ \t]{2,}|\t")

Verdict = Literal["pass", "fail", "error"]


class Invalid(Exception):
    """A signature that proves nothing."""


@dataclass(frozen=True)
class Signature:
    """One signature: whose it says it is, and whether that is so; "error" where the key could not be asked for."""

    domain: str
    verdict: Verdict


@dataclass(frozen=True)
class Signed:
    """A message as signatures see it: header fields as they stand, and the body, both with CRLF."""

    fields: list[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False)

    @cached_property
    def simple_body(self) -> bytes:
        """RFC 6376 section 3.4.3."""
        return _without_last_lines(self.body) or b"\r\n"

    @cached_property
    def relaxed_body(self) -> bytes:
        """RFC 6376 section 3.4.4."""
        ended = self.body if self.body.endswith(b"\r\n") or not self.body else self.body + b"\r\n"
        return _without_last_lines(SPACES.sub(b" ", ended).replace(b" \r\n", b"\r\n"))


def verify(raw: bytes, author: str, house: str, lookups: Lookups) -> list[Signature]:
    """What the first few signatures of a ``house`` and its relatives prove, those of the author's domain first. Raises nothing.

    Strangers are asked for no keys: theirs would prove nothing, and they would learn that somebody asks.
    """
    try:
        message = read(raw)
    except Invalid:
        return [Signature("", "fail")]
    at_most = [(at, value) for at, (name, value) in enumerate(message.fields) if _is_signature(name)][: MOST * 4]
    found = [(at, tag_list(value.decode("latin-1")) or {}) for at, value in at_most]
    found = [(at, tags) for at, tags in found if related(tags.get("d", "").lower(), house)]
    found = sorted(found, key=lambda each: each[1]["d"].lower() != author)[:MOST]
    names = [name.lower() for name, _ in message.fields]
    if any(names.count(name) > 1 for name in SINGLE):
        return [Signature("", "fail") for _ in found]
    return [_verified(message, at, tags, lookups) for at, tags in found]


def related(one: str, other: str) -> bool:
    """Whether two domains are the same or one is below the other."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def read(raw: bytes) -> Signed:
    """Cut a message into fields and body; raises ``Invalid`` where two programs could cut it differently."""
    whole = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if whole.startswith(b"From "):  # A pipe's own line, no header.
        whole = whole.partition(b"\r\n")[2]
    head, _, body = whole.partition(b"\r\n\r\n")
    head = head.removesuffix(b"\r\n")
    if len(head) > LARGEST_HEAD or b"\r" in head.replace(b"\r\n", b"") or b"\0" in head:
        raise Invalid
    fields = [FIELD.fullmatch(line) for line in re.split(rb"\r\n(?![ \t])", head)]
    if not all(fields):
        raise Invalid
    return Signed([(each[1], each[2]) for each in fields if each], body)


def tag_list(text: str) -> dict[str, str] | None:
    """``name=value; ...`` (RFC 6376 section 3.2); None where it is no such list, or names a tag twice."""
    tags: dict[str, str] = {}
    for each in text.split(";"):
        if not each.strip():
            continue
        name, equals, value = (part.strip() for part in each.partition("="))
        if not equals or not TAG.fullmatch(name) or name in tags:
            return None
        tags[name] = value
    return tags


def _verified(message: Signed, at: int, tags: dict[str, str], lookups: Lookups) -> Signature:
    domain = tags.get("d", "").lower()
    try:
        _check_tags(tags)
        _check_body(message, tags)
        _check_headers(message, at, tags, _key(tags, lookups))
    except Unanswered:
        return Signature(domain, "error")
    except Invalid:
        return Signature(domain if DOMAIN.fullmatch(domain) else "", "fail")
    return Signature(domain, "pass")


def _check_tags(tags: dict[str, str]) -> None:
    """RFC 6376 section 6.1.1; SHA-1 proves nothing (RFC 8301 section 3.1)."""
    if any(not tags.get(name) for name in NEEDED) or tags["v"] != "1" or tags["a"] not in ("rsa-sha256", "ed25519-sha256"):
        raise Invalid
    domain, identity = tags["d"].lower(), tags.get("i", "").lower().rpartition("@")[2]
    if not DOMAIN.fullmatch(domain) or not SELECTOR.fullmatch(tags["s"]) or "from" not in _names(tags):
        raise Invalid
    if identity and identity != domain and not identity.endswith(f".{domain}"):
        raise Invalid
    if "dns/txt" not in tags.get("q", "dns/txt").split(":") or tags.get("c", "simple") not in _FORMS:
        raise Invalid
    now, made, until = int(time.time()), _number(tags, "t"), _number(tags, "x")
    if (made is not None and made > now + SKEW) or (until is not None and (until < now - SKEW or until < (made or 0))):
        raise Invalid


_FORMS = {"simple", "relaxed", "simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"}


def _check_body(message: Signed, tags: dict[str, str]) -> None:
    """What ``l=`` leaves open anybody may write (RFC 6376 section 8.2): such a signature proves nothing."""
    body = message.relaxed_body if tags.get("c", "").endswith("/relaxed") else message.simple_body
    if _number(tags, "l") not in (None, len(body)) or hashlib.sha256(body).digest() != _octets(tags["bh"]):
        raise Invalid


def _check_headers(message: Signed, at: int, tags: dict[str, str], key: RSAPublicKey | Ed25519PublicKey) -> None:
    """RFC 6376 section 3.7: the fields that ``h=`` names, of each name the last first, and the signature without its own hash."""
    relaxed = tags.get("c", "").startswith("relaxed")
    waiting: dict[bytes, list[int]] = {}
    for place, (name, _) in enumerate(message.fields):
        if place != at:
            waiting.setdefault(name.lower(), []).append(place)
    chosen = [waiting[name].pop() for name in (each.encode() for each in _names(tags)) if waiting.get(name)]
    lines = [_line(*message.fields[place], relaxed=relaxed) + b"\r\n" for place in chosen]
    name, value = message.fields[at]
    signed = b"".join(lines) + _line(name, OWN_HASH.sub(rb"\1", value, count=1), relaxed=relaxed)
    try:
        if isinstance(key, RSAPublicKey):
            key.verify(_octets(tags["b"]), signed, PKCS1v15(), hashes.SHA256())
        else:
            key.verify(_octets(tags["b"]), hashlib.sha256(signed).digest())
    except (InvalidSignature, ValueError):
        raise Invalid from None


def _key(tags: dict[str, str], lookups: Lookups) -> RSAPublicKey | Ed25519PublicKey:
    """The key that the domain publishes (RFC 6376 section 3.6.1); raises ``Invalid`` or ``Unanswered``."""
    domain, kind = tags["d"].lower(), tags["a"].partition("-")[0]
    texts = lookups.texts(f"{tags['s']}._domainkey.{domain}")
    if len(texts) != 1 or len(texts[0]) > LARGEST_KEY:
        raise Invalid
    record = tag_list(texts[0].decode("latin-1")) or {}
    if record.get("v", "DKIM1") != "DKIM1" or record.get("k", "rsa") != kind:
        raise Invalid
    if "sha256" not in _listed(record.get("h", "sha256")) or not {"*", "email"} & _listed(record.get("s", "*")):
        raise Invalid
    if "s" in _listed(record.get("t", "")) and tags.get("i", f"@{domain}").lower().rpartition("@")[2] != domain:
        raise Invalid
    try:
        public = _octets(record.get("p", ""))
        key = Ed25519PublicKey.from_public_bytes(public) if kind == "ed25519" else load_der_public_key(public)
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid from None
    if isinstance(key, Ed25519PublicKey) or (isinstance(key, RSAPublicKey) and key.key_size in RSA_BITS):
        return key
    raise Invalid


def _is_signature(name: bytes) -> bool:
    return name.lower() == b"dkim-signature"


def _names(tags: dict[str, str]) -> list[str]:
    return [name.strip().lower() for name in tags["h"].split(":") if name.isascii()]


def _listed(value: str) -> set[str]:
    return {each.strip() for each in value.split(":")}


def _number(tags: dict[str, str], name: str) -> int | None:
    if name not in tags:
        return None
    if not re.fullmatch(r"[0-9]{1,12}", tags[name]):
        raise Invalid
    return int(tags[name])


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Invalid from None


def _line(name: bytes, value: bytes, *, relaxed: bool) -> bytes:
    if not relaxed:
        return name + b":" + value
    return name.lower() + b":" + SPACES.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _without_last_lines(body: bytes) -> bytes:
    """A body whose empty lines at the end are gone, and which ends with CRLF unless it is empty."""
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n" if end else b""

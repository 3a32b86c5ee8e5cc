"""DKIM: what is signed verifies for strangers' verifiers, and a key that is no good is refused with a sentence."""

import json
import re
import subprocess
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from django.conf import settings as site

from chamberlist import dkim
from chamberlist.dkim import BadDkim
from posting.delivery import copies, gate
from posting.delivery.ledger import Marked
from tests import programs
from tests.test_copies import an_unsaved_post

LINES = ["Grüße aus 東京 🌸. " * 30, "", ".", "..", ".dot", "trailing   ", "\t", "x" * 3000, "", ""]
RECIPIENTS = ["anne@bakery.example", '"odd  name"@bakery.example', "jörg@bakery.example", "j" * 60 + "@" + "b" * 60 + ".example"]


DKIMPY = """
import dkim, json, re, sys
records, message = json.loads(sys.argv[1]), sys.stdin.buffer.read()

def verifies(index):
    try:
        return dkim.DKIM(message).verify(index, dnsfunc=lambda name, timeout=5: records.get(name.decode(), "").encode())
    except dkim.ValidationError:
        return False

print(json.dumps([verifies(index) for index in range(len(re.findall(rb"(?m)^DKIM-Signature:", message)))]))
"""


def pem(key: Any, password: bytes = b"") -> str:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    text: str = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()
    return text


@cache
def rsa(bits: int = 2048) -> str:
    return pem(generate_rsa(public_exponent=65537, key_size=bits))


@cache
def ed25519() -> str:
    return pem(Ed25519PrivateKey.generate())


@pytest.fixture(params=["rsa", "ed25519", "both"])
def signers(request: pytest.FixtureRequest, settings: Any) -> tuple[dkim.Signer, ...]:
    chosen = {"rsa": ("r1", rsa()), "ed25519": ("e1", ed25519()), "both": ("r1,e1", rsa() + ed25519())}[request.param]
    settings.DKIM = dkim.parse(*chosen)
    return settings.DKIM  # type: ignore[no-any-return]


def a_signed_copy(recipient: str) -> copies.Copy:
    post = an_unsaved_post("Frühling 🌷 " * 12, LINES, "Bäckerei Müller")
    compiled, marked = copies.compile_with(post, []), Marked(1, 1, uuid.uuid4().bytes, uuid.uuid4().bytes, recipient, 1)
    copy = copies.build(compiled, marked)
    assert gate.check_copy(compiled, marked, copy) == ""
    assert copies.build(compiled, marked) == copy, "the same bytes over retries"
    return copy


def by_dkimpy(message: bytes, signers: tuple[dkim.Signer, ...], _: Path) -> list[bool]:
    """Whether each signature verifies, for dkimpy (Debian's: its registry has it as source alone)."""
    records = {f"{name}.": text for name, text in dkim.records(signers, site.LIST_DOMAIN)}
    command = [programs.path("dkimpy"), "-c", DKIMPY, json.dumps(records)]
    said = subprocess.run(command, input=message, capture_output=True, check=True, timeout=60).stdout
    found: list[bool] = json.loads(said)
    return found


def by_opendkim(message: bytes, signers: tuple[dkim.Signer, ...], folder: Path) -> list[bool]:
    """The same for OpenDKIM, which knows the keys from a file."""
    opendkim = programs.path("opendkim")
    records = [f"{name} {text}\n" for name, text in dkim.records(signers, site.LIST_DOMAIN)]
    (folder / "keys").write_text("".join(records))
    (folder / "configuration").write_text(f"Mode v\nSyslog no\nAlwaysAddARHeader yes\nTestPublicKeys {folder}/keys\n")
    (folder / "message").write_bytes(message)
    command = [opendkim, "-x", str(folder / "configuration"), "-vv", "-t", str(folder / "message")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return [word == "pass" for word in re.findall(r"dkim=(\w+)", said)]


VERIFIERS = pytest.mark.parametrize("verify", [by_dkimpy, by_opendkim])
Verifier = Callable[[bytes, tuple[dkim.Signer, ...], Path], list[bool]]


@VERIFIERS
@pytest.mark.parametrize("recipient", RECIPIENTS)
def test_each_signature_verifies(verify: Verifier, recipient: str, signers: tuple[dkim.Signer, ...], tmp_path: Path):
    copy = a_signed_copy(recipient)
    assert verify(copy.message, signers, tmp_path) == [True] * len(signers)


@VERIFIERS
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"To: anne@bakery.example", b"To: bob@garage.example"),
        (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click", b"List-Unsubscribe-Post: x"),
        (b"List-Unsubscribe: <http", b"List-Unsubscribe: <xttp"),
        (b"\r\n\r\n--=_", b"\r\n\r\nx--=_"),
        (b"From: ", b"Subject: another\r\nFrom: "),
        (b"From: ", b"Reply-To: spy@evil.example\r\nFrom: "),
        (b"From: ", b"Content-Type: text/plain\r\nFrom: "),
    ],
)
def test_a_change_on_the_way_shows(verify: Verifier, before: bytes, after: bytes, tmp_path: Path, settings: Any):
    settings.DKIM = dkim.parse("e1", ed25519())
    message = a_signed_copy("anne@bakery.example").message
    changed = message.replace(before, after, 1)
    assert changed != message and verify(changed, settings.DKIM, tmp_path) == [False]


def test_headers_folded_anew_on_the_way_still_verify(settings: Any, tmp_path: Path):
    settings.DKIM = dkim.parse("r1,e1", rsa() + ed25519())
    message = a_signed_copy("anne@bakery.example").message
    folded = message.replace(b">, <mailto:", b">,\r\n\t <mailto:", 1).replace(b"To: anne", b"to:   anne", 1)
    assert folded != message and by_dkimpy(folded, settings.DKIM, tmp_path) == [True, True]


def test_what_section_5_of_the_design_names_is_signed_and_nothing_is_left_open(settings: Any):
    settings.DKIM = dkim.parse("e1", ed25519())
    header = a_signed_copy("anne@bakery.example").message.split(b"\r\nFrom: ")[0].decode()
    tags = dict(tag.strip().split("=", 1) for tag in re.sub(r"\s+", "", header.partition(":")[2]).split(";"))
    names = [name.lower() for name in tags["h"].split(":")]
    assert tags["c"] == "relaxed/simple" and tags["d"] == site.LIST_DOMAIN and "l" not in tags
    assert {"list-unsubscribe", "list-unsubscribe-post"} <= set(names)
    assert all(names.count(name) == 2 for name in ("from", "reply-to", "to", "subject", "date", "content-type"))
    assert max(len(line) for line in header.splitlines()) <= 78


def test_without_a_key_nothing_is_signed(settings: Any):
    settings.DKIM = dkim.parse("", "")
    assert settings.DKIM == () and a_signed_copy("anne@bakery.example").message.startswith(b"From: ")


def test_a_key_may_stand_on_one_line_of_an_environment_file():
    [signer] = dkim.parse("r1", rsa().replace("\n", "\\n"))
    assert signer.algorithm == "rsa-sha256"
    name, text = signer.record("lists.chamber.example")
    assert name == "r1._domainkey.lists.chamber.example" and re.fullmatch(r"v=DKIM1; k=rsa; p=[A-Za-z0-9+/=]{392}", text)


@pytest.mark.parametrize(
    ("selectors", "key", "sentence"),
    [
        ("r1", "", "names 1 and DKIM_KEY holds 0"),
        ("", ed25519(), "names 0 and DKIM_KEY holds 1"),
        ("a,b", ed25519(), "names 2 and DKIM_KEY holds 1"),
        ("a,a", ed25519() + rsa(), "each once"),
        ("a_b", ed25519(), "letters, digits and hyphens"),
        ("r1", "secret words", "no PEM key"),
        ("r1", rsa(1024), "an RSA key of 1024 bits; receivers want 2048"),
        ("r1", pem(generate_private_key(SECP256R1())), "neither RSA nor Ed25519"),
        ("r1", pem(Ed25519PrivateKey.generate(), b"password"), "has a password"),
        ("r1", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "cannot be read"),
    ],
)
def test_a_key_that_is_no_good_is_refused_with_a_sentence(selectors: str, key: str, sentence: str):
    with pytest.raises(BadDkim, match=sentence) as refused:
        dkim.parse(selectors, key)
    assert "secret words" not in str(refused.value) and "AAAA" not in str(refused.value)

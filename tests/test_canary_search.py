"""The search of the canary audit: a canary is found however it is written, and nothing else is."""

import base64
import gzip
import hashlib
import html
import io
import json
import quopri
import random
import zipfile
import zlib
from collections.abc import Callable
from email.message import EmailMessage
from email.mime.image import MIMEImage
from email.policy import SMTP
from urllib.parse import quote

import pytest

from tests.canary.canaries import FORMS, MARK, Aviary
from tests.canary.searching import Searcher

NOISE = random.Random(1).randbytes(5000)
Writer = Callable[[str], bytes]


@pytest.fixture(scope="module")
def aviary() -> Aviary:
    made = Aviary(seed=1)
    made.members(60)
    made.secret("a password", "kx7pm-ab3de-9fghj-kmnpq")
    made.secret("a key", bytes(range(100, 132)))
    return made


@pytest.fixture(scope="module")
def searcher(aviary: Aviary) -> Searcher:
    return Searcher(aviary)


def zipped(address: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f"<w:t>{address}</w:t>" * 20)
    return file.getvalue()


def a_mail(address: str, encoding: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = "Buns"
    message.set_content(f"Ask {address} for more buns, or for bread.\n" * 5, cte=encoding)
    return message.as_bytes()


def a_file_name(address: str) -> bytes:
    part = MIMEImage(b"x", "png")
    part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", f"{'ü' * 20}{address}.png"))
    return part.as_bytes()


def in_pieces(address: str) -> bytes:
    half = len(address) // 2
    return f"filename*0*=utf-8''{address[:half]}; filename*1*={address[half:]}".encode()


def words(address: str, kind: str) -> bytes:
    half = address.index(MARK) + 3
    pieces = [address[:half].encode(), address[half:].encode()]
    written = [base64.b64encode(piece).decode() if kind == "b" else "".join(f"={octet:02X}" for octet in piece) for piece in pieces]
    return f"Subject: =?utf-8?{kind}?{written[0]}?=\r\n =?utf-8?{kind}?{written[1]}?=\r\n".encode()


def digest(address: str, name: str) -> bytes:
    return hashlib.new(name, address.encode()).digest()


WAYS: dict[str, Writer] = {
    "raw": str.encode,
    "upper case": lambda text: text.upper().encode(),
    "title": lambda text: text.title().encode(),
    "quoted-printable": lambda text: quopri.encodestring(text.encode()),
    "quoted-printable throughout": lambda text: "".join(f"={octet:02X}" for octet in text.encode()).encode(),
    "a soft line end": lambda text: text.replace(MARK, f"{MARK[:3]}=\r\n{MARK[3:]}").encode(),
    "base64 0": lambda text: base64.b64encode(text.encode()),
    "base64 1": lambda text: base64.b64encode(b"x" + text.encode()),
    "base64 2": lambda text: base64.b64encode(b"xy" + text.encode()),
    "base64, upper case": lambda text: base64.b64encode(text.upper().encode()),
    "base64, for links": lambda text: base64.urlsafe_b64encode(b"\xff\xfe\xff" + text.encode()),
    "base64, of several lines": lambda text: base64.encodebytes(b"x" * 48 + text.encode()),
    "base64, of short lines": lambda text: b"\r\n".join(
        base64.b64encode(text.encode())[at : at + 5] for at in range(0, len(text) * 2, 5)
    ),
    "base32": lambda text: base64.b32encode(b"xyz" + text.encode()).lower(),
    "percent": lambda text: quote(text).encode(),
    "percent throughout": lambda text: "".join(f"%{octet:02x}" for octet in text.encode()).encode(),
    "percent twice": lambda text: quote("".join(f"%{octet:02x}" for octet in text.encode())).encode(),
    "entities": lambda text: html.escape(text).encode(),
    "decimal entities": lambda text: "".join(f"&#{ord(letter)};" for letter in text).encode(),
    "hexadecimal entities": lambda text: "".join(f"&#x{ord(letter):04X};" for letter in text).encode(),
    "an entity that nobody sees": lambda text: "&shy;".join(text).encode(),
    "JSON": lambda text: json.dumps(text).encode(),
    "JSON escapes": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text).encode(),
    "Python's escapes": lambda text: "".join(f"\\x{octet:02x}" for octet in text.encode()).encode(),
    "octal": lambda text: "".join(f"\\{octet:03o}" for octet in text.encode()).encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "hex, upper case": lambda text: text.upper().encode().hex().upper().encode(),
    "hex, at an odd place": lambda text: b"f" + text.encode().hex().encode(),
    "bytea": lambda text: b"\\\\x" + text.encode().hex().encode(),
    "UTF-16 LE": lambda text: text.encode("utf-16-le"),
    "UTF-16 BE": lambda text: text.encode("utf-16-be"),
    "gzip": lambda text: gzip.compress(text.encode()),
    "deflate": lambda text: zlib.compress(text.encode()),
    "zip": zipped,
    "a zip file in a mail": lambda text: base64.encodebytes(zipped(text)),
    "gzip in gzip": lambda text: gzip.compress(NOISE + gzip.compress(text.encode())),
    "a folded header": lambda text: text.replace(MARK, f"{MARK[:3]}\r\n {MARK[3:]}").encode(),
    "a quoted mail": lambda text: text.replace(MARK, f"{MARK[:3]}\n> {MARK[3:]}").encode(),
    "mail, quoted-printable": lambda text: a_mail(text, "quoted-printable"),
    "mail, base64": lambda text: a_mail(text, "base64"),
    "RFC 2047 q": lambda text: words(text, "q"),
    "RFC 2047 b": lambda text: words(text, "b"),
    "RFC 2231": a_file_name,
    "RFC 2231 in pieces": in_pieces,
    "MD5": lambda text: digest(text, "md5").hex().encode(),
    "SHA-1": lambda text: digest(text, "sha1").hex().encode(),
    "SHA-256": lambda text: digest(text, "sha256").hex().encode(),
    "SHA-256, upper case": lambda text: digest(text, "sha256").hex().upper().encode(),
    "SHA-256 of lower case": lambda text: digest(text.lower(), "sha256").hex().encode(),
    "SHA-256, base64": lambda text: base64.b64encode(digest(text, "sha256")),
    "SHA-1, base64 for links": lambda text: base64.urlsafe_b64encode(digest(text, "sha1")).rstrip(b"="),
    "SHA-256, base32": lambda text: base64.b32encode(digest(text, "sha256")).lower(),
    "SHA-256 among others": lambda text: b"00" * 32 + digest(text, "sha256").hex().encode() + b"11" * 16,
    "MD5 of the domain": lambda text: digest(text.rpartition("@")[2], "md5").hex().encode(),
    "SHA-1 of the local part": lambda text: digest(text.rpartition("@")[0], "sha1").hex().encode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_found_and_known_however_it_is_written(way: str, aviary: Aviary, searcher: Searcher):
    address = aviary.canaries[list(aviary.canaries)[-1]].text
    noise = NOISE if way not in ("hex", "hex, at an odd place") else b"-"
    finds = searcher.search(noise + b" <" + WAYS[way](address) + b"> " + noise)
    assert {find.canary for find in finds} - {None} == {aviary.of(address)}, way
    assert address not in " ".join(map(str, finds)) and MARK not in repr(finds)


@pytest.mark.parametrize("place", range(len(FORMS)), ids=FORMS)
@pytest.mark.parametrize("half", ["whole", "local", "domain"])
def test_either_half_of_every_form_is_found(place: int, half: str, aviary: Aviary, searcher: Searcher):
    address = list(aviary.canaries.values())[place].text
    local, _, domain = address.rpartition("@")
    written = {"whole": address, "local": local, "domain": domain}[half]
    for octets in (written.encode(), base64.b64encode(written.encode()), written.encode("idna" if half == "domain" else "utf-8")):
        assert {find.canary for find in searcher.search(b"<" + octets + b">")} == {aviary.of(address)}


@pytest.mark.parametrize("write", [bytes, base64.b64encode, base64.urlsafe_b64encode, lambda octets: octets.hex().encode()])
def test_secrets_are_found(write: Callable[[bytes], bytes], aviary: Aviary, searcher: Searcher):
    for name, secret in aviary.secrets.items():
        assert name in {find.what for find in searcher.search(NOISE + b" " + write(secret) + b" " + NOISE)}


def test_nothing_is_found_where_there_is_nothing(searcher: Searcher):
    octets = random.Random(2).randbytes(2_000_000)
    assert searcher.search(octets) == searcher.search(base64.encodebytes(octets)) == searcher.search(octets.hex().encode()) == set()
    assert searcher.search(gzip.compress(base64.encodebytes(octets))) == set()


def test_a_part_of_a_canary_is_a_find_too(searcher: Searcher):
    assert {find.canary for find in searcher.search(f"{MARK}m".encode())} == {None}

"""Addresses are found wherever in a file they can be read, and looking costs little."""

import base64
import io
import re
import secrets
import time
import zipfile
import zlib
from contextlib import suppress

import pytest

from posting.delivery import looking, searching
from posting.delivery.unfolding import Sealed
from tests.enclosures import a_pdf, a_png, chunk
from tests.samples import gif, jpeg, pdf, png, stream

BOB = "bob@garage.example"


def zipped(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
PLACES = {
    "text": ("text/plain", b"Ask bob@garage.example."),
    "latin-1": ("text/csv", "Müller;bob@garage.example\r\n".encode("latin-1")),
    "utf-16": ("text/csv", f"x;{BOB}\r\n".encode("utf-16")),
    "utf-16 without a mark": ("text/plain", f"x {BOB}".encode("utf-16-le")),
    "html in a text": ("text/plain", b"<b>bob</b>&#64;garage.example"),
    "percent": ("text/calendar", b"URL:mailto:bob%40garage.example\r\n"),
    "no width": ("text/plain", "bob@gar\u200bage.example".encode()),
    "wide letters": ("text/plain", "bob＠garage.example".encode()),
    "png text": ("image/png", a_png(chunk(b"tEXt", b"Author\0bob@garage.example"))),
    "png packed": ("image/png", a_png(chunk(b"zTXt", b"Author\0\0" + zlib.compress(BOB.encode())))),
    "png international": ("image/png", a_png(chunk(b"iTXt", b"Author\0\1\0\0\0" + zlib.compress(BOB.encode())))),
    "png of a small window": (
        "image/png",
        a_png(chunk(b"zTXt", b"Author\0\0" + zlib.compress(BOB.encode(), wbits=9))),
    ),
    "folded calendar": ("text/calendar", b"BEGIN:VCALENDAR\r\nATTENDEE:mailto:bob@\r\n garage.example\r\nEND:VCALENDAR\r\n"),
    "folded card": ("text/plain", b"begin:vcard\nEMAIL:bob@gar\n\tage.example\nend:vcard\n"),
    "png tail": ("image/png", a_png() + b"bob@garage.example"),
    "jpeg comment": ("image/jpeg", JPEG + b"\xff\xfe\0\x14bob@garage.example\xff\xda" + secrets.token_bytes(5000) + b"\xff\xd9"),
    "exif": ("image/jpeg", jpeg((0xE1, BOB.encode("utf-16-le")))),
    "jpeg tail": ("image/jpeg", JPEG + b"\xff\xda\0\1\xff\xd9bob@garage.example"),
    "gif comment in blocks": ("image/gif", gif(b"x" * 240 + b" bob@garage.example")),
    "gif of XMP": ("image/gif", gif()[:-1] + b"!\xff\x0bXMP DataXMP<x>bob@garage.example</x>\x01\0\0;"),
    "gif tail": ("image/gif", gif() + b"bob@garage.example"),
    "gif comment": ("image/gif", b"GIF89a" + bytes(7) + b"!\xfe\x12bob@garage.example\0;"),
    "pdf link": ("application/pdf", a_pdf(more=b"2 0 obj <</URI(mailto:bob@garage.example)>>")),
    "pdf page": ("application/pdf", a_pdf(b"BT (Ask bob@garage.example) Tj ET")),
    "pdf page in pieces": ("application/pdf", a_pdf(b"BT [(bo)-20(b@gar)3.5(age.example)] TJ ET")),
    "pdf page in digits": ("application/pdf", a_pdf(b"BT <626f62406761726167652e6578616d706c65> Tj ET")),
    "pdf page in letters and digits": ("application/pdf", a_pdf(b"BT [<626f62>-3<4067>4<61726167652e6578616d706c65>] TJ ET")),
    "pdf page in two goes": ("application/pdf", a_pdf(b"BT (bob@) Tj (garage.example) Tj ET")),
    "pdf page in base 85": (
        "application/pdf",
        pdf(stream(base64.a85encode(zlib.compress(b"(bob@garage.example) Tj")) + b"~>", b"/Filter[/ASCII85Decode /Fl]")),
    ),
    "pdf escapes": ("application/pdf", a_pdf(b"BT (bob\\100garage\\\n.example) Tj ET")),
    "pdf author in escapes": (
        "application/pdf",
        a_pdf(more=b"<</Author(\\376\\377" + b"".join(b"\\000%c" % letter for letter in BOB.encode()) + b")>>"),
    ),
    "pdf author in digits": ("application/pdf", a_pdf(more=b"<</Author<feff" + BOB.encode("utf-16-be").hex().encode() + b">>>")),
    "pdf author": ("application/pdf", a_pdf(more=b"<</Author(\xfe\xff" + BOB.encode("utf-16-be") + b")>>")),
    "office": ("application/zip", zipped(a=b"<w:p><w:t>bob@</w:t></w:r><w:r><w:t>garage.example</w:t></w:p><w:p>Next</w:p>")),
    "unknown": ("application/octet-stream", bytes(100) + b"bob@garage.example" + bytes(100)),
    "a text that says it is a picture": ("image/png", b"bob@garage.example"),
}


@pytest.mark.parametrize("place", PLACES)
def test_an_address_is_found_in_a_file(place: str):
    kind, content = PLACES[place]
    assert BOB in set(searching.addresses_in_file(content, kind))


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "application/pdf", "image/gif"])
def test_chance_finds_next_to_nothing(kind: str):
    noise = secrets.token_bytes(1_000_000)
    content = {"image/png": a_png(chunk(b"IDAT", noise)), "image/jpeg": JPEG + b"\xff\xda" + noise, "application/pdf": a_pdf(noise)}
    assert len(set(searching.addresses_in_file(content.get(kind, b"GIF89a" + noise), kind))) <= 1


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.4" + b"stream\n" * 300_000,
        b"%PDF-1.4" + b"[(" * 500_000,
        b"%PDF-1.4 [" + b"(a)" * 300_000,
        b"%PDF-1.4" + b"<61" * 300_000,
        a_pdf(bytes(60_000_000)),
        a_png(*[chunk(b"tEXt", b"x")] * 100_000),
        a_png(chunk(b"zTXt", b"\0x" * 1_000_000)),
        zipped(a=bytes(60_000_000), b=bytes(60_000_000)),
        b"PK\x03\x04" + bytes(1000),
        b"\xff\xd8" + b"\xff\xe1\0\0" * 10,
        b"\xff\xd8\xff\xe1",
        b"\x89PNG\r\n\x1a\n\xff\xff\xff\xff",
        b"",
    ],
    ids=range(13),
)
def test_a_hostile_file_costs_little(content: bytes):
    start, read = time.process_time(), 0
    for kind in ("application/pdf", "image/png"):
        with suppress(Sealed):
            read += sum(len(text) for text in looking.texts_in(looking.look(kind, content)))
    assert time.process_time() - start < 10
    assert read < 6 * looking.ROOM


@pytest.mark.parametrize("point", [b"bob@garage.example", b"bob@garage.example" + bytes(9)])
def test_the_points_of_a_picture_name_nobody(point: bytes):
    assert list(searching.addresses_in_file(png((b"IDAT", point)), "image/png")) == []
    assert list(searching.addresses_in_file(gif()[:-1] + b",\0\0\0\0\1\0\1\0\0\x02\x12" + point[:18] + b"\0;", "image/gif")) == []


def test_ordinary_files_name_nobody():
    for kind, content in (("image/png", a_png()), ("application/pdf", a_pdf()), ("text/csv", b"Loaf;2.50@shop")):
        assert list(searching.addresses_in_file(content, kind)) == []


def test_what_is_read_is_text():
    for kind, content in PLACES.values():
        for text in looking.texts_in(looking.look(kind, content)):
            assert re.search(r"[\0-\x09\x0b-\x1f]", text) is None

"""The contents of hostile messages (``tests.hostile``): encodings, kinds of text, and files that burst when they are unpacked."""

import base64
import io
import random
import struct
import zipfile
import zlib
from functools import cache

TOP = b"From: Anne <anne@bakery.example>\r\nTo: list@lists.chamber.example\r\nSubject: Bread\r\nMessage-ID: <1@bakery.example>\r\n"
EVERY = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Reply-To",
    "Sender",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Approved",
    "Received",
    "List-Id",
    "X-Loop",
    "Return-Path",
]
SIZES = (10_000, 100_000, 1_000_000)
LARGEST = 10_000_000


# Encodings


def charsets(dice: random.Random) -> bytes:
    names = [
        "x-none",
        "utf-7",
        "idna",
        "punycode",
        "rot13",
        "base64",
        "zlib",
        "hex",
        "unicode_escape",
        "raw_unicode_escape",
        "undefined",
        "mbcs",
        "utf-16",
        "utf-32",
        "hz",
        "cp037",
    ]
    names += [
        "iso-2022-jp",
        "../../etc/passwd",
        "x" * 3_000,
        "utf-8\0",
        "",
        '"',
        "utf_8_sig",
        "quopri",
        "uu",
        "bz2",
        "=?utf-8?q?utf-8?=",
    ]
    name = dice.choice(names)
    raw = dice.choice(
        [
            b"\\x41\\N{DIGIT ONE}\\z",
            b"+AGEA-+",
            b"\xff\xfe\x00\xd8",
            b"~{~~}\x1b$B",
            dice.randbytes(300),
            b"\xed\xa0\x80",
            b"xn--a-\xff",
        ]
    )
    subject = f"Subject: =?{name}?b?{base64.b64encode(raw).decode()}?=\r\n".encode("utf-8", "replace")
    return subject + TOP + f"Content-Type: text/plain; charset={name}\r\n\r\n".encode() + raw * dice.choice([1, 500])


def base_64(dice: random.Random) -> bytes:
    text = dice.choice(
        [b"QUJD" * 5_000, b"=" * 5_000, b"Q" * 4_999, b"Q=U=J=D=" * 999, b"\xff\0QUJD", b"QUJD\r\n==\r\n" * 300, b"!*#" * 999]
    )
    return TOP + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + text + b"\r\n"


def quoted_printable(dice: random.Random) -> bytes:
    text = dice.choice(
        [b"=" * 5_000, b"=\r\n" * 2_000, b"=ZZ=4=4", b"=0D=0A.=0D=0A", b"= \t\r\n" * 500, b"=\xff=00=0", b"=3D" * 5_000]
    )
    return TOP + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + text


def uuencoded(dice: random.Random) -> bytes:
    text = dice.choice(
        [b"begin 644 x\r\n#0V%T\r\n`\r\nend\r\n", b"begin 999 x\r\n" * 500, b"begin 644 ../../x\r\n" + b"M" * 5_000, b"begin"]
    )
    return TOP + b"Content-Transfer-Encoding: " + dice.choice([b"x-uuencode", b"uue", b"\xff", b"x" * 999]) + b"\r\n\r\n" + text


def deceiving_letters(dice: random.Random) -> bytes:
    odd = "\u202e\u202d\u2066\u2069\u200b\ufeff\u00ad\u0430\u0435\u043e\u0301\u0308\U000e0041\ud7ff\ufffe\u2028\u2029\x85\xa0"
    words = "".join(dice.choices(odd + "paypal bank", k=dice.choice([30, 3_000])))
    return f"Subject: {words}\r\nFrom: {words[:60]} <anne@bakery.example>\r\nTo: {words}\r\n\r\n{words}\r\n".encode()


def octets_everywhere(dice: random.Random) -> bytes:
    high = bytes(range(128, 256))
    lines = b"".join(name.encode() + b": " + high + b"\r\n" for name in EVERY)
    return (
        lines
        + b"Content-Type: text/"
        + high
        + b"; charset="
        + high
        + b"\r\nContent-Disposition: "
        + high
        + b"; filename="
        + high
        + b"\r\n\r\n"
        + high * 9
    )


def zeros(dice: random.Random) -> bytes:
    return ordinary().replace(dice.choice([b" ", b"e", b"\r\n", b":", b"--"]), b"\0" + dice.choice([b"", b"\r\n", b" "]))


def spaces(dice: random.Random) -> bytes:
    filling = dice.choice([b" ", b"\t", b" \t", b"\r\n", b" \r\n", b"\r", b"\0", b"\0a", b"> ", "\u00e9\x85".encode()])
    return (
        TOP
        + b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
        + filling * (dice.choice([10_000, 1_000_000, 5_000_000]) // len(filling))
        + b"x\r\n"
    )


# Kinds of content


def fragments(dice: random.Random) -> bytes:
    kinds = [
        f'message/partial; id="1@b.example"; number={dice.choice([0, 1, 99999, -1])}; total=2',
        "message/delivery-status",
        "message/x",
        "message/",
    ]
    kinds += [
        'message/external-body; access-type=URL; URL="file:///etc/passwd"',
        "message/external-body; access-type=local-file; name=/etc/passwd",
    ]
    kinds += [
        "message/rfc822",
        "message/global",
        "message/disposition-notification",
        "message/feedback-report",
        "text/rfc822-headers",
    ]
    encoding = dice.choice(["7bit", "base64", "quoted-printable", "x"])
    inner = dice.choice(["Subject: x\r\n\r\nHello", "", "\r\n\r\n", "no header", "U3ViamVjdDogeA0KDQpIZWxsbw==", ":\r\n:\r\n"])
    return TOP + f"Content-Type: {dice.choice(kinds)}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{inner}\r\n".encode()


def reports_without_parts(dice: random.Random) -> bytes:
    kind = dice.choice(["delivery-status", "disposition-notification", "feedback-report", "\0", '"', ""])
    end = dice.choice(
        ["", "--b--\r\n", "--b\r\n--b--\r\n", "--b\r\nContent-Type: message/delivery-status\r\n\r\n\r\n\r\n\r\n--b--"]
    )
    return TOP + f"Content-Type: multipart/report; report-type={kind}; boundary=b\r\n\r\n{end}".encode()


def reports_of_many(dice: random.Random) -> bytes:
    block = b"Final-Recipient: rfc822; m%d@bakery.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
    blocks = b"".join(block % n for n in range(dice.choice([900, 10_000])))
    top = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    top += b"--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    return TOP + top + b"Reporting-MTA: dns; mx.example\r\n\r\n" + blocks + b"--b--\r\n"


def complaints_in_complaints(dice: random.Random) -> bytes:
    inner = TOP + b"\r\nHello\r\n"
    for n in range(dice.randint(1, 30)):
        top = b"Content-Type: multipart/report; report-type=feedback-report; boundary=r%d\r\n\r\n--r%d\r\n" % (n, n)
        report = b"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n\r\n"
        inner = TOP + top + report + b"--r%d\r\nContent-Type: message/rfc822\r\n\r\n" % n + inner + b"\r\n--r%d--\r\n" % n
    return inner


def calendars(dice: random.Random) -> bytes:
    event = b"BEGIN:VEVENT\r\nRRULE:FREQ=SECONDLY;COUNT=999999999\r\nATTENDEE:mailto:a@b.example\r\nATTACH:file:///etc/passwd\r\n"
    return TOP + b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n" + event * dice.choice([1, 100, 1_000])


def small_markup(dice: random.Random) -> bytes:
    some = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<a href='javascript:x'>",
        "<style>@import 'http://x'</style>",
        "<!--",
        "<![CDATA[",
    ]
    some += [
        "<svg/onload=x>",
        "&#0;&#x110000;&#xD800;",
        "<b" + " a=b" * 500,
        "<" * 999,
        "&amp" * 999,
        "<plaintext>",
        "<base href=//x>",
        "</" * 500,
        "\0<b>",
    ]
    return _html("".join(dice.choices(some, k=5)).encode())


def large_markup(dice: random.Random) -> bytes:
    some = [
        b"<b>" * 100_000,
        b"<div><p>" * 50_000,
        b"&lt;" * 500_000,
        b"&#" + b"9" * 1_000_000,
        b"<a href='" + b"x" * 1_000_000,
        b"<p>" * 300_000,
    ]
    some += [
        b"<style>" + b"a{b:c}" * 200_000,
        b"<b " + b"a=b " * 200_000 + b">",
        b"<table><tr><td>" * 30_000,
        b"<!--" * 200_000,
        b"<" * 1_000_000,
    ]
    return _html(dice.choice(some))


def archives(dice: random.Random) -> bytes:
    return _attached(_zip_in_zip(dice.choice([1, 3, 30])), "application/zip", "offer.zip")


def inflating(dice: random.Random) -> bytes:
    kind, suffix, octets = dice.choice(_bombs())
    return _attached(octets, kind, f"offer.{suffix}")


def unbroken_text(dice: random.Random) -> bytes:
    filling = dice.choice(
        [b"x", b"@", b'"', b"a@", b'"a', b"a.", b"(", b"<", b"=", b"http://", b"&", b"[", b"\xff", "é".encode(), b"a:b;", b"\\"]
    )
    return (
        TOP
        + b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
        + filling * (dice.choice([*SIZES, LARGEST - 500]) // len(filling))
        + b"\r\n"
    )


def short_lines(dice: random.Random) -> bytes:
    line = dice.choice(
        [
            b"a\r\n",
            b"--\r\n",
            b">\r\n",
            b"-- \r\n",
            b"\n",
            b"a@b.example\r\n",
            b"Content-Type: multipart/mixed\r\n",
            b"begin 644 x\r\n",
        ]
    )
    return TOP + b"\r\n" + line * (dice.choice([*SIZES, LARGEST - 500]) // len(line))


def ordinary() -> bytes:
    """What an honest program might write; the other kinds spoil it."""
    parts = b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nFr=C3=BChst\r\n"
    parts += b'--b\r\nContent-Type: text/html\r\n\r\n<p>Bread <a href="https://bakery.example/">here</a></p>\r\n--b--\r\n'
    return TOP + b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="b"\r\n\r\n' + parts


def _html(markup: bytes) -> bytes:
    return TOP + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + markup + b"\r\n"


def _attached(octets: bytes, kind: str, name: str) -> bytes:
    top = f'Content-Type: {kind}\r\nContent-Disposition: attachment; filename="{name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    return (
        TOP + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + top.encode() + base64.encodebytes(octets) + b"--b--\r\n"
    )


@cache
def _zip_in_zip(depth: int) -> bytes:
    octets = b"\0" * 100_000
    for n in range(depth):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(f"../../{n}.zip"), octets, zipfile.ZIP_DEFLATED)
        octets = file.getvalue()
    return octets


@cache
def _bombs() -> list[tuple[str, str, bytes]]:
    """Files that are small as long as nobody unpacks them: a gigabyte of zeros, a thousand times packed."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(b"\0" * 10_000_000) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = b"\x78\xda" + block * 100 + packer.flush() + struct.pack(">I", (10**9 % 65_521 << 16) + 1)  # The sum of so many zeros.
    pdf = b"%%PDF-1.7\n1 0 obj<</Length %d/Filter/FlateDecode>>stream\n" % len(zeros) + zeros + b"\nendstream endobj\n%%EOF\n"
    size = _chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    start = b"\x89PNG\r\n\x1a\n"
    picture = start + size + _chunk(b"IDAT", zeros) + _chunk(b"IEND", b"")
    texts = start + size + _chunk(b"zTXt", b"Comment\0\0" + zeros) * 3 + _chunk(b"IEND", b"")
    chunks = start + size + _chunk(b"tEXt", b"") * 100_000
    longer = start + size + struct.pack(">I", 0xFFFFFFFF) + b"IDAT"
    gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + zeros[2:-4]
    return [
        ("application/pdf", "pdf", pdf),
        *(("image/png", "png", octets) for octets in (picture, texts, chunks, longer)),
        ("application/gzip", "gz", gzip),
        ("application/pdf", "pdf", b"%PDF-1.7\n" + b"<<" * 1_000_000),
        ("image/jpeg", "jpg", b"\xff\xd8" + b"\xff\xe1\x00\x02" * 500_000),
        ("image/gif", "gif", b"GIF89a\xff\xff\xff\xff\x80\0\0" + b"\x21\xff\0" * 500_000),
    ]


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

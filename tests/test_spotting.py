"""A password in a mail that is no post is spotted, and ordinary mail has none."""

import time
import zlib

import pytest

from chamberlist import parsing
from posting.submission.spotting import holds_password
from tests.mails import HEAD, LINE, PASSWORD, WORDS, both, file, mail, multipart, part, simple, with_file
from tests.samples import jpeg, pdf, png, stream

HTML = "text/html; charset=utf-8"
HELD = {
    "header": mail(part(WORDS), head=f"X-Approved: sword fish\r\n{HEAD}"),
    "another header": mail(part(WORDS), head=f"Comments: {PASSWORD}\r\n{HEAD}"),
    "subject": mail(part(WORDS), head=HEAD.replace("Spring", "AW: Approved: sword")),
    "first line": mail(part(f"Password: swordfish\r\n\r\n{WORDS}")),
    "first line of flowed text": mail(part(f"Password: \r\nswordfish\r\n\r\n{WORDS}", "text/plain; format=flowed")),
    "first line of HTML": mail(part(f"<p><b>Pass</b>word: swordfish</p><p>{WORDS}</p>", HTML)),
    "first line of HTML beside a text": both(WORDS, f"<p>Password: swordfish</p><p>{WORDS}</p>"),
    "text": mail(part(f"{WORDS}\r\nIt is {PASSWORD}.")),
    "text in capitals": mail(part(f"{WORDS}\r\n({PASSWORD.upper()})")),
    "text, wrapped": mail(part(f"{WORDS}\r\n> {PASSWORD[:12]}\r\n> {PASSWORD[12:]}")),
    "text with other dashes": mail(part(WORDS + " " + PASSWORD.replace("-", "\u2011"))),
    "text with nothing between": mail(part(WORDS + " " + "\u200b".join(PASSWORD))),
    "HTML": both(WORDS, f"<p>{WORDS}</p><p>abc<b>de-f</b>ghjk-<i>mn</i>pqr-stuvw</p>"),
    "link": both(WORDS, f"<a href='https://x.example/?p={PASSWORD}'>x</a>"),
    "percent signs": mail(part(f"https://x.example/?p={PASSWORD.replace('-', '%2D')}")),
    "text file": mail(part(WORDS), file(LINE.encode(), "text/plain", "a.txt")),
    "file of any kind": mail(part(WORDS), file(b"\0\1" + LINE.encode(), "application/x-none", "a.x")),
    "PDF": with_file(pdf(stream(f"BT ({PASSWORD}) Tj ET".encode()))).replace(LINE.encode(), b""),
    "PNG": mail(part(WORDS), file(png((b"zTXt", b"x\0\0" + zlib.compress(PASSWORD.encode()))), "image/png", "a.png")),
    "file name": mail(part(WORDS), file(jpeg(), "image/jpeg", f"{PASSWORD}.jpg")),
    "forwarded": mail(part(WORDS), part(f"Subject: old\r\n\r\n{LINE}", "message/rfc822")),
    "forwarded and encoded": mail(
        part(WORDS),
        part(b"Subject: old\r\n" + multipart([part(f"{WORDS} {PASSWORD}", code="base64")], boundary="b"), "message/rfc822"),
    ),
    "header of a forwarded message": mail(part(WORDS), part("Approved: sword\r\nSubject: old\r\n\r\nx", "message/rfc822")),
}


@pytest.mark.parametrize("raw", HELD.values(), ids=HELD)
def test_a_password_is_spotted(raw: bytes):
    assert holds_password(parsing.parse(raw))


@pytest.mark.parametrize(
    "raw",
    [
        simple("Two loaves, please.\n\nAnne"),
        simple("I forgot my password: what shall I do?"),
        simple("See https://x.example/fresh-bread-rolls-today and call 02079-46095-81234-56789"),
        simple("Order 5f0c1c5e-0d4b-4f0e-8d0b-6a4f7f1a2c11"),
        simple("rolls - cakes - tarts - bread"),
        mail(part(WORDS), file(pdf(stream(b"BT (Two loaves) Tj ET"))), file(png(), "image/png", "a.png")),
        mail(part(WORDS), file(pdf(trailer=b"/Encrypt 3 0 R"))),
        mail(part("<p>" * 20_000 + "x", HTML)),
    ],
)
def test_ordinary_mail_has_none(raw: bytes):
    assert not holds_password(parsing.parse(raw))


@pytest.mark.parametrize(
    "raw",
    [
        simple("abcde-" * 200_000),
        simple("abcde-\n> " * 100_000),
        mail(part("<" * 1_000_000, HTML)),
        mail(part("\u200b" * 700_000)),
        mail(*[file(b"<&lt%" * 240_000, "text/plain", "a.txt")] * 5),
    ],
    ids=range(5),
)
def test_looking_for_one_takes_no_long_time(raw: bytes):
    message, begun = parsing.parse(raw), time.process_time()
    holds_password(message)
    assert time.process_time() - begun < 2

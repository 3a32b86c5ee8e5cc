"""The password in a mail: read from where it belongs, gone from wherever it may hide."""

import base64
import codecs
import gzip
import io
import quopri
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from email.header import Header
from html import unescape
from urllib.parse import quote, unquote

import pytest

from posting.submission import proving, stripping
from posting.submission.reading import Letter
from tests.mails import HEAD, LINE, PASSWORD, WORDS, both, file, letter, mail, part, simple, with_file
from tests.samples import gif, jpeg, pdf, png, stream

BARE = PASSWORD.replace("-", "")
WIDE = "".join(chr(ord(character) + 0xFEE0) for character in PASSWORD)
DOTTED = "\u200b".join(PASSWORD)
HTML = "text/html; charset=utf-8"
TEXT = f"{LINE}\r\n\r\n{WORDS}\r\n"


def kept(found: Letter) -> Iterator[bytes]:
    """Every octet of a letter but the password, which is there to be checked."""
    yield from (each.encode() for each in (found.subject, found.body, found.html, found.problem, *found.addressed))
    for each in found.files:
        yield from (each.name.encode(), each.kind.encode(), each.content_id.encode(), each.content)


def readings(octets: bytes) -> Iterator[str]:
    """What a program or a person may read out of octets."""
    for charset in ("utf-8", "latin-1", "utf-16-le", "utf-16-be"):
        yield octets.decode(charset, "ignore")
        yield octets[1:].decode(charset, "ignore")
    text = octets.decode("utf-8", "ignore")
    yield from (re.sub("<[^>]*>", "", text), unescape(unquote(text)), re.sub("<[^>]*>", "", unescape(unquote(text))), text[::-1])
    yield from (quopri.decodestring(octets).decode("utf-8", "ignore"), codecs.encode(text, "rot13"))
    for run in re.findall(r"[A-Za-z0-9+/\s]{16,}", text):
        letters = re.sub(r"\s", "", run)
        for start in range(4):
            yield base64.b64decode(letters[start : start + (len(letters) - start) // 4 * 4]).decode("latin-1").replace("\0", "")
    for run in re.findall(r"(?:[0-9a-fA-F]{2}\s?){10,}", text):
        yield bytes.fromhex(run).decode("latin-1").replace("\0", "")
    yield re.sub(r"\\u(....)", lambda match: chr(int(match[1], 16)), text) if re.search(r"\\u[0-9a-f]{4}", text) else ""
    yield re.sub(r"\)[\s\d.-]*\(", "", text)
    for run in re.findall(r"(?m)^[ -`]{10,61}$", text):
        try:
            yield codecs.decode(b"begin 644 x\n" + run.encode() + b"\n`\nend\n", "uu").decode("latin-1")
        except ValueError:
            continue
    for run in re.findall(rb"stream\n(.*)~>", octets):
        yield zlib.decompress(base64.a85decode(run)).decode("latin-1")
    for found in re.finditer(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b|PK\x03\x04", octets):
        start = found.start() + (30 + octets[found.start() + 26] if found.group() == b"PK\x03\x04" else 0)
        for width in (47, -15):
            try:
                yield from readings(zlib.decompressobj(width).decompress(octets[start:]))
            except zlib.error:
                continue


def is_there(octets: bytes) -> bool:
    for text in readings(octets):
        letters = "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text))).lower()
        if BARE in letters or BARE[:10] in letters or BARE[-10:] in letters:
            return True
    return False


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", content)
    return buffer.getvalue()


def soft(text: str) -> bytes:
    return quopri.encodestring(text.encode()).replace(b"fghjk", b"fg=\r\nhjk")


def uuencoded(text: str) -> str:
    return codecs.encode(text.encode(), "uu").decode()


PROPER = {  # Where it belongs: the mail is taken.
    "header": mail(part(WORDS), head=f"Approved: {PASSWORD}\r\n{HEAD}"),
    "header of another name": mail(part(WORDS), head=f"x-approve:  {PASSWORD} \r\n{HEAD}"),
    "encoded header": mail(part(WORDS), head=f"Approved: =?utf-8?b?{base64.b64encode(PASSWORD.encode()).decode()}?=\r\n{HEAD}"),
    "header and first line": mail(part(TEXT), head=f"Approved: {PASSWORD}\r\n{HEAD}"),
    "first line": mail(part(TEXT)),
    "approved": mail(part(TEXT.replace("Password", "Approved"))),
    "after empty lines": mail(part("\r\n \r\n" + TEXT)),
    "capitals and spaces": mail(part(TEXT.replace("Password: ", "  PASSWORD :   "))),
    "byte order mark": mail(part("\ufeff" + TEXT)),
    "no-break space": mail(part("\u00a0" + TEXT.replace(": ", ":\u00a0"))),
    "zero width": mail(part(TEXT.replace(PASSWORD, DOTTED).replace("Pass", "\u200bPa\u200css"))),
    "bold": mail(part(TEXT.replace("Password:", "*Password:*"))),
    "quoted": mail(part(TEXT.replace(PASSWORD, f'"{PASSWORD}".'))),
    "other dashes": mail(part(TEXT.replace("-", "\u2011"))),
    "on the next line": mail(part(TEXT.replace(": ", ":\r\n"))),
    "wrapped": mail(part(TEXT.replace("hjk-", "hjk-\r\n"))),
    "base64": mail(part(TEXT, code="base64")),
    "quoted-printable": mail(part(soft(TEXT), code="quoted-printable")),
    "UTF-16": mail(part(TEXT.encode("utf-16"), "text/plain; charset=utf-16", code="base64")),
    "another charset": mail(part(TEXT.encode("cp037"), "text/plain; charset=cp037", code="base64")),
    "flowed": mail(part(TEXT.replace("hjk-", "hjk- \r\n"), "text/plain; format=flowed")),
    "flowed with DelSp": mail(part(TEXT.replace("hjk", "h \r\njk"), "text/plain; format=flowed; delsp=yes")),
    "space-stuffed": mail(part(" " + TEXT, "text/plain; format=flowed")),
    "HTML alone": mail(part(f"<p>{LINE}</p><p>{WORDS}</p>", HTML)),
    "HTML line": mail(part(f"<html><head><title>x</title></head><body>{LINE}<br>{WORDS}</body></html>", HTML)),
    "tags inside": mail(
        part(f"<div>Pass<b>word</b>: <i>abc</i>de-<a href='https://x.example'>fghjk</a>-mnpqr-stuvw</div>{WORDS}", HTML)
    ),
    "comments inside": mail(part(f"<p>Password: abcde-<!-- no -->fghjk-mnpqr-stuvw</p><p>{WORDS}</p>", HTML)),
    "entities": mail(part(f"<p>{''.join(f'&#{ord(each)};' for each in LINE)}</p><p>{WORDS}</p>", HTML)),
    "table": mail(part(f"<table><tr><td>Password:</td><td>{PASSWORD}</td></tr></table><p>{WORDS}</p>", HTML)),
    "both": both(TEXT, f"<div>{LINE}</div><div>{WORDS}</div>"),
    "both, HTML broken by tags": both(TEXT, f"<p>Password: <span>abcde</span>-fghjk-<wbr>mnpqr-stuvw</p><p>{WORDS}</p>"),
    "both, HTML broken into lines": both(TEXT, f"<p>Password: abcde-fghjk-<br>mnpqr-stuvw</p><p>{WORDS}</p>"),
    "words follow": mail(part(f"{LINE} {WORDS}\r\n")),
    "words follow in HTML": mail(part(f"<p>Password: <b>{PASSWORD}</b> {WORDS}</p>", HTML)),
    "signed": mail(part(TEXT), file(b"x", "application/pkcs7-signature", "smime.p7s"), kind="signed"),
}

NEVER_KEPT = {  # In a place that goes with the mail: the post is clean.
    "X- header": mail(part(TEXT), head=f"X-Secret: {PASSWORD}\r\n{HEAD}"),
    "comment header": mail(part(TEXT), head=f"Comments: {PASSWORD}\r\nKeywords: {PASSWORD}\r\n{HEAD}"),
    "preamble": mail(part(TEXT), before=LINE),
    "epilogue": mail(part(TEXT), after=LINE),
    "boundary": mail(part(TEXT), part("More."), boundary=PASSWORD),
    "Content-Description": mail(part(TEXT, Content_Description=PASSWORD), part("More.")),
    "parameter": mail(part(TEXT, f'text/plain; charset=utf-8; x-note="{PASSWORD}"')),
    "HTML comment": both(TEXT, f"<p><b>{WORDS}</b></p><!-- {PASSWORD} -->"),
    "style": both(TEXT, f"<style>/* {PASSWORD} */</style><p><b>{WORDS}</b></p>"),
    "script": both(TEXT, f"<script>var p='{PASSWORD}'</script><p><b>{WORDS}</b></p>"),
    "class": both(TEXT, f"<p class='{PASSWORD}' data-x='{PASSWORD}'><b>{WORDS}</b></p>"),
    "hidden HTML": both(TEXT, f"<p><b>{WORDS}</b></p><div style='display:none'>{PASSWORD}</div>"),
    "remote picture": both(TEXT, f"<p><b>{WORDS}</b><img src='https://x.example/?{PASSWORD}' alt='{PASSWORD}'></p>"),
    "Content-ID": mail(
        part(TEXT), part(f"<p><b>{WORDS}</b><img src='cid:{PASSWORD}'></p>", HTML),
        file(png(), "image/png", "a.png", Content_ID=f"<{PASSWORD}>"), kind="related",
    ),
    "an alternative nobody reads": mail(part(TEXT), part(LINE, "text/x-amp-html"), part(LINE, "text/rtf"), kind="alternative"),
}  # fmt: skip

HIDDEN = {  # Elsewhere: the post is refused.
    "last line": mail(part(f"{TEXT}\r\nJoe\r\n{LINE}\r\n")),
    "twice": mail(part(f"{LINE}\r\n{TEXT}")),
    "quoted reply": mail(part(f"{TEXT}\r\n> {LINE}\r\n")),
    "subject": mail(part(TEXT), head=HEAD.replace("Spring", PASSWORD)),
    "line in the subject": mail(part(WORDS), head=HEAD.replace("Spring offers", f"Re: {LINE}")),
    "encoded subject": mail(part(TEXT), head=HEAD.replace("Spring", Header(f"ö {PASSWORD}", "utf-8").encode())),
    "split subject": mail(part(TEXT), head=HEAD.replace("Spring", "=?utf-8?q?abcde-fghjk?=\r\n =?utf-8?q?-mnpqr-stuvw?=")),
    "without dashes": mail(part(TEXT + BARE)),
    "spaced out": mail(part(TEXT + " ".join(PASSWORD))),
    "capitals": mail(part(TEXT + PASSWORD.upper())),
    "full width": mail(part(TEXT + WIDE)),
    "zero width": mail(part(TEXT + DOTTED)),
    "soft hyphens": mail(part(TEXT + "\u00ad".join(PASSWORD))),
    "accents": mail(part(TEXT + "\u0301".join(PASSWORD))),
    "half": mail(part(TEXT + PASSWORD[:11])),
    "other half": mail(part(TEXT + PASSWORD[-11:])),
    "reversed": mail(part(TEXT + PASSWORD[::-1])),
    "rot13": mail(part(TEXT + codecs.encode(PASSWORD, "rot13"))),
    "several lines": mail(part(TEXT + "\r\n".join(PASSWORD.split("-")))),
    "second text": mail(part(TEXT), part(f"{WORDS} {PASSWORD}")),
    "base64 in the text": mail(part(TEXT + base64.b64encode(LINE.encode()).decode())),
    "base64 at offset 1": mail(part(TEXT + base64.b64encode(f"x{PASSWORD} yy".encode()).decode())),
    "base64 at offset 2": mail(part(TEXT + base64.b64encode(f"xx{PASSWORD} y".encode()).decode())),
    "base64 of UTF-16": mail(part(TEXT + base64.b64encode(PASSWORD.encode("utf-16")).decode())),
    "hexadecimal": mail(part(TEXT + PASSWORD.encode().hex(" "))),
    "uuencoded": mail(part(TEXT + uuencoded(f"Here it is, {PASSWORD}"))),
    "quoted-printable in the text": mail(part(TEXT + "".join(f"={ord(each):02X}" for each in PASSWORD))),
    "quoted-printable in part": mail(part(TEXT + PASSWORD.replace("c", "=63").replace("-", "=\r\n-"))),
    "percent": mail(part(TEXT + "https://x.example/?p=" + "".join(f"%{ord(each):02x}" for each in PASSWORD))),
    "percent in part": mail(part(TEXT + "https://x.example/?p=" + quote(PASSWORD).replace("c", "%63").replace("t", "%74"))),
    "entities in the text": mail(part(TEXT + "".join(f"&#{ord(each)};" for each in PASSWORD))),
    "escapes in the text": mail(part(TEXT + "".join(f"\\u{ord(each):04x}" for each in PASSWORD))),
    "HTML elsewhere": both(TEXT, f"<p>{WORDS}</p><p>{LINE}</p>"),
    "HTML with tags": both(TEXT, f"<p>{WORDS}</p><p>abc<b>de-f</b>ghjk-<i>mn</i>pqr-stuvw</p>"),
    "HTML with entities": both(TEXT, f"<p>{WORDS}</p><p>{PASSWORD.replace('c', '&#x63;').replace('-', '&shy;')}</p>"),
    "HTML with entities twice": both(TEXT, f"<p>{WORDS}</p><p>{PASSWORD.replace('c', '&amp;#x63;')}</p>"),
    "link": both(TEXT, f"<p>{WORDS}</p><a href='https://x.example/?p={PASSWORD.replace('e', '%65')}'>here</a>"),
    "alt": mail(
        part(TEXT), part(f"<p><b>{WORDS}</b><img src='cid:a' alt='{PASSWORD}'></p>", HTML),
        part(png(), "image/png", code="base64", Content_ID="<a>"), kind="related",
    ),
    "text file": with_file(LINE.encode(), "text/plain", "note.txt"),
    "text file in UTF-16": with_file(LINE.encode("utf-16"), "text/plain", "note.txt"),
    "CSV file": with_file(b"password;" + "\u200b".join(PASSWORD).encode(), "text/csv", "note.csv"),
    "calendar file": with_file(f"BEGIN:VCALENDAR\nX:{PASSWORD}\nEND:VCALENDAR".encode(), "text/calendar", "a.ics"),
    "text file in base64": with_file(base64.encodebytes(b"word " * 20 + LINE.encode()), "text/plain", "note.txt"),
    "file name": with_file(pdf(), name=f"{PASSWORD}.pdf"),
    "encoded file name": with_file(pdf(), name=f"=?utf-8?q?{PASSWORD.replace('c', '=63')}?=.pdf"),
    "PDF": with_file(pdf(stream(PASSWORD.encode(), b""))),
    "PDF, compressed": with_file(pdf(stream(f"BT ({PASSWORD}) Tj ET".encode()))),
    "PDF, kerned": with_file(pdf(stream(b"BT [(abc)-20(de-fghj)3.5(k-mnpqr)12(-stuvw)] TJ ET"))),
    "PDF, hexadecimal": with_file(pdf(stream(f"BT <{PASSWORD.encode('utf-16-be').hex()}> Tj ET".encode()))),
    "PDF, base 85": with_file(pdf(stream(base64.a85encode(zlib.compress(LINE.encode())) + b"~>", b"/Filter[/ASCII85Decode /Fl]"))),
    "PDF, title": with_file(pdf(b"<</Title<feff" + PASSWORD.encode("utf-16-be").hex().encode() + b">>>")),
    "PDF, after its end": with_file(pdf() + gzip.compress(LINE.encode())),
    "PDF, encrypted": with_file(pdf(stream(b"nobody knows"), trailer=b"/Encrypt 2 0 R")),
    "PDF, odd filter": with_file(pdf(stream(b"\x80\x0b\x60", b"/Filter/LZWDecode"))),
    "PNG text": with_file(png((b"tEXt", b"Comment\0" + PASSWORD.encode())), "image/png", "a.png"),
    "PNG compressed text": with_file(png((b"zTXt", b"Comment\0\0" + zlib.compress(PASSWORD.encode()))), "image/png", "a.png"),
    "PNG international text": with_file(
        png((b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(PASSWORD.encode()))), "image/png", "a.png"
    ),
    "JPEG comment": with_file(jpeg((0xFE, PASSWORD.encode())), "image/jpeg", "a.jpg"),
    "EXIF": with_file(jpeg((0xE1, b"Exif\0\0UNICODE\0" + PASSWORD.encode("utf-16-le"))), "image/jpeg", "a.jpg"),
    "zip behind a JPEG": with_file(jpeg(tail=zipped(LINE.encode())), "image/jpeg", "a.jpg"),
    "GIF comment": with_file(gif(b"x" * 245 + PASSWORD.encode()), "image/gif", "a.gif"),
    "zip": with_file(zipped(LINE.encode()), "application/zip", "a.zip"),
    "zip in zip": with_file(zipped(zipped(LINE.encode())), "application/x-zip-compressed", "a.zip"),
    "gzip": with_file(gzip.compress(LINE.encode()), "application/gzip", "a.gz"),
    "zip that says PDF": with_file(zipped(LINE.encode())),
    "Word": with_file(zipped(LINE.encode()), "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "a.docx"),
    "HTML file": with_file(LINE.encode(), "text/html", "a.html"),
    "name of a file that is refused": with_file(b"x", "application/zip", f"{PASSWORD}.zip"),
    "an address": mail(part(TEXT), head=HEAD.replace("To: ", f"To: <{PASSWORD}@list.example>, ")),
    "SVG": with_file(f"<svg><text>{PASSWORD}</text></svg>".encode(), "image/svg+xml", "a.svg"),
    "forwarded": mail(part(TEXT), part(f"Subject: old\r\n\r\n{LINE}", "message/rfc822")),
    "forwarded as a file": mail(part(TEXT), file(simple(LINE), "message/rfc822", "old.eml")),
    "forwarded elsewhere": mail(part(TEXT), part("", f'message/external-body; access-type=URL; URL="https://x.example/{PASSWORD}"')),
}  # fmt: skip

EVERYWHERE = {**PROPER, **NEVER_KEPT, **HIDDEN}


def test_there_are_many_places():
    assert len(HIDDEN) + len(NEVER_KEPT) >= 60


@pytest.mark.parametrize("raw", EVERYWHERE.values(), ids=EVERYWHERE)
def test_the_password_is_absent_from_every_octet_or_the_post_is_refused(raw: bytes):
    found = letter(raw)
    assert not any(map(is_there, kept(found)))
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize("raw", PROPER.values(), ids=PROPER)
def test_where_it_belongs_it_is_read_and_only_its_line_is_lost(raw: bytes):
    found = letter(raw)
    assert (found.problem, found.password, found.subject) == ("", PASSWORD, "Spring offers")
    assert found.body == WORDS
    assert found.html == ""


@pytest.mark.parametrize("raw", NEVER_KEPT.values(), ids=NEVER_KEPT)
def test_what_is_not_kept_is_no_reason_to_refuse(raw: bytes):
    found = letter(raw)
    assert (found.problem, found.password) == ("", PASSWORD)
    assert found.body.startswith(WORDS)


@pytest.mark.parametrize("raw", HIDDEN.values(), ids=HIDDEN)
def test_elsewhere_the_post_is_refused_with_a_sentence_and_nothing_of_it_is_kept(raw: bytes):
    found = letter(raw)
    assert found.problem.endswith("Nothing was submitted.")
    assert found.password == PASSWORD
    assert (found.subject, found.body, found.html, found.files, found.addressed) == ("", "", "", (), ())


@pytest.mark.parametrize("raw", HIDDEN.values(), ids=HIDDEN)
def test_without_the_proof_the_password_would_be_seen(raw: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(proving, "SHORTEST", 1_000)
    found = letter(raw)
    assert found.problem or any(map(is_there, kept(found)))


@pytest.mark.parametrize(
    "line",
    ["Password: x", "Password: swordfish", "Approved: yes please", "password:hunter2 ", "Password: ", "*Approved: * 12"],
)
def test_whatever_was_typed_its_line_goes(line: str):
    found = letter(mail(part(f"{line}\r\n\r\n{WORDS} x, hunter, yes.\r\n")))
    assert (found.problem, found.body) == ("", f"{WORDS} x, hunter, yes.")
    assert found.password == line.partition(":")[2].strip(" *")


def test_a_wrong_password_that_stands_elsewhere_is_refused_as_well():
    assert letter(mail(part("Password: swordfish\r\n\r\nOur sword fish is fresh.\r\n"))).problem


@pytest.mark.parametrize(
    "text",
    ["Our password for you: mackerel", "Passwords: a guide", "Approved\r\n\r\nby all", "Approval: given", "Hello\r\nPassword: x"],
)
def test_ordinary_words_are_no_password(text: str):
    found = letter(mail(part(text)))
    assert (found.password, found.body) == ("", text.replace("\r\n", "\n"))


def test_a_password_known_from_elsewhere_must_not_stand_in_it_either():
    assert letter(mail(part(WORDS)), secret=PASSWORD).problem == ""
    assert letter(mail(part(f"{WORDS} {PASSWORD}")), secret=PASSWORD).problem
    assert letter(mail(part(f"{WORDS} {PASSWORD}"))).problem == ""


def test_a_password_typed_by_a_telephone_is_the_one_that_was_meant():
    assert stripping.typed(" “Abcde–fghjk–mnpqr–stuvw”. ") == PASSWORD


def test_a_long_line_takes_no_long_time():
    assert stripping.find(["*" * 1_000_000]) is None
    assert stripping.find(["Password:" + "a-" * 500_000]) is not None

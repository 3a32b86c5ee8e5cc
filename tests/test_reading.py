"""One RFC 5322 message read into subject and text: what is odd becomes one sentence, never a crash."""

import re
import subprocess
import sys
import time
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chamberlist import parsing
from posting.submission import reading
from posting.submission.reading import BadMessage, Letter
from tests.mails import HEAD, PASSWORD, WORDS, file, letter, mail, part
from tests.samples import pdf, stream

TOP = b"From: joe@bloggs.example\r\nSubject: Offers\r\n"


def sentence(raw: bytes) -> str:
    with pytest.raises(BadMessage) as caught:
        reading.read_octets(raw)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("Nothing was submitted.")
    return str(caught.value)


def test_subject_and_plain_text_are_read_and_nothing_else():
    raw = b"From: joe@bloggs.example\r\nBcc: anne@bakery.example\r\nSubject: Spring  offers\r\n\r\nTwo loaves.\r\n\r\nFor one.\r\n"
    read = reading.read_octets(raw)
    assert (read.subject, read.body) == ("Spring offers", "Two loaves.\n\nFor one.")
    assert "anne" not in repr(letter)


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("utf-8", "Käse für 1 € 🥖"),
        ("iso-8859-1", "Crêpes à volonté"),
        ("windows-1252", "“Käse” – 1 €"),
        ("iso-2022-jp", "パンの日"),
        ("koi8-r", "Хлеб"),
    ],
)
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_charsets_are_decoded(charset: str, text: str, encoding: str):
    message = EmailMessage()
    message["Subject"] = "Offers"
    message.set_content(text, charset=charset, cte=encoding)
    assert reading.read_octets(message.as_bytes()).body == text


def test_an_encoded_subject_is_decoded():
    assert (
        reading.read_octets(b"Subject: =?utf-8?q?K=C3=A4se_f=C3=BCr?=\r\n =?iso-8859-1?q?_alle_=E9?=\r\n\r\nx").subject
        == "Käse für alle é"
    )


@pytest.mark.parametrize(
    "subject",
    [
        b"=?utf-8?q?Offers=0D=0ABcc:_anne@bakery.example?=",
        b"=?utf-8?b?T2ZmZXJzDQpCY2M6IGFubmVAYmFrZXJ5LmV4YW1wbGU=?=",
        b"Offers\r\n Bcc: anne@bakery.example",
        b"=?utf-8?q?Offers=E2=80=A8Bcc:_anne@bakery.example?=",
    ],
)
def test_line_ends_in_a_subject_inject_no_header(subject: bytes):
    assert reading.read_octets(b"Subject: " + subject + b"\r\n\r\nx").subject == "Offers Bcc: anne@bakery.example"


def test_of_the_alternatives_the_plain_one_is_read():
    message = EmailMessage()
    message["Subject"] = "Offers"
    message.set_content("plain")
    message.add_alternative("<p>HTML</p>", subtype="html")
    message.add_attachment("a note", filename="note.txt")
    assert reading.read_octets(message.as_bytes()).body == "plain"


def test_html_alone_is_read_as_text_too():
    message = EmailMessage()
    message["Subject"] = "Offers"
    message.set_content("<h1>Offers</h1><p>Two loaves<br>for <b>one</b>.</p>", subtype="html")
    read = reading.read_octets(message.as_bytes())
    assert read.body == "Offers\n\nTwo loaves\nfor one."
    assert read.html == "<h1>Offers</h1><p>Two loaves<br>for <b>one</b>.</p>"


@pytest.mark.parametrize("raw", [b"", b"  \r\n\r\n \n"])
def test_an_empty_message_is_refused(raw: bytes):
    assert sentence(raw).startswith("The message is empty.")


def test_a_message_without_text_or_subject_is_refused():
    assert "no text" in sentence(TOP + b"\r\n \r\n")
    assert "no subject" in sentence(b"From: x@y.example\r\n\r\nText")
    assert "no subject" in sentence(b"Subject: =?utf-8?q?_=0D=0A?=\r\n\r\nText")


def test_what_is_too_long_is_refused_and_the_longest_is_not():
    assert "longer than 200" in sentence(b"Subject: " + b"x" * 201 + b"\r\n\r\nText")
    assert len(reading.read_octets(b"Subject: " + b"x" * 200 + b"\r\n\r\nText").subject) == 200
    assert "longer than 50,000" in sentence(TOP + b"\r\n" + b"x" * 50_001)
    assert len(reading.read_octets(TOP + b"\r\n" + b"x" * 50_000).body) == 50_000


def test_what_cannot_be_kept_or_read_is_left_out():
    read = reading.read_octets(b"Subject: =?utf-8?q?a=00b=1B=7F?=\r\n\r\none\x00two\tthree\rfour\x1b[0m\r\n")
    assert (read.subject, read.body) == ("ab", "onetwo\tthree\nfour[0m")


def test_half_a_character_is_left_out():
    raw = TOP + b'Content-Type: text/plain; charset="utf-7"\r\n\r\na+2AA-b\r\n'
    assert reading.read_octets(raw).body.encode() == b"ab"


@pytest.mark.parametrize(
    "raw",
    [
        TOP + b"Content-Type: multipart/mixed\r\n\r\nx",
        TOP + b"Content-Type: multipart/alternative; boundary=a\r\n\r\n--b\r\n\r\nx",
        TOP + b"Content-Type: image/png\r\n\r\nx",
        TOP + b"Content-Type: message/rfc822\r\n\r\nx",
    ],
)
def test_broken_mime_gets_one_sentence(raw: bytes):
    assert sentence(raw)


@pytest.mark.parametrize("charset", [b"no-such", b"hex", b"idna", b"undefined"])
def test_an_odd_charset_is_no_reason_to_refuse(charset: bytes):
    assert reading.read_octets(TOP + b"Content-Type: text/plain; charset=" + charset + b"\r\n\r\ncaf\xe9").body == "café"


def nested_parts(depth: int) -> bytes:
    opened = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return TOP + opened + b"Content-Type: text/plain\r\n\r\nx\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        nested_parts(3000),  # 500 are read.
        TOP + b"Content-Type: text/plain; " + b"(" * 5000 + b")" * 5000 + b"\r\n\r\nx",
        TOP + b"Message-ID: " + b"(" * 500 + b")" * 500 + b"\r\n\r\n ",
    ],
)
def test_parts_or_comments_nested_too_deeply_get_one_sentence(raw: bytes):
    assert sentence(raw)


def test_the_same_message_has_the_same_key_and_another_has_another():
    first = TOP + b"Message-ID: <1@bloggs.example>\r\n"
    assert reading.read_octets(first + b"\r\nx").key == reading.read_octets(first + b"Received: again\r\n\r\nx").key
    assert reading.read_octets(first + b"\r\nx").key != reading.read_octets(first.replace(b"<1", b"<2") + b"\r\nx").key
    assert reading.read_octets(TOP + b"\r\nx").key == reading.read_octets(TOP + b"\r\nx").key
    assert reading.read_octets(TOP + b"\r\nx").key != reading.read_octets(TOP + b"\r\ny").key


def is_read_or_refused(raw: bytes) -> None:
    try:
        read = reading.read_octets(raw)
    except BadMessage as error:
        assert str(error)
        return
    assert isinstance(read, Letter)
    assert 0 < len(read.subject) <= reading.MAX_SUBJECT
    assert len(read.subject.splitlines()) == 1
    assert read.body.strip()
    for text in (read.subject, read.body):
        assert "\0" not in text
        text.encode()


def test_500_nested_parts_are_read_or_refused():
    is_read_or_refused(nested_parts(500))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_are_read_or_refused(raw: bytes):
    is_read_or_refused(raw)


HEADERS = [b"Subject: ", b"Message-ID: ", b"Content-Type: ", b"Content-Disposition: ", b"Content-Transfer-Encoding: "]
TYPES = [b"text/plain", b"multipart/mixed", b"message/rfc822", b"; charset=", b"; boundary=b", b"attachment", b"inline; filename*="]
CODES = [
    b"utf-7",
    b"utf-16",
    b"idna",
    b"base64",
    b"x-uuencode",
    b"=?utf-8?q?=ED=A0=80?=",
    b"=?utf-7?q?+2AA-?=",
    b"=?x?q?a?=",
    b"+2AA-",
]
MARKS = [
    b"--b",
    b"--b--",
    b"utf-8''%ff",
    b"<a@b>",
    *(bytes([byte]) for byte in b'"()[]<@;=\\\0\xffx'),
    b"\r\n",
    b"\r\n\r\n",
    b"\n ",
]
PIECES = st.sampled_from([*HEADERS, *TYPES, *CODES, *MARKS])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(PIECES, st.binary(max_size=3)), max_size=30))
def test_what_almost_looks_like_a_message_is_read_or_refused(pieces: list[bytes]):
    is_read_or_refused(b"Subject: Offers\r\n" + b"".join(pieces) + b"\r\n\r\ntext\r\n")


def test_whom_it_is_addressed_to_is_known():
    head = HEAD.replace("To: ", "To: Joe <joe@bloggs.example>, ").replace(
        "Subject", "Cc: =?utf-8?q?Anne?= <anne@bakery.example>\r\nSubject"
    )
    found = letter(mail(part("Ask eve@bakery.example."), head=head))
    assert found.addressed == ("joe@bloggs.example", "offers@list.example", "anne@bakery.example")


def test_a_flood_of_addresses_is_cut():
    head = HEAD + "".join(f"Cc: a{number}@bakery.example\r\n" for number in range(1_000))
    assert len(letter(mail(part(WORDS), head=head)).addressed) == 200


def test_a_letter_shows_nothing_when_it_is_printed():
    found = letter(
        mail(part(f"Password: {PASSWORD}\r\n\r\nTwo loaves for joe@bloggs.example"), file(b"bread", "text/plain", "x.txt"))
    )
    assert found.problem == ""
    assert not {"abcde", "Spring", "loaves", "bloggs", "bread", "x.txt"} & set(re.findall(r"[\w.]+", repr(found)))


def test_the_lines_of_flowed_text_are_put_together():
    text = " From here \r\non it flows.\r\n> quoted \r\n> words\r\n>> deeper \r\n> not so deep\r\n-- \r\nJoe\r\n"
    found = letter(mail(part(text, "text/plain; format=flowed")))
    assert found.body == "From here on it flows.\n> quoted words\n>> deeper \n> not so deep\n-- \nJoe"
    assert letter(mail(part("Straw \r\nberries", "text/plain; format=flowed; delsp=yes"))).body == "Strawberries"
    assert letter(mail(part("Straw \r\nberries"))).body == "Straw \nberries"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (mail(part(WORDS), part(b"Subject: x\r\n\r\ny", "message/rfc822")), "forwarded message"),
        (mail(part(WORDS), part(b"x", "application/octet-stream"), kind="encrypted"), "is encrypted"),
        (mail(part(b"x", "application/pkcs7-mime")), "is encrypted"),
        (mail(part("x" * 1_600_000)), "too long"),
        (mail(file(b"x", "text/plain", "a.txt")), "no text"),
    ],
)
def test_what_no_post_can_have_is_refused_with_a_sentence(raw: bytes, words: str):
    found = letter(raw)
    assert words in found.problem
    assert (found.subject, found.body, found.html, found.files) == ("", "", "", ())


def test_own_words_are_text_files_and_the_names_of_those_left_out():
    raw = mail(
        part("<p>Yes, <b>please</b></p>", "text/html"),
        file(b"bread", "text/plain", "order.txt"),
        file(b"x", "application/zip", "order.zip"),
        part(b"Subject: old\r\n\r\ny", "message/rfc822"),
    )
    text, files, left_out = reading.own_words(parsing.parse(raw))
    assert (text, [each.name for each in files], left_out) == ("Yes, please", ["order.txt"], ("order.zip",))


def test_own_words_are_not_taken_for_a_password():
    assert reading.own_words(parsing.parse(mail(part("Approved: all\r\n\r\nof it"))))[0] == "Approved: all\n\nof it"
    assert reading.own_words(parsing.parse(mail(part("<p>" * 20_000 + "x", "text/html")))) == ("", (), ())


HOSTILE = {
    "deep HTML": mail(part("<div>" * 15_999 + "x", "text/html")),
    "deep lists": mail(part("<ul><li>" * 7_999 + "x", "text/html")),
    "misnested HTML": mail(part("<b></p>" * 7_999 + "x", "text/html")),
    "many texts of HTML": mail(*[part("<p>" * 10_000, "text/html")] * 100),
    "many files": mail(part(WORDS), *[file(b"@aa.bb" * 160_000, "text/plain", "a.txt")] * 5),
    "entities": mail(part(f"Password: {PASSWORD}\r\n\r\nx"), *[file(b"<&lt" * 240_000, "text/plain", "a.txt")] * 5),
    "many streams": mail(part(WORDS), file(pdf(*[b"<<>>stream\nendstream"] * 19_000))),
    "brackets": mail(part(WORDS), file(pdf(stream(b") 1" * 2_600_000)))),
    "long text": mail(part("a@b " * 2_500_000)),
    "quotation marks": mail(part(">" * 1_400_000, "text/plain; format=flowed")),
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_nobody_can_keep_the_door_busy(raw: bytes):
    message, begun = parsing.parse(raw), time.process_time()
    reading.read(message, raw)
    assert time.process_time() - begun < 2.5


def test_nothing_of_it_needs_django():
    script = "import sys, posting.submission.reading; assert not {'django', 'subscriptions', 'celery'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)

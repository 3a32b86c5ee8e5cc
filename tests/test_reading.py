"""One RFC 5322 message read into subject and text: what is odd becomes one sentence, never a crash."""

from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posting.submission import reading
from posting.submission.reading import BadMessage, Written

HEAD = b"From: joe@bloggs.example\r\nSubject: Offers\r\n"


def sentence(raw: bytes) -> str:
    with pytest.raises(BadMessage) as caught:
        reading.read(raw)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("Nothing was submitted.")
    return str(caught.value)


def test_subject_and_plain_text_are_read_and_nothing_else():
    raw = b"From: joe@bloggs.example\r\nBcc: anne@bakery.example\r\nSubject: Spring  offers\r\n\r\nTwo loaves.\r\n\r\nFor one.\r\n"
    written = reading.read(raw)
    assert (written.subject, written.body) == ("Spring offers", "Two loaves.\n\nFor one.")
    assert "anne" not in repr(vars(written))


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
    assert reading.read(message.as_bytes()).body == text


def test_an_encoded_subject_is_decoded():
    assert (
        reading.read(b"Subject: =?utf-8?q?K=C3=A4se_f=C3=BCr?=\r\n =?iso-8859-1?q?_alle_=E9?=\r\n\r\nx").subject
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
    assert reading.read(b"Subject: " + subject + b"\r\n\r\nx").subject == "Offers Bcc: anne@bakery.example"


def test_of_the_alternatives_the_plain_one_is_read():
    message = EmailMessage()
    message["Subject"] = "Offers"
    message.set_content("plain")
    message.add_alternative("<p>HTML</p>", subtype="html")
    message.add_attachment("a note", filename="note.txt")
    assert reading.read(message.as_bytes()).body == "plain"


def test_a_message_without_plain_text_is_refused():
    message = EmailMessage()
    message["Subject"] = "Offers"
    message.set_content("<p>HTML</p>", subtype="html")
    assert "no plain text" in sentence(message.as_bytes())


@pytest.mark.parametrize("raw", [b"", b"  \r\n\r\n \n"])
def test_an_empty_message_is_refused(raw: bytes):
    assert sentence(raw).startswith("The message is empty.")


def test_a_message_without_text_or_subject_is_refused():
    assert "no plain text" in sentence(HEAD + b"\r\n \r\n")
    assert "no subject" in sentence(b"From: x@y.example\r\n\r\nText")
    assert "no subject" in sentence(b"Subject: =?utf-8?q?_=0D=0A?=\r\n\r\nText")


def test_what_is_too_long_is_refused_and_the_longest_is_not():
    assert "longer than 200" in sentence(b"Subject: " + b"x" * 201 + b"\r\n\r\nText")
    assert len(reading.read(b"Subject: " + b"x" * 200 + b"\r\n\r\nText").subject) == 200
    assert "longer than 50,000" in sentence(HEAD + b"\r\n" + b"x" * 50_001)
    assert len(reading.read(HEAD + b"\r\n" + b"x" * 50_000).body) == 50_000


def test_what_cannot_be_kept_or_read_is_left_out():
    written = reading.read(b"Subject: =?utf-8?q?a=00b=1B=7F?=\r\n\r\none\x00two\tthree\rfour\x1b[0m\r\n")
    assert (written.subject, written.body) == ("ab", "onetwo\tthree\nfour[0m")


def test_half_a_character_is_left_out():
    raw = HEAD + b'Content-Type: text/plain; charset="utf-7"\r\n\r\na+2AA-b\r\n'
    assert reading.read(raw).body.encode() == b"ab"


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b'Content-Type: text/plain; charset="no-such"\r\n\r\nx',
        HEAD + b'Content-Type: text/plain; charset="hex"\r\n\r\nx',
        HEAD + b"Content-Type: multipart/mixed\r\n\r\nx",
        HEAD + b"Content-Type: multipart/alternative; boundary=a\r\n\r\n--b\r\n\r\nx",
        HEAD + b"Content-Type: image/png\r\n\r\nx",
        HEAD + b"Content-Type: message/rfc822\r\n\r\nx",
    ],
)
def test_broken_mime_gets_one_sentence(raw: bytes):
    assert sentence(raw)


def nested_parts(depth: int) -> bytes:
    opened = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return HEAD + opened + b"Content-Type: text/plain\r\n\r\nx\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        nested_parts(3000),  # 500 are read.
        HEAD + b"Content-Type: text/plain; " + b"(" * 500 + b")" * 500 + b"\r\n\r\nx",
        HEAD + b"Content-Type: text/html\r\nContent-Disposition: " + b"(" * 500 + b")" * 500 + b"\r\n\r\nx",
        HEAD + b"Message-ID: " + b"(" * 500 + b")" * 500 + b"\r\n\r\n ",
    ],
)
def test_parts_or_comments_nested_too_deeply_get_one_sentence(raw: bytes):
    assert sentence(raw)


def test_the_same_message_has_the_same_key_and_another_has_another():
    first = HEAD + b"Message-ID: <1@bloggs.example>\r\n"
    assert reading.read(first + b"\r\nx").key == reading.read(first + b"Received: again\r\n\r\nx").key
    assert reading.read(first + b"\r\nx").key != reading.read(first.replace(b"<1", b"<2") + b"\r\nx").key
    assert reading.read(HEAD + b"\r\nx").key == reading.read(HEAD + b"\r\nx").key
    assert reading.read(HEAD + b"\r\nx").key != reading.read(HEAD + b"\r\ny").key


def is_read_or_refused(raw: bytes) -> None:
    try:
        written = reading.read(raw)
    except BadMessage as error:
        assert str(error)
        return
    assert isinstance(written, Written)
    assert 0 < len(written.subject) <= reading.MAX_SUBJECT
    assert len(written.subject.splitlines()) == 1
    assert written.body.strip()
    for text in (written.subject, written.body):
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

"""Strangers' messages, parsed within bounds."""

import pytest

from chamberlist import parsing


def test_a_header_is_decoded_on_one_line():
    raw = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_aus?= Ambridge\r\n\r\nHello"
    assert parsing.header(parsing.parse(raw), "subject") == "Grüße aus Ambridge"


def test_a_header_that_hides_line_breaks_has_none():
    raw = b"Subject: =?utf-8?q?Offer=0D=0ABcc=3A_all=40bakery.example?=\r\n\r\nHello"
    assert parsing.header(parsing.parse(raw), "Subject") == "Offer Bcc: all@bakery.example"


@pytest.mark.parametrize("octets", [b"Gr\xfc\xdfe", "Grüße".encode()])
def test_raw_octets_in_a_header_are_read(octets):
    assert parsing.header(parsing.parse(b"Subject: " + octets + b"\n\nx"), "Subject") == "Grüße"


def test_an_unknown_charset_is_no_reason_to_give_up():
    raw = b"Subject: =?x-none?q?caf=E9?=\nContent-Type: text/plain; charset=x-none\n\nCaf\xe9"
    message = parsing.parse(raw)
    assert parsing.header(message, "Subject") == "café"
    assert parsing.text(message) == "Café"


def test_a_forwarded_message_is_one_part():
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nSee below\n--b\nContent-Type: message/rfc822\n\nSubject: old\n\ntext\n--b--\n"
    kinds = [part.get_content_type() for part in parsing.leaves(parsing.parse(raw))]
    assert kinds == ["text/plain", "message/rfc822"]
    assert b"Subject: old" in parsing.content(parsing.leaves(parsing.parse(raw))[1])


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: " + b"x" * 200_000 + b"\n\nHello",
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 30_000 + b"--b--\n",
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(500)),
    ],
    ids=["a long head", "many parts", "deep nesting"],
)
def test_what_is_beyond_the_bounds_is_unreadable(raw):
    with pytest.raises(parsing.Unreadable):
        parsing.parse(raw)

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
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nSee below\n"
    raw += b"--b\nContent-Type: message/rfc822\n\nSubject: old\n\ntext\n--b--\n"
    kinds = [part.get_content_type() for part in parsing.leaves(parsing.parse(raw))]
    assert kinds == ["text/plain", "message/rfc822"]
    assert b"Subject: old" in parsing.content(parsing.leaves(parsing.parse(raw))[1])


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: " + b"x" * 200_000 + b"\n\nHello",
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 30_000 + b"--b--\n",
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(500)),
        b"".join(b"Content-Type:\r\n \r\n\tmultipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(60)),
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\r--b%d\r" % (n, n) for n in range(60)),
        b"Content-Type: message/rfc822\n\n" * 60,
        b"Subject: x\n\n" + b"a\n" * 700_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(40)) + b"a\n" * 200_000,
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\ncontent-disposition: x" + b";\n a=b" * 1_000 + b"\n\n--b--\n",
    ],
    ids=[
        "a long head",
        "many parts",
        "deep nesting",
        "folds",
        "CR alone",
        "messages",
        "lines",
        "nested lines",
        "a long description",
    ],
)
def test_what_is_beyond_the_bounds_is_unreadable(raw):
    with pytest.raises(parsing.Unreadable):
        parsing.parse(raw)


@pytest.mark.parametrize(
    "charset", ["idna", "punycode", "unicode_escape", "undefined", "hex", "rot13", "x\0y", "x" * 3_000, "", "*"]
)
def test_no_charset_stops_the_reading(charset):
    raw = (
        f'Subject: =?{charset}?q?caf=C3=A9?=\nContent-Type: text/plain; charset="{charset}"\n\n'.encode()
        + b"Caf\xc3\xa9 \\N{DIGIT}"
    )
    assert parsing.text(parsing.parse(raw)) == "Café \\N{DIGIT}"


def test_a_charset_in_a_faulty_parameter_stops_nothing():
    raw = b"Content-Type: text/plain; charset*=x\0'en'utf-8\n\nCaf\xc3\xa9"
    assert parsing.text(parsing.parse(raw)) == "Café"


def test_a_forwarded_message_is_given_as_it_was_read():
    inner = (
        b"Subject: " + b"long words " * 50 + b"\nX: caf\xe9\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nCaf\xe9\n--c--\n"
    )
    [leaf] = parsing.leaves(parsing.parse(b"Content-Type: message/rfc822\n\n" + inner))
    content = parsing.content(leaf)
    assert b"Subject: " + b"long words " * 50 + b"\nX: caf\xe9\n" in content
    assert b"\n\nCaf\xe9" in content


def test_line_ends_are_those_of_the_text():
    assert parsing.text(parsing.parse(b"Subject: x\r\n\r\none\r\ntwo\rthree\n")) == "one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("offer.pdf", "offer.pdf"),
        ("  two\r\nBcc: bob ", "two Bcc- bob"),
        ("=?utf-8?q?x?=.pdf", "=-utf-8-q-x-=.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\joe\\offer.pdf", "offer.pdf"),
        ("offers/", "offers"),
        ("x" * 200 + ".pdf", "x" * 96 + ".pdf"),
        ("x" * 200, "x" * 100),
        ("a." + "x" * 200, "a." + "x" * 98),
        ("\u202efdp.exe", "fdp.exe"),
        ("Ka\u0308se.pdf", "Käse.pdf"),
        ("..", ""),
    ],
)
def test_a_file_name_can_stand_in_a_header_and_on_a_disk(written: str, name: str):
    assert parsing.file_name(written) == name
    assert parsing.file_name(name) == name

"""Messages that no honest program writes, of many kinds, the same each time: food for whatever reads strangers' mail."""

import base64
import random
from collections.abc import Callable, Iterator
from itertools import cycle

from tests import hostilecontents as contents
from tests.hostilecontents import EVERY, SIZES, TOP, ordinary

Kind = Callable[[random.Random], bytes]

EVERY_SO_MANY = 40  # One in so many messages is of a dear kind: large, or costly to read.


def messages(number: int = 10_000, seed: int = 2006, head: bytes = b"") -> Iterator[tuple[str, bytes]]:
    """So many messages and the names of their kinds; ``head`` (whole header lines) stands before each."""
    cheap, dear = cycle(CHEAP), cycle(DEAR)
    for at in range(number):
        kind = next(dear) if at % EVERY_SO_MANY == EVERY_SO_MANY - 1 else next(cheap)
        yield kind.__name__, head + kind(random.Random(f"{seed} {at}"))


# Structure


def nested_parts(dice: random.Random) -> bytes:
    depth = int(5_000 ** dice.random())
    fold = dice.choice([b" ", b"\r\n ", b"\r\n \r\n\t"])
    opened = [b"Content-Type:%smultipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (fold, n, n) for n in range(depth)]
    return TOP + b"".join(opened) + b"\r\nHello\r\n" + b"".join(b"--b%d--\r\n" % n for n in reversed(range(depth)))


def nested_messages(dice: random.Random) -> bytes:
    return TOP + b"Content-Type: message/rfc822\r\n\r\n" * int(5_000 ** dice.random()) + b"Subject: inside\r\n\r\nHello\r\n"


def nested_digests(dice: random.Random) -> bytes:
    depth = int(500 ** dice.random())
    return (
        TOP
        + b"".join(b"Content-Type: multipart/digest; boundary=b%d\r\n\r\n--b%d\r\n\r\n" % (n, n) for n in range(depth))
        + b"x\r\n"
    )


def nested_with_many_lines(dice: random.Random) -> bytes:
    opened = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(dice.randint(2, 49)))
    return TOP + opened + b"\r\n" + b"a\r\n" * dice.choice(SIZES)


def many_parts(dice: random.Random) -> bytes:
    part = dice.choice([b"--b\r\n", b"--b\r\n\r\nx\r\n", b"--b\r\nContent-Type: text/html\r\n\r\n<b>\r\n"])
    return TOP + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * dice.choice([900, 10_000, 100_000]) + b"--b--\r\n"


def boundaries(dice: random.Random) -> bytes:
    odd = [
        b"",
        b"; boundary",
        b"; boundary=",
        b'; boundary=""',
        b"; boundary=" + b"x" * 10_000,
        b'; boundary="a\r\n b"',
        b"; boundary=a; boundary=b",
    ]
    odd += [
        b"; boundary*=utf-8''a%0D%0Ab",
        b"; boundary*=x\0'a'b",
        b'; boundary="a b "',
        b"; boundary=\xff",
        b'; boundary="' + b"\\" * 999,
    ]
    inner = b"Content-Type: multipart/alternative" + dice.choice([b"; boundary=a", b"; boundary=ab", dice.choice(odd)])
    return (
        TOP
        + b"Content-Type: multipart/mixed"
        + dice.choice(odd)
        + b"\r\n\r\n--a\r\n"
        + inner
        + b"\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n--ab--\r\n--\r\n"
    )


def without_an_end(dice: random.Random) -> bytes:
    whole = ordinary()
    return whole[: dice.randrange(len(whole))]


def empty(dice: random.Random) -> bytes:
    return dice.choice([b"", b"\r\n", b"\n", b"\0", b" ", b"\r\n\r\n\r\n", b":", b"\r"])


def headers_alone(dice: random.Random) -> bytes:
    return TOP.rstrip(b"\r\n") + dice.choice([b"", b"\r\n", b"\r\n\r\n"])


def body_alone(dice: random.Random) -> bytes:
    return b"\r\n" * dice.randrange(3) + b"Hello, this is no header\r\n\r\nFrom: x@y.example\r\n"


def noise(dice: random.Random) -> bytes:
    return dice.randbytes(dice.randrange(3_000))


def changed_here_and_there(dice: random.Random) -> bytes:
    octets = bytearray(ordinary())
    for _ in range(dice.randrange(1, 40)):
        octets[dice.randrange(len(octets))] = dice.choice(b'\0\r\n:;="()<>\\ @,\xff-=?' + bytes([dice.randrange(256)]))
    return bytes(octets)


# Headers


def long_lines(dice: random.Random) -> bytes:
    name = dice.choice(EVERY).encode()
    filling = dice.choice(
        [b"x", b"a@b.example, ", b'"', b"(", b"=?", b"=?utf-8?q?x?= ", b"\\", b" ", b"<", b";a=b", b"@", b"\r\n "]
    )
    return TOP + name + b": " + filling * (dice.choice(SIZES) // len(filling)) + b"\r\n\r\nHello\r\n"


def long_types(dice: random.Random) -> bytes:
    filling = dice.choice([b";a=b", b';";', b'";"', b"; a*0=b", b"(", b" ", b'; x="', b"\\;"])
    kind = dice.choice(
        [b"Content-Type: text/plain", b"Content-Type: multipart/mixed; boundary=c", b"Content-Disposition: attachment"]
    )
    value = kind + filling * (dice.choice(SIZES) // len(filling))
    return TOP + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + value + b"\r\n\r\nx\r\n--b--\r\n"


def many_headers(dice: random.Random) -> bytes:
    return TOP + (dice.choice(EVERY).encode() + b": x\r\n") * dice.choice([1_000, 5_000, 100_000]) + b"\r\nHello\r\n"


def received_by_many(dice: random.Random) -> bytes:
    return b"Received: from a.example by b.example; Mon, 23 Jan 2006 00:00:00 +0000\r\n" * 1_000 + TOP + b"\r\nHello\r\n"


def nested_remarks(dice: random.Random) -> bytes:
    name = dice.choice([*EVERY, "Content-Type", "Authentication-Results", "Auto-Submitted"]).encode()
    return (
        TOP + name + b": " + b"(" * 500 + b"x" + b")" * dice.choice([0, 499, 500, 501]) + b" anne@bakery.example\r\n\r\nHello\r\n"
    )


def twice(dice: random.Random) -> bytes:
    names = ["From", "To", "Subject", "Content-Type", "Content-Transfer-Encoding", "Message-ID", "Approved", "MIME-Version", "Date"]
    values = [
        "one@bakery.example",
        "text/html",
        "base64",
        "multipart/mixed; boundary=b",
        "7bit",
        "<2@x.example>",
        "password",
        "1.0",
    ]
    lines = "".join(f"{dice.choice(names)}: {dice.choice(values)}\r\n" for _ in range(dice.randint(2, 12)))
    return TOP + lines.encode() + b"\r\n--b\r\n\r\nHello\r\n--b--\r\n"


def hidden_line_breaks(dice: random.Random) -> bytes:
    break_, then = dice.choice(["=0D=0A", "=0A", "=0D", "=00", "=C2=85", "=E2=80=A8"]), "Bcc=3A=20all=40bakery.example"
    word = dice.choice([f"=?utf-8?q?x{break_}{then}?=", "=?utf-8?b?" + base64.b64encode(b"x\r\nBcc: a@b.example").decode() + "?="])
    word = dice.choice([word, f"=?utf-16?q?{break_}{then}?=", f'"{word}"', f"<{word}@bakery.example>", f"({word})"])
    lines = "".join(f"{name}: {word}\r\n" for name in EVERY)
    name = dice.choice(
        ["filename*=utf-8''x%0D%0ABcc:%20a%40b.example", f'filename="{word}"', "filename*0*=utf-8''x%0D; filename*1*=%0A.txt"]
    )
    lines += f"Content-Type: text/plain; charset={word}; {name}\r\n"
    return f"{lines}Content-Disposition: attachment; {name}\r\n\r\nHello\r\n".encode()


def numbered_parameters(dice: random.Random) -> bytes:
    count = dice.choice([5, 100, 3_000])
    numbers = [dice.choice([n, n * 10**9, 10**50, 0]) for n in range(count)]
    parts = "".join(f";\r\n filename*{n}{dice.choice(['', '*'])}=utf-8''%0{n % 10}" for n in numbers)
    kind = f"Content-Type: text/plain; charset*={dice.choice(['', 'x'])}''utf-8\r\n"
    return TOP + f"{kind}Content-Disposition: attachment{parts}\r\n\r\nx".encode()


def encoded_words(dice: random.Random) -> bytes:
    word = dice.choice(
        [
            b"=?utf-8?q?=41?= ",
            b"=?utf-8?b?QQ==?=",
            b"=?=?=?",
            b"=?utf-8?q?",
            b"=?\0?b?QQ==?= ",
            b"=?idna?q?xn--=FF?= ",
            b"=?hex?b?QQ?=",
        ]
    )
    lines = b"".join(name.encode() + b": " + word * dice.choice([1, 50, 600]) + b"\r\n" for name in dice.sample(EVERY, 5))
    return lines + b"\r\nHello\r\n"


def odd_names(dice: random.Random) -> bytes:
    lines = [
        b"From : a@b.example",
        b": nothing",
        b"No colon here",
        b" starts with a space",
        b"Sub\xffject: x",
        b"Sub\0ject: x",
        b"Bcc: all@b.example",
    ]
    lines += [
        b"\tTo: x",
        b"Subject\t: x",
        b"A" * 5_000 + b": x",
        b"From x@y Mon Jan 23",
        b">From: x",
        b"To:",
        b"=?utf-8?q?Bcc?=: x@y.example",
    ]
    return TOP + b"\r\n".join(dice.sample(lines, 6)) + b"\r\n\r\nHello\r\n"


def odd_dates(dice: random.Random) -> bytes:
    date = dice.choice(
        ["9" * 5_000, "Mon, 99 Jan 99999999999 99:99:99 +9999", "1 Jan 0 0:0:0 -99999999", "Mon", "", "²³ Jan ²⁰⁰⁶", "x " * 3_000]
    )
    return TOP + f"Date: {date}\r\nReceived: a; {date}\r\nDKIM-Signature: t={date}; x={date}\r\n\r\nHello\r\n".encode()


def loops(dice: random.Random) -> bytes:
    lines = [
        "List-Id: <trade.lists.chamber.example>",
        "X-Loop: list@lists.chamber.example",
        "Auto-Submitted: auto-replied",
        "Precedence: bulk",
    ]
    lines += ["List-Id: " + "<" * 2_000, "X-Loop: " + "x," * 2_000, "Auto-Submitted: no; no", "Return-Path: <>", "Feedback-ID: :::"]
    return TOP + "\r\n".join(dice.sample(lines, 5)).encode() + b"\r\n\r\nHello\r\n"


def addresses(dice: random.Random) -> bytes:
    some = [
        '"',
        "@",
        "a@b@c.example",
        "<>",
        "<<a@b.example>>",
        "a:b:c;",
        "friends:;",
        '"\\',
        "a@[",
        "a@[127.0.0.1]",
        "anne@BAKERY.EXAMPLE.",
        "раypal@bаnk.example",
    ]
    some += [
        "@a,@b:c@d.example",
        "a%b@lists.chamber.example",
        '"a@b"@c.example',
        "a..b@c.example",
        "x" * 3_000 + "@b.example",
        "a@" + "x." * 1_500,
        "a\u202e@b.example",
    ]
    return (
        "".join(f"{name}: {', '.join(dice.choices(some, k=4))}\r\n" for name in ("From", "To", "Reply-To", "Sender")).encode()
        + b"\r\nHello\r\n"
    )


def smuggled(dice: random.Random) -> bytes:
    end = dice.choice([b"\r\n.\r\n", b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\0\r\n.\r\n"])
    second = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<all@c.example>\r\nDATA\r\nSubject: second\r\n\r\nHello\r\n"
    return TOP + dice.choice([b"", b"X: y\rBcc: all@b.example\r\n", b"X: y\nBcc: z\r\n"]) + b"\r\nHello" + end + second


CHEAP: tuple[Kind, ...] = (
    nested_digests,
    boundaries,
    without_an_end,
    empty,
    headers_alone,
    body_alone,
    noise,
    changed_here_and_there,
    received_by_many,
    nested_remarks,
    twice,
    hidden_line_breaks,
    numbered_parameters,
    encoded_words,
    odd_names,
    odd_dates,
    loops,
    addresses,
    smuggled,
    contents.charsets,
    contents.base_64,
    contents.quoted_printable,
    contents.uuencoded,
    contents.deceiving_letters,
    contents.octets_everywhere,
    contents.zeros,
    contents.fragments,
    contents.reports_without_parts,
    contents.complaints_in_complaints,
    contents.calendars,
    contents.small_markup,
    contents.archives,
)
DEAR: tuple[Kind, ...] = (
    nested_parts,
    nested_messages,
    many_parts,
    nested_with_many_lines,
    long_lines,
    long_types,
    many_headers,
    contents.reports_of_many,
    contents.large_markup,
    contents.inflating,
    contents.unbroken_text,
    contents.spaces,
    contents.short_lines,
)

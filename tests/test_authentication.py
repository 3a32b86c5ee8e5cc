"""Is a message really from the domain in its From? Against a DNS server on loopback, and with every trick in the headers."""

import base64
import hashlib
import logging
import pickle
import re
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from django.conf import settings as site

from chamberlist import dkim
from posting.inbound import authentication, lookups, results, signatures
from posting.inbound.authentication import Answer, Question
from tests import nameserver
from tests.nameserver import BROKEN, EMPTY, SILENT
from tests.test_dkim import a_signed_copy, ed25519, pem, rsa

MESSAGE = b"From: Anne <anne@bakery.example>\r\nTo: list@chamber.example\r\nSubject: Two  for one\r\n\r\nFresh bread.\r\n\r\n\r\n"
BAKERY = "bakery.example"


@cache
def signer(kind: str = "rsa") -> dkim.Signer:
    [found] = dkim.parse("s", {"rsa": rsa, "ed25519": ed25519}[kind]())
    return found


def record(kind: str = "rsa", domain: str = BAKERY, **changes: str) -> dict[str, bytes]:
    """The DNS record of the key, with tags of one's own."""
    name, text = signer(kind).record(domain)
    tags = dict(part.strip().split("=", 1) for part in text.split(";")) | changes
    return {name: "; ".join(f"{tag}={value}" for tag, value in tags.items()).encode()}


def policy(text: str, domain: str = BAKERY) -> dict[str, bytes]:
    return {f"_dmarc.{domain}": f"v=DMARC1; {text}".encode()}


def signed(message: bytes = MESSAGE, *, kind: str = "rsa", **changes: str) -> bytes:
    """The message with a signature (c=relaxed/simple) whose tags a test may change before it is made."""
    head, _, body = message.partition(b"\r\n\r\n")
    canonical = body.rstrip(b"\r\n") + b"\r\n"
    covered = canonical[: int(changes["l"])] if changes.get("l", "").isdigit() else canonical
    digest = base64.b64encode(hashlib.sha256(covered).digest()).decode()
    tags = {
        "v": "1",
        "a": signer(kind).algorithm,
        "c": "relaxed/simple",
        "d": BAKERY,
        "s": "s",
        "h": "From:To:Subject",
        "bh": digest,
    }
    tags |= changes
    opening = "DKIM-Signature: " + "; ".join(f"{name}={value}" for name, value in tags.items()) + "; b="
    lines = {line.partition(b":")[0].lower(): relaxed(line) for line in head.split(b"\r\n")}
    chosen = [lines.pop(name.lower()) for name in tags["h"].encode().split(b":") if name.lower() in lines]
    signature = signer(kind).sign(b"\r\n".join([*chosen, relaxed(opening.encode())]))
    return opening.encode() + base64.b64encode(signature) + b"\r\n" + message


def relaxed(line: bytes) -> bytes:
    name, _, value = line.partition(b":")
    return name.lower() + b":" + re.sub(rb"[ \t]+", b" ", value).strip()


def ask(raw: bytes, records: dict[str, Any], author: str = f"anne@{BAKERY}") -> Answer:
    with nameserver.serving(records) as server:
        answer = authentication.check(Question(raw, author, "", (server.address,)))
    assert pickle.loads(pickle.dumps(answer)) == answer  # noqa: S301
    assert answer.words.endswith(".") and "@" not in answer.words
    return answer


def brief(answer: Answer) -> tuple[str, str, str, bool]:
    return (answer.dkim, answer.dmarc, answer.policy, answer.aligned)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "LONGEST", 0.2)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
@pytest.mark.parametrize("wish", ["none", "quarantine", "reject"])
def test_an_aligned_signature_passes(kind: str, wish: str):
    records = record(kind) | policy(f"p={wish}")
    assert brief(ask(signed(kind=kind), records)) == ("pass", "pass", wish, True)
    assert brief(ask(signed(kind=kind).replace(b"\r\n", b"\n"), records)) == ("pass", "pass", wish, True)


def test_without_a_policy_a_signature_still_tells():
    assert brief(ask(signed(), record())) == ("pass", "none", "", True)
    assert brief(ask(MESSAGE, {})) == ("none", "none", "", False)


@pytest.mark.parametrize("wish", ["none", "quarantine", "reject"])
def test_an_unsigned_message_fails_whatever_the_policy_asks(wish: str):
    assert brief(ask(MESSAGE, policy(f"p={wish}"))) == ("none", "fail", wish, False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Fresh", b"Stale"),
        (b"bread.\r\n", b"bread.\r\nAnd more.\r\n"),
        (b"Subject: Two", b"Subject: Ten"),
        (b"\r\nSubject", b"\r\nSubject: Another\r\nSubject"),
        (b"\r\nTo:", b"\r\nto: spy@evil.example\r\nTo:"),
        (b"; b=", b"; b=AAAA"),
        (b"; b=", b"; b=\xff"),
        (b"bh=", b"bh=="),
        (b"d=bakery", b"d=Bakery\x00"),
        (b"v=1;", b"v=1; v=1;"),
        (b"\r\nTo:", b"\r\nno header\r\nTo:"),
        (b"\r\nTo:", b"\r\nX: a\rb\r\nTo:"),
        (b"DKIM-Signature", b" DKIM-Signature"),
    ],
)
def test_a_change_on_the_way_fails(before: bytes, after: bytes):
    changed = signed().replace(before, after, 1)
    assert changed != signed()
    assert brief(ask(changed, record() | policy("p=none")))[1::2] == ("fail", False)


def test_spaces_and_folds_on_the_way_do_no_harm():
    changed = signed().replace(b"Subject: Two  for", b"subject:\tTwo\r\n \t for", 1) + b"\r\n\r\n"
    assert brief(ask(changed, record() | policy("p=none"))) == ("pass", "pass", "none", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"l": "5"},
        {"l": "0"},
        {"l": "9999999"},
        {"l": "x"},
        {"l": "9" * 100},
        {"x": "9" * 5000},
        {"x": "1000000000"},
        {"t": "1900000000", "x": "1800000000"},
        {"t": "99999999999"},
        {"a": "rsa-sha1"},
        {"v": "2"},
        {"h": "To:Subject"},
        {"d": "example"},
        {"d": f"{'x' * 300}.{BAKERY}"},
        {"s": "a b"},
        {"s": ".." * 100},
        {"i": "@garage.example"},
        {"c": "loose/simple"},
        {"q": "http"},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_a_signature_that_proves_nothing_fails(changes: dict[str, str]):
    assert brief(ask(signed(MESSAGE, **changes), record() | policy("p=none"))) == ("fail", "fail", "none", False)


def test_times_and_lengths_in_order_do_no_harm():
    now = int(time.time())
    body = str(len(b"Fresh bread.\r\n"))
    raw = signed(t=str(now), x=str(now + 60), l=body, i=f"anne@mail.{BAKERY}", q="dns/txt")
    assert brief(ask(raw, record() | policy("p=none"))) == ("pass", "pass", "none", True)


@pytest.mark.parametrize(
    "records",
    [
        {},
        {f"s._domainkey.{BAKERY}": EMPTY},
        {f"s._domainkey.{BAKERY}": b"\xff\x00 words"},
        {f"s._domainkey.{BAKERY}": list(record().values()) * 2 + [b"another"]},
        record(p=""),
        record(p="AAAA"),
        record(p="A" * 60_000),
        record(v="DKIM2"),
        record(k="ed25519"),
        record(h="sha1"),
        record(s="tlsrpt"),
    ],
    ids=lambda records: str(records)[:60],
)
def test_a_key_that_is_no_good_fails(records: dict[str, Any], impatient: None):
    assert brief(ask(signed(), records | policy("p=none")))[1:] in {("fail", "none", False), ("error", "none", False)}
    assert ask(signed(), records).dkim != "pass"


def test_a_key_may_forbid_its_subdomains():
    raw = signed(i=f"@mail.{BAKERY}")
    assert ask(raw, record()).dkim == "pass"
    assert ask(raw, record(t="s:y")).dkim == "fail"


# 512 bits: anybody finds the private half in an afternoon, and here it is.
SHORT_PRIVATE = """-----BEGIN RSA PRIVATE KEY-----
MIIBOwIBAAJBAMlKuKx9gfZFMtI1H4BGrNj+oBofIQe07j1MuiiXM8nV5rp8Xf69
CjgE1xoa8eXTgcki5Zijnjyr2i0/9SdTCjsCAwEAAQJBAJS1iEOeoYHwU4Bq0K/z
BsV1L5C8yKkp6QwOgEV2l0MXXVgkYvpFx0FsqoVAclNJNe7cBM3IVSqYNVFM8JdG
4dkCIQDnj2wIy1lg2jRRp3gN5MHjYzvCmFmaoOpkr9C/aJXfbwIhAN6JeMN7WMhZ
fAzSToGIdzhh8rp9z64IQaWpKOt6JJv1AiEAnLuIDV/ObG7lcMtgyE6pKcb2IR3L
sIzwehxCt/wLTYMCICbAIXtIu0kH7AX/iRQdQ0VaKP44cjWH0oaaUjnO5xkRAiBg
gw7hdXCYb5y3tLdJxzUQdqPpkF4xfsYPyj7MCiqsJQ==
-----END RSA PRIVATE KEY-----
"""
SHORT_PUBLIC = (
    b"MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMlKuKx9gfZFMtI1H4BGrNj+oBofIQe07j1Mui"
    b"iXM8nV5rp8Xf69CjgE1xoa8eXTgcki5Zijnjyr2i0/9SdTCjsCAwEAAQ=="
)


def test_a_key_of_512_bits_fails():
    key = generate_rsa(public_exponent=65537, key_size=1024)  # noqa: S505
    for text, dns_key, verdict in ((pem(key), public(key), "pass"), (SHORT_PRIVATE, SHORT_PUBLIC, "fail")):
        raw = dkimpy.sign(MESSAGE, b"s", BAKERY.encode(), text.encode(), include_headers=[b"from"]) + MESSAGE
        assert ask(raw, {f"s._domainkey.{BAKERY}": b"v=DKIM1; p=" + dns_key}).dkim == verdict


def public(key: Any) -> bytes:
    [text] = [dkim.Signer("s", key).record(BAKERY)[1]]
    return text.partition("p=")[2].encode()


@pytest.mark.parametrize(("found", "verdict"), [(SILENT, "error"), (BROKEN, "error"), (EMPTY, "fail"), (None, "fail")])
def test_a_key_that_nobody_answers_for_is_an_error_and_not_a_failure(found: bytes | None, verdict: str, impatient: None):
    records = policy("p=reject") | ({f"s._domainkey.{BAKERY}": found} if found else {})
    assert brief(ask(signed(), records)) == (verdict, verdict, "reject", False)


@pytest.mark.parametrize("found", [SILENT, BROKEN])
def test_a_policy_that_nobody_answers_for_is_an_error(found: bytes, impatient: None):
    assert brief(ask(signed(), record() | {f"_dmarc.{BAKERY}": found})) == ("pass", "error", "", True)
    assert brief(ask(MESSAGE, {f"_dmarc.{BAKERY}": found})) == ("none", "error", "", False)


def test_silence_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lookups, "LONGEST", 0.2)
    monkeypatch.setattr(lookups, "ALTOGETHER", 0.5)
    raw = b"".join(signed(s=f"k{n}").removesuffix(MESSAGE) for n in range(9)) + MESSAGE
    began = time.monotonic()
    assert ask(raw, {f"k{n}._domainkey.{BAKERY}": SILENT for n in range(9)}).dkim == "error"
    assert time.monotonic() - began < 2


def keys_asked_for(others: list[bytes]) -> int:
    """Beside a good signature, before which these stand."""
    with nameserver.serving(record() | policy("p=none")) as server:
        raw = b"".join(each.removesuffix(MESSAGE) for each in others) + signed()
        answer = authentication.check(Question(raw, f"anne@{BAKERY}", "", (server.address,)))
    assert brief(answer) == ("pass", "pass", "none", True)
    assert len(server.asked) == len(set(server.asked)) <= lookups.MOST
    return len([name for name in server.asked if "_domainkey" in name])


def test_no_stranger_is_asked_for_a_key():
    assert keys_asked_for([signed(d=f"relay{n}.example", s=f"s{n}") for n in range(9)]) == 1


def test_five_signatures_are_looked_at_those_of_the_author_s_own_domain_first():
    assert keys_asked_for([signed(d=f"relay{n}.{BAKERY}", s=f"s{n}") for n in range(9)]) == 5


def test_a_sister_domain_s_signature_passes_too():
    raw = signed(MESSAGE.replace(b"@bakery.example", b"@shop.bakery.example"), d=f"mail.{BAKERY}")
    records = record(domain=f"mail.{BAKERY}") | policy("p=reject")
    assert brief(ask(raw, records, f"anne@shop.{BAKERY}")) == ("pass", "pass", "reject", True)


def test_all_that_is_asked_for_one_message_takes_three_seconds_at_most():
    assert lookups.LONGEST <= lookups.ALTOGETHER <= 3


def test_another_domain_s_signature_is_not_the_author_s():
    raw = signed(d="relay.example")
    assert brief(ask(raw, record(domain="relay.example") | policy("p=reject"))) == ("none", "fail", "reject", False)
    lookalike = signed(d="evilbakery.example")
    assert brief(ask(lookalike, record(domain="evilbakery.example") | policy("p=reject"))) == ("none", "fail", "reject", False)


@pytest.mark.parametrize(("adkim", "verdict"), [("r", "pass"), ("s", "fail"), ("odd", "pass")])
def test_a_subdomain_s_signature_passes_unless_the_policy_is_strict(adkim: str, verdict: str):
    raw = signed(d=f"mail.{BAKERY}")
    records = record(domain=f"mail.{BAKERY}") | policy(f"p=reject; adkim={adkim}")
    assert brief(ask(raw, records)) == ("pass", verdict, "reject", verdict == "pass")


def test_the_tree_is_walked_to_the_policy():
    raw = signed(MESSAGE.replace(b"@bakery.example", b"@a.b.bakery.example"))
    author = "anne@a.b.bakery.example"
    records = record() | policy("p=none; sp=quarantine")
    assert brief(ask(raw, records, author)) == ("pass", "pass", "quarantine", True)
    assert brief(ask(raw, records | policy("p=reject", "a.b.bakery.example"), author)) == ("pass", "pass", "reject", True)
    between = policy("p=reject; psd=n", "b.bakery.example")  # An organisation of its own.
    assert brief(ask(raw, records | between, author)) == ("pass", "fail", "reject", False)
    suffix = policy("p=reject; psd=y", BAKERY)  # A public suffix: its customers are strangers to each other.
    assert brief(ask(raw, record() | suffix, author)) == ("pass", "fail", "reject", False)


@pytest.mark.parametrize(
    ("record_text", "exists", "wish"),
    [
        ("p=none; sp=quarantine; np=reject", False, "reject"),
        ("p=none; sp=quarantine; np=reject", True, "quarantine"),
        ("p=none; np=reject", True, "none"),
        ("p=reject; t=y", True, "quarantine"),
        ("p=odd", True, "none"),
        ("rua=mailto:x@y.example", True, "none"),
    ],
)
def test_a_subdomain_has_the_policy_that_is_meant_for_it(record_text: str, exists: bool, wish: str):
    raw = MESSAGE.replace(b"@bakery.example", b"@shop.bakery.example")
    records: dict[str, Any] = policy(record_text) | ({"shop.bakery.example": EMPTY} if exists else {})
    assert brief(ask(raw, records, "anne@shop.bakery.example")) == ("none", "fail", wish, False)


@pytest.mark.parametrize(
    "found", [[b"v=DMARC1; p=reject", b"v=DMARC1; p=none"], b"v=DMARC2; p=reject", b"v=DMARC1; p=a; p=b", b"p=reject", b"\xff", b""]
)
def test_what_is_no_policy_is_none(found: Any):
    assert brief(ask(MESSAGE, {f"_dmarc.{BAKERY}": found})) == ("none", "none", "", False)


def test_a_record_for_something_else_beside_the_policy_does_no_harm():
    assert ask(MESSAGE, {f"_dmarc.{BAKERY}": [b"words", b"v=DMARC1; p=reject"]}).policy == "reject"


def test_a_long_name_is_walked_in_eight_steps():
    domain = ".".join(f"l{n}" for n in range(30)) + ".example"
    with nameserver.serving({}) as server:
        raw = MESSAGE.replace(b"bakery.example", domain.encode())
        assert authentication.check(Question(raw, f"anne@{domain}", "", (server.address,))).dmarc == "none"
    assert len(server.asked) == 8 and server.asked[1].count(".") == 7


def test_one_message_asks_only_so_often():
    domain = ".".join(f"l{n}" for n in range(30)) + ".example"
    message = MESSAGE.replace(b"bakery.example", domain.encode())
    raw = b"".join(signed(message, s=f"s{n}", d=domain).removesuffix(message) for n in range(5)) + message
    with nameserver.serving({}) as server:
        answer = authentication.check(Question(raw, f"anne@{domain}", "", (server.address,)))
    assert brief(answer) == ("error", "error", "", False)
    assert len(server.asked) == lookups.MOST


@pytest.mark.parametrize(
    "written",
    [
        b"From: a@bakery.example\r\nFrom: b@evil.example",
        b"From: a@evil.example\r\nFrom: b@bakery.example",
        b"From: a@bakery.example, b@evil.example",
        b"From: a@bakery.example, <b@evil.example>",
        b"From: <a@bakery.example> <b@evil.example>",
        b"From: <a@evil.example> b@bakery.example",
        b"From: <@evil.example:a@bakery.example>",
        b"From: friends: a@bakery.example;",
        b"From: a@bakery.example@evil.example",
        b"From: a@evil.example (<b@bakery.example>)",
        b'From: "<a@bakery.example>" <b@evil.example>',
        b"From: " + b"(" * 500 + b"a@bakery.example",
        b"From: nobody",
        b"From: b@evil.example, <a@bakery.example>",
        b"From: Anne, Bob <a@bakery.example>",
        b'From: "odd , name"@bakery.example',
        b"From: b@bakery.example",
        b"From: <>",
        b"From:",
        b"Reply-To: a@bakery.example",
    ],
)
@pytest.mark.parametrize("authserv_id", ["", "mx.chamber.example"])
def test_what_does_not_name_one_author_fails(written: bytes, authserv_id: str):
    told = b"Authentication-Results: mx.chamber.example; dmarc=pass header.from=bakery.example\r\n"
    raw = told + written + b"\r\nTo: list@chamber.example\r\n\r\nHello\r\n"
    answer = authentication.check(Question(raw, f"a@{BAKERY}", authserv_id, ("127.0.0.1:9",)))
    assert brief(answer) == ("fail", "fail", "", False)


@pytest.mark.parametrize(
    "written",
    [
        b"a@bakery.example",
        b"<a@BAKERY.example>",
        b"Anne Baker <a@bakery.example>",
        b'"Baker, Anne <b@evil.example>" <a@bakery.example>',
        b"Anne (of evil.example (and, others)) <a@bakery.example> (again)",
        b"=?utf-8?q?B=C3=A4cker?= <a@bakery.example>",
        b"=?utf-8?q?b=40evil.example=2C?= <a@bakery.example>",
        "Bäcker <a@bakery.example>".encode(),
        b"\r\n <a@bakery.example>",
    ],
)
def test_one_author_is_read_however_written(written: bytes):
    raw = b"From: " + written + b"\r\n\r\nHello\r\n"
    assert ask(raw, policy("p=reject"), f"a@{BAKERY}").words != authentication.TWO_AUTHORS


def test_a_domain_beyond_ascii_is_one_domain_in_both_spellings():
    raw = "From: <anne@straße.example>\r\n\r\nHello\r\n".encode()
    assert ask(raw, policy("p=reject", "xn--strae-oqa.example"), "anne@straße.example").policy == "reject"
    assert ask(raw, policy("p=reject", "strasse.example"), "anne@straße.example").policy == ""


# Others' signers and verifiers


@pytest.mark.parametrize("header", ["simple", "relaxed"])
@pytest.mark.parametrize("body", ["simple", "relaxed"])
@pytest.mark.parametrize("ending", [b"", b"\r\n", b"\r\n\r\n\r\n", b" \t \r\n \r\n", b"  two  spaces \t\r\n\r\n"])
def test_what_dkimpy_signs_passes_and_it_agrees_on_every_change(header: str, body: str, ending: bytes):
    message = MESSAGE[:-6] + ending
    how = (header.encode(), body.encode())
    signature = dkimpy.sign(message, b"s", BAKERY.encode(), rsa().encode(), canonicalize=how, include_headers=[b"from", b"subject"])
    whole = signature + message
    changes = [(b"", b""), (b"Two  for", b"Two for"), (b"\r\nTo:", b"\r\nX: y\r\nTo:"), (b"Fresh bread", b"Fresh  bread ")]
    changes += [(b"From: Anne", b"from:  Anne"), (b"h=from", b"h= from"), (b"Two", b"\r\n Two")]
    verdicts = set()
    for before, after in changes:
        raw = whole.replace(before, after, 1) if before else whole
        records = record()
        theirs = by_dkimpy(raw, records)
        assert (ask(raw, records).dkim == "pass") == theirs, (before, after)
        verdicts.add(theirs)
    assert verdicts == {True, False}


def by_dkimpy(raw: bytes, records: dict[str, bytes]) -> bool:
    def found(name: bytes, timeout: int = 5) -> bytes:
        return records.get(name.decode().rstrip("."), b"")

    try:
        return bool(dkimpy.DKIM(raw, logger=logging.getLogger("silent")).verify(dnsfunc=found))
    except dkimpy.DKIMException:
        return False


@pytest.mark.parametrize("keys", ["rsa", "ed25519", "both"])
def test_our_own_copies_pass(keys: str, settings: Any):
    chosen = {"rsa": ("r1", rsa()), "ed25519": ("e1", ed25519()), "both": ("r1,e1", rsa() + ed25519())}[keys]
    settings.DKIM = dkim.parse(*chosen)
    raw = a_signed_copy("anne@bakery.example").message
    records = {name: text.encode() for name, text in dkim.records(settings.DKIM, site.LIST_DOMAIN)}
    author = f"promotions@{site.LIST_DOMAIN}"
    assert brief(ask(raw, records | policy("p=reject", site.LIST_DOMAIN), author)) == ("pass", "pass", "reject", True)


def test_a_hostile_body_or_header_takes_time_in_proportion():
    hostile = [signed(MESSAGE + b" \t" * 2_000_000, c=f"relaxed/{body}", h="From:" * 5_000) for body in ("relaxed", "simple")]
    hostile.append(b"DKIM-Signature: v=1; b" + b" \r\n\t" * 20_000 + b"\r\n" + MESSAGE)
    hostile.append(b"DKIM-Signature:" + b"a=b; " * 20_000 + b"\r\n" + MESSAGE)
    began = time.process_time()
    for raw in hostile:
        ask(raw, {})
    assert time.process_time() - began < 2


# What the mail server in front says

US = "mx.chamber.example"
PASS = "dkim=pass header.d=bakery.example; dmarc=pass (p=reject dis=none) header.from=bakery.example"


def told(*headers: str, above: str = "", authserv_id: str = US) -> tuple[str, str, str, bool]:
    lines = "".join(f"Authentication-Results: {header}\r\n" for header in headers)
    raw = (above + lines).encode() + MESSAGE
    return brief(authentication.check(Question(raw, f"anne@{BAKERY}", authserv_id)))


UNKNOWN = ("error", "error", "", False)
RECEIVED = "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"{US}; {PASS}", ("pass", "pass", "reject", True)),
        (f"MX.Chamber.Example 1; {PASS}", ("pass", "pass", "reject", True)),
        (f"(hi;) {US} (x \\) y); {PASS}", ("pass", "pass", "reject", True)),
        (f'"{US}"; {PASS}', ("pass", "pass", "reject", True)),
        (f"{US};\r\n\tdkim=pass (2048-bit key;) header.i=@bakery.example;\r\n\tdmarc=none", ("pass", "none", "", True)),
        (f"{US}; dkim/1=pass header.d=Bakery.Example; dmarc / 1 = none", ("pass", "error", "", True)),
        (
            f'{US}; dkim=fail reason="dmarc=pass; p=none"; dmarc=fail (p=NONE)',
            ("fail", "fail", "none", False),
        ),
        (f"{US}; dkim=none; dmarc=fail (p=quarantine) header.from=bakery.example", ("none", "fail", "quarantine", False)),
        (f"{US}; dkim=pass header.d=relay.example; dmarc=pass header.from=bakery.example", ("pass", "pass", "", True)),
        (f"{US}; dkim=pass header.d=relay.example; dmarc=none", ("pass", "none", "", False)),
        (f"{US}; dkim=pass header.d=bakery.example; dmarc=fail header.from=bakery.example", ("pass", "fail", "", False)),
        (f"{US}; dkim=pass header.d=bakery.example; dmarc=temperror", ("pass", "error", "", True)),
        (f"{US}; dkim=temperror; dmarc=temperror", UNKNOWN),
        (f"{US}; dkim=policy; dmarc=bestguesspass", ("fail", "error", "", False)),
        (f"{US}; dkim=fail header.d=a.example; {PASS}", ("pass", "pass", "reject", True)),
        (f"{US}; dmarc=pass policy.dmarc=quarantine header.from=bakery.example", ("error", "pass", "quarantine", True)),
        (f"{US}; dmarc=pass header.from=garage.example", ("error", "fail", "", False)),
        (f"{US}; dmarc=pass", ("error", "fail", "", False)),
        (f"{US}; dmarc=pass header.from=bakery.example; dmarc=fail", UNKNOWN),
        (f"{US}; dmarc=pass dmarc=fail header.from=bakery.example", UNKNOWN),
        (f"{US}; dmarc=pass header.from=bakery.example header.from=x.example", UNKNOWN),
        (f"{US}; spf=pass smtp.mailfrom=bakery.example", UNKNOWN),
        (f"{US}; none", UNKNOWN),
        (US, UNKNOWN),
        ("", UNKNOWN),
        (f"{US} 2; {PASS}", UNKNOWN),
        (f"{US} 1 2; {PASS}", UNKNOWN),
        (f"evil.{US}; {PASS}", UNKNOWN),
        (f"{US}.evil.example; {PASS}", UNKNOWN),
        (f"evil.example; x={US}; {PASS}", UNKNOWN),
        (f"evil.example ; {US}; {PASS}", UNKNOWN),
        (f"evil.example (\r\n {US}); {PASS}", UNKNOWN),
        (f"({US}; {PASS}", UNKNOWN),
        (f"{US}; ({PASS})", UNKNOWN),
        (f"{US}; (\\) {PASS})", UNKNOWN),
        (f"{US}; dkim=fail (({PASS};) {PASS}", ("fail", "error", "", False)),
        (f'{US}; x="{PASS}; {PASS}', UNKNOWN),
        (f'{US}; {PASS}; x="', UNKNOWN),
        (f'{US}; x="\\"; {PASS}"', UNKNOWN),
        (f"{US}; " + "(" * 5000, UNKNOWN),
        (f"{US}; {PASS}" + "x" * 9000, UNKNOWN),
        (f'{US}; dkim=pass header.i="a b"@bakery.example; dmarc=none', ("pass", "none", "", True)),
    ],
)
def test_the_front_is_understood(header: str, expected: tuple[str, str, str, bool]):
    assert told(header) == expected


def test_without_a_word_from_the_front_nothing_is_known():
    assert told() == UNKNOWN
    assert told(f"another.example; {PASS}") == UNKNOWN


def test_two_filters_of_the_front_are_read_together():
    above = "Return-Path: <x@y.example>\r\n" + RECEIVED + "DMARC-Filter: OpenDMARC\r\n"
    two = [f"{US}; dmarc=pass header.from=bakery.example\r\nDKIM-Filter: OpenDKIM", f"{US}; dkim=pass header.d=bakery.example"]
    assert told(*two, above=above) == ("pass", "pass", "", True)


@pytest.mark.parametrize(
    ("above", "expected"),
    [
        (f"Authentication-Results: {US}; dkim=fail; dmarc=fail\r\n", ("fail", "fail", "", False)),
        (f"Authentication-Results: {US}; dkim=none; dmarc=none\r\nX-Other: y\r\n", ("none", "none", "", False)),
        ("Authentication-Results: other.example; dmarc=fail\r\nSubject: x\r\n", UNKNOWN),
        (RECEIVED + RECEIVED, UNKNOWN),
        (f"Authentication-Results: {US}; none\r\n" + RECEIVED, UNKNOWN),
    ],
)
def test_a_forged_word_lower_down_does_not_count(above: str, expected: tuple[str, str, str, bool]):
    assert told(f"{US}; {PASS}", above=above) == expected


def test_a_forged_word_in_the_body_or_in_another_header_does_not_count():
    forged = f"Authentication-Results: {US}; {PASS}".encode()
    for raw in (MESSAGE + forged, MESSAGE.replace(b"Subject: ", b"Subject: x\r\n " + forged), b"X-" + forged + b"\r\n" + MESSAGE):
        assert brief(authentication.check(Question(raw, f"anne@{BAKERY}", US))) == UNKNOWN


# Anything at all


def mutations() -> Iterator[bytes]:
    whole = f"Authentication-Results: {US}; {PASS}\r\n".encode() + signed()
    for at in range(0, len(whole), 3):
        for piece in (b"", b"\0", b"\r", b"\n", b"(", b'"', b";", b"=", b"\xff", b"\\"):
            yield whole[:at] + piece + whole[at + 1 :]


def test_nothing_makes_it_raise(monkeypatch: pytest.MonkeyPatch):
    def texts(_: object, name: str) -> tuple[bytes, ...]:
        return tuple(record().values()) if "_domainkey" in name else ()

    monkeypatch.setattr(lookups.Lookups, "texts", texts)
    for raw in mutations():
        for authserv_id in ("", US):
            answer = authentication.check(Question(raw, f"anne@{BAKERY}", authserv_id))
            assert isinstance(answer, Answer)
    for value in (b"", b"\0", b"\n\n", b"From: " + b"\xff" * 100, b"DKIM-Signature:" * 1000):
        authentication.check(Question(value, "", ""))
        signatures.verify(value, BAKERY, BAKERY, lookups.Lookups())
        results.read(value.decode("latin-1"))

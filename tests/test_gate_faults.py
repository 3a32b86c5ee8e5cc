"""Planted faults: in what all copies share, in a finished copy, and in what a provider is given. The gate refuses each.

And what two copies of one post may differ in, as a receiver reads them.
"""

import base64
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes
from email.message import Message
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from django.conf import settings as site

from chamberlist import dkim, tokens
from posting.delivery import copies, gate, messages
from posting.delivery.copies import Compiled, Copy
from posting.delivery.ledger import Marked
from posting.delivery.mime import Attachment
from posting.delivery.template import Template
from posting.models import Post
from tests import builders
from tests.enclosures import LIST, LOAF, OFFER, rich
from tests.test_dkim import ed25519, rsa

pytestmark = pytest.mark.django_db
BACKEND = "anymail.backends.postmark.EmailBackend"
BOB = b"bob@garage.example"
BASE64 = base64.b64encode(BOB)
OTHER = uuid.UUID(int=7)
OTHERS = {purpose: tokens.make(purpose, OTHER).encode() for purpose in ("leave", "choose", "reply", "bounce")}
OTHER_BOUNCE = OTHERS["bounce"].decode()
NOTE = Attachment("note.txt", "text/plain", b"Two loaves for one, all week long, at our shop in the High Street.\r\n" * 3)
PASSWORD = "abcde-fghjk-mnpqr-stuv2"


class Case(NamedTuple):
    post: Post
    compiled: Compiled
    marked: Marked
    copy: Copy


@pytest.fixture
def case(settings: Any) -> Case:
    """A signed copy with text, HTML, a picture and files; the gate lets it pass."""
    settings.DKIM = dkim.parse("r1,e1", rsa() + ed25519())
    promotions = builders.a_list()
    builders.members(promotions, "anne@bakery.example")
    post = builders.a_sending_post(builders.a_sender(promotions), **rich(files=[OFFER, LOAF, LIST, NOTE]))
    compiled, marked = copies.compile_post(Post.objects.get(pk=post.pk)), builders.a_mark(post)
    copy = copies.build(compiled, marked)
    assert gate.check_post(compiled) == "" and gate.check_copy(compiled, marked, copy) == ""
    return Case(post, compiled, marked, copy)


def put(before: bytes, after: bytes) -> Callable[[bytes], bytes]:
    """Each place of ``before`` is looked for; the first becomes ``after``, in which ``&`` stands for it."""

    def change(octets: bytes) -> bytes:
        assert before in octets, before
        return octets.replace(before, after.replace(b"&", before), 1)

    return change


def pattern(before: bytes, after: bytes) -> Callable[[bytes], bytes]:
    def change(octets: bytes) -> bytes:
        changed, number = re.subn(before, after, octets, count=1)
        assert number == 1, before
        return changed

    return change


# In what all copies share and in a finished copy alike: the bytes are the same but for what is a copy's own.
IN_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "a second address in To": pattern(rb"\r\nTo: ([^\r]+)", rb"\r\nTo: \1, " + BOB),
    "a second To": put(b"\r\nSubject:", b"\r\nTo: " + BOB + b"&"),
    "Cc": put(b"\r\nSubject:", b"\r\nCc: " + BOB + b"&"),
    "Bcc": put(b"\r\nSubject:", b"\r\nBcc: " + BOB + b"&"),
    "Resent-To": put(b"\r\nSubject:", b"\r\nResent-To: " + BOB + b"&"),
    "Disposition-Notification-To": put(b"\r\nSubject:", b"\r\nDisposition-Notification-To: " + BOB + b"&"),
    "a header that is not ours": put(b"\r\nSubject:", b"\r\nX-Note: 1&"),
    "To that is another header": put(b"\r\nTo:", b"\r\nX-To:"),
    "a continued header": put(b"Precedence: list", b"&\r\n (" + BOB + b")"),
    "an address broken over a continued header": put(b"Precedence: list", b"&\r\n bob@\r\n garage.example"),
    "a comment in a header": put(b"MIME-Version: 1.0", b"& (" + BOB + b")"),
    "an encoded word in a header": put(b"Precedence: list", b"& =?utf-8?b?" + BASE64 + b"?="),
    "percent in a header": put(b"Precedence: list", b"& <mailto:bob%40garage.example>"),
    "in a base64 part": pattern(rb"VHdvIGxv[A-Za-z0-9+/]{16}", BASE64),
    "in a quoted-printable part": put(b"Rolls", b"& bob=40garage.example"),
    "in a soft line break": put(b"Rolls", b"& bob=40gar=\r\nage.example"),
    "in the boundary": lambda octets: re.sub(rb"=_[a-z2-7]{52}", rb"=_" + BOB, octets),
    "in the boundary, encoded": lambda octets: re.sub(rb"=_[a-z2-7]{52}", rb"=_" + BASE64, octets),
    "in a parameter of a text": put(b'text/plain; charset="utf-8"', b'&; name="' + BOB + b'"'),
    "in a Content-ID": pattern(rb"Content-ID: <[^>]+>", b"Content-ID: <" + BOB + b">"),
    "in a file's name": put(b'filename="offer.pdf"', b'filename="bob@garage.example.pdf"'),
    "in a file's name, by RFC 2231": put(b'filename="offer.pdf"', b"filename*=utf-8''" + quote(BOB, safe="").encode()),
    "in the preamble": pattern(rb"\r\n\r\n--", b"\r\n\r\n" + BOB + b"\r\n--"),
    "in the epilogue": lambda octets: octets + BOB + b"\r\n",
    "in a part more": pattern(rb"\r\n(--mixed\.[^\r]+)\r\n", rb"\r\n\1\r\n\r\n" + BOB + rb"\r\n\1\r\n"),
    "a text of another encoding": put(b"Content-Transfer-Encoding: quoted-printable", b"Content-Transfer-Encoding: 7bit"),
    "a remote picture": put(b"Rolls", b'&<img src=3D"https://t.example/p.gif">'),
    "a script": put(b"<p style", b"<script>1</script>&"),
    "a bare LF": put(b"Precedence: list\r\n", b"Precedence: list\n"),
    "a bare CR": put(b"Precedence: list\r\n", b"Precedence: list\r"),
    "NUL": put(b"Precedence: list", b"&\0"),
    "an 8-bit octet": put(b"Precedence: list", b"&\xff"),
    "a long line": put(b"Precedence: list", b"&" + b"x" * 1_000),
    "an unfilled slot": pattern(rb"/leave/[a-z2-7]{52}/>", b"/leave/{{ token }}/>"),
    "another's way to leave": pattern(rb"/leave/[a-z2-7]{52}/>", b"/leave/" + OTHERS["leave"] + b"/>"),
    "another's address for answers": pattern(rb"Reply-To: r-[a-z2-7]{52}", b"Reply-To: r-" + OTHERS["reply"]),
    "another's Message-ID": pattern(rb"Message-ID: <[0-9a-f]{32}", b"Message-ID: <" + OTHER.hex.encode()),
    "an address for bounces in sight": put(b"Precedence: list", b"& b-" + OTHERS["bounce"]),
    "a password": put(b"Rolls", b"& " + PASSWORD.encode()),
}  # fmt: skip


@pytest.mark.parametrize("fault", IN_BYTES)
def test_a_fault_in_what_all_copies_share_is_refused(fault: str, case: Case):
    spoilt = IN_BYTES[fault](case.compiled.specimen)
    assert spoilt != case.compiled.specimen
    whole = Template.cut(spoilt, case.compiled.own)
    data = whole.dot_stuffed() if spoilt.endswith(b"\r\n") else whole
    assert gate.check_post(replace(case.compiled, whole=whole, data=data)) != ""


@pytest.mark.parametrize("fault", IN_BYTES)
def test_a_fault_in_a_finished_copy_is_refused_and_its_evidence_names_nobody(fault: str, case: Case):
    spoilt = case.copy._replace(data=IN_BYTES[fault](case.copy.data))
    refusal = gate.check_copy(case.compiled, case.marked, spoilt)
    assert spoilt != case.copy and refusal == gate.CHANGED and refusal.half == "copy"
    assert refusal.shown and not re.search(r"bob@|garage|anne@|bakery", refusal.shown, re.IGNORECASE)
    assert not [token for token in OTHERS.values() if token[:8].decode() in refusal.shown]
    assert BASE64.decode()[:12] not in refusal.shown


MANY = b", ".join(b"member%02d@bakery.example" % number for number in range(20))
HASH = base64.b64encode(BOB.ljust(32))


def signature_of(octets: bytes) -> Callable[[bytes], bytes]:
    """These octets, in our form, in the place of the first signature."""
    written = base64.b64encode(octets)
    lines = b"\r\n ".join(written[at : at + 72] for at in range(0, len(written), 72))
    return pattern(rb"(\r\n b=)[A-Za-z0-9+/=]+(?:\r\n [A-Za-z0-9+/=]+)*\r\n", rb"\1" + lines + b"\r\n")


TOLD = {
    "in a file's name": "expected offer.pdf (application/pdf), {octets} octets, found b•••@g•••.pdf (application/pdf)",
    "in a Content-ID": "found loaf.png (image/png, shown as b•••@g•••.example)",
    "in a base64 part": "octets, with other octets",
    "in the boundary": "boundary: expected “",
    "in the preamble": "preamble: expected nothing, found “b•••@g•••.example",
    "in the epilogue": "epilogue: expected nothing, found “b•••@g•••.example",
    "in a part more": 'text 1, header content-type: expected “text/plain; charset="utf-8"”, found nothing',
    "in a parameter of a text": 'text 1, header content-type: expected “text/plain; charset="utf-8"”, found “',
    "a comment in a header": "header MIME-Version: b•••@g•••.example",
}


@pytest.mark.parametrize("fault", TOLD)
def test_the_evidence_of_a_rendered_copy_tells_what_was_expected_and_found(fault: str, case: Case):
    whole = Template.cut(IN_BYTES[fault](case.compiled.specimen), case.compiled.own)
    shown = gate.check_post(replace(case.compiled, whole=whole, data=whole.dot_stuffed())).shown
    assert TOLD[fault].format(octets=len(OFFER.content)) in shown, shown
    assert not re.search(r"bob@|garage|anne@|bakery", shown, re.IGNORECASE)


def test_an_address_is_told_once(case: Case):
    spoilt = put(b"Precedence: list", b"& <" + BOB + b">, <mailto:" + BOB.replace(b"@", b"%40") + b">")(case.compiled.specimen)
    whole = Template.cut(spoilt, case.compiled.own)
    shown = gate.check_post(replace(case.compiled, whole=whole, data=whole.dot_stuffed())).shown
    assert shown == "header Precedence: b•••@g•••.example"


IN_A_COPY: dict[str, Callable[[Copy], Copy]] = {
    "a second recipient in the envelope": lambda copy: copy._replace(recipient=f"{copy.recipient}, bob@garage.example"),
    "somebody else in the envelope": lambda copy: copy._replace(recipient="bob@garage.example"),
    "nobody in the envelope": lambda copy: copy._replace(recipient=""),
    "another post": lambda copy: copy._replace(post_id=copy.post_id + 1),
    "another's address for bounces": lambda copy: copy._replace(envelope_sender=f"b-{OTHER_BOUNCE}@{site.LIST_DOMAIN}"),
    "no address for bounces": lambda copy: copy._replace(envelope_sender=""),
    "a word in the signature": lambda copy: copy._replace(data=put(b"a=rsa-sha256;", b"& i=" + BOB + b";")(copy.data)),
    "a word behind the signature": lambda copy: copy._replace(data=pattern(rb"\r\n b=", b"\r\n i=" + BOB + b";\r\n b=")(copy.data)),
    "addresses for a signature": lambda copy: copy._replace(data=signature_of(MANY * 20)(copy.data)),
    "addresses of the length of a signature": lambda copy: copy._replace(data=signature_of(MANY[:256])(copy.data)),
    "a shorter signature": lambda copy: copy._replace(data=signature_of(BOB)(copy.data)),
    "another key's signature": lambda copy: copy._replace(data=signature_of(bytes(256))(copy.data)),
    "a signature on lines of other widths": lambda copy: copy._replace(data=put(b"\r\n b=", b"&\r\n ")(copy.data)),
    "an address for the hash": lambda copy: copy._replace(data=pattern(rb"bh=[^;]{44};", b"bh=" + HASH + b";")(copy.data)),
    "an address for the second hash": lambda copy: copy._replace(
        data=pattern(rb"(?s)(.*)bh=[^;]{44};", rb"\1bh=" + HASH + b";")(copy.data)
    ),
    "a signature more": lambda copy: copy._replace(data=b"DKIM-Signature: v=1;\r\n i=" + BOB + b"\r\n" + copy.data),
    "a signature less": lambda copy: copy._replace(data=copy.data[copy.data.index(b"DKIM-Signature", 5) :]),
    "a slot filled twice": lambda copy: copy._replace(data=pattern(rb"(/leave/)([a-z2-7]{52})", rb"\1\2\2")(copy.data)),
    "a text that goes on": lambda copy: copy._replace(data=copy.data + b".\r\nMAIL FROM:<>\r\n"),
    "a text that ends early": lambda copy: copy._replace(data=copy.data[:-2]),
    "nothing": lambda copy: copy._replace(data=b""),
}  # fmt: skip


@pytest.mark.parametrize("fault", IN_A_COPY)
def test_a_fault_of_one_copy_is_refused(fault: str, case: Case):
    spoilt = IN_A_COPY[fault](case.copy)
    assert spoilt != case.copy and gate.check_copy(case.compiled, case.marked, spoilt) != ""


@pytest.mark.parametrize("own", ["reply", "leave", "choose", "bounce", "delivery", "recipient"])
def test_a_copy_with_one_value_of_another_is_refused(own: str, case: Case):
    values = dict(copies.values_for(case.marked))
    values[own] = {**OTHERS, "delivery": OTHER.hex.encode(), "recipient": BOB}[own]
    spoilt = copies.build(case.compiled, case.marked, values)
    assert spoilt != case.copy and gate.check_copy(case.compiled, case.marked, spoilt) != ""


IN_TEXTS = {
    "another's link": f"https://news.chamber.example/choose/{OTHERS['choose'].decode()}/",
    "a member": BOB.decode(),
    "a disguised member": "bob (at) garage.example",
    "a password": PASSWORD,
    "a password in wide letters": "".join(chr(ord(letter) + 0xFEE0) for letter in PASSWORD),
}


@pytest.mark.parametrize("fault", IN_TEXTS)
@pytest.mark.parametrize("which", [0, 1], ids=["text", "html"])
def test_a_fault_of_the_template_is_refused(fault: str, which: int, case: Case, monkeypatch: pytest.MonkeyPatch):
    rendered = copies.texts

    def leaky(*args: Any, **own: Any) -> tuple[str, ...]:
        return tuple(
            text + (f"\n{IN_TEXTS[fault]}\n" if place == which else "") for place, text in enumerate(rendered(*args, **own))
        )

    monkeypatch.setattr(copies, "texts", leaky)
    assert gate.check_post(copies.compile_post(Post.objects.get(pk=case.post.pk))) != ""


def test_bytes_that_were_not_looked_at_are_not_sent(case: Case):
    first, *rest = case.compiled.data.pieces
    spoilt = Template((first + b"", *rest[:-1], rest[-1] + BOB + b"\r\n"), case.compiled.data.slots)
    assert "not those that were looked at" in gate.check_post(replace(case.compiled, data=spoilt))


def test_a_recipient_in_another_place_is_refused(case: Case):
    spoilt = case.compiled.specimen.replace(b"Precedence: list", b"Precedence: " + case.compiled.own["recipient"])
    assert "of its own" in gate.check_post(replace(case.compiled, whole=Template.cut(spoilt, case.compiled.own)))


def test_a_post_that_shows_its_senders_password_never_leaves(case: Case):
    password = builders.PASSWORDS[case.post.sender_id]
    bare, spaced = password.replace("-", ""), password.replace("-", " ")
    for shown in (password, password.upper(), bare, spaced, password.replace("-", "\u2013"), PASSWORD):
        post = builders.a_draft(case.post.sender, body=f"Mine is {shown} today.")
        Post.objects.filter(pk=post.pk).update(accepted_hash=post.content_hash, accepted_at=case.post.accepted_at)
        assert gate.check_post(copies.compile_post(Post.objects.get(pk=post.pk))) == gate.GIVES_AWAY, shown


IN_A_MESSAGE: dict[str, Callable[[Any], object]] = {
    "cc": lambda m: m.cc.append("bob@garage.example"),
    "bcc": lambda m: m.bcc.append("bob@garage.example"),
    "two in one": lambda m: setattr(m, "to", ["anne@bakery.example, bob@garage.example"]),
    "a comment behind the author": lambda m: setattr(m, "from_email", f"{m.from_email} (bob@garage.example)"),
    "a comment before the author": lambda m: setattr(m, "from_email", m.from_email.replace(" <", " (bob@garage.example) <")),
    "a comment in the author's address": lambda m: setattr(m, "from_email", m.from_email.replace("@", "@(bob@garage.example)")),
    "a route to the author": lambda m: setattr(m, "from_email", m.from_email.replace("<", "<@garage.example,@bakery.example:")),
    "two authors": lambda m: setattr(m, "from_email", f"{m.from_email}, bob@garage.example"),
    "two places for answers": lambda m: m.reply_to.append("bob@garage.example"),
    "none for answers": lambda m: m.reply_to.clear(),
    "a header more": lambda m: m.extra_headers.update({"Resent-To": "bob@garage.example"}),
    "another's Message-ID": lambda m: m.extra_headers.update({"Message-ID": f"<{OTHER.hex}@{site.LIST_DOMAIN}>"}),
    "another's way to leave": lambda m: m.extra_headers.update({"List-Unsubscribe": f"<https://x.example/{OTHERS['leave'].decode()}>"}),
    "another text": lambda m: setattr(m, "body", m.body.replace("Spring", "Autumn")),
    "metadata more": lambda m: m.metadata.update({"email": "bob@garage.example"}),
    "tracking": lambda m: setattr(m, "track_opens", True),
    "a file more": lambda m: m.attach("list.csv", "bob@garage.example", "text/csv"),
    "a file less": lambda m: m.attachments.pop(),
    "other octets": lambda m: m.attachments[1].set_payload("AAAA"),
    "another page": lambda m: setattr(m, "alternatives", [(m.alternatives[0][0] + "bob@garage.example", "text/html")]),
    "two pages": lambda m: m.alternatives.append(m.alternatives[0]),
}  # fmt: skip


@pytest.mark.parametrize("fault", IN_A_MESSAGE)
def test_a_fault_in_what_a_provider_is_given_is_refused_with_evidence(fault: str, case: Case):
    message = messages.build(case.compiled, case.marked, BACKEND)
    assert gate.check_message(case.compiled, case.marked, message, BACKEND) == ""
    IN_A_MESSAGE[fault](message)
    refusal = gate.check_message(case.compiled, case.marked, message, BACKEND)
    assert refusal != "" and refusal.half == "message" and refusal.shown
    assert not re.search(r"bob@|garage|anne@|bakery", refusal.shown, re.IGNORECASE)


# What two copies of one post may differ in. Everything else is the same, byte for byte.
OWN_HEADERS = {"To", "Message-ID", "Reply-To", "List-Unsubscribe", "DKIM-Signature"}
LINK = re.compile(rb"/(?:[a-z-]+/)?(leave|choose)/[a-z2-7]{52}/")
SIGNATURE = re.compile(r"(?:bh|\sb)=[A-Za-z0-9+/=\s]+")


def two(sender_replies: str = "opaque") -> tuple[Post, list[Marked]]:
    promotions = builders.a_list(replies=sender_replies)
    people = builders.members(promotions, "anne@bakery.example", "bob@garage.example")
    post = builders.a_sending_post(builders.a_sender(promotions), **rich(files=[OFFER, LOAF, LIST, NOTE]))
    found = {copy.subscription_id: copy for copy in post.deliveries.all()}
    rows = [(member, found[member.pk]) for member in people]
    return post, [Marked(copy.pk, post.pk, copy.handle.bytes, member.handle.bytes, member.address, 1) for member, copy in rows]


def is_allowed(name: str, one: str, two: str) -> bool:
    """Whether a header may differ so between two copies."""
    if name == "DKIM-Signature":
        return SIGNATURE.sub("", one) == SIGNATURE.sub("", two)
    return name in OWN_HEADERS


def without_links(part: "Message[str, str]") -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return LINK.sub(rb"/\1/", content) if part.get_content_maintype() == "text" and not part.get_filename() else content


@pytest.mark.parametrize("replies", ["opaque", "sender", "chamber"])
def test_two_copies_of_one_post_differ_only_in_what_is_their_own(replies: str, settings: Any):
    settings.DKIM = dkim.parse("r1,e1", rsa() + ed25519())
    post, marks = two(replies)
    compiled = copies.compile_post(Post.objects.get(pk=post.pk))
    first, second = (copies.build(compiled, marked) for marked in marks)
    assert first.envelope_sender != second.envelope_sender and first.recipient != second.recipient
    one, other = (message_from_bytes(copy.message) for copy in (first, second))
    assert [name for name, _ in one.items()] == [name for name, _ in other.items()]
    differing = {name for (name, value), (_, beside) in zip(one.items(), other.items(), strict=True) if value != beside}
    assert differing == OWN_HEADERS - (set() if replies == "opaque" else {"Reply-To"})
    for (name, value), (_, beside) in zip(one.items(), other.items(), strict=True):
        assert value == beside or is_allowed(name, value, beside), name
    parts, others = list(one.walk()), list(other.walk())
    assert len(parts) == len(others) == 9
    for part, its_like in list(zip(parts, others, strict=True))[1:]:
        assert part.items() == its_like.items() and (part.preamble, part.epilogue) == (its_like.preamble, its_like.epilogue)
    for part, its_like in zip(parts, others, strict=True):
        if not part.is_multipart():
            assert without_links(part) == without_links(its_like)
    texts = [part for part in parts if part.get_content_maintype() == "text" and not part.get_filename()]
    assert all(without_links(part).count(b"/leave/") and part.get_payload(decode=True) != without_links(part) for part in texts), (
        "they do have links of their own"
    )


def test_two_messages_for_a_provider_differ_only_in_what_is_their_own():
    post, marks = two()
    compiled = copies.compile_post(Post.objects.get(pk=post.pk))
    first, second = (messages.build(compiled, marked, BACKEND) for marked in marks)
    said = [vars(message).copy() for message in (first, second)]
    own = {"to", "reply_to", "body", "alternatives", "extra_headers", "metadata", "attachments"}
    assert {name for name in said[0] if said[0][name] != said[1][name]} == own
    assert said[0].keys() == said[1].keys()
    assert {name for name, value in first.extra_headers.items() if value != second.extra_headers[name]} == {
        "Message-ID",
        "List-Unsubscribe",
    }
    texts = [
        [LINK.sub(rb"", text.encode()) for text in (message.body, str(message.alternatives[0][0]))] for message in (first, second)
    ]
    assert texts[0] == texts[1]
    files = [[part.as_bytes() for part in message.attachments] for message in (first, second)]
    assert files[0] == files[1] and len(files[0]) == 4

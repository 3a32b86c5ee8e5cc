"""What the gate refuses leaves evidence: masked, bounded, never changed, and for staff to see."""

import base64
import quopri
import uuid
from email.header import Header
from typing import Any
from urllib.parse import quote

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from chamberlist.models import Alert
from posting.delivery import copies, dispatch, evidence, gate, ledger, messages, refusals
from posting.delivery.evidence import Refusal, Refused
from posting.models import Delivery, GateRefusal, Post
from tests import builders
from tests.providerserver import Provider
from tests.smtpserver import SmtpServer
from tests.test_dispatch import run_lanes
from tests.test_post_admin import staff

State = Delivery.State
BOB = "bob@garage.example"
MASKED = "b•••@g•••.example"


@pytest.fixture
def post() -> Post:
    promotions = builders.a_list()
    builders.members(promotions, "anne@bakery.example", BOB)
    return builders.a_sending_post(builders.a_sender(promotions))


@pytest.fixture
def leaky(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies that name another member."""
    built = copies.build

    def with_a_leak(*args: Any) -> copies.Copy:
        copy = built(*args)
        return copy._replace(data=copy.data.replace(b"Precedence:", f"Cc: {BOB}\r\nPrecedence:".encode(), 1))

    monkeypatch.setattr(copies, "build", with_a_leak)


@pytest.mark.django_db(transaction=True)
def test_a_refused_copy_freezes_its_post_alerts_staff_and_leaves_evidence(smtp: SmtpServer, post: Post, leaky: None):
    run_lanes()
    assert smtp.received == []
    post.refresh_from_db()
    assert post.state == Post.State.FROZEN and post.frozen_reason == gate.CHANGED
    assert Alert.objects.get().kind == f"frozen/{post.pk}"
    found = list(post.refusals.all())
    assert 1 <= len(found) <= 2 and {row.half for row in found} == {GateRefusal.Half.COPY}
    assert {row.delivery_id for row in found} <= set(post.deliveries.values_list("pk", flat=True))
    assert f"header cc: expected nothing, found “{MASKED}”" in found[0].excerpt
    assert "bob@" not in found[0].excerpt and found[0].reason == gate.CHANGED


@pytest.mark.django_db(transaction=True)
def test_a_refused_post_leaves_evidence(smtp: SmtpServer, post: Post):
    Post.objects.filter(pk=post.pk).update(accepted_hash="x" * 64)
    run_lanes()
    [row] = post.refusals.all()
    assert (row.half, row.delivery_id) == (GateRefusal.Half.POST, None) and row.excerpt.startswith("content: expected “xxxx")


@pytest.mark.django_db(transaction=True)
def test_a_message_that_no_provider_is_given_leaves_evidence(provider: Provider, post: Post, monkeypatch: pytest.MonkeyPatch):
    built = messages.build

    def with_a_leak(*args: Any) -> messages.Message:
        message = built(*args)
        message.bcc = [BOB]
        return message

    monkeypatch.setattr(messages, "build", with_a_leak)
    run_lanes()
    assert provider.requests == []
    row = post.refusals.all()[0]
    assert row.half == GateRefusal.Half.MESSAGE and MASKED in row.excerpt and "bob@" not in row.excerpt


@pytest.mark.django_db(transaction=True)
def test_the_evidence_and_the_freezing_are_one(smtp: SmtpServer, post: Post, leaky: None, monkeypatch: pytest.MonkeyPatch):
    def full(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(refusals, "record", full)
    with pytest.raises(ZeroDivisionError):
        dispatch.run_lane(1, seconds=60)
    post.refresh_from_db()
    assert (post.state, smtp.received) == (Post.State.SENDING, []), "nothing left, and the next lane tries again"
    assert ledger.counts(post)[State.QUEUED] == 2


@pytest.mark.django_db
def test_evidence_is_kept_only_so_often(post: Post):
    many = [Refused(None, Refusal("It is odd.", "copy", "x"))] * 15
    for _ in range(3):
        refusals.record(post.pk, many)
    assert [row.number for row in post.refusals.all()] == list(range(1, GateRefusal.MOST + 1))
    with pytest.raises(IntegrityError, match="gate_refusals_are_few"), transaction.atomic():
        GateRefusal.objects.create(post=post, number=GateRefusal.MOST + 1, half="copy", reason="x")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change", [{"reason": "Nothing."}, {"delivery_id": 1}, {"number": 9}, {"half": "post"}, {"handle": uuid.uuid4()}]
)
def test_nobody_rewrites_evidence(post: Post, change: dict[str, Any]):
    refusals.record(post.pk, [Refused(None, Refusal("It is odd.", "copy", "x"))])
    with pytest.raises(IntegrityError, match="only added, never changed"), transaction.atomic():
        GateRefusal.objects.update(**change)


@pytest.mark.django_db
def test_evidence_is_sealed_and_goes_with_its_post(post: Post):
    copy = post.deliveries.all()[0]
    refusals.record(post.pk, [Refused(copy.pk, Refusal("It is odd.", "copy", "Two loaves"))])
    row = GateRefusal.objects.get()
    assert row.excerpt == "Two loaves" and "loaves" not in row.sealed_excerpt
    post.deliveries.all().delete()
    assert GateRefusal.objects.get().delivery_id == copy.pk
    post.delete()
    assert not GateRefusal.objects.exists()


@pytest.mark.django_db
def test_staff_see_it_on_the_page_of_the_post(post: Post):
    refusals.record(post.pk, [Refused(7, Refusal("It is odd.", "copy", f"header cc: found “{MASKED}” <b>"))])
    page = reverse("admin:posting_post_change", args=[post.pk])
    shown = staff("view_post").get(page).content.decode()
    assert "It is odd." in shown and MASKED in shown and "copy 7" in shown and "&lt;b&gt;" in shown
    assert staff().get(page).status_code == 403


# What is masked

ENCODINGS = {
    "plain": BOB,
    "upper case": BOB.upper(),
    "angle brackets": f"<{BOB}>",
    "a name": f'"Bob" <{BOB}>',
    "percent": f"mailto:{quote(BOB, safe='')}",
    "percent twice": quote(quote(BOB, safe="")),
    "entity": "bob&#64;garage.example",
    "base64": base64.b64encode(BOB.encode()).decode(),
    "base64 of a short one": base64.b64encode(b"a@b.co").decode(),
    "hex": BOB.encode().hex(),
    "encoded word": Header(BOB, "utf-8").encode(),
    "broken encoded word": f"=?utf-8?b?{base64.b64encode(BOB.encode()).decode()}",
    "quoted-printable word": f"=?utf-8?q?{BOB.replace('@', '=40')}?=",
    "no width": "bob\u200b@gar\u00adage.example",
    "wide": "bob＠garage.example",
    "tags": "bob<b>@</b>garage.example",
    "tags and entities": "bob<i></i>&#64;gar<!-- x -->age.example",
    "spaces": "bob @ garage.example",
    "a fold": "bob\r\n @garage.example",
    "a comment": "bob(x)@garage.example",
    "words": "bob (at) garage [dot] example",
    "a quoted one": '"bob b"@garage.example',
    "RFC 2231": f"utf-8''{quote(BOB, safe='')}",
    "JSON": "bob\\u0040garage.example",
    "JSON in JSON": "bob\\\\u0040garage.example",
    "braces": "bob\\u{40}garage.example",
    "an escape": "bob\\x40garage.example",
    "JSON in percent": quote("bob\\u0040garage.example"),
    "a pair of surrogates": "\\ud83d\\ude00bob@garage.example",
    "quoted-printable": "bob=40garage.example",
    "percent three times": quote(quote(quote(BOB, safe=""))),
    "percent nine times": f"bob%{'25' * 8}40garage.example",
    "entity three times": "bob&amp;amp;#64;garage.example",
    "entity in percent": quote("bob&#64;garage.example", safe=""),
    "one word": "bob at garage.example",
    "one word, before a fold": "bob\r\n at garage.example",
    "surrogates": "bob@garage.example\udcff",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_address_is_whole_in_evidence_in_any_encoding(encoding: str):
    shown = evidence.masked(f"To: {ENCODINGS[encoding]}, and more")
    assert shown.isprintable() and shown.encode()
    encoded = (base64.b64encode(BOB.encode()).decode()[4:12], BOB.encode().hex()[4:14], "YUBiLm")
    assert not [clue for clue in ("bob@", "garage", "GARAGE", "bob b", "bob", *encoded) if clue in shown]


def test_a_token_is_cut_and_ordinary_words_stay():
    token = "abcdefghjkmnpqrstuvwxyz234567abcdefghjkmnpqrstuvwxyz2"
    shown = evidence.masked(f"https://news.chamber.example/leave/{token}/ multipart/alternative, a subscriber of 2026")
    assert token[:12] not in shown and "/leave/" in shown and "multipart/alternative, a subscriber of 2026" in shown
    assert evidence.masked("MIME-Version: 1.0") == "MIME-Version: 1.0"


def test_what_is_masked_alike_says_so():
    assert "alike but for what is masked" in evidence.compared("header to", "anne@bakery.example", "abel@bank.example")


def test_evidence_tells_where_a_text_differs_and_shows_no_file():
    before = quopri.encodestring("Fünf Brote\nZwei Brötchen für £2\n".encode())
    head = b"To: anne@bakery.example\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: %s; charset=utf-8\r\n\r\n"
    after = before.replace(b"Zwei", b"Drei")
    shown = evidence.messages(head % b"text/plain" + before, head % b"text/plain" + after)
    assert shown == "part 0 (text/plain), line 2: expected “Zwei Brötchen für £2”, found “Drei Brötchen für £2”"
    shown = evidence.messages(head % b"image/png" + before, head % b"image/png" + after + b"x")
    assert "other octets" in shown and "Zwei" not in shown
    assert "other line ends" in evidence.messages(b"A: 1\r\n\r\nx\r\n", b"A: 1\r\n\r\nx\n")
    assert "written otherwise from octet" in evidence.messages(head % b"text/plain" + b"x", head % b"text/plain" + b"=78")


@pytest.mark.parametrize(
    "found", [b"", b"\0" * 100, b"\xff" * 5000, b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n" * 5000]
)
def test_evidence_of_anything_is_short(found: bytes):
    assert len(evidence.messages(b"To: anne@bakery.example\r\n\r\nx" * 1000, found)) <= evidence.MOST

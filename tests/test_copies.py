"""The bytes of a copy, and the gate that looks at them last."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from django.conf import settings as site
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chamberlist import tokens
from posting.delivery import copies, gate
from posting.delivery.copies import Copy
from posting.models import Delivery, Post, Sender
from posting.moderation import moderation
from subscriptions.models import MailingList, Subscription
from tests import builders

pytestmark = pytest.mark.django_db


def a_copy(post: Post) -> Copy:
    delivery = post.deliveries.select_related("subscription").get()
    return copies.build(copies.compile_post(Post.objects.get(pk=post.pk)), delivery)


def a_post(address: str = "anne@bakery.example", sender: str = "Bloggs Ltd", *, replies: str = "opaque", **words: str) -> Post:
    promotions = builders.a_list(replies=replies)
    builders.a_member(promotions, address)
    return builders.a_sending_post(builders.a_sender(promotions, name=sender), promotions, **words)


def parsed(copy: Copy) -> EmailMessage:
    message = message_from_bytes(copy.message, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_copy_says_who_sent_it_through_whom_to_whom_and_how_to_leave():
    post = a_post()
    copy = a_copy(post)
    message = parsed(copy)
    delivery = post.deliveries.get()
    assert message["From"].addresses[0].addr_spec == "promotions@lists.chamber.example"
    assert message["From"].addresses[0].display_name == f"Bloggs Ltd via {site.CHAMBER.name}"
    assert message["To"] == copy.recipient == "anne@bakery.example"
    assert message["Subject"] == "Spring offers"
    assert message["Message-ID"] == f"<{delivery.handle.hex}@lists.chamber.example>"
    assert message["List-Id"] == "<promotions.lists.chamber.example>"
    assert message["List-Post"] == "NO"
    assert message["Precedence"] == "list"
    assert "OOF" in message["X-Auto-Response-Suppress"] and "All" not in message["X-Auto-Response-Suppress"]
    assert message["List-Help"] == f"<{site.SITE_URL}/lists/promotions/>"
    assert message["List-Owner"] == f"<mailto:{site.CHAMBER.contact}>"
    assert message["Feedback-ID"]
    assert not {"Cc", "Bcc", "Sender", "Return-Path"} & set(message.keys())


def test_the_links_to_leave_are_for_one_click_and_for_mail():
    post = a_post()
    message = parsed(a_copy(post))
    subscription = post.deliveries.get().subscription
    assert subscription
    web, mail = re.fullmatch(r"<(https?://[^>]+)>, <mailto:([^>]+)>", message["List-Unsubscribe"]).groups()  # type: ignore[union-attr]
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert tokens.read("leave", web.rstrip("/").rpartition("/")[2]) == subscription.handle
    local, _, domain = mail.partition("@")
    assert domain == site.LIST_DOMAIN and len(local) <= 64
    assert tokens.read("leave", local.removeprefix("leave-")) == subscription.handle


def test_the_envelope_sender_is_opaque_short_and_the_same_at_every_try():
    post = a_post()
    first, second = a_copy(post), a_copy(post)
    local, _, domain = first.envelope_sender.partition("@")
    assert first == second
    assert domain == site.LIST_DOMAIN and len(local) <= 64 and local == local.lower()
    assert tokens.read("bounce", local.removeprefix("b-")) == post.deliveries.get().handle


def test_long_links_are_written_as_they_are():
    content = a_copy(a_post()).message.decode()
    [line] = [line for line in content.splitlines() if line.startswith("List-Unsubscribe:")]
    assert "=?" not in line and "mailto:" in line


@pytest.mark.parametrize(("replies", "where"), [("sender", "joe@bloggs.example"), ("chamber", "office@chamber.example")])
def test_answers_go_where_the_list_says(replies: str, where: str, settings: Any):
    settings.CHAMBER = replace(settings.CHAMBER, contact="office@chamber.example")
    assert parsed(a_copy(a_post(replies=replies)))["Reply-To"] == where


def test_answers_go_by_default_to_an_address_that_tells_nothing():
    post = a_post()
    reply_to = parsed(a_copy(post))["Reply-To"]
    local, _, domain = reply_to.partition("@")
    assert domain == site.LIST_DOMAIN and len(local) <= 64
    assert tokens.read("reply", local.removeprefix("r-")) == post.deliveries.get().handle


def test_both_texts_have_the_message_and_the_foot():
    message = parsed(a_copy(a_post(body="Two loaves.\n\n<b>Bold</b> & https://bloggs.example/a?b=1&c=2")))
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    for part in (text, html):
        assert "Two loaves." in part and "Bloggs Ltd sent you this through" in part and "/leave/" in part and "/choose/" in part
        assert site.CHAMBER.postal_address.split(",")[0] in part
    assert "<b>Bold</b> & https" in text
    assert "&lt;b&gt;Bold" in html and "<b>" not in html
    assert 'href="https://bloggs.example/a?b=1&amp;c=2"' in html
    assert "<img" not in html and "src=" not in html


def test_a_copy_is_seven_bit_with_short_lines_in_any_language():
    copy = a_copy(a_post(subject="Frühling 🌷 " * 12, body="Grüße aus 東京 🌸. " * 400 + "\n.\n..\nFrom here\n" + "x" * 3000))
    assert copy.message.isascii()
    assert max(len(line) for line in copy.message.split(b"\r\n")) <= 998
    assert b"\n" not in copy.message.replace(b"\r\n", b"")
    message = parsed(copy)
    assert str(message["Subject"]) == ("Frühling 🌷 " * 12).strip()
    assert "東京 🌸" in message.get_body(("plain",)).get_content()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "address", ['"odd name"@bakery.example', "o'hara+x@bakery.example", "j" * 60 + "@" + "b" * 60 + ".example"]
)
def test_odd_addresses_are_addressed_as_they_are(address: str):
    copy = a_copy(a_post(address))
    assert copy.recipient == address
    assert gate.check_copy(copy) == ""
    assert parsed(copy)["To"].addresses[0].addr_spec == address


@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(subject=st.text(min_size=1, max_size=200), body=st.text(min_size=1, max_size=500), name=st.text(min_size=1, max_size=80))
def test_no_text_can_grow_a_header_or_a_second_recipient(subject: str, body: str, name: str):
    post, delivery, subscription = _unsaved(subject, body, name)
    copy = copies.build(copies.compile_post(post), delivery)
    assert gate.check_copy(copy) == ""
    head = copy.message.split(b"\r\n\r\n")[0]
    assert len(re.findall(rb"(?im)^(to|cc|bcc|subject|from)\s*:", head)) == 3
    assert b"\n" not in copy.message.replace(b"\r\n", b"")
    assert [str(parsed(copy)["To"])] == [subscription.address]


def _unsaved(subject: str, body: str, name: str) -> Any:
    mailing_list = MailingList(slug="promotions", name="Promotions")
    sender = Sender(name=" ".join(name.split()))
    sender.address = "joe@bloggs.example"
    post = Post(pk=1, mailing_list=mailing_list, sender=sender, subject=" ".join(subject.split()), body=body)
    post.accepted_at = datetime(2026, 11, 23, tzinfo=UTC)
    subscription = Subscription(mailing_list=mailing_list)
    subscription.address = "anne@bakery.example"
    delivery = Delivery(pk=1, post=post, subscription=subscription)
    return post, delivery, subscription


HIDDEN = "=?utf-8?q?Hi=0D=0AReply-To:_spy=40evil.example=0D=0A=0D=0ABody?="


def test_an_encoded_word_typed_as_a_subject_stays_what_was_typed():
    copy = a_copy(a_post(subject=HIDDEN))
    assert gate.check_copy(copy) == ""
    assert b"\r\nReply-To: spy" not in copy.message and b"spy@" not in copy.message
    assert str(parsed(copy)["Subject"]) == HIDDEN
    assert len(parsed(copy).get_all("Reply-To", [])) == 1


@pytest.mark.parametrize(
    "name", ['Bloggs "and" Sons', "Bäckerei Müller", "=?utf-8?q?Hi=0D=0ACc:_bob=40garage.example?=", "a\\b, c"]
)
def test_a_sender_may_have_any_name(name: str):
    copy = a_copy(a_post(sender=name))
    assert gate.check_copy(copy) == ""
    author = parsed(copy)["From"].addresses[0]
    assert author.addr_spec == "promotions@lists.chamber.example"
    # Python 3.11 reads a space between two encoded words that RFC 2047 section 6.2 says is none.
    assert author.display_name.replace(" ", "") == f"{name} via {site.CHAMBER.name}".replace(" ", "")


def test_a_header_that_grew_or_an_odd_line_end_does_not_pass():
    copy = a_copy(a_post())
    for before, after in (
        (b"Precedence:", b"X-Other: 1\r\nPrecedence:"),
        (b"Precedence:", b"subject: 2\r\nPrecedence:"),
        (b"--=_", b"\n--=_"),
    ):
        assert gate.check_copy(replace(copy, message=copy.message.replace(before, after, 1))) != ""


class TestGate:
    def test_a_good_post_passes(self):
        post = a_post()
        compiled = copies.compile_post(Post.objects.get(pk=post.pk))
        assert gate.check_post(compiled) == ""

    def test_a_text_that_names_somebody_else_does_not_pass(self):
        post = a_post()
        Post.objects.filter(pk=post.pk).update(body="Ask bob@garage.example")
        changed = Post.objects.get(pk=post.pk)
        Post.objects.filter(pk=post.pk).update(accepted_hash=changed.content_hash)
        assert "staff did not allow" in gate.check_post(copies.compile_post(Post.objects.get(pk=post.pk)))

    def test_a_template_that_names_somebody_does_not_pass(self):
        compiled = copies.compile_post(Post.objects.get(pk=a_post().pk))
        leaky = replace(compiled, html=compiled.html + "<p>bob@garage.example</p>")
        assert "rendered copy" in gate.check_post(leaky)

    def test_an_address_that_staff_allowed_by_name_passes(self):
        promotions = builders.a_list()
        builders.a_member(promotions)
        post = builders.a_held_post(builders.a_sender(promotions), body="Book with Bob@Garage.example, today.")
        assert gate.strangers(post) == ["Bob@Garage.example"]
        refused = moderation.accept(post, content_hash=post.content_hash, by="a test", allow=["eve@evil.example"])
        assert "did not allow" in refused
        assert moderation.accept(post, content_hash=post.content_hash, by="a test", allow=["Bob@Garage.example"]) == ""
        assert gate.check_post(copies.compile_post(Post.objects.get(pk=post.pk))) == ""

    @pytest.mark.parametrize(
        "change",
        [
            (b"To: anne@bakery.example", b"To: anne@bakery.example, bob@garage.example"),
            (b"To: anne@bakery.example", b"To: bob@garage.example"),
            (b"To: anne@bakery.example", b"To: anne@bakery.example\r\nTo: bob@garage.example"),
            (b"To: anne@bakery.example", b"X-To: anne@bakery.example"),
            (b"Precedence:", b"Cc: bob@garage.example\r\nPrecedence:"),
            (b"Precedence:", b"bcc: bob@garage.example\r\nPrecedence:"),
            (b"Precedence:", b"Resent-To: bob@garage.example\r\nPrecedence:"),
            (b"Precedence:", b"Disposition-Notification-To: joe@bloggs.example\r\nPrecedence:"),
        ],
    )
    def test_a_copy_that_reaches_anybody_else_does_not_pass(self, change: tuple[bytes, bytes]):
        copy = a_copy(a_post())
        assert gate.check_copy(copy) == ""
        spoilt = replace(copy, message=copy.message.replace(*change, 1))
        assert spoilt != copy and gate.check_copy(spoilt) != ""

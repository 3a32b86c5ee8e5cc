"""The bytes of a copy."""

import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from typing import Any

import pytest
from django.conf import settings as site
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chamberlist import parsing, tokens
from posting.delivery import copies, foreign, formatted, gate, mime, parts
from posting.delivery.copies import Copy
from posting.delivery.ledger import Marked
from posting.models import Post, Sender
from subscriptions.models import MailingList
from tests import builders

pytestmark = pytest.mark.django_db


def a_copy(post: Post) -> Copy:
    """The one copy of a post; the gate lets it pass."""
    compiled, marked = copies.compile_post(Post.objects.get(pk=post.pk)), builders.a_mark(post)
    copy = copies.build(compiled, marked)
    assert gate.check_copy(compiled, marked, copy) == ""
    return copy


def a_post(address: str = "anne@bakery.example", sender: str = "Bloggs Ltd", *, replies: str = "opaque", **words: str) -> Post:
    return builders.a_post_to(address, builders.a_list(replies=replies), sender=sender, **words)


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


def test_a_copy_in_a_traceback_names_nobody():
    copy = a_copy(a_post())
    assert repr(copy) == f"Copy(delivery_id={copy.delivery_id}, post_id={copy.post_id})"


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


def test_no_line_is_too_long_where_the_list_and_both_domains_have_the_longest_names(settings):
    label = "x" * 63
    settings.SITE_URL = f"https://{label}.{label}.{label}.{'y' * 52}.example:65535"
    settings.LIST_DOMAIN = f"{label}.{label}.{'x' * 59}.example"
    post = builders.a_post_to("anne@bakery.example", builders.a_list("p" * 40))
    compiled = copies.compile_post(Post.objects.get(pk=post.pk))
    assert gate.check_post(compiled) == ""
    message = parsed(a_copy(post))
    assert f"<{settings.SITE_URL}/lists/{'p' * 40}/leave/" in message["List-Unsubscribe"]
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    for view in ("leave", "choose"):
        found = re.search(rf"{settings.SITE_URL}/lists/{'p' * 40}/{view}/(\w+)/", text)
        assert found and found[0] in html
        member = post.deliveries.get().subscription
        assert member and tokens.read(view, found[1]) == member.handle


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
    assert parsed(copy)["To"].addresses[0].addr_spec == address


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
LINES = st.one_of(
    WORDS,
    st.sampled_from(
        [".", "..", ".x", " ", "trailing ", "\t", "From here", "=", "=20", "--", "x" * 75, "é" * 30, "🌷" * 40, "y" * 3000]
    ),
)
ATOMS = st.text("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=40)
LOCALS = st.one_of(
    ATOMS,
    st.tuples(ATOMS, ATOMS).map(lambda two: f"{two[0][:20]}.{two[1][:20]}"),
    st.text("abc .,:;<>()[]@", min_size=1, max_size=30).map(lambda text: f'"{text}"'),
    st.sampled_from(["jörg", "δοκιμή", "用户", "a" * 64, "'", "=", "-"]),
).filter(lambda local: "=?" not in local)
DOMAINS = st.sampled_from(["bakery.example", "xn--bckerei-5wa.example", "b" * 63 + "." + "c" * 63 + ".example"])
NAMES = st.one_of(
    st.sampled_from(["offer.pdf", "Frühling 🌷.png", 'a "b"; c=d.txt', "x" * 200, "x " * 90, "🌷" * 120, "=?utf-8?q?x?=.pdf"]),
    WORDS,
).map(lambda name: parsing.file_name(name) or "file")
ATTACHMENTS = st.builds(
    mime.Attachment, NAMES, st.sampled_from(["application/pdf", "image/png", "text/csv"]), st.binary(max_size=300), st.just("")
)
PICTURES = st.builds(mime.Attachment, NAMES, st.sampled_from(["image/png", "image/jpeg"]), st.binary(max_size=300), st.just(""))
PAGES = st.lists(
    st.one_of(
        WORDS.map(lambda words: f"<p>{escape(words)}</p>"), st.sampled_from(["<table><tr><td>x</td></tr></table>", "<p>.</p>"])
    ),
    min_size=1,
    max_size=5,
).map("".join)


def with_pictures(html: str, pictures: list[mime.Attachment]) -> tuple[str, list[mime.Attachment]]:
    """A page that shows them, and they with their names at our domain."""
    names = [f"part{number}.abc" for number in range(len(pictures))]
    page = formatted.clean(html + "".join(f'<p><img src="cid:{name}" alt="."></p>' for name in names))
    return page, [picture._replace(content_id=copies.picture_id(name)) for picture, name in zip(pictures, names, strict=True)]


def an_unsaved_post(subject: str, lines: list[str], name: str, html: str = "") -> Post:
    mailing_list = MailingList(slug="promotions", name="Promotions")
    sender = Sender(name=" ".join(name.split()))
    sender.address = "joe@bloggs.example"
    post = Post(pk=1, mailing_list=mailing_list, sender=sender)
    post.subject, post.body, post.html = " ".join(subject.split()), "\n".join(lines), html
    post.submission_key, post.accepted_at = uuid.uuid4(), datetime(2026, 11, 23, tzinfo=UTC)
    return post


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    subject=WORDS, lines=st.lists(LINES, min_size=1, max_size=8), name=WORDS, local=LOCALS, domain=DOMAINS,
    html=st.one_of(st.just(""), PAGES), attachments=st.lists(ATTACHMENTS, max_size=2), pictures=st.lists(PICTURES, max_size=2),
)  # fmt: skip
def test_a_copy_has_the_bytes_that_the_email_package_gives_it(
    subject: str, lines: list[str], name: str, local: str, domain: str, html: str,
    attachments: list[mime.Attachment], pictures: list[mime.Attachment],
):  # fmt: skip
    page, shown = with_pictures(html, pictures) if html else ("", [])
    attachments = attachments + shown
    post, recipient = an_unsaved_post(subject, lines, name, page), f"{local}@{domain}"
    marked = Marked(1, 1, uuid.uuid4().bytes, uuid.uuid4().bytes, recipient, 1)
    compiled = copies.compile_with(post, attachments)
    copy = copies.build(compiled, marked)
    assert gate.check_copy(compiled, marked, copy) == ""
    assert copy.message == copies.message(post, copies.values_for(marked), attachments)
    unstuffed = b"\r\n".join(line.removeprefix(b".") for line in copy.data.split(b"\r\n"))
    assert unstuffed == copy.message
    assert max(len(line) for line in copy.data.split(b"\r\n")) <= 998
    assert copy.data.replace(recipient.encode(), b"", 1).isascii()
    assert b"\n" not in copy.data.replace(b"\r\n", b"") and b"\r" not in copy.data.replace(b"\r\n", b"")
    assert copy.data.endswith(b"\r\n") and b"\r\n.\r\n" not in copy.data
    assert_same_structure(copy.message, recipient)
    specimen = message_from_bytes(compiled.specimen)
    assert parts.problem(specimen, attachments, copies.boundary(post)) == ""
    rendered = parts.texts(specimen)[1].get_payload(decode=True)
    assert isinstance(rendered, bytes)
    assert foreign.found_in(rendered.decode(), [file.content_id for file in shown]) == ""
    assert compiled.files == mime.in_order(attachments)


def assert_same_structure(content: bytes, recipient: str) -> None:
    """Two readers, the library's old and its new one, find one recipient and no header that grew."""
    old = message_from_bytes(content, policy=policy.compat32)
    new = message_from_bytes(content, policy=policy.default.clone(utf8=True))
    head = content.split(b"\r\n\r\n")[0]
    assert [name for name, _ in old.raw_items()] == new.keys() == re.findall(r"(?m)^([\w-]+):", head.decode())
    assert set(map(str.lower, new.keys())) == gate.HEADERS and len(new.keys()) == len(gate.HEADERS)
    assert re.findall(r"(?m)^To: (.*)\r$", head.decode()) == [recipient]
    for reader in (old, new):
        kinds = [part.get_content_type() for part in reader.walk() if not part.get_filename()]
        alternative = kinds.index("multipart/alternative")
        assert kinds[:alternative] in ([], ["multipart/mixed"])
        inside = [kind for kind in kinds[alternative:] if kind != "multipart/related"]
        assert inside == ["multipart/alternative", "text/plain", "text/html"]


def test_a_link_may_stand_where_a_line_is_broken():
    for length in range(80):
        post = an_unsaved_post("Offers", ["x" * length], "n" * length or "n")
        compiled = copies.compile_with(post, [])
        marked = Marked(1, 1, uuid.uuid4().bytes, uuid.uuid4().bytes, "anne@bakery.example", 1)
        assert copies.build(compiled, marked).message == copies.message(post, copies.values_for(marked), [])
        assert [slot.name for slot in compiled.data.slots].count("leave") >= 4


HIDDEN = "=?utf-8?q?Hi=0D=0AReply-To:_spy=40evil.example=0D=0A=0D=0ABody?="


def test_an_encoded_word_typed_as_a_subject_stays_what_was_typed():
    copy = a_copy(a_post(subject=HIDDEN))
    assert b"\r\nReply-To: spy" not in copy.message and b"spy@" not in copy.message
    assert str(parsed(copy)["Subject"]) == HIDDEN
    assert len(parsed(copy).get_all("Reply-To", [])) == 1


@pytest.mark.parametrize(
    "name", ['Bloggs "and" Sons', "Bäckerei Müller", "=?utf-8?q?Hi=0D=0ACc:_bob=40garage.example?=", "a\\b, c"]
)
def test_a_sender_may_have_any_name(name: str):
    copy = a_copy(a_post(sender=name))
    author = parsed(copy)["From"].addresses[0]
    assert author.addr_spec == "promotions@lists.chamber.example"
    # Python 3.11 reads a space between two encoded words that RFC 2047 section 6.2 says is none.
    assert author.display_name.replace(" ", "") == f"{name} via {site.CHAMBER.name}".replace(" ", "")

"""The gate: what is laid before it, and what it refuses."""

import uuid
from dataclasses import replace
from typing import Any

import pytest

from posting.delivery import copies, gate
from posting.delivery.copies import Compiled, Copy
from posting.delivery.ledger import Marked
from posting.delivery.template import Template
from posting.models import Post
from posting.moderation import moderation
from tests import builders

pytestmark = pytest.mark.django_db


def compiled_again(post: Post) -> Compiled:
    return copies.compile_post(Post.objects.get(pk=post.pk))


def a_case(address: str = "anne@bakery.example", **words: str) -> tuple[Compiled, Marked, Copy]:
    post = builders.a_post_to(address, builders.a_list(), **words)
    compiled, marked = compiled_again(post), builders.a_mark(post)
    return compiled, marked, copies.build(compiled, marked)


def test_a_good_post_passes():
    compiled, marked, copy = a_case(body="Two loaves.\n\nhttps://bloggs.example/a?b=1&c=2 <img src=x> url(x)")
    assert gate.check_post(compiled) == ""
    assert gate.check_copy(compiled, marked, copy) == ""


def test_a_text_that_names_somebody_else_does_not_pass():
    post = builders.a_post_to("anne@bakery.example")
    builders.overwrite(post, body="Ask bob@garage.example")
    assert "not the one that was accepted" in gate.check_post(compiled_again(post))
    changed = Post.objects.get(pk=post.pk)
    Post.objects.filter(pk=post.pk).update(accepted_hash=changed.content_hash)
    assert "staff did not allow" in gate.check_post(compiled_again(post))


def test_an_address_that_staff_allowed_by_name_passes():
    promotions = builders.a_list()
    builders.a_member(promotions)
    post = builders.a_held_post(builders.a_sender(promotions), body="Book with Bob@Garage.example, today.")
    assert gate.strangers(post) == ["Bob@Garage.example"]
    refused = moderation.accept(post, content_hash=post.content_hash, by="a test", allow=["eve@evil.example"])
    assert "did not allow" in refused
    assert moderation.accept(post, content_hash=post.content_hash, by="a test", allow=["Bob@Garage.example"]) == ""
    assert gate.check_post(compiled_again(post)) == ""


@pytest.mark.parametrize(
    ("foot", "problem"),
    [
        ("<p>bob@garage.example</p>", "an address that does not belong"),
        ("<p>bob&#64;garage.example</p>", "an address that does not belong"),
        ('<a href="mailto:bob%40garage.example">Bob</a>', "an address that does not belong"),
        ('<img src="https://tracker.example/p.gif">', "foreign content: img"),
        ("<script>1</script>", "foreign content: script"),
        ('<p style="background:url(https://tracker.example/p.gif)">x</p>', "foreign content: style"),
        ('<a href="javascript:1">x</a>', "foreign content: href"),
        ('<p onclick="1">x</p>', "foreign content: onclick"),
    ],
)
def test_a_template_that_leaks_does_not_pass(foot: str, problem: str, monkeypatch: pytest.MonkeyPatch):
    rendered = copies.texts

    def leaky(*args: Any, **tokens: Any) -> tuple[str, str]:
        text, html = rendered(*args, **tokens)
        return text, html + foot

    post = builders.a_post_to("anne@bakery.example")
    monkeypatch.setattr(copies, "texts", leaky)
    assert problem in gate.check_post(compiled_again(post))


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (b"Precedence:", b"Bcc: bob@garage.example\r\nPrecedence:", "header"),
        (b"Precedence:", b"subject: 2\r\nPrecedence:", "header"),
        (b"Precedence:", b"X-Other: 1\r\nPrecedence:", "header"),
        (b"\r\nTo:", b"\r\nX-To:", "header"),
        (b"Precedence: list", b"Precedence: \xff", "octet"),
        (b"--=_", b"\n--=_", "octet"),
        (b"Precedence: list", b"Precedence: " + b"x" * 900, "longer"),
    ],
)
def test_a_message_that_was_built_oddly_does_not_pass(before: bytes, after: bytes, problem: str):
    compiled, _, _ = a_case()
    spoilt = Template.cut(compiled.specimen.replace(before, after, 1), compiled.own)
    assert problem in gate.check_post(replace(compiled, whole=spoilt))


@pytest.mark.parametrize(
    "change",
    [
        (b"To: anne@bakery.example", b"To: anne@bakery.example, bob@garage.example"),
        (b"To: anne@bakery.example", b"To: bob@garage.example"),
        (b"To: anne@bakery.example", b"To: anne@bakery.example\r\nTo: bob@garage.example"),
        (b"To: anne@bakery.example", b"X-To: anne@bakery.example"),
        (b"Precedence:", b"Cc: bob@garage.example\r\nPrecedence:"),
        (b"From:", b"Cc: bob@garage.example\r\nFrom:"),
        (b"From:", b"DKIM-Signature: v=1; x\r\n y\r\nCc: bob@garage.example\r\nFrom:"),
        (b"Two loaves", b"Six loaves"),
        (b"/leave/", b"/leave/a"),
        (b"\r\n--=_", b"\r\n.\r\n--=_"),
    ],
)
def test_a_copy_that_is_not_what_was_checked_does_not_pass(change: tuple[bytes, bytes]):
    compiled, marked, copy = a_case()
    spoilt = copy._replace(data=copy.data.replace(*change, 1))
    assert spoilt != copy and gate.check_copy(compiled, marked, spoilt) != ""


def test_a_copy_with_what_belongs_to_another_member_does_not_pass():
    compiled, marked, copy = a_case()
    other = marked._replace(recipient="bob@garage.example")
    assert "recipient alone" in gate.check_copy(compiled, other, copy)
    for stranger in (marked._replace(handle=uuid.uuid4().bytes), marked._replace(subscription=uuid.uuid4().bytes)):
        assert gate.check_copy(compiled, marked, copies.build(compiled, stranger)) != ""
    elsewhere = copy._replace(envelope_sender="b-x@lists.chamber.example")
    assert "bounces" in gate.check_copy(compiled, marked, elsewhere)


def test_a_copy_built_with_the_values_of_another_one_of_its_group_does_not_pass():
    compiled, marked, _ = a_case()
    other = marked._replace(handle=uuid.uuid4().bytes, subscription=uuid.uuid4().bytes, recipient="bob@garage.example")
    [own, others], [again, _] = copies.values_for_all([marked, other]), copies.values_for_all([marked, other])
    assert gate.check_copy(compiled, marked, copies.build(compiled, marked, own), again) == ""
    assert gate.check_copy(compiled, marked, copies.build(compiled, marked, others), again) != ""


@pytest.mark.parametrize(
    "recipient",
    [
        "",
        "a@b.example,c@d.example",
        "a b@c.example",
        "a@b.example>",
        "a@b.example\r\nCc: c@d.example",
        "a@b.example\0",
        "\0a@b.example",
    ],
)
def test_a_recipient_that_is_not_one_address_does_not_pass(recipient: str):
    compiled, marked, _ = a_case()
    odd = marked._replace(recipient=recipient)
    assert gate.check_copy(compiled, odd, copies.build(compiled, odd)) != ""

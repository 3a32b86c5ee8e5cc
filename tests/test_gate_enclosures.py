"""The gate and what a post encloses: each part is the row that was accepted, byte for byte, and nothing else is there."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from django.conf import settings as site

from posting.delivery import copies, formatted, gate, messages, mime
from posting.delivery.copies import Compiled
from posting.delivery.ledger import Marked
from posting.delivery.mime import Attachment
from posting.delivery.template import Template
from posting.models import Post
from posting.moderation import moderation
from tests import builders
from tests.enclosures import BODY, HTML, LIST, LOAF, OFFER, rich
from tests.samples import pdf

pytestmark = pytest.mark.django_db
BACKEND = "anymail.backends.postmark.EmailBackend"


def a_post(**changes: Any) -> Post:
    promotions = builders.a_list()
    builders.members(promotions, "anne@bakery.example")
    return builders.a_sending_post(builders.a_sender(promotions), **rich(**changes))


def compiled(post: Post) -> Compiled:
    return copies.compile_post(Post.objects.get(pk=post.pk))


def accept_as_it_is(post: Post, **changes: Any) -> Compiled:
    """Written into the database past every check, the hash that was accepted included."""
    builders.overwrite(post, **changes)
    Post.objects.filter(pk=post.pk).update(accepted_hash=Post.objects.get(pk=post.pk).content_hash)
    return compiled(post)


def test_a_copy_has_the_text_the_pictures_and_the_files_as_they_were_given():
    post = a_post()
    built, marked = compiled(post), builders.a_mark(post)
    assert gate.check_post(built) == ""
    copy = copies.build(built, marked)
    assert gate.check_copy(built, marked, copy) == ""
    message = message_from_bytes(copy.message, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
        "application/pdf", "text/csv",
    ]  # fmt: skip
    found = {part.get_filename(): part for part in message.walk() if part.get_filename()}
    assert {name: part.get_payload(decode=True) for name, part in found.items()} == {
        file.name: file.content for file in (LOAF, OFFER, LIST)
    }
    assert found["loaf.png"].get_content_disposition() == "inline"
    assert found["offer.pdf"].get_content_disposition() == found[LIST.name].get_content_disposition() == "attachment"
    page, text = (message.get_body((kind,)).get_content() for kind in ("html", "plain"))  # type: ignore[union-attr]
    [shown] = re.findall(r'src="cid:([^"]+)"', page)
    assert found["loaf.png"]["Content-ID"] == f"<{shown}>" and shown.endswith(f"@{site.LIST_DOMAIN}")
    assert "<h1 style=" in page and ">Crumpets</li>" in page and "max-width:100%" in page
    assert BODY in text.replace("\r\n", "\n") and "/leave/" in text and "/leave/" in page
    assert copy.message.isascii() and "loaf@bloggs" not in copy.message.decode()


def test_a_post_is_in_memory_once():
    large = Attachment("large.pdf", "application/pdf", bytes(range(256)) * 8_000)
    built = compiled(a_post(files=[large], html=""))
    pieces = {id(piece): len(piece) for template in (built.whole, built.data, built.signing.own) for piece in template.pieces}
    assert sum(pieces.values()) < 1.5 * len(built.specimen)


def test_a_copy_that_is_too_large_does_not_leave():
    assert gate.check_post(compiled(a_post(files=[Attachment("a.pdf", "application/pdf", bytes(7_000_000))]))) == ""
    other = a_post_of_another_sender(files=[Attachment("a.pdf", "application/pdf", bytes(7_400_000))])
    assert "larger than 10 MB" in gate.check_post(compiled(other))


def a_post_of_another_sender(**changes: Any) -> Post:
    news = builders.a_list("news")
    builders.members(news, "anne@bakery.example")
    return builders.a_sending_post(builders.a_sender(news, address="jim@bloggs.example"), **rich(**changes))


# What stands in the text


@pytest.mark.parametrize(
    "html",
    [
        "<p>x</p><script>x()</script>",
        '<p onclick="x()">x</p>',
        '<p style="background:url(https://t.example/p.gif)">x</p>',
        '<img src="https://t.example/p.gif">',
        '<img src="cid:part9.none">',
        '<img src="data:image/png;base64,AAAA">',
        '<img src=x onerror="x()">',
        '<a href="javascript:x()">x</a>',
        '<a href="JaVaScRiPt:x()">x</a>',
        '<a href="&#106;avascript:x()">x</a>',
        '<a href="data:text/html,x">x</a>',
        '<a href="//t.example">x</a>',
        "<!--[if mso]><img src=https://t.example/p.gif><![endif]-->",
        "<svg><style><img src=x onerror=x()></style></svg>",
        "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=x()&gt;'>",
        "<iframe src=https://t.example></iframe>",
        "<form action=https://t.example><input name=q></form>",
        "<link rel=stylesheet href=https://t.example>",
        "<meta http-equiv=refresh content='0;url=https://t.example'>",
        "<base href=https://t.example>",
        "<style>@import 'https://t.example'</style>",
        "<object data=https://t.example></object><embed src=x><video src=x></video>",
        "<table background=https://t.example><tr><td>x</td></tr></table>",
        "<body background=https://t.example>",
        "</div></body></html><p>after",
        "<p>x",
        "<?xml x?><p>x</p>",
        "<p>x</p><![CDATA[x]]>",
        "<noscript><p title='</noscript><img src=x onerror=x()>'>",
        "<textarea><img title='</textarea><img src=x>'>",
    ],
)
def test_foreign_html_written_into_the_database_does_not_leave(html: str):
    built = accept_as_it_is(a_post(), html=html)
    assert gate.check_post(built) != ""


@pytest.mark.parametrize(
    "html", ["<script>1</script>", "<!-- x -->", "<p onclick=x>x</p>", '<img src="cid:x">', "<?x?>", "<![CDATA[x]]>"]
)
def test_the_rendered_copy_is_looked_at_as_well(html: str, monkeypatch: pytest.MonkeyPatch):
    post = a_post()
    written = formatted.in_mail
    monkeypatch.setattr(formatted, "in_mail", lambda *args: written(*args) + html)
    assert "foreign content" in gate.check_post(compiled(post))


@pytest.mark.parametrize(
    "html",
    [
        "<p>bob@garage.example</p>",
        "<p>bob&#64;garage.example</p>",
        "<p>bob<b>@</b>garage.example</p>",
        "<p>bob@garage<i></i>.example</p>",
        "<p>bob@gar\u00adage.example</p>",
        "<p>bob\u200b@garage.example</p>",
        '<p><a href="mailto:bob@garage.example">Bob</a></p>',
        '<p><a href="mailto:bob%40garage.example">Bob</a></p>',
        '<p><a href="mailto:bob@garage.example?subject=Bread">Bob</a></p>',
        '<p><a href="https://x.example/?to=bob%40garage.example">Bob</a></p>',
        '<p><img src="cid:loaf@bloggs.example" alt="bob@garage.example"></p>',
    ],
)
def test_a_stranger_in_the_html_is_found_and_allowed_by_name(html: str):
    promotions = builders.a_list()
    builders.a_member(promotions)
    post = builders.a_held_post(builders.a_sender(promotions), **rich(html=html))
    assert list(gate.named(post).values()) == [""]
    [found] = gate.strangers(post)
    assert "names 1 mail address" in moderation.accept(post, content_hash=post.content_hash, by="a test")
    assert moderation.accept(post, content_hash=post.content_hash, by="a test", allow=[found]) == ""
    assert gate.check_post(compiled(post)) == ""
    builders.overwrite(post, allowed_addresses=[])
    assert "staff did not allow" in gate.check_post(compiled(post))


def test_the_senders_and_the_chambers_own_addresses_may_stand_anywhere():
    html = f'<p><a href="mailto:joe@bloggs.example">Joe</a> {site.CHAMBER.contact}</p>'
    files = [Attachment("joe@bloggs.example", "text/plain", b"joe@bloggs.example")]
    assert gate.check_post(compiled(a_post(html=html, files=files))) == ""


# What stands in the files


@pytest.mark.parametrize(
    "file",
    [
        Attachment("list.csv", "text/csv", b"bob@garage.example;Bob"),
        Attachment("bob@garage.example", "text/plain", b"Hello"),
        Attachment("bob%40garage.example", "text/plain", b"Hello"),
    ],
)
def test_a_stranger_in_a_file_holds_the_post_and_staff_learn_where(file: Attachment):
    promotions = builders.a_list(moderation="none")
    builders.a_member(promotions)
    post = builders.a_held_post(builders.a_sender(promotions), files=[OFFER, file])
    assert post.state == Post.State.HELD and "names a mail address" in post.reasons[0]
    assert gate.named(post) == {"bob@garage.example": file.name}
    assert moderation.accept(post, content_hash=post.content_hash, by="a test", allow=["bob@garage.example"]) == ""
    assert gate.check_post(compiled(post)) == ""


SEALED = pdf(trailer=b"/Encrypt 3 0 R")


def test_a_file_that_cannot_be_looked_into_holds_the_post_and_cannot_be_accepted():
    promotions = builders.a_list(moderation="none")
    builders.a_member(promotions)
    files = [OFFER, Attachment("a.pdf", "application/pdf", SEALED)]
    post = builders.a_held_post(builders.a_sender(promotions), files=files)
    assert (post.state, post.reasons) == (Post.State.HELD, [gate.SEALED])
    assert gate.SEALED in moderation.accept(post, content_hash=post.content_hash, by="a test")


def test_a_file_that_cannot_be_looked_into_does_not_leave():
    post = a_post()
    builders.overwrite(post.attachments.get(position=0), content=SEALED)
    post.attachments.filter(position=0).update(sha256=hashlib.sha256(SEALED).hexdigest())
    assert gate.check_post(accept_as_it_is(post)) == gate.SEALED


def test_ten_thousand_strangers_are_not_laid_before_anybody():
    content = "".join(f"m{n}@garage.example\n" for n in range(10_000)).encode()
    post = builders.a_held_post(builders.a_sender(builders.a_list()), files=[Attachment("a.csv", "text/csv", content)])
    shown = gate.strangers(post)
    assert len(shown) == gate.MOST_STRANGERS
    assert "did not allow" in moderation.accept(post, content_hash=post.content_hash, by="a test", allow=shown)


@pytest.mark.parametrize(
    "change",
    [{"kind": "image/png"}, {"sha256": "0" * 64}, {"content_id": "x"}],
    ids=lambda change: next(iter(change)),
)
def test_a_row_that_changed_after_acceptance_stops_the_post(change: dict[str, str]):
    post = a_post()
    post.attachments.filter(position=0).update(**change)
    assert "not the one that was accepted" in gate.check_post(compiled(post))


def test_a_file_name_that_changed_after_acceptance_stops_the_post():
    post = a_post()
    builders.overwrite(post.attachments.get(position=0), name="other.pdf")
    assert "not the one that was accepted" in gate.check_post(compiled(post))


def test_octets_that_changed_after_acceptance_stop_the_post():
    post = a_post()
    builders.overwrite(post.attachments.get(position=0), content=b"%PDF-1.4 something else")
    assert "A file of it is not the one that was accepted" in gate.check_post(compiled(post))


def test_a_file_more_or_less_stops_the_post():
    post = a_post()
    post.attachments.filter(position=2).delete()
    assert "not the one that was accepted" in gate.check_post(compiled(post))


@pytest.mark.parametrize("kind", ["text/html", "message/rfc822", "multipart/mixed", "image/svg+xml"])
def test_a_file_that_could_do_something_by_itself_does_not_leave(kind: str):
    post = a_post()
    post.attachments.filter(position=0).update(kind=kind)
    Post.objects.filter(pk=post.pk).update(accepted_hash=Post.objects.get(pk=post.pk).content_hash)
    try:
        problem: str = gate.check_post(compiled(post))
    except Exception:  # noqa: BLE001 (what cannot be built does not leave either)
        problem = "It cannot be built."
    assert problem != ""


# What was built


PDF = b"Content-Type: application/pdf\r\n"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (PDF, PDF + b"X-To: bob\r\n", "header"),
        (PDF, PDF + b"Bcc: bob\r\n", "header"),
        (PDF, PDF + PDF, "header"),
        (PDF, b'Content-Type: application/pdf; name="bob"\r\n', "not accepted"),
        (PDF, b"Content-Type: image/png\r\n", "not accepted"),
        (b'filename="offer.pdf"', b'filename="other.pdf"', "not accepted"),
        (b'filename="offer.pdf"', b'filename="offer.pdf"; x="bob"', "not accepted"),
        (b'attachment; filename="offer.pdf"', b'inline; filename="offer.pdf"', "not accepted"),
        (b'inline; filename="loaf.png"', b'attachment; filename="loaf.png"', "not accepted"),
        (b"Content-ID: <part1.", b"Content-ID: <part2.", "not accepted"),
        (b"JVBERi0", b"JVBERi1", "not accepted"),
        (b"\r\n\r\n--mixed.", b"\r\n\r\nbob\r\n--mixed.", "between its parts"),
        (b"multipart/related;", b'multipart/related; x="bob";', "between its parts"),
        (b"multipart/related", b"multipart/parallel", "between its parts"),
    ],
)
def test_a_message_whose_parts_are_odd_does_not_leave(before: bytes, after: bytes, problem: str):
    built = compiled(a_post())
    assert before in built.specimen
    spoilt = Template.cut(built.specimen.replace(before, after, 1), built.own)
    assert problem in gate.check_post(replace(built, whole=spoilt))


def test_a_part_more_does_not_leave(monkeypatch: pytest.MonkeyPatch):
    post, attached = a_post(), copies.attached
    more = Attachment("x.csv", "text/csv", b"x")
    built = copies.compile_with(Post.objects.get(pk=post.pk), [*attached(post), more])
    assert "not accepted, or lacks one" in gate.check_post(built)
    built = copies.compile_with(Post.objects.get(pk=post.pk), attached(post)[:2])
    assert "not accepted, or lacks one" in gate.check_post(built)


def test_a_copy_whose_file_changed_on_the_way_does_not_leave():
    post = a_post()
    built, marked = compiled(post), builders.a_mark(post)
    copy = copies.build(built, marked)
    spoilt = copy._replace(data=copy.data.replace(b"JVBERi0", b"JVBERi1"))
    assert spoilt != copy and gate.check_copy(built, marked, spoilt) == gate.CHANGED


# A provider's message


FAULTS: dict[str, Callable[[Any], object]] = {
    "a file more": lambda m: m.attach("list.csv", "bob@garage.example", "text/csv"),
    "a file less": lambda m: m.attachments.pop(),
    "no files": lambda m: m.attachments.clear(),
    "another order": lambda m: m.attachments.reverse(),
    "another file": lambda m: m.attachments.__setitem__(0, messages.part(Attachment("x.png", "image/png", b"x", "y@z.example"))),
    "other octets": lambda m: m.attachments[1].set_payload("AAAA"),
    "another name": lambda m: m.attachments[1].replace_header("Content-Disposition", 'attachment; filename="bob.pdf"'),
    "another kind": lambda m: m.attachments[1].replace_header("Content-Type", "text/html"),
    "another id": lambda m: m.attachments[0].replace_header("Content-ID", "<x@garage.example>"),
    "a header more": lambda m: m.attachments[1].add_header("X-To", "bob@garage.example"),
    "a parameter more": lambda m: m.attachments[1].set_param("name", "bob@garage.example"),
    "a picture as a file": lambda m: m.attachments[0].replace_header("Content-Disposition", 'attachment; filename="loaf.png"'),
}


def test_a_providers_message_has_the_same_files():
    post = a_post()
    built, marked = compiled(post), builders.a_mark(post)
    message = messages.build(built, marked, BACKEND)
    assert gate.check_message(built, marked, message, BACKEND) == ""
    assert [mime.read(part) for part in message.attachments] == mime.in_order(copies.attached(post))
    assert "cid:part1." in str(message.alternatives[0][0])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_providers_message_with_other_files_is_not_given_away(fault: str):
    post = a_post()
    built, marked = compiled(post), builders.a_mark(post)
    message = messages.build(built, marked, BACKEND)
    FAULTS[fault](message)
    assert gate.check_message(built, marked, message, BACKEND) == gate.CHANGED


def test_html_names_no_member_who_is_not_its_reader():
    promotions = builders.a_list()
    people = builders.members(promotions, "anne@bakery.example", "bob@garage.example")
    post = builders.a_sending_post(builders.a_sender(promotions), **rich(html=HTML))
    built = compiled(post)
    for member in people:
        delivery = post.deliveries.get(subscription=member)
        marked = Marked(delivery.pk, post.pk, delivery.handle.bytes, member.handle.bytes, member.address, 1)
        others = [other for other in people if other != member]
        copy = copies.build(built, marked)
        for other in others:
            assert other.address not in copy.message.decode() and other.handle.hex not in copy.message.decode()

"""The leak guard at submission: where an address may stand, that nothing tells who subscribes, and what staff see."""

import io
import re
import zipfile
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from posting.delivery import audience, copies, gate, searching
from posting.delivery.mime import Attachment
from posting.models import Post, Sender
from posting.moderation import moderation
from posting.submission import submission
from subscriptions import lifecycle
from tests import builders
from tests.arriving import arrive
from tests.enclosures import a_png, rich
from tests.test_post_admin import staff
from tests.test_posting_by_mail import PASS

pytestmark = pytest.mark.django_db
BOB = "bob@garage.example"
REASON = "It names a mail address that is neither the sender's nor the Chamber's."


def zipped(**files: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>" * 20)
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return target.getvalue()


RUNS = "".join(
    f'<w:r w:rsidR="1"><w:rPr><w:b/></w:rPr><w:t xml:space="preserve">{run}</w:t></w:r>' for run in ("bo", "b@gar", "age.example")
)
RELATION = '<Relationship Id="r1" Type="hyperlink" Target="mailto:bob%40garage.example?subject=x" TargetMode="External"/>'
OFFICE = {
    "a document in runs": zipped(word__document=f"<w:document><w:body><w:p>{RUNS}</w:p></w:body></w:document>"),
    "a document's link": zipped(word__document="<w:p/>", word___rels__document=f"<Relationships>{RELATION}</Relationships>"),
    "a document's author": zipped(docProps__core=f"<dc:creator>{BOB}</dc:creator>"),
    "a sheet's shared strings": zipped(xl__sharedStrings=f"<sst><si><t>{BOB}</t></si></sst>"),
    "a sheet's strings in runs": zipped(xl__sharedStrings="<sst><si><r><t>bob@</t></r><r><t>garage.example</t></r></si></sst>"),
    "a sheet's link": zipped(xl___rels__sheet1=f"<Relationships>{RELATION}</Relationships>"),
    "an open document": zipped(content="<text:p>bob<text:span>@</text:span>garage.example</text:p>"),
    "a document in entities": zipped(word__document="<w:p><w:t>bob&#x40;garage.example</w:t></w:p>"),
}
CARD = "BEGIN:VCARD\r\nVERSION:3.0\r\n{}\r\nEND:VCARD\r\n"
TEXTS = {
    "a card": CARD.format(f"EMAIL;TYPE=work:{BOB}"),
    "a card with groups": CARD.format(f"item1.EMAIL;type=INTERNET:{BOB}\r\nitem1.X-ABLabel:_$!<Work>!$_"),
    "a folded card": CARD.format("EMAIL:bob@gar\r\n age.example"),
    "a quoted-printable card": CARD.format("EMAIL;ENCODING=QUOTED-PRINTABLE:bob=40garage.example"),
    "a quoted-printable card, folded": CARD.format("EMAIL;ENCODING=QUOTED-PRINTABLE:bob=40gar=\r\nage.example"),
    "a calendar": "BEGIN:VCALENDAR\r\nATTENDEE;CN=Bob;RSVP=TRUE:mailto:bob@garage.example\r\nEND:VCALENDAR\r\n",
    "a folded calendar": "BEGIN:VCALENDAR\r\nATTENDEE;CN=Bob:mailto:bob@gara\r\n ge.example\r\nEND:VCALENDAR\r\n",
    "a table": f"Name;Mail\r\nBob;{BOB}\r\n",
    "a table in quotes": f'"Bob","{BOB}"\r\n',
    "a disguised one": "Bob: bob (at) garage.example",
}


@pytest.mark.parametrize("where", OFFICE)
def test_an_address_is_found_in_an_office_file(where: str):
    assert BOB in {found.lower() for found in searching.addresses_in_file(OFFICE[where], "application/octet-stream")}


@pytest.mark.parametrize("where", TEXTS)
@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_an_address_is_found_in_a_text(where: str, charset: str):
    assert BOB in set(searching.addresses_in_file(TEXTS[where].encode(charset), "text/plain"))


PLACES: dict[str, dict[str, Any]] = {
    "the subject": {"subject": f"Ask {BOB}"},
    "the text": {"body": f"Ask {BOB}"},
    "a link of several": {"html": '<p><a href="mailto:joe@bloggs.example,bob@garage.example?cc=joe@bloggs.example">x</a></p>'},
    "a link's copy": {"html": '<p><a href="mailto:joe@bloggs.example?bcc=bob%40garage.example">x</a></p>'},
    "a percent-encoded link": {"html": '<p><a href="mailto:%62ob%40garage%2Eexample">x</a></p>'},
    "a link's user": {"html": '<p><a href="https://bob@garage.example/">x</a></p>'},
    "a text's link's user": {"body": "See https://bob@garage.example/offers"},
    "an alternative text": {"html": '<p><img src="cid:loaf@bloggs.example" alt="bob@garage.example"></p>'},
    "a file's name": {"files": [Attachment(f"{BOB}.txt", "text/plain", b"x")]},
    "a picture's words": {"files": [Attachment("a.png", "image/png", a_png() + BOB.encode())]},
    "a disguise": {"body": "Ask bob (at) garage.example"},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("subscribes", [True, False])
def test_whoever_names_an_address_gets_the_same_answer_and_costs_the_same_work(place: str, subscribes: bool, client):
    found = []
    for slug, is_member in (("one", subscribes), ("two", False)):
        mailing_list = builders.a_list(slug, moderation="none")
        if is_member:
            builders.members(mailing_list, BOB)
        sender = builders.a_sender(mailing_list, address="joe@bloggs.example" if slug == "one" else "jim@bloggs.example")
        words = PLACES[place] if "html" not in PLACES[place] else rich(**PLACES[place])
        if slug == "two":
            words = {key: value.replace("joe@", "jim@") if isinstance(value, str) else value for key, value in words.items()}
        post = builders.a_draft(sender, **words)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert submission.submit(post, content_hash=post.content_hash) == ""
        post.refresh_from_db()
        said = [re.sub(r"'[^']*'|\b\d+\b", "?", query["sql"]) for query in queries if "SAVEPOINT" not in query["sql"]]
        statements = [re.sub(r"\?(?:::\w+)?(?:, \?(?:::\w+)?)+", "?", statement) for statement in said]
        found.append((post.state, post.reasons, statements))
    assert found[0] == found[1] and found[0][:2] == (Post.State.HELD, [REASON])
    assert not any("subscriptions_subscription" in statement for statement in found[0][2])


@pytest.fixture
def sender() -> Sender:
    promotions = builders.a_list()
    *_, cleo = builders.members(promotions, "anne@bakery.example", BOB, "cleo@florist.example")
    lifecycle.unsubscribe(cleo.handle, how="page")
    return builders.a_sender(promotions)


def test_staff_who_may_know_learn_which_subscribe_masked(sender: Sender):
    post = builders.a_held_post(sender, body=f"Ask {BOB}, cleo@florist.example or eve@evil.example")
    page = reverse("admin:posting_post_change", args=[post.pk])
    shown = staff("view_post", "view_named_subscribers").get(page).content.decode()
    assert "Of the mail addresses in the message, 1 subscribes to a list of the Chamber: b•••@g•••.example." in shown
    assert "c•••@" not in shown and 'name="allow"' not in shown
    with CaptureQueriesContext(connection) as queries:
        shown = staff("view_post", "change_post", "view_subscription").get(page).content.decode()
    assert "to a list of the Chamber" not in shown and shown.count('name="allow"') == 3
    assert not any("subscriptions_subscription" in query["sql"] for query in queries)
    post = builders.a_held_post(sender, body="Ask eve@evil.example")
    page = reverse("admin:posting_post_change", args=[post.pk])
    shown = staff("view_post", "change_post", "view_named_subscribers", "view_sender").get(page).content.decode()
    assert "No mail address in the message subscribes" in shown


def test_a_post_that_shows_a_password_is_held_and_cannot_be_accepted(sender: Sender):
    post = builders.a_held_post(sender, body=f"Hello\n\n{builders.PASSWORDS[sender.pk]}")
    assert gate.GIVES_AWAY in post.reasons
    assert gate.GIVES_AWAY in moderation.accept(post, content_hash=post.content_hash, by="a test")
    post.refresh_from_db()
    assert post.state == Post.State.HELD


def test_what_would_tell_on_readers_never_reaches_a_copy(sender: Sender, settings):
    settings.AUTHSERV_ID = "mx.chamber.example"
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "joe@bloggs.example", "promotions@lists.chamber.example", "Offers"
    message["Message-ID"], message["Authentication-Results"] = "<1@bloggs.example>", PASS
    message["Approved"] = builders.PASSWORDS[sender.pk]
    for name in ("Disposition-Notification-To", "Return-Receipt-To", "Errors-To", "X-Confirm-Reading-To", "Sender"):
        message[name] = "joe@bloggs.example"
    message["Return-Path"] = "<joe@bloggs.example>"
    message.set_content("Two loaves for one.")
    message.add_alternative(
        "<html><head><link rel=stylesheet href=https://t.example/a.css><style>@import url(https://t.example/b.css);"
        "@font-face{src:url(https://t.example/f.woff)} p{background:url(https://t.example/c.gif)}</style></head>"
        '<body background="https://t.example/d.gif"><p style="background:url(https://t.example/e.gif)">Two loaves for one.</p>'
        '<img src="https://t.example/open.gif?u=1" width="1" height="1"><img srcset="https://t.example/h.gif 2x">'
        "<video poster=https://t.example/i.gif src=https://t.example/v.mp4></video><script src=https://t.example/j.js></script></body></html>",
        subtype="html",
    )
    arrive(message.as_bytes())
    post = Post.objects.get()
    assert moderation.accept(post, content_hash=post.content_hash, by="a test", now=True) == ""
    assert audience.expand(post.pk)
    post.deliveries.exclude(subscription__address_hash=b"").exclude(pk=post.deliveries.order_by("pk")[0].pk).delete()
    compiled = copies.compile_post(Post.objects.get(pk=post.pk))
    assert gate.check_post(compiled) == ""
    copy = copies.build(compiled, builders.a_mark(post)).message
    assert b"Two loaves for one." in copy and b"t.example" not in copy
    for word in (
        b"Disposition-Notification",
        b"Return-Receipt",
        b"Errors-To",
        b"Confirm-Reading",
        b"Return-Path",
        b"\nSender:",
        b"joe@",
    ):
        assert word not in copy

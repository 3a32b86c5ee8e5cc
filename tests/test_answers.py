"""Answers that are passed on: neither side learns the other's address, whatever the mail programs between them quote and wrap."""

import textwrap
import uuid
import zlib
from collections.abc import Callable
from datetime import timedelta
from email.utils import parseaddr
from urllib.parse import quote, unquote

import pytest
from django.db import connection

from chamberlist import halt, systemmail, tokens
from chamberlist.clock import Now
from chamberlist.models import SystemMail, ThrottleCounter
from posting import tasks
from posting.delivery import copies
from posting.delivery.mime import Attachment
from posting.feedback import replies, wording
from posting.inbound import destinations
from posting.models import Conversation, Delivery, PassedMail
from posting.submission import senders
from subscriptions import lifecycle
from subscriptions.models import MailingList, Subscription, Suppression
from tests import builders
from tests.providerserver import Provider
from tests.samples import pdf, png, stream
from tests.smtpserver import Received, SmtpServer

pytestmark = pytest.mark.django_db
ANNE, JOE = "anne@bakery.example", "joe@bloggs.example"
PICTURE = Attachment("loaf.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)))


@pytest.fixture
def promotions() -> MailingList:
    return builders.a_list()


@pytest.fixture
def copy(promotions: MailingList) -> Delivery:
    """Anne's copy of a post of Bloggs Ltd."""
    copy = builders.a_post_to(ANNE, promotions).deliveries.get()
    Delivery.objects.update(state=Delivery.State.SENT, ended_at=Now())
    SystemMail.objects.all().delete()
    return copy


def ask(copy: Delivery, text: str = "Are there rolls as well?", **more: object) -> str:
    words = replies.pass_to_sender(copy.handle, key=uuid.uuid4(), text=text, **more)  # type: ignore[arg-type]
    assert "@" not in words
    return words


def answer(copy: Delivery, text: str = "Yes, from Monday.", **more: object) -> str:
    words = replies.pass_to_member(copy.conversation.handle, key=uuid.uuid4(), text=text, **more)  # type: ignore[arg-type]
    assert "@" not in words
    return words


def everything(mail: Received) -> str:
    """All that left with a mail, as it stood on the wire and decoded."""
    parts = [mail.sender, *mail.recipients, mail.content.decode("latin-1"), *(str(value) for value in mail.message.values())]
    for part in mail.message.walk():
        parts += [str(value) for value in part.values()]
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            parts += [content.decode("latin-1"), content.replace(b"\0", b"").decode("latin-1")]
    said = " ".join(parts).lower()
    return said + unquote(said) + "".join(said.split())


def sent(smtp: SmtpServer) -> Received:
    """The one mail that leaves now."""
    before = len(smtp.received)
    assert systemmail.send_due() == 1
    [mail] = smtp.received[before:]
    return mail


def test_a_reader_and_a_business_talk_and_neither_learns_an_address(smtp: SmtpServer, copy: Delivery, settings, rung):
    asked, answered = f"Are there rolls?\n-- \nAnne <{ANNE}>", f"Yes.\n\nYours, Joe, {JOE}, or may@bloggs.example"
    assert "passed on" in ask(copy, asked)
    first = sent(smtp)
    assert first.recipients == (JOE,)
    assert "Are there rolls?" in first.text and "Anne <[address]>" in first.text
    assert first.message["Subject"] == "Re: Spring offers"
    assert first.message["From"].startswith("A reader of Promotions via") and first.message["Reply-To"] == first.message["From"]
    talk = destinations.find(parseaddr(first.message["From"])[1])
    assert talk and (talk.place, talk.handle) == ("talk", copy.conversation.handle)

    assert "passed on" in answer(copy, answered)
    second = sent(smtp)
    assert second.recipients == (ANNE,)
    assert f"Joe, {JOE}, or [address]" in second.text
    assert second.message["From"].startswith("Bloggs Ltd via")
    reply = destinations.find(parseaddr(second.message["From"])[1])
    assert reply and (reply.place, reply.handle) == ("reply", copy.handle)

    for mail in smtp.received:
        assert mail.sender == "<>"
        assert mail.message["Auto-Submitted"] is None
        assert "OOF" in mail.message["X-Auto-Response-Suppress"]
        assert not any(mail.message[name] for name in ("Cc", "Bcc", "Received", "In-Reply-To", "References", "Sender"))
    assert "bakery.example" not in everything(first)
    assert "may@" not in everything(second)


def test_the_businesss_address_stands_in_no_mail_to_a_reader_unless_it_wrote_it(smtp: SmtpServer, copy: Delivery, rung):
    ask(copy)
    answer(copy, f"Yes.\n> {ANNE} wrote")
    systemmail.send_due()
    [mail] = smtp.to(ANNE)
    assert "bloggs.example" not in everything(mail)
    assert "[address] wrote" in mail.text


def quoted(copy: Delivery) -> str:
    """Her copy, as a mail program quotes it under an answer."""
    values = copies.values_for(builders.a_mark(copy.post))
    text, _ = copies.texts(copy.post, leave=values["leave"].decode(), choose=values["choose"].decode())
    head = f"On Monday, Bloggs Ltd <r-{values['reply'].decode()}@lists.chamber.example> wrote to {ANNE}:"
    return f"Yes please\n\n{head}\n{text}"


HIDING: dict[str, Callable[[Delivery], str]] = {
    "plain": lambda _: ANNE,
    "in capitals": lambda _: ANNE.upper(),
    "in brackets": lambda _: f"Anne<{ANNE}>",
    "as a link": lambda _: f"mailto:{ANNE}?subject=rolls",
    "in a filter's link": lambda _: f"https://filter.example/?url=x&data=05%7C{quote(ANNE)}%7C1",
    "coded twice": lambda _: f"https://filter.example/?data={quote(quote(ANNE))}",
    "over a line": lambda _: "anne@\n> bakery.example",
    "before a line": lambda _: "anne\n> @bakery.example",
    "with spaces": lambda _: "anne @ bakery.example",
    "spelt": lambda _: "anne (at) bakery.example or anne[at]bakery.example",
    "spelt for a browser": lambda _: "anne&#64;bakery.example, anne&#x40;bakery.example",
    "full width": lambda _: "anne\uff20bakery.example",
    "invisible": lambda _: "anne\u200b@\u200bbak\u00adery.example",
    "bidirectional": lambda _: "anne\u202e@\u202cbakery.example",
    "quoted copy": quoted,
    "quoted with marks": lambda copy: textwrap.indent(quoted(copy), "> "),
    "quoted and wrapped": lambda copy: "\n".join(f"> > {line}" for line in textwrap.wrap(quoted(copy), 40)),
    "quoted on one line": lambda copy: " ".join(quoted(copy).split()),
    "quoted with soft breaks": lambda copy: "=\n".join(textwrap.wrap(quoted(copy), 30, drop_whitespace=False)),
}


@pytest.mark.parametrize("hiding", HIDING.values(), ids=HIDING.keys())
def test_nothing_of_the_reader_s_gets_through(smtp: SmtpServer, copy: Delivery, rung, hiding: Callable[[Delivery], str]):
    ask(copy, f"Good day,\n\n{hiding(copy)}\n\nYours")
    mail = sent(smtp)
    left = everything(mail)
    assert "good day," in left and "yours" in left
    assert "bakery.example" not in left and "bak\u00adery" not in left
    member = copy.subscription
    assert member
    secrets = [tokens.make(purpose, member.handle) for purpose in ("leave", "choose")]
    secrets += [tokens.make(purpose, copy.handle) for purpose in ("reply", "bounce")]
    squeezed = "".join(char for char in left if char.isalnum())
    assert not any(secret in squeezed for secret in secrets)


@pytest.mark.parametrize("marks", ["> ", "", "> > > > > > > > ", "| "])
def test_a_line_may_break_anywhere_in_a_quoted_copy(smtp: SmtpServer, copy: Delivery, rung, monkeypatch, marks: str):
    for cap in ("A_MEMBER", "A_POST"):
        monkeypatch.setattr(replies, cap, 1000)
    said = " ".join(quoted(copy).split())
    for width in range(20, 80, 3):
        ask(copy, "\n".join(marks + said[at : at + width] for at in range(0, len(said), width)))
    systemmail.send_due()
    member = copy.subscription
    assert member and len(smtp.received) == 20
    for mail in smtp.received:
        squeezed = "".join(char for char in mail.text.lower() if char.isalnum())
        assert "annebakery" not in squeezed
        for purpose, handle in (("leave", member.handle), ("choose", member.handle), ("reply", copy.handle)):
            assert tokens.make(purpose, handle) not in squeezed


@pytest.mark.parametrize("view", ["leave", "choose", "confirm", "settings"])
@pytest.mark.parametrize("lifetime", [None, timedelta(hours=1)])
def test_a_link_of_a_mail_of_ours_is_taken_out_whosever_it_is(view: str, lifetime: timedelta | None, settings):
    token = tokens.make("manage" if view == "settings" else view, uuid.uuid4(), lifetime=lifetime)
    link = f"{settings.SITE_URL}/lists/promotions/{view}/{token}/"
    for text in (
        link,
        quote(link, safe=""),
        f"{link[:60]}\n> {link[60:]}",
        f"https://filter.example/?u={quote(link, safe='')}&d=1",
    ):
        squeezed = "".join(char for char in wording.without_addresses(f"See {text} please") if char.isalnum())
        assert token[:40] not in squeezed and squeezed.endswith("please")


def test_ordinary_words_stay_as_they_are():
    text = "Please leave/return 2 @ 3 pounds each.\nSee https://bakery.example/offers?id=1 – “fresh”, 100% rye\n\tB. Ünal"
    assert wording.without_addresses(text) == text


def test_a_long_text_without_a_break_is_read_in_time_and_cut(smtp: SmtpServer, copy: Delivery, rung):
    for text in ("a" * 300_000, "%40" * 100_000, "leave/" * 50_000, "a@" * 150_000, "leave/" + "a " * 150_000, "(at)a." * 50_000):
        wording.without_addresses(text)
    ask(copy, "word " * 60_000)
    assert "the rest of a very long text" in sent(smtp).text


FILES = [
    Attachment("a.txt", "text/plain", f"Anne, {ANNE}".encode()),
    Attachment("b.vcf", "text/vcard", f"EMAIL:{ANNE.upper()}".encode()),
    Attachment("c.txt", "text/plain", ANNE.encode("utf-16")),
    Attachment("d.pdf", "application/pdf", b"%PDF-1.4 /Author (other@mail.example)"),
]


def test_a_file_in_which_an_address_stands_is_left_out_and_named(smtp: SmtpServer, copy: Delivery, rung):
    odd = Attachment(f"of {ANNE}\r\nBcc: x.png", "image/png", PICTURE.content)
    ask(copy, files=[*FILES, PICTURE, odd], left_out=[f"{ANNE} rolls.exe"])
    mail = sent(smtp)
    found = [(part.get_filename(), part.get_payload(decode=True)) for part in mail.message.iter_attachments()]
    assert found[0] == ("loaf.png", PICTURE.content)
    assert len(found) == 2 and found[1][1] == PICTURE.content
    assert (
        all(file.name in mail.text for file in FILES if file.name != "b.vcf")
        and "a .vcf file" in mail.text
        and "[address] rolls.exe" in mail.text
    )
    assert "bakery.example" not in everything(mail) and "other@mail" not in everything(mail)
    assert mail.message["Bcc"] is None


NAMING = {  # Files in which no octet is that of an address, until they are looked into.
    "compressed PDF": Attachment("order.pdf", "application/pdf", pdf(stream(f"BT (From {ANNE}) Tj ET".encode()))),
    "kerned PDF": Attachment("order.pdf", "application/pdf", pdf(stream(b"BT [(an)3(ne@bak)-20(ery.example)] TJ ET"))),
    "compressed PNG": Attachment("a.png", "image/png", png((b"zTXt", b"Author\0\0" + zlib.compress(ANNE.encode())))),
    "folded calendar": Attachment("a.ics", "text/calendar", b"BEGIN:VCALENDAR\r\nATTENDEE:mailto:anne@\r\n bakery.example\r\n"),
    "in percent signs": Attachment("a.txt", "text/plain", b"https://x.example/?to=anne%40bakery.example"),
    "among tags": Attachment("a.txt", "text/plain", b"<b>anne</b>&#64;<i>bakery</i>.example"),
}


@pytest.mark.parametrize("file", NAMING.values(), ids=NAMING)
def test_an_address_within_a_file_is_found(smtp: SmtpServer, copy: Delivery, rung, file: Attachment):
    ask(copy, files=[file])
    mail = sent(smtp)
    assert not list(mail.message.iter_attachments())
    assert f"{file.name} (a mail address stands in it)" in " ".join(mail.text.split())


def test_a_token_within_a_file_is_found(smtp: SmtpServer, copy: Delivery, rung):
    assert copy.subscription
    token = tokens.make("leave", copy.subscription.handle)
    broken = f"https://lists.chamber.example/leave/{token[:20]}\r\n{token[20:]}"
    files = [
        Attachment("a.pdf", "application/pdf", pdf(stream(f"BT ({token.upper()}) Tj ET".encode()))),
        Attachment("b.txt", "text/plain", broken.encode()),
    ]
    ask(copy, files=files)
    assert not list(sent(smtp).message.iter_attachments())


def test_a_file_that_cannot_be_looked_into_is_left_out(smtp: SmtpServer, copy: Delivery, rung):
    ask(copy, files=[Attachment("a.pdf", "application/pdf", pdf(trailer=b"/Encrypt 3 0 R"))])
    mail = sent(smtp)
    assert not list(mail.message.iter_attachments())
    assert "a.pdf (it cannot be looked into)" in " ".join(mail.text.split())


@pytest.mark.parametrize("name", ["Anne Baker.vcf", "Anne Baker.VCARD", "Anne Baker 0x1234.asc"])
def test_a_card_or_a_key_that_is_left_out_does_not_say_whose_it_is(smtp: SmtpServer, copy: Delivery, rung, name: str):
    ask(copy, left_out=[name])
    mail = sent(smtp)
    assert "Baker" not in mail.text and f"a {name[name.rindex('.') :].lower()} file" in mail.text


def test_a_message_is_passed_once(copy: Delivery, rung):
    key = uuid.uuid4()
    for expected in ("passed on to the business", "before", "before"):
        assert expected in replies.pass_to_sender(copy.handle, key=key, text="Good day")
    assert "passed on to the reader" in replies.pass_to_member(copy.conversation.handle, key=key, text="Good day")
    assert SystemMail.objects.count() == PassedMail.objects.count() == 2 and Conversation.objects.count() == 1


def test_an_empty_message_is_not_passed(copy: Delivery, rung):
    assert ask(copy, " \n") == replies.NOTHING
    assert not SystemMail.objects.exists()


def test_five_a_day_of_one_reader_and_for_one_reader(copy: Delivery, rung):
    for passed in (ask, answer):
        assert [passed(copy) == replies.TOO_MANY for _ in range(7)] == [False] * 5 + [True] * 2
    assert SystemMail.objects.count() == 2 * replies.A_MEMBER == 10
    for counter in ThrottleCounter.objects.all():
        builders.later(counter, "window", timedelta(days=1))
    assert ask(copy) != replies.TOO_MANY


@pytest.mark.parametrize(("cap", "number"), [("A_POST", 30), ("IN_ALL", 200)])
def test_so_many_about_a_post_and_in_all(promotions: MailingList, rung, monkeypatch, cap: str, number: int):
    assert getattr(replies, cap) == number
    monkeypatch.setattr(replies, cap, 3)
    builders.many_members(promotions, 5)
    post = builders.a_sending_post(builders.a_sender(promotions))
    SystemMail.objects.all().delete()
    done = [ask(copy) for copy in post.deliveries.all()]
    assert done.count(replies.TOO_MANY) == 2
    assert SystemMail.objects.count() == PassedMail.objects.count() == 3


def leave(member: Subscription) -> None:
    lifecycle.unsubscribe(member.handle, how="page")


def suspend(member: Subscription) -> None:
    lifecycle.suspend(member.handle, how="bounce")


def suppress(member: Subscription) -> None:
    lifecycle.suppress(bytes(member.address_hash), None, Suppression.Reason.OBJECTION)


def erase(member: Subscription) -> None:
    member.delete()


@pytest.mark.parametrize("ends", [leave, suspend, suppress, erase], ids=lambda ends: ends.__name__)
def test_who_has_left_may_still_ask_and_is_not_mailed(smtp: SmtpServer, copy: Delivery, rung, ends: Callable[[Subscription], None]):
    assert copy.subscription
    ask(copy)
    answer(copy)
    ends(Subscription.objects.get())
    assert systemmail.send_due() == 1  # What waits is not sent either.
    assert "passed on to the business" in ask(copy, "One more thing")
    copy.refresh_from_db()
    assert answer(copy) == replies.LEFT
    assert systemmail.send_due() == 1
    assert [mail.recipients for mail in smtp.received] == [(JOE,), (JOE,)]


def test_who_pauses_still_gets_answers(copy: Delivery, rung):
    ask(copy)
    lifecycle.pause(Subscription.objects.get().handle, days=14)
    assert "passed on to the reader" in answer(copy)


def test_a_business_that_is_no_longer_approved_hears_and_says_nothing(smtp: SmtpServer, copy: Delivery, rung):
    ask(copy)
    answer(copy)
    senders.revoke(copy.post.sender, by="a test")
    assert systemmail.send_due() == 0
    assert ask(copy) == replies.REVOKED and answer(copy) == replies.REVOKED


def test_a_handle_of_nothing_passes_nothing(copy: Delivery, rung):
    for passed in (replies.pass_to_sender, replies.pass_to_member):
        assert passed(uuid.uuid4(), key=uuid.uuid4(), text="Good day") == replies.GONE
    assert not SystemMail.objects.exists() and not Conversation.objects.exists()


@pytest.mark.parametrize("option", ["opaque", "sender", "chamber"])
def test_old_addresses_work_whatever_the_list_says_now(copy: Delivery, rung, option: str):
    MailingList.objects.update(replies=option)
    assert "passed on" in ask(copy)


def test_what_is_passed_on_is_sealed_and_deleted_once_it_has_left(smtp: SmtpServer, copy: Delivery, rung):
    ask(copy, "A secret of mine")
    answer(copy, "And one of mine")
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed_content FROM posting_passedmail")
        assert not any(b"mine" in bytes(sealed) for (sealed,) in cursor.fetchall())
    halt.halt(by="mary", reason="A test")
    systemmail.send_due()
    tasks.forget_passed_mail()
    assert PassedMail.objects.filter(sealed_content=None).count() == 0
    halt.resume(by="mary", reason="")
    systemmail.send_due()
    tasks.forget_passed_mail()
    assert PassedMail.objects.filter(sealed_content=None).count() == 2
    assert len(smtp.received) == 2


@pytest.mark.parametrize("state", ["failed", "expired", "cancelled"])
def test_what_never_leaves_is_deleted_too(copy: Delivery, rung, state: str):
    ask(copy)
    SystemMail.objects.update(state=state)
    assert replies.forget() == 1


def test_after_two_days_nothing_is_left(smtp: SmtpServer, copy: Delivery, rung):
    ask(copy)
    assert replies.forget() == 0
    builders.later(PassedMail.objects.get(), "created_at", timedelta(days=2))
    assert replies.forget() == 1
    assert systemmail.send_due() == 0
    assert SystemMail.objects.get().state == "cancelled" and not smtp.received


def test_a_subject_with_hidden_lines_grows_no_header(smtp: SmtpServer, promotions: MailingList, rung):
    post = builders.a_post_to(ANNE, promotions, subject="=?utf-8?q?Bread=0D=0ABcc:_bob?=")
    ask(post.deliveries.get())
    mail = sent(smtp)
    assert mail.message["Bcc"] is None
    assert mail.message["Subject"] == "Re: = ?utf-8?q?Bread=0D=0ABcc:_bob?="


def test_a_provider_is_told_the_opaque_addresses_too(provider: Provider, copy: Delivery, rung):
    ask(copy, f"Rolls? {ANNE}")
    assert systemmail.send_due() == 1
    [request] = provider.requests
    assert request.recipient == JOE
    fields = request.fields
    assert parseaddr(fields["From"])[1] == parseaddr(fields["ReplyTo"])[1]
    assert parseaddr(fields["From"])[1] == f"c-{tokens.make('talk', copy.conversation.handle)}@lists.chamber.example"
    assert b"bakery.example" not in request.body

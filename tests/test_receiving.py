"""How a mail gets in: who may hand in what, when it counts as taken, where a message ends; over real sockets."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext

from chamberlist import sealed, tokens
from chamberlist.embedded import watchdog
from posting.inbound import envelope, receiving, room, server, session
from posting.models import InboundMail
from tests import builders
from tests.doorkeeper import open_door
from tests.rawclient import RawClient

pytestmark = pytest.mark.django_db(transaction=True)
HOME = "lists.chamber.example"
LIST = f"promotions@{HOME}"
MAIL = b"From: joe@bloggs.example\r\nSubject: Spring\r\n\r\nTwo loaves for one.\r\n"


@pytest.fixture(autouse=True)
def promotions(rung) -> None:
    builders.a_list("promotions")


@pytest.fixture
def smtp() -> Iterator[RawClient]:
    with open_door() as port, RawClient(port) as client:
        yield client


@pytest.fixture
def lmtp() -> Iterator[RawClient]:
    with open_door("lmtp") as port, RawClient(port, hello="LHLO front.example") as client:
        yield client


def taken() -> list[tuple[str, str, bytes, str]]:
    return [(mail.envelope_sender, mail.recipient, mail.content, mail.via) for mail in InboundMail.objects.order_by("pk")]


# What is kept


def test_a_mail_is_kept_for_each_recipient_sealed_and_rings_the_bell(rung):
    assert receiving.take("joe@bloggs.example", [LIST, f"Promotions-Owner@{HOME}"], MAIL, via="lmtp") == 2
    assert taken() == [
        ("joe@bloggs.example", LIST, MAIL, "lmtp"),
        ("joe@bloggs.example", f"promotions-owner@{HOME}", MAIL, "lmtp"),
    ]
    assert rung == [("posting.tasks.read_mail", ())]
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(m)::text, sealed_content FROM posting_inboundmail m")
        kept = b" ".join(row.encode() + bytes(content) for row, content in cursor.fetchall())
    assert not [word for word in (b"bloggs", b"promotions", b"loaves") if word in kept]
    first, second = InboundMail.objects.all()
    assert first.state == "waiting" and first.size == len(MAIL)
    first.sealed_content = second.sealed_content
    with pytest.raises(sealed.Unreadable):
        _ = first.content


def test_what_comes_twice_is_taken_once(rung):
    assert receiving.take("joe@bloggs.example", [LIST, LIST.upper()], MAIL, via="smtp") == 1
    rung.clear()
    assert receiving.take("joe@bloggs.example", [LIST], MAIL, via="webhook") == 0
    assert rung == []
    assert receiving.take("joe@bloggs.example", [LIST, f"abuse@{HOME}"], MAIL, via="smtp") == 1
    assert receiving.take("joe@bloggs.example", [LIST], MAIL + b"\r\n", via="smtp") == 1
    assert InboundMail.objects.count() == 3


def test_a_recipient_who_is_named_ten_times_is_written_once():
    with CaptureQueriesContext(connection) as asked:
        assert (
            receiving.take("joe@bloggs.example", [LIST, LIST.upper(), "postmaster", f"postmaster@{HOME}"] * 3, MAIL, via="smtp")
            == 2
        )
    written = [query["sql"] for query in asked if query["sql"].startswith("INSERT")]
    assert len(written) == 2, "each by itself: no more than one copy is in memory"
    assert list(InboundMail.objects.order_by("pk").values_list("place", flat=True)) == ["list", "role"]


def test_all_of_a_message_is_taken_or_nothing(monkeypatch: pytest.MonkeyPatch):
    sealing = receiving._row

    def row(envelope_sender: str, recipient: str, *rest: Any) -> InboundMail:
        if recipient.startswith("abuse"):
            raise OperationalError("gone")
        return sealing(envelope_sender, recipient, *rest)

    monkeypatch.setattr(receiving, "_row", row)
    with pytest.raises(OperationalError):
        receiving.take("", [LIST, f"abuse@{HOME}"], MAIL, via="smtp")
    assert not InboundMail.objects.exists()


def test_the_postmaster_without_a_domain_is_the_one_with_it():
    assert receiving.take("", ["Postmaster"], MAIL, via="smtp") == 1
    assert receiving.take("", [f"postmaster@{HOME}"], MAIL, via="smtp") == 0
    assert InboundMail.objects.get().recipient == f"postmaster@{HOME}"


@pytest.mark.parametrize(
    "raw", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\r\n", b"\n", b"\r", b"a\r\n\n\r\n", b"a\0b\r\n", b"a\r\n" + b"x" * receiving.LARGEST]
)
def test_what_is_no_mail_is_refused(raw: bytes):
    assert receiving.refusal(raw)[:4] in ("550 ", "552 ")


@pytest.mark.parametrize("raw", [b"", b"a", b"\r\n", MAIL, "Grüße\r\n".encode(), b"\xff\xfe\r\n", b"x" * 100_000 + b"\r\n"])
def test_any_other_octets_are_a_mail(raw: bytes):
    assert receiving.refusal(raw) == ""


def test_files_of_this_machine_get_the_line_ends_of_a_mail():
    assert receiving.with_crlf(b"a\nb\r\n\nc") == b"a\r\nb\r\n\r\nc"


# The envelope


@pytest.mark.parametrize(
    ("argument", "address", "parameters"),
    [
        ("FROM:<>", "", ()),
        ("from: <joe@bloggs.example> size=5 BODY=8BITMIME", "joe@bloggs.example", ("SIZE=5", "BODY=8BITMIME")),
        ('FROM:<"joe b. \\"x\\" <>"@bloggs.example>', '"joe b. \\"x\\" <>"@bloggs.example', ()),
        ("FROM:<jörg@bäckerei.example> SMTPUTF8", "jörg@bäckerei.example", ("SMTPUTF8",)),
        ("FROM:<joe%x!y@bloggs.example>", "joe%x!y@bloggs.example", ()),
        ("FROM:<joe@[192.0.2.1]>", "joe@[192.0.2.1]", ()),
    ],
)
def test_a_senders_line_is_read(argument: str, address: str, parameters: tuple[str, ...]):
    said = envelope.mail(argument)
    assert said is not None and (said.address, said.parameters) == (address, parameters)
    assert address not in repr(said) or not address


@pytest.mark.parametrize(
    "argument",
    [
        None,
        "",
        "FROM:",
        "FROM:joe@bloggs.example",
        "FROM:<joe@bloggs.example",
        "FROM:<joe>",
        "FROM:<@bloggs.example>",
        "FROM:<@a.example,@b.example:joe@bloggs.example>",
        "FROM:<joe@bloggs.example><anne@bakery.example>",
        "FROM:<joe@bloggs.example>SIZE=5",
        "FROM:<joe@bloggs@bloggs.example>",
        "FROM:<joe smith@bloggs.example>",
        "FROM:<joe\r@bloggs.example>",
        'FROM:<"joe\x00"@bloggs.example>',
        "FROM:<joe\udcff@bloggs.example>",
        "TO:<joe@bloggs.example>",
        f"FROM:<{'j' * 250}@bloggs.example>",
    ],
)
def test_another_senders_line_is_not(argument: str | None):
    assert envelope.mail(argument) is None


# The session


def test_it_says_what_it_can_do_and_no_more(smtp: RawClient):
    assert smtp.greeting == f"220 {HOME} ESMTP"
    offers = [line[4:] for line in smtp.hello.splitlines()[1:]]
    assert offers == ["PIPELINING", f"SIZE {receiving.LARGEST}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]


def test_a_mail_is_taken_once_it_is_on_disk(smtp: RawClient, rung):
    assert smtp.post(MAIL) == "250 2.0.0 Taken"
    assert taken() == [("joe@bloggs.example", LIST, MAIL, "smtp")]
    assert rung == [("posting.tasks.read_mail", ())]
    assert smtp.say("QUIT").startswith("221 2.") and smtp.is_closed


def test_several_mails_come_one_after_the_other_and_reset_forgets_one(smtp: RawClient):
    smtp.say("MAIL FROM:<first@bloggs.example>")
    assert smtp.say("MAIL FROM:<again@bloggs.example>").startswith("503 5.5.1")
    assert smtp.say("RSET").startswith("250 2.")
    assert smtp.say(f"RCPT TO:<{LIST}>").startswith("503 5.5.1")
    for number in (b"1", b"2"):
        assert smtp.post(MAIL + number + b"\r\n", sender="").startswith("250 ")
    assert [sender for sender, *_ in taken()] == ["", ""]
    assert smtp.say("DATA").startswith("503 ")


def test_dots_are_taken_off_and_octets_stay_as_they_are(smtp: RawClient):
    assert smtp.post(b"..\r\n...x\r\n.\xff\x80\r\n" + b"y" * 200_000 + b"\r\n\r\n").startswith("250 ")
    assert InboundMail.objects.get().content == b".\r\n..x\r\n\xff\x80\r\n" + b"y" * 200_000 + b"\r\n\r\n"


def test_an_empty_message_is_one(smtp: RawClient):
    assert smtp.post(b"").startswith("250 ")
    assert InboundMail.objects.get().content == b""


def test_all_of_a_session_may_come_at_once(smtp: RawClient):
    smtp.send(
        f"MAIL FROM:<joe@bloggs.example>\r\nRCPT TO:<x@other.example>\r\nRCPT TO:<{LIST}>\r\nDATA\r\n".encode()
        + MAIL
        + b".\r\nQUIT\r\n"
    )
    assert [smtp.reply()[:3] for _ in range(6)] == ["250", "550", "250", "354", "250", "221"]
    assert [recipient for _, recipient, *_ in taken()] == [LIST]


@pytest.mark.parametrize(
    "recipient",
    [
        "joe@other.example",
        f"joe%other.example@{HOME}",
        f"other.example!joe@{HOME}",
        f'"joe@other.example"@{HOME}',
        f'"promotions"@{HOME}',
        f'"promotions x"@{HOME}',
        f"@{HOME}:joe@other.example",
        f"@{HOME},@other.example:joe@third.example",
        f"@other.example:promotions@{HOME}",
        f"promotions@{HOME}@other.example",
        f"joe@other.example@{HOME}",
        f"promotions+x@{HOME}",
        f"promotions@{HOME}.",
        f"nobody@{HOME}",
        f"b-{'a' * 52}@{HOME}",
        "",
        "joe",
        f"{'p' * 500}@{HOME}",
        f"promotions@{HOME}> <joe@other.example",
        f"promotions@{HOME}>,<joe@other.example",
    ],
)
def test_nothing_is_relayed_and_nobody_else_is_a_recipient(smtp: RawClient, recipient: str):
    smtp.say("MAIL FROM:<joe@bloggs.example>")
    assert smtp.say(f"RCPT TO:<{recipient}>")[:4] in ("550 ", "501 ", "555 ", "500 ")
    assert smtp.say("DATA").startswith("503 ")


def test_octets_that_are_no_text_are_refused(smtp: RawClient):
    assert smtp.say(b"MAIL FROM:<j\xff@bloggs.example> SMTPUTF8").startswith("501 ")
    assert smtp.say(b"MAIL FROM:<j\r@bloggs.example>").startswith("501 ")
    assert smtp.say("MAIL FROM:<jörg@bloggs.example>").startswith("553 5.6.7")
    assert smtp.say("MAIL FROM:<jörg@bloggs.example> SMTPUTF8").startswith("250 ")
    assert smtp.say(b"RCPT TO:<promotions\xff@lists.chamber.example>").startswith("501 ")


@pytest.mark.parametrize("line", ["VRFY promotions", f"VRFY <{LIST}>", "VRFY", "EXPN promotions", "EXPN"])
def test_nobody_is_told_which_addresses_there_are(smtp: RawClient, line: str):
    assert smtp.say(line).startswith("502 5.5.1 ")


@pytest.mark.parametrize(
    "line", ["AUTH PLAIN AGpvZQB4", "ETRN x", "STARTTLS", "HELP", "LHLO x", "TURN", "BDAT 3 LAST", "anne@bakery.example"]
)
def test_other_words_are_unknown(smtp: RawClient, line: str):
    assert smtp.say(line).startswith("500 5.")


@pytest.mark.parametrize("more", ["RET=FULL", "AUTH=<>", "BODY=BINARYMIME", "SMTPUTF8=1", "SIZE=x", "SIZE", "BY=5;N", "X"])
def test_a_parameter_that_was_not_offered_is_refused(smtp: RawClient, more: str):
    assert smtp.say(f"MAIL FROM:<joe@bloggs.example> {more}")[:3] in ("501", "555")
    assert smtp.say("MAIL FROM:<joe@bloggs.example>").startswith("250 ")
    assert smtp.say(f"RCPT TO:<{LIST}> NOTIFY=NEVER").startswith("555 ")


def test_a_message_over_the_size_is_refused_before_and_after(smtp: RawClient):
    assert smtp.say(f"MAIL FROM:<joe@bloggs.example> SIZE={receiving.LARGEST + 1}").startswith("552 5.3.4")
    assert smtp.say(f"MAIL FROM:<joe@bloggs.example> SIZE={'9' * 400}").startswith("552 5.3.4")
    line = b"x" * 998 + b"\r\n"
    assert smtp.post(line * (receiving.LARGEST // len(line) + 1)).startswith("552 5.3.4")
    assert smtp.post(b"x" * (receiving.LARGEST + 1) + b"\r\n").startswith("552 5.3.4")
    assert not InboundMail.objects.exists()
    assert smtp.post(line * (receiving.LARGEST // len(line))).startswith("250 ")


def test_ten_recipients_are_the_most(smtp: RawClient):
    smtp.say("MAIL FROM:<joe@bloggs.example>")
    for number in range(receiving.MOST_RECIPIENTS):
        assert smtp.say(f"RCPT TO:<{LIST if number else 'postmaster'}>").startswith("250 ")
    assert smtp.say(f"RCPT TO:<{LIST}>").startswith("452 4.5.3")
    assert smtp.say("DATA").startswith("354 ") and smtp.say(MAIL + b".").startswith("250 ")
    assert InboundMail.objects.count() == 2


def test_the_old_hello_does_too():
    with open_door() as port, RawClient(port, hello="HELO client.example") as client:
        assert client.hello == f"250 {HOME}"
        assert client.post(MAIL).startswith("250 ")


def test_a_hello_comes_first():
    with open_door() as port, RawClient(port, hello="") as client:
        assert client.say("MAIL FROM:<joe@bloggs.example>").startswith("503 ")
        assert client.say("EHLO").startswith("501 ") and client.say("HELO").startswith("501 ")


# SMTP smuggling: only CR LF . CR LF ends a message

SMUGGLED = f"MAIL FROM:<ceo@bank.example>\r\nRCPT TO:<{LIST}>\r\nDATA\r\nsmuggled\r\n.\r\n".encode()
FALSE_ENDS = [
    b"\n.\r\n",
    b"\r\n.\n",
    b"\n.\n",
    b"\r.\r",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\r\n\0.\r\n",
    b"\r\r\n.\r\r\n",
    b"\n.\r",
    b"\r\n.\r\0\n",
]


@pytest.mark.parametrize("end", FALSE_ENDS)
@pytest.mark.parametrize("words", [("smtp", "EHLO x"), ("lmtp", "LHLO x")])
def test_nothing_else_ends_a_message_or_is_taken(end: bytes, words: tuple[str, str]):
    with open_door(words[0]) as port, RawClient(port, hello=words[1]) as client:
        client.begin()
        client.send(b"Subject: first\r\n\r\nfirst" + end + SMUGGLED)
        assert client.reply().startswith("550 5.6.0 ")
        assert client.say("NOOP").startswith("250 ")
        assert client.say("QUIT").startswith("221 ")
    assert not InboundMail.objects.exists()


def test_an_end_in_two_pieces_is_one(smtp: RawClient):
    smtp.begin()
    for piece in (b"Subject: x\r", b"\n\r\nbody\r\n", b".", b"\r", b"\n"):
        smtp.send(piece)
    assert smtp.reply().startswith("250 ")
    assert InboundMail.objects.get().content == b"Subject: x\r\n\r\nbody\r\n"


# LMTP


def test_lmtp_answers_for_each_recipient(lmtp: RawClient):
    assert lmtp.greeting == f"220 {HOME} LMTP" and "PIPELINING" in lmtp.hello
    assert lmtp.say("EHLO x").startswith("500 ") and lmtp.say("HELO x").startswith("500 ")
    lmtp.say("MAIL FROM:<joe@bloggs.example>")
    recipients = (LIST, "joe@other.example", f"abuse@{HOME}", LIST)
    assert [lmtp.say(f"RCPT TO:<{address}>")[:3] for address in recipients] == ["250", "550", "250", "250"]
    lmtp.say("DATA")
    lmtp.send(MAIL + b".\r\nNOOP\r\n")
    assert [lmtp.reply()[:9] for _ in range(4)] == ["250 2.0.0"] * 3 + ["250 2.0.0"]
    assert [(recipient, via) for _, recipient, _, via in taken()] == [(LIST, "lmtp"), (f"abuse@{HOME}", "lmtp")]


@pytest.mark.parametrize("content", [b"bare\nline\r\n", b"x" * (receiving.LARGEST + 1) + b"\r\n"])
def test_lmtp_refuses_for_each_recipient(lmtp: RawClient, content: bytes):
    assert lmtp.post(content, LIST, f"abuse@{HOME}")[:4] in ("550 ", "552 ")
    assert lmtp.reply()[:4] in ("550 ", "552 ")
    assert lmtp.post(MAIL).startswith("250 ")


# Troubles


def test_while_the_database_is_down_everything_stays_with_the_client(lmtp: RawClient, monkeypatch: pytest.MonkeyPatch):
    lmtp.begin(LIST, f"abuse@{HOME}")
    settings = connections.settings["default"]
    with monkeypatch.context() as patch:
        patch.setitem(settings, "PORT", "1")
        patch.setitem(settings, "HOST", "127.0.0.1")
        lmtp.send(MAIL + b".\r\n")
        assert [lmtp.reply() for _ in range(2)] == [session.AGAIN] * 2
        lmtp.say("MAIL FROM:<joe@bloggs.example>")
        assert lmtp.say(f"RCPT TO:<{LIST}>") == session.AGAIN
        assert lmtp.say("DATA").startswith("503 ")
        lmtp.say("RSET")
    assert not InboundMail.objects.exists()
    assert lmtp.post(MAIL).startswith("250 ")
    assert InboundMail.objects.count() == 1


def test_a_fault_of_ours_takes_nothing_and_ends_nothing(
    smtp: RawClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    with monkeypatch.context() as patch:
        patch.setattr(receiving, "take", lambda *_, **__: 1 / 0)
        assert smtp.post(MAIL) == session.AGAIN
    assert "ZeroDivisionError" in caplog.text
    assert smtp.post(MAIL).startswith("250 ")
    assert len(taken()) == 1


def test_a_yes_comes_after_the_commit(smtp: RawClient, monkeypatch: pytest.MonkeyPatch):
    """A commit that fails is no yes, whatever was written before."""
    with monkeypatch.context() as patch:
        patch.setattr("django.db.backends.base.base.BaseDatabaseWrapper.commit", _fails)
        assert smtp.post(MAIL) == session.AGAIN
    assert not InboundMail.objects.exists()


def _fails(*_: object) -> None:
    raise OperationalError("no space left for joe@bloggs.example")


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
def test_no_log_has_an_address_or_a_word_of_a_mail(
    level: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, capfd
):
    caplog.set_level(level)
    logging.getLogger("mail").setLevel(logging.CRITICAL)  # As ``chamberlist.log`` has it.
    logging.getLogger("mail.log").setLevel(logging.NOTSET)
    with open_door() as port, RawClient(port) as client:
        assert client.post(MAIL).startswith("250 ")
        client.say("VRFY joe@bloggs.example")
        client.say("joe@bloggs.example")
        client.say("RCPT TO:<anne@bakery.example>")
        client.post(b"bare\nloaves\r\n")
        monkeypatch.setattr(receiving, "take", lambda *words, **__: int(words[2]))
        assert client.post(MAIL) == session.AGAIN
    said = caplog.text + "".join(capfd.readouterr())
    assert "ValueError" in said
    for word in ("bloggs", "bakery", "promotions@", "loaves", "Spring"):
        assert word not in said


# Room


@pytest.mark.parametrize(("limit", "most"), [("MOST_WAITING", 1), ("OCTETS_WAITING", 20)])
def test_when_much_waits_to_be_read_the_rest_stays_with_the_client(limit: str, most: int, smtp: RawClient, monkeypatch):
    monkeypatch.setattr(server, "LOOKED_SECONDS", 0)
    monkeypatch.setattr(room, limit, most)
    assert smtp.post(MAIL).startswith("250 ")
    smtp.say("MAIL FROM:<joe@bloggs.example>")
    for to in (LIST, f"b-{tokens.make('bounce', uuid4())}@{HOME}"):
        assert smtp.say(f"RCPT TO:<{to}>") == room.NO_ROOM
    assert smtp.say("DATA").startswith("503 ")
    leave = f"leave-{tokens.make('leave', uuid4())}@{HOME}"
    assert smtp.say(f"RCPT TO:<{leave}>").startswith("250 "), "whoever leaves waits for nobody else's mail"
    assert smtp.say("DATA").startswith("354 ") and smtp.say(MAIL + b".").startswith("250 ")
    smtp.say("MAIL FROM:<joe@bloggs.example>")
    assert smtp.say(f"RCPT TO:<{leave}>") == room.NO_ROOM
    smtp.say("RSET")
    InboundMail.objects.all().delete()
    assert smtp.post(MAIL).startswith("250 ")


def test_many_sessions_ask_once_a_second_whether_there_is_room(smtp: RawClient, monkeypatch):
    monkeypatch.setattr(server, "LOOKED_SECONDS", 60)
    asked: list[str] = []

    def refusal(place: str) -> str:
        asked.append(place)
        return ""

    monkeypatch.setattr(room, "refusal", refusal)
    for _ in range(3):
        assert smtp.post(MAIL).startswith("250 ")
    assert asked == ["list"]


@pytest.mark.parametrize(("limit", "most"), [("MOST_LETTERS", 1), ("OCTETS_LETTERS", 20)])
@pytest.mark.parametrize("state", ["waiting", "kept"])
def test_when_staff_have_much_to_read_letters_to_them_wait_outside(limit: str, most: int, state: str, smtp: RawClient, monkeypatch):
    monkeypatch.setattr(server, "LOOKED_SECONDS", 0)
    monkeypatch.setattr(room, limit, most)
    builders.a_mail(b"Subject: to the postmaster", place="role", state=state)
    smtp.say("MAIL FROM:<joe@bloggs.example>")
    for to in ("postmaster", f"abuse@{HOME}", f"promotions-owner@{HOME}", f"promotions-request@{HOME}"):
        assert smtp.say(f"RCPT TO:<{to}>") == room.NO_ROOM
    leave = f"leave-{tokens.make('leave', uuid4())}@{HOME}"
    for to in (LIST, leave):
        assert smtp.say(f"RCPT TO:<{to}>").startswith("250 ")
    InboundMail.objects.all().delete()
    assert smtp.say("RCPT TO:<postmaster>").startswith("250 ")


def test_what_waits_to_be_read_elsewhere_is_no_letter_to_staff(smtp: RawClient, monkeypatch):
    monkeypatch.setattr(room, "MOST_LETTERS", 1)
    builders.a_mail(place="list")
    smtp.say("MAIL FROM:<joe@bloggs.example>")
    assert smtp.say("RCPT TO:<postmaster>").startswith("250 ")


def test_the_messages_in_hand_of_all_sessions_have_a_limit_and_what_is_beyond_is_not_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "MOST_OCTETS", 100_000)
    with open_door() as port, RawClient(port) as first, RawClient(port) as second:
        first.begin()
        first.send(b"x" * 60_000 + b"\r\n")
        assert second.post(b"y" * 120_000 + b"\r\n") == room.NO_ROOM
        first.send(b"x" * 30_000 + b"\r\n.\r\n")
        assert first.reply().startswith("250 ")
        for _ in range(3):  # What was held is let go of: after a message, a refusal, and a client that is gone.
            assert second.post(b"y" * 90_000 + b"\r\n").startswith("250 ")
            assert second.post(b"y" * 120_000 + b"\r\n") == room.NO_ROOM
            with RawClient(port) as gone:
                gone.begin()
                gone.send(b"x" * 60_000 + b"\r\n")
            assert first.say("NOOP").startswith("250 ")
    assert InboundMail.objects.count() == 2


# Limits


def test_one_network_may_have_ten_sessions_and_the_door_so_many_in_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "MOST_OF_ONE_NETWORK", 2)
    with open_door() as port, RawClient(port), RawClient(port) as second:
        with RawClient(port) as third:
            assert third.greeting.startswith("421 4.7.0 ") and third.is_closed
        assert second.say("QUIT").startswith("221 ") and second.is_closed
        with RawClient(port) as fourth:
            assert fourth.greeting.startswith("220 ")
    with open_door("lmtp", most=3) as port, RawClient(port), RawClient(port), RawClient(port), RawClient(port) as fourth:
        assert fourth.greeting.startswith("421 ") and fourth.is_closed


def test_addresses_of_one_network_are_one_peer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "MOST_OF_ONE_NETWORK", 2)
    door = server.Door("smtp", hostname=HOME)
    sessions: list[Any] = [object() for _ in range(6)]
    peers = ("2001:db8:0:1::1", "2001:db8:0:2::2", "2001:db8:0:3::3", "2001:db8:1::1", "192.0.2.1", "192.0.2.2")
    assert [door.admits(one, peer) for one, peer in zip(sessions, peers, strict=True)] == [True, True, False, True, True, True]
    assert not door.admits(sessions[2], "192.0.2.3")
    door.leaves(sessions[0])
    assert door.admits(sessions[2], peers[2])


def test_nobody_stays_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "SESSION_SECONDS", 0.2)
    with open_door() as port, RawClient(port) as client:
        assert client.reply().startswith("421 4.4.2") and client.is_closed


def test_who_only_talks_is_sent_away_and_who_posts_is_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "MOST_REPLIES", 8)
    with open_door() as port, RawClient(port) as client:
        for _ in range(3):
            assert client.say("RSET").startswith("250 ")
            assert client.post(MAIL).startswith("250 ")
        client.send(b"VRFY x\r\nNOOP\r\nRSET\r\n" * 3)
        answers = [client.reply()[:3] for _ in range(8)]
        assert answers == ["502", "250", "250"] * 2 + ["502", "421"] and client.is_closed


def test_who_never_reads_loses_the_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "MOST_REPLIES", 10**9)
    monkeypatch.setattr(session, "MOST_COMMANDS", 10**9)
    monkeypatch.setattr(session, "IDLE_SECONDS", 0.5)
    monkeypatch.setattr(session, "GOODBYE_SECONDS", 0.2)
    with open_door("lmtp", most=1) as port, closing(socket.socket()) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(1)
        deaf.connect(("127.0.0.1", port))
        with suppress(TimeoutError, ConnectionError):  # Once neither side takes anything any more, or it was hung up on meanwhile.
            while True:
                deaf.sendall(b"VRFY x\r\n" * 10_000)

        def has_room() -> bool:
            with RawClient(port, hello="") as next_one:
                return next_one.greeting.startswith("220")

        assert watchdog.wait_until(has_room, 20)


def test_who_says_nothing_is_sent_away(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "IDLE_SECONDS", 0.2)
    with open_door() as port, RawClient(port) as client:
        assert client.reply().startswith("421 4.4.2") and client.is_closed


def test_who_never_ends_a_message_is_sent_away(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "MESSAGE_SECONDS", 0.2)
    with open_door() as port, RawClient(port) as client:
        client.begin()
        client.send(b"Subject: x\r\n")
        assert client.reply().startswith("421 4.4.2") and client.is_closed
    assert not InboundMail.objects.exists()


def test_who_talks_without_end_is_sent_away(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "MOST_COMMANDS", 3)
    with open_door() as port, RawClient(port) as client:
        assert [client.say("NOOP")[:3] for _ in range(4)] == ["250", "250", "250", "421"]
        assert client.is_closed


def test_a_line_without_end_is_no_command(smtp: RawClient):
    assert smtp.say("NOOP " + "x" * 2_000).startswith("500 ")
    assert smtp.say("NOOP " + "x" * 200_000).startswith("500 ")
    assert smtp.say("NOOP").startswith("250 ")


# Closing


def test_a_message_in_hand_is_taken_before_the_door_closes(monkeypatch: pytest.MonkeyPatch):
    asked, may = threading.Event(), threading.Event()
    take = receiving.take

    def slowly(*arguments, **options):
        asked.set()
        assert may.wait(30)
        return take(*arguments, **options)

    monkeypatch.setattr(receiving, "take", slowly)
    door = open_door()
    port = door.__enter__()
    closing = threading.Thread(target=door.__exit__, args=(None, None, None))
    with RawClient(port) as client, RawClient(port) as idle:
        client.begin()
        client.send(MAIL + b".\r\n")
        assert asked.wait(30)
        closing.start()
        assert idle.reply().startswith("421 4.3.2") and idle.is_closed
        may.set()
        assert [client.reply()[:3] for _ in range(2)] == ["250", "421"] and client.is_closed
        closing.join(60)
    assert len(taken()) == 1


def test_a_door_that_closes_waits_for_nobody_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "CLOSING_SECONDS", 0.2)
    with open_door() as port:
        client = RawClient(port)
        client.begin()
    with client:
        assert client.is_closed


def test_a_client_that_is_gone_leaves_no_trace_of_half_a_message():
    with open_door() as port:
        with RawClient(port) as client:
            client.begin()
            client.send(b"Subject: half\r\n\r\nhalf\r\n")
        with RawClient(port) as client:
            assert client.post(MAIL).startswith("250 ")
    assert [content for *_, content, _ in taken()] == [MAIL]

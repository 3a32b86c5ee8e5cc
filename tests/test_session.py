"""One session with the relay: what each reply means, and that no dot is written against anybody's will."""

import asyncio
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from aiosmtpd.smtp import AuthResult

from chamberlist.relay import Relay
from posting.delivery import session
from posting.delivery.channel import Channel, Ended
from posting.delivery.copies import Copy
from posting.delivery.replies import RelayRefused, Verdict, reply
from posting.delivery.session import Session
from tests import certificates
from tests.smtpserver import SmtpServer

ANNE, BOB, CLEO = "anne@bakery.example", "bob@garage.example", "cleo@florist.example"
COPY = b"To: anne@bakery.example\r\nSubject: x\r\n\r\n.a line that begins with a dot\r\n..two\r\nend"


def stuffed(text: bytes) -> bytes:
    """As it stands between DATA and the final dot."""
    return re.sub(rb"(?m)^\.", b"..", text if text.endswith(b"\r\n") else text + b"\r\n")


@dataclass
class Copies:
    """A source of copies to these recipients, which knows how each ended."""

    recipients: list[str]
    text: bytes = COPY
    allowed: Callable[[str], bool | None] = lambda _: True
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    is_slow: bool = False

    async def next(self) -> Copy | None:
        return self.next_now()

    def next_now(self) -> Copy | None:
        if not self.recipients:
            return None
        return Copy(1, 1, "b-token@lists.chamber.example", self.recipients.pop(0), stuffed(self.text))

    def expires_at(self, copy: Copy) -> float:
        return time.time() + 3600.5

    def may_finish(self, copy: Copy) -> bool | None:
        return self.allowed(copy.recipient)

    def ended(self, copy: Copy, verdict: Verdict) -> None:
        assert copy.recipient not in self.verdicts, "a copy ends once"
        self.verdicts[copy.recipient] = verdict


def hand_over(relay: Relay, *recipients: str, **options: Any) -> dict[str, Verdict]:
    """The verdict on each copy; a session that ends early leaves the rest without one. Raises ``RelayRefused``."""
    source = Copies(list(recipients) or [ANNE], **options)
    asyncio.run(_hand_over(relay, source))
    return source.verdicts


async def _hand_over(relay: Relay, source: Copies) -> None:
    made = Session(relay, source, name="lists.chamber.example", context=ssl.create_default_context)
    minder = asyncio.create_task(_mind(made))
    try:
        await made.open()
        with suppress(Ended):
            await made.work()
    finally:
        made.drop()
        minder.cancel()


async def _mind(made: Session) -> None:
    while True:
        made.check()
        await asyncio.sleep(0.01)


@contextmanager
def a_server_that_says(*lines: bytes, hangs_up: bool = True, reads: bool = True) -> Iterator[Relay]:
    """Says each line in turn whatever it is told, then hangs up, or falls silent: for what no decent server does."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            listener.close()  # Whoever comes again is not left waiting.
            with client, client.makefile("rb") as heard:
                for number, line in enumerate(lines):
                    if number:
                        while (command := heard.readline()) not in (b"", b".\r\n") and b"\0" not in command and _is_data(command):
                            pass
                    client.sendall(line)
                if not hangs_up and reads:
                    heard.read()
                elif not hangs_up:
                    over.wait(30)

        server = threading.Thread(target=serve)
        server.start()
        yield Relay("127.0.0.1", listener.getsockname()[1], "none")
        over.set()
        server.join(10)


@contextmanager
def a_server_that_reads(replies: list[bytes]) -> Iterator[tuple[Relay, list[bytes]]]:
    """Says the first, then one more at each command that ends a group and at each final dot; gives the lines that it heard."""
    lines: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client, client.makefile("rb") as heard:
                said = iter(replies)
                client.sendall(next(said))
                is_pipelined = any(line == PIPELINING for line in replies)
                in_text = False
                for line in heard:
                    lines.append(line)
                    ends_group = not (is_pipelined and line[:4] in (b"MAIL", b"RCPT"))
                    if line == b".\r\n" or (not in_text and ends_group):
                        answer = next(said, b"221 bye\r\n")
                        client.sendall(answer)
                        in_text = answer.endswith(GO_ON)

        server = threading.Thread(target=serve)
        server.start()
        yield Relay("127.0.0.1", listener.getsockname()[1], "none"), lines
        server.join(10)


def _is_data(line: bytes) -> bool:
    return line.split(b" ")[0].strip().upper() not in {
        b"EHLO",
        b"HELO",
        b"MAIL",
        b"RCPT",
        b"DATA",
        b"RSET",
        b"QUIT",
        b"AUTH",
        b"STARTTLS",
    }


GREETING, HELLO, OK, GO_ON = b"220 x\r\n", b"250 x\r\n", b"250 2.1.0 ok\r\n", b"354 go on\r\n"
PIPELINING = b"250-x\r\n250 PIPELINING\r\n"


@pytest.fixture(params=["PIPELINING", ""], ids=["pipelined", "one by one"])
def smtp(request: pytest.FixtureRequest) -> Iterator[SmtpServer]:
    """A real server, with and without RFC 2920."""
    with SmtpServer(request.param) as server:
        yield server


def test_a_copy_arrives_byte_by_byte(smtp: SmtpServer):
    assert hand_over(smtp.relay)[ANNE].is_sent
    [mail] = smtp.received
    assert (mail.sender, mail.recipients) == ("b-token@lists.chamber.example", (ANNE,))
    assert mail.content == COPY + b"\r\n"


def test_many_copies_take_one_connection_and_each_arrives_once(smtp: SmtpServer):
    people = [f"member{number}@shop.example" for number in range(50)]
    verdicts = hand_over(smtp.relay, *people)
    assert [mail.recipients for mail in smtp.received] == [(person,) for person in people]
    assert all(verdict.is_sent for verdict in verdicts.values()) and len(verdicts) == 50
    assert smtp.connections == 1


def test_a_long_copy_arrives_whole(smtp: SmtpServer):
    text = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * 20_000
    verdicts = hand_over(smtp.relay, ANNE, BOB, text=text)
    assert [mail.content for mail in smtp.received] == [text, text]
    assert verdicts[ANNE].is_sent and verdicts[BOB].is_sent


@pytest.mark.parametrize("said", ["550 5.1.1 no such user", "451 4.7.1 greylisted"])
def test_a_refused_recipient_is_the_recipients_own_affair(smtp: SmtpServer, said: str):
    smtp.at_recipient = lambda address: said if address == BOB else None
    verdicts = hand_over(smtp.relay, ANNE, BOB, CLEO)
    refused = verdicts[BOB]
    assert (refused.stage, refused.is_sent) == ("recipient", False)
    assert refused.reply and f"{refused.reply.code} {refused.reply.status} {refused.reply.text}" == said
    assert refused.reply.is_permanent == said.startswith("5")
    assert [mail.recipients for mail in smtp.received] == [(ANNE,), (CLEO,)]
    assert smtp.connections == 1


@pytest.mark.parametrize("said", ["554 5.6.0 not like this", "452 4.3.1 later"])
def test_a_refusal_after_the_dot_is_an_answer(smtp: SmtpServer, said: str):
    smtp.at_dot = lambda address: said if address == BOB else None
    verdicts = hand_over(smtp.relay, ANNE, BOB, CLEO)
    refused = verdicts[BOB]
    assert refused.stage == "content" and refused.reply and not refused.is_sent
    assert refused.reply.is_permanent == said.startswith("5")
    assert verdicts[ANNE].is_sent and verdicts[CLEO].is_sent and smtp.connections == 1


def test_without_leave_no_dot_is_written(smtp: SmtpServer):
    verdicts = hand_over(smtp.relay, ANNE, BOB, CLEO, allowed=lambda person: person != BOB)
    assert verdicts[ANNE].is_sent and verdicts[BOB] == verdicts.get(CLEO, Verdict("stopped")) == Verdict("stopped")
    assert [mail.recipients for mail in smtp.received] == [(ANNE,)]


def test_a_stale_leave_is_asked_for_anew(smtp: SmtpServer):
    answers = iter([None, True, None, False])
    verdicts = hand_over(smtp.relay, ANNE, BOB, allowed=lambda _: next(answers))
    assert verdicts[ANNE].is_sent and verdicts[BOB] == Verdict("stopped")
    assert len(smtp.received) == 1


def test_a_connection_lost_after_the_dot_is_in_doubt_and_the_next_copy_is_not(smtp: SmtpServer):
    smtp.at_dot = lambda _: ""
    verdicts = hand_over(smtp.relay, ANNE, BOB)
    assert verdicts[ANNE] == Verdict("lost")
    assert verdicts.get(BOB, Verdict("stopped")) == Verdict("stopped")


@pytest.mark.parametrize("said", ["421 4.3.2 closing", ""])
def test_a_server_that_ends_at_a_recipient_has_not_got_that_copy(smtp: SmtpServer, said: str):
    smtp.at_recipient = lambda address: said if address == BOB else None
    verdicts = hand_over(smtp.relay, ANNE, BOB, CLEO)
    assert verdicts[ANNE].is_sent and set(verdicts) == {ANNE, BOB}
    if said:
        answer = verdicts[BOB].reply
        assert answer and answer.code == 421 and not answer.is_permanent
    else:
        assert verdicts[BOB] == Verdict("cut")


def test_421_after_the_dot_is_not_sent(smtp: SmtpServer):
    smtp.at_dot = lambda _: "421 4.3.2 closing"
    verdicts = hand_over(smtp.relay, ANNE, BOB)
    answer = verdicts[ANNE].reply
    assert answer and answer.code == 421 and not verdicts[ANNE].is_sent
    assert verdicts.get(BOB, Verdict("stopped")) == Verdict("stopped")


@pytest.mark.parametrize("said", ["550 5.7.1 not from you", "451 4.3.0 later"])
def test_a_refusal_of_our_own_address_is_about_us(smtp: SmtpServer, said: str):
    smtp.at_mail = lambda _: said
    with pytest.raises(RelayRefused, match=said[:3]):
        hand_over(smtp.relay)


def test_a_copy_over_the_servers_size_is_the_contents_affair(smtp: SmtpServer):
    text = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * (2**25 // 78 + 1)
    refused = hand_over(smtp.relay, text=text)[ANNE]
    assert refused.stage == "content" and refused.reply and refused.reply.code == 552
    assert smtp.received == []


def test_nobody_at_the_door_is_about_us():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(RelayRefused):
        hand_over(Relay("127.0.0.1", port, "none"))


@pytest.mark.parametrize("lines", [(b"554 go away\r\n",), (GREETING, b"500 no\r\n", b"500 no\r\n"), (b"",)])
def test_a_server_that_does_not_want_to_talk_is_about_us(lines: tuple[bytes, ...]):
    with a_server_that_says(*lines) as relay, pytest.raises(RelayRefused):
        hand_over(relay)


def test_an_old_server_is_greeted_in_its_own_words():
    with a_server_that_says(GREETING, b"502 what\r\n", HELLO, OK, OK, GO_ON, OK) as relay:
        assert hand_over(relay)[ANNE].is_sent


def test_a_wrong_password_is_about_us(smtp: SmtpServer):
    relay = Relay("127.0.0.1", smtp.port, "none", "chamber", "wrong")
    with pytest.raises(RelayRefused):
        hand_over(relay)
    assert smtp.received == []


@pytest.mark.parametrize("kind", ["PLAIN", "LOGIN"])
def test_who_has_a_password_signs_in(kind: str):
    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, auth_data: Any) -> AuthResult:
        is_right = (auth_data.login, auth_data.password) == (b"chamber", "pässword".encode())
        return AuthResult(success=is_right, handled=False)

    others = {"PLAIN", "LOGIN"} - {kind}
    with SmtpServer(authenticator=authenticate, auth_require_tls=False, auth_exclude_mechanism=others) as server:
        assert hand_over(Relay("127.0.0.1", server.port, "none", "chamber", "pässword"))[ANNE].is_sent
        with pytest.raises(RelayRefused, match="535"):
            hand_over(Relay("127.0.0.1", server.port, "none", "chamber", "wrong"))


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_server_without_encryption_is_not_talked_to_in_clear(smtp: SmtpServer, tls: str):
    with pytest.raises(RelayRefused):
        hand_over(Relay("127.0.0.1", smtp.port, tls))  # type: ignore[arg-type]
    assert smtp.received == []


@pytest.mark.parametrize("lines", [(GREETING, HELLO, OK), (GREETING, HELLO, OK, OK), (GREETING, HELLO, OK, OK, b"")])
def test_a_connection_lost_before_the_dot_leaves_nothing_behind(lines: tuple[bytes, ...]):
    with a_server_that_says(*lines) as relay:
        assert hand_over(relay) == {ANNE: Verdict("cut")}


def test_an_answer_that_is_no_reply_after_the_dot_is_in_doubt():
    with a_server_that_says(GREETING, HELLO, OK, OK, GO_ON, b"what?\r\n") as relay:
        assert hand_over(relay) == {ANNE: Verdict("lost")}


def test_an_answer_without_end_is_not_read_for_ever():
    with a_server_that_says(GREETING, HELLO, OK, OK, GO_ON, b"250-" + b"x" * 100_000) as relay:
        assert hand_over(relay) == {ANNE: Verdict("lost")}


def test_a_yes_where_the_text_should_be_asked_for_is_no_copy_sent():
    with a_server_that_says(GREETING, HELLO, OK, OK, OK) as relay:
        assert hand_over(relay) == {ANNE: Verdict("cut")}


def test_an_answer_to_the_dot_that_is_neither_yes_nor_no_is_in_doubt():
    with a_server_that_says(GREETING, HELLO, OK, OK, GO_ON, GO_ON) as relay:
        assert hand_over(relay) == {ANNE: Verdict("lost")}


def test_without_a_recipient_a_bare_dot_reaches_nobody():
    """RFC 2920 section 3.1: the server may ask for the text although it refused the only recipient."""
    replies = [GREETING, PIPELINING, OK + b"550 5.1.1 no\r\n" + GO_ON, b"554 5.5.1 no valid recipients\r\n", b"250 reset\r\n"]
    with a_server_that_reads([*replies, OK + OK + GO_ON, OK]) as (relay, heard):
        verdicts = hand_over(relay, BOB, ANNE)
    assert verdicts[BOB].stage == "recipient" and verdicts[ANNE].is_sent
    assert heard[3:6] == [b"DATA\r\n", b".\r\n", b"RSET\r\n"]
    assert b"".join(heard).count(COPY.split(b"\r\n")[0]) == 1


def test_an_address_that_the_server_cannot_take_is_not_tried():
    with a_server_that_says(GREETING, HELLO, OK) as relay:
        assert hand_over(relay, "jörg@bakery.example") == {"jörg@bakery.example": Verdict("encoding")}


def test_an_address_that_the_server_cannot_take_does_not_stop_the_next():
    with SmtpServer("PIPELINING") as server:
        server.controller.SMTP_kwargs["enable_SMTPUTF8"] = False
        verdicts = hand_over(server.relay, ANNE, "jörg@bakery.example", BOB)
    assert verdicts["jörg@bakery.example"] == Verdict("encoding")
    assert verdicts[ANNE].is_sent and verdicts[BOB].is_sent


def test_an_address_beyond_ascii_is_announced(smtp: SmtpServer):
    assert hand_over(smtp.relay, "jörg@bakery.example")["jörg@bakery.example"].is_sent
    assert smtp.received[0].recipients == ("jörg@bakery.example",)


@pytest.mark.parametrize(("shortest", "told"), [("", " BY=3600;R"), (" 60", " BY=3600;R"), (" 3600", " BY=3600;R"), (" 7200", "")])
def test_the_expiry_and_the_size_are_told_to_a_relay_that_asks(shortest: str, told: str):
    """RFC 2852 section 4, RFC 1870 section 5. Never a later expiry than the copy's own, whatever the relay wants."""
    hello = f"250-x\r\n250-DELIVERBY{shortest}\r\n250 SIZE\r\n".encode()
    with a_server_that_reads([GREETING, hello, OK, OK, GO_ON, OK]) as (relay, heard):
        assert hand_over(relay)[ANNE].is_sent
    [mail] = [line for line in heard if line.startswith(b"MAIL")]
    size = len(stuffed(COPY))
    assert mail == f"MAIL FROM:<b-token@lists.chamber.example> SIZE={size}{told}\r\n".encode()


def test_a_server_that_never_answers_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "DOT_TIMEOUT", 0.05)
    with a_server_that_says(GREETING, HELLO, OK, OK, GO_ON, hangs_up=False) as relay:
        assert hand_over(relay) == {ANNE: Verdict("lost")}


@dataclass
class Clogged:
    """A server whose side of the network takes little, and which reads on when it is told to."""

    relay: Relay
    may_read: threading.Event = field(default_factory=threading.Event)
    heard: list[bytes] = field(default_factory=list)
    server: threading.Thread | None = None

    def read_on(self) -> list[bytes]:
        """All that still comes."""
        assert self.server
        self.may_read.set()
        self.server.join(10)
        return self.heard


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[Session]:
    """The sessions that were connected, whose side of the network takes little."""
    connected = []
    connect = Session._connect

    async def narrowly(made: Session) -> None:
        await connect(made)
        made.channel.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connected.append(made)

    monkeypatch.setattr(Session, "_connect", narrowly)
    return connected


@pytest.fixture(params=["clear", "encrypted"])
def clogged(request: pytest.FixtureRequest, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clogged]:
    """A server that asks for the text, and reads it once it may."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = certificates.context(certificate) if request.param == "encrypted" else None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made = Clogged(Relay("127.0.0.1", listener.getsockname()[1], "implicit" if context else "none"))

        def serve() -> None:
            client = listener.accept()[0]
            with context.wrap_socket(client, server_side=True) if context else client as talking, talking.makefile("rb") as said:
                talking.sendall(GREETING)
                said.readline()
                talking.sendall(PIPELINING)
                while said.readline() != b"DATA\r\n":
                    pass
                talking.sendall(OK + OK + GO_ON)
                made.may_read.wait(30)
                with suppress(OSError):  # Cut in the middle of an encrypted record.
                    for line in said:
                        made.heard.append(line)
                        if line == b".\r\n":
                            talking.sendall(OK)

        made.server = threading.Thread(target=serve)
        made.server.start()
        yield made
        made.read_on()


NEARLY_A_BLOCK = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * 390


@pytest.mark.parametrize("later", [False, None], ids=["halted", "nobody can be asked"])
@pytest.mark.usefixtures("sessions")
def test_a_dot_that_waits_in_our_own_buffer_is_taken_back(clogged: Clogged, later: bool | None):
    """The server reads nothing: what has not left this process may be stopped as long as it has not, and then never arrives."""
    allowed = iter([True])
    verdicts = hand_over(clogged.relay, ANNE, BOB, text=NEARLY_A_BLOCK, allowed=lambda _: next(allowed, later))
    assert verdicts == {ANNE: Verdict("stopped"), BOB: Verdict("stopped")}
    assert b".\r\n" not in clogged.read_on()


@pytest.mark.usefixtures("sessions")
def test_a_dot_that_never_left_this_process_is_not_in_doubt(clogged: Clogged, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "DOT_TIMEOUT", 0.05)
    assert hand_over(clogged.relay, text=NEARLY_A_BLOCK) == {ANNE: Verdict("stopped")}
    assert b".\r\n" not in clogged.read_on()


def test_leave_for_a_long_copy_is_asked_for_when_its_text_has_left(clogged: Clogged, sessions: list[Session]):
    """So that a slow reader does not decide how long after that answer the dot leaves."""
    text = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * 20_000
    unsent = []

    def allowed(_: str) -> bool:
        unsent.append(sessions[0].channel.unsent)
        return True

    clogged.may_read.set()
    assert hand_over(clogged.relay, text=text, allowed=allowed)[ANNE].is_sent
    assert unsent[0] == 0
    assert b"".join(clogged.read_on()[:20_002]) == text


def test_what_stands_behind_a_dot_is_counted_as_it_stands_on_the_wire(clogged: Clogged, sessions: list[Session]):
    counted = []

    def allowed(_: str) -> bool:
        channel = sessions[0].channel
        channel.write(b"x" * 500_000)  # More than the network takes.
        before = channel.unsent
        channel.write(session.DOT)
        dot = channel.unsent - before
        behind = channel.write(session.DOT, behind=b"MAIL, RCPT, DATA")
        counted.append((behind, channel.unsent - before - 2 * dot))
        return False

    hand_over(clogged.relay, allowed=allowed)
    [(behind, added)] = counted
    assert behind == added > 0


@pytest.mark.parametrize(("unsent", "stage"), [(0, "lost"), (40, "lost"), (41, "stopped")])
def test_a_dot_that_has_left_alone_is_in_doubt(unsent: int, stage: str):
    """Part of what stood behind it has not left: nobody else may be sent that copy."""
    source = Copies([ANNE])
    made = Session(Relay("127.0.0.1", 25, "none"), source, name="x", context=ssl.create_default_context)
    made.channel.transport = mock.Mock(**{"get_write_buffer_size.return_value": unsent})
    made.finished, made.behind_the_dot = source.next_now(), 40
    made.drop()
    assert source.verdicts[ANNE].stage == stage


@pytest.mark.parametrize("said", [b"", b"421 4.4.2 timeout\r\n", b"250 ok\r\n", b"250-half of "])
def test_a_server_that_does_not_wait_for_the_text_has_not_got_it(said: bytes):
    """It hangs up, or says something, while the ledger cannot be asked: no dot was written, so nothing is in doubt."""
    with a_server_that_says(GREETING, HELLO, OK, OK, GO_ON + said, hangs_up=not said) as relay:
        assert hand_over(relay, allowed=lambda _: None) == {ANNE: Verdict("cut")}


def test_an_answer_that_comes_before_the_dot_is_not_the_answer_to_it():
    with a_server_that_says(GREETING, HELLO, OK, OK, GO_ON + OK, hangs_up=False) as relay:
        assert hand_over(relay) == {ANNE: Verdict("cut")}


def test_nothing_comes_between_the_last_question_and_the_dot(smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch):
    """The next copy is built before it: else the answer is as old as that takes."""
    events = []
    write = Channel.write

    class Telling(Copies):
        def next_now(self) -> Copy | None:
            events.append("built")
            return super().next_now()

        def may_finish(self, copy: Copy) -> bool | None:
            events.append("asked")
            return super().may_finish(copy)

    def tell(channel: Channel, *parts: bytes, behind: bytes = b"") -> int:
        events.extend(["dot"] * (session.DOT in parts))
        return write(channel, *parts, behind=behind)

    monkeypatch.setattr(Channel, "write", tell)
    asyncio.run(_hand_over(smtp.relay, Telling([ANNE, BOB, CLEO])))
    assert len(smtp.received) == events.count("dot") == 3
    assert {before for before, event in pairwise(events) if event == "dot"} == {"asked"}


def test_each_copy_ends_once_whatever_goes_wrong_with_the_next(smtp: SmtpServer):
    source = Copies([ANNE, "bob@garage.example>\r\nRCPT TO:<cleo@florist.example"])
    with pytest.raises(AssertionError, match="one line"):
        asyncio.run(_hand_over(smtp.relay, source))
    assert source.recipients == [] and len(source.verdicts) == 2
    assert all(mail.recipients == (ANNE,) for mail in smtp.received)


def test_slow_dots_cost_one_connection(monkeypatch: pytest.MonkeyPatch):
    """A late answer costs the connection where another copy's DATA stands behind the dot: from then on none does."""
    monkeypatch.setattr(session, "HANGING", 0.02)
    people = [f"member{number}@shop.example" for number in range(8)]
    source = Copies(people)
    with SmtpServer() as server:
        server.slowness = 0.2
        while source.recipients:
            asyncio.run(_hand_over(server.relay, source))
        assert server.connections == 2 and source.is_slow
        assert [verdict.stage for verdict in source.verdicts.values()].count("stopped") == 1
        server.slowness = 0
        source.recipients = [ANNE]
        asyncio.run(_hand_over(server.relay, source))
        assert source.verdicts[ANNE].is_sent and not source.is_slow


def test_the_words_of_a_server_are_kept_without_addresses():
    said = reply(550, b"5.1.1 <anne@bakery.example>: unknown in virtual table\nsee anne@bakery.example")
    assert (said.status, said.code) == ("5.1.1", 550)
    assert "bakery" not in said.text and "unknown" in said.text
    assert reply(250, b"ok").status == ""


def test_no_line_break_enters_a_command(smtp: SmtpServer):
    with pytest.raises(AssertionError, match="one line"):
        hand_over(smtp.relay, "anne@bakery.example>\r\nRCPT TO:<bob@garage.example")


@pytest.fixture
def encrypted(certificate: Path) -> Iterator[SmtpServer]:
    """A server that wants STARTTLS before anything else."""
    with SmtpServer(tls_context=certificates.context(certificate), require_starttls=True) as server:
        yield server


def test_a_relay_with_a_certificate_that_can_be_trusted_gets_the_copy(
    encrypted: SmtpServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert hand_over(Relay("127.0.0.1", encrypted.port, "starttls"), ANNE, BOB)[BOB].is_sent
    assert len(encrypted.received) == 2


@pytest.mark.parametrize("lines", [1, 20_000])
def test_a_relay_that_encrypts_from_the_start_gets_each_copy_whole(certificate: Path, lines: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    text = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * lines
    with SmtpServer(ssl_context=certificates.context(certificate)) as server:
        people = [f"member{number}@shop.example" for number in range(8)]
        verdicts = hand_over(Relay("127.0.0.1", server.port, "implicit"), *people, text=text)
        assert all(verdict.is_sent for verdict in verdicts.values())
        assert [mail.content for mail in server.received] == [text] * 8 and server.connections == 1


def test_a_relay_with_a_certificate_that_nobody_vouches_for_gets_nothing(encrypted: SmtpServer):
    with pytest.raises(RelayRefused, match="CERTIFICATE_VERIFY_FAILED"):
        hand_over(Relay("127.0.0.1", encrypted.port, "starttls"))
    assert encrypted.received == []


@pytest.mark.parametrize("certificate", [-1], indirect=True)
def test_a_relay_whose_certificate_is_over_gets_nothing(encrypted: SmtpServer, certificate: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(RelayRefused, match="expired"):
        hand_over(Relay("127.0.0.1", encrypted.port, "starttls"))
    assert encrypted.received == []


def test_what_is_said_in_clear_before_the_encryption_is_not_believed():
    """A command injected behind STARTTLS (CVE-2011-0411), in the other direction."""
    lines = GREETING, b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n250-x\r\n250 AUTH PLAIN\r\n"
    with a_server_that_says(*lines) as relay, pytest.raises(RelayRefused, match="more than it should"):
        hand_over(replace(relay, tls="starttls"))

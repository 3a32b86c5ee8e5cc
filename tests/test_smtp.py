"""One SMTP connection: what each reply means, and that no dot is written against anybody's will."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chamberlist.relay import Relay
from posting.delivery.smtp import Connection, RelayRefused, Verdict, dot_stuffed, reply
from tests.smtpserver import SmtpServer

COPY = b"To: anne@bakery.example\r\nSubject: x\r\n\r\n.a line that begins with a dot\r\n..two\r\nend"


def hand_over(relay: Relay, recipient: str = "anne@bakery.example", *, may_finish: bool = True) -> Verdict:
    with Connection(relay, on_idle=lambda: None) as connection:
        connection.open()
        return connection.hand_over("b-token@lists.chamber.example", recipient, COPY, may_finish=lambda: may_finish)


@contextmanager
def a_server_that_says(*lines: bytes, hangs_up: bool = True) -> Iterator[Relay]:
    """Says each line in turn whatever it is told, then hangs up, or falls silent: for what no decent server does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client, client.makefile("rb") as heard:
                for number, line in enumerate(lines):
                    if number:
                        while (command := heard.readline()) not in (b"", b".\r\n") and b"\0" not in command and _is_data(command):
                            pass
                    client.sendall(line)
                if not hangs_up:
                    heard.read()

        server = threading.Thread(target=serve)
        server.start()
        yield Relay("127.0.0.1", listener.getsockname()[1], "none")
        server.join(10)


def _is_data(line: bytes) -> bool:
    return line.split(b" ")[0].strip().upper() not in {b"EHLO", b"HELO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"QUIT", b"AUTH"}


GREETING, HELLO, OK, GO_ON = b"220 x\r\n", b"250 x\r\n", b"250 2.1.0 ok\r\n", b"354 go on\r\n"


def test_a_copy_arrives_byte_by_byte(smtp: SmtpServer):
    assert hand_over(smtp.relay).is_sent
    [mail] = smtp.received
    assert (mail.sender, mail.recipients) == ("b-token@lists.chamber.example", ("anne@bakery.example",))
    assert mail.content == COPY + b"\r\n"


@pytest.mark.parametrize(("said", "stage"), [("550 5.1.1 no such user", "recipient"), ("451 4.7.1 greylisted", "recipient")])
def test_a_refused_recipient_is_the_recipients_own_affair(smtp: SmtpServer, said: str, stage: str):
    smtp.at_recipient = lambda _: said
    verdict = hand_over(smtp.relay)
    assert (verdict.stage, verdict.is_sent) == (stage, False)
    assert verdict.reply and f"{verdict.reply.code} {verdict.reply.status} {verdict.reply.text}" == said
    assert verdict.reply.is_permanent == said.startswith("5")


def test_a_connection_goes_on_after_a_refusal(smtp: SmtpServer):
    smtp.at_recipient = lambda address: "550 5.1.1 no" if address.startswith("bob") else None
    with Connection(smtp.relay, on_idle=lambda: None) as connection:
        connection.open()
        for address in ("bob@a.example", "anne@a.example", "cleo@a.example"):
            connection.hand_over("b@lists.chamber.example", address, COPY, may_finish=lambda: True)
    assert [mail.recipients for mail in smtp.received] == [("anne@a.example",), ("cleo@a.example",)]
    assert smtp.connections == 1


@pytest.mark.parametrize("said", ["554 5.6.0 not like this", "452 4.3.1 later"])
def test_a_refusal_after_the_dot_is_an_answer(smtp: SmtpServer, said: str):
    smtp.at_dot = lambda _: said
    verdict = hand_over(smtp.relay)
    assert verdict.stage == "content" and verdict.reply and not verdict.is_sent
    assert verdict.reply.is_permanent == said.startswith("5")


def test_without_leave_no_dot_is_written(smtp: SmtpServer):
    assert hand_over(smtp.relay, may_finish=False) == Verdict("stopped")
    assert smtp.received == []


def test_a_connection_lost_after_the_dot_is_in_doubt(smtp: SmtpServer):
    smtp.at_dot = lambda _: ""
    assert hand_over(smtp.relay) == Verdict("lost")


def test_a_closing_server_is_left_and_met_again(smtp: SmtpServer):
    smtp.at_recipient = lambda address: "421 4.3.2 closing" if address.startswith("bob") else None
    with Connection(smtp.relay, on_idle=lambda: None) as connection:
        connection.open()
        first = connection.hand_over("b@x.example", "bob@a.example", COPY, may_finish=lambda: True)
        assert not connection.is_open
        connection.open()
        second = connection.hand_over("b@x.example", "anne@a.example", COPY, may_finish=lambda: True)
    assert first.reply and first.reply.code == 421 and not first.reply.is_permanent
    assert second.is_sent and smtp.connections == 2


@pytest.mark.parametrize("said", ["550 5.7.1 not from you", "451 4.3.0 later"])
def test_a_refusal_of_our_own_address_is_about_us(smtp: SmtpServer, said: str):
    smtp.at_mail = lambda _: said
    with pytest.raises(RelayRefused, match=said[:3]):
        hand_over(smtp.relay)


def test_nobody_at_the_door_is_about_us():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(RelayRefused):
        hand_over(Relay("127.0.0.1", port, "none"))


@pytest.mark.parametrize("lines", [(b"554 go away\r\n",), (GREETING, b"500 no\r\n", b"500 no\r\n"), (b"",)])
def test_a_server_that_does_not_want_to_talk_is_about_us(lines: tuple[bytes, ...]):
    with a_server_that_says(*lines) as relay, pytest.raises(RelayRefused):
        hand_over(relay)


def test_a_wrong_password_is_about_us(smtp: SmtpServer):
    relay = Relay("127.0.0.1", smtp.port, "none", "chamber", "wrong")
    with pytest.raises(RelayRefused):
        hand_over(relay)
    assert smtp.received == []


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_server_without_encryption_is_not_talked_to_in_clear(smtp: SmtpServer, tls: str):
    with pytest.raises(RelayRefused):
        hand_over(Relay("127.0.0.1", smtp.port, tls))  # type: ignore[arg-type]
    assert smtp.received == []


@pytest.mark.parametrize(
    "lines", [(GREETING, HELLO, OK), (GREETING, HELLO, OK, OK), (GREETING, HELLO, OK, OK, GO_ON[:0])], ids=["RCPT", "DATA", "data"]
)
def test_a_connection_lost_before_the_dot_leaves_nothing_behind(lines: tuple[bytes, ...]):
    with a_server_that_says(*lines) as relay, pytest.raises(RelayRefused):
        hand_over(relay)


def test_an_answer_that_is_no_reply_after_the_dot_is_in_doubt():
    with a_server_that_says(GREETING, HELLO, OK, OK, GO_ON, b"what?\r\n") as relay:
        assert hand_over(relay) == Verdict("lost")


def test_an_address_that_the_server_cannot_take_is_not_tried():
    with a_server_that_says(GREETING, HELLO, OK) as relay:
        assert hand_over(relay, "jörg@bakery.example") == Verdict("encoding")


def test_an_address_beyond_ascii_is_announced(smtp: SmtpServer):
    assert hand_over(smtp.relay, "jörg@bakery.example").is_sent
    assert smtp.received[0].recipients == ("jörg@bakery.example",)


def test_who_waits_for_an_answer_keeps_the_lease(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("posting.delivery.smtp.IDLE", 0.01)
    renewed = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client, client.makefile("rb") as heard:
                for line in (GREETING, HELLO):
                    client.sendall(line)
                    heard.readline()
                assert renewed.wait(10)
                client.sendall(b"550 5.7.1 no\r\n")

        server = threading.Thread(target=serve)
        server.start()
        relay = Relay("127.0.0.1", listener.getsockname()[1], "none")
        with pytest.raises(RelayRefused), Connection(relay, on_idle=renewed.set) as connection:
            connection.open()
            connection.hand_over("b@x.example", "anne@a.example", COPY, may_finish=lambda: True)
        server.join(10)
    assert renewed.is_set()


def test_a_server_that_never_answers_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("posting.delivery.smtp.IDLE", 0.01)
    monkeypatch.setattr("posting.delivery.smtp.DOT_TIMEOUT", 0.05)
    with a_server_that_says(GREETING, HELLO, OK, OK, GO_ON, hangs_up=False) as relay:
        assert hand_over(relay) == Verdict("lost")


def test_the_words_of_a_server_are_kept_without_addresses():
    said = reply(550, b"5.1.1 <anne@bakery.example>: unknown in virtual table\nsee anne@bakery.example")
    assert (said.status, said.code) == ("5.1.1", 550)
    assert "bakery" not in said.text and "unknown" in said.text
    assert reply(250, b"ok").status == ""


def test_dots_are_stuffed_and_the_end_is_a_line_end():
    assert dot_stuffed(b".a\r\n.\r\nb") == b"..a\r\n..\r\nb\r\n"
    assert dot_stuffed(b"a\r\n") == b"a\r\n"


def test_who_waits_to_be_read_keeps_the_lease(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("posting.delivery.smtp.IDLE", 0.01)
    renewed = threading.Event()
    arrived: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client, client.makefile("rb") as heard:
                for line in (GREETING, HELLO, OK, OK):
                    client.sendall(line)
                    heard.readline()
                client.sendall(GO_ON)
                assert renewed.wait(10)
                while (line := heard.readline()) != b".\r\n":
                    arrived.append(len(line))
                client.sendall(b"250 2.0.0 ok\r\n")
                heard.read()

        server = threading.Thread(target=serve)
        server.start()
        with Connection(Relay("127.0.0.1", listener.getsockname()[1], "none"), on_idle=renewed.set) as connection:
            connection.open()
            copy = (b"x" * 76 + b"\r\n") * 200_000
            assert connection.hand_over("b@x.example", "anne@a.example", copy, may_finish=lambda: True).is_sent
        server.join(10)
    assert sum(arrived) == len(copy)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1, signed by itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay")])
    today = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), today, today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "relay.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + signed.public_bytes(Encoding.PEM))
    return file


@pytest.fixture
def encrypted(certificate: Path) -> Iterator[SmtpServer]:
    """A server that wants STARTTLS before anything else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with SmtpServer(tls_context=context, require_starttls=True) as server:
        yield server


def test_a_relay_with_a_certificate_that_can_be_trusted_gets_the_copy(
    encrypted: SmtpServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert hand_over(Relay("127.0.0.1", encrypted.port, "starttls")).is_sent
    assert len(encrypted.received) == 1


def test_a_relay_with_a_certificate_that_nobody_vouches_for_gets_nothing(encrypted: SmtpServer):
    with pytest.raises(RelayRefused, match="CERTIFICATE_VERIFY_FAILED"):
        hand_over(Relay("127.0.0.1", encrypted.port, "starttls"))
    assert encrypted.received == []


def test_a_yes_where_the_text_should_be_asked_for_is_no_copy_sent():
    with a_server_that_says(GREETING, HELLO, OK, OK, OK) as relay, pytest.raises(RelayRefused, match="DATA"):
        hand_over(relay)


def test_an_answer_to_the_dot_that_is_neither_yes_nor_no_is_in_doubt():
    with a_server_that_says(GREETING, HELLO, OK, OK, GO_ON, GO_ON) as relay:
        assert hand_over(relay) == Verdict("lost")

"""``receivemail`` as an operator or a mail server runs it: real processes, sockets and exit codes."""

import io
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from chamberlist.embedded.processes import answers, free_port
from posting.inbound import listening, receiving, room
from posting.models import InboundMail
from tests import builders, workers
from tests.doorkeeper import command
from tests.rawclient import LIST, RawClient

pytestmark = pytest.mark.django_db(transaction=True)
MAIL = b"From: joe@bloggs.example\nSubject: Spring\n\nTwo loaves for one.\n"
KEPT = MAIL.replace(b"\n", b"\r\n")


@pytest.fixture(autouse=True)
def promotions() -> None:
    builders.a_list("promotions")


# One message from standard input


def pipe(*arguments: str, **changes: str) -> subprocess.CompletedProcess[bytes]:
    """As a mail server does it."""
    inherited = {name: value for name, value in workers.environment(workers.NOBODY).items() if name not in ("SENDER", "RECIPIENT")}
    return subprocess.run(
        [sys.executable, "manage.py", "receivemail", "--stdin", *arguments],
        cwd=workers.REPOSITORY,
        env=inherited | changes,
        input=MAIL,
        capture_output=True,
        timeout=60,
    )


def test_a_pipe_takes_a_mail_and_says_nothing():
    done = pipe("--sender", "joe@bloggs.example", "--recipient", LIST)
    assert (done.returncode, done.stdout) == (0, b"")
    mail = InboundMail.objects.get()
    assert (mail.envelope_sender, mail.recipient, mail.content, mail.via) == ("joe@bloggs.example", LIST, KEPT, "stdin")
    assert pipe("--sender", "joe@bloggs.example", "--recipient", LIST).returncode == 0
    assert InboundMail.objects.count() == 1


@pytest.mark.parametrize(
    ("variables", "sender"),
    [
        ({"SENDER": "joe@bloggs.example", "RECIPIENT": LIST}, "joe@bloggs.example"),
        ({"SENDER": "MAILER-DAEMON", "RECIPIENT": "list@internal.example", "ORIGINAL_RECIPIENT": LIST}, ""),
        ({"RECIPIENT": LIST, "ORIGINAL_RECIPIENT": "postmaster@lists.chamber.example"}, ""),
    ],
)
def test_the_envelope_may_stand_in_the_environment(variables: dict[str, str], sender: str):
    assert pipe(**variables).returncode == 0
    mail = InboundMail.objects.get()
    assert (mail.envelope_sender, mail.recipient) == (sender, LIST)


@pytest.mark.parametrize(
    ("arguments", "stdin", "code"),
    [
        (("--recipient", "nobody@lists.chamber.example"), MAIL, os.EX_NOUSER),
        (("--recipient", "joe@other.example"), MAIL, os.EX_NOUSER),
        (("--recipient", LIST, "--recipient", "joe@other.example"), MAIL, os.EX_NOUSER),
        (("--recipient", LIST, "--sender", "not an address"), MAIL, os.EX_DATAERR),
        (("--recipient", LIST), b"a\0b\n", os.EX_DATAERR),
        (("--recipient", LIST), b"a\rb\n", os.EX_DATAERR),
        (("--recipient", LIST), b"x" * (receiving.LARGEST + 1), os.EX_DATAERR),
        ((), MAIL, os.EX_USAGE),
    ],
)
def test_what_cannot_be_taken_has_its_own_exit_code(arguments: tuple[str, ...], stdin: bytes, code: int, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    with pytest.raises(CommandError) as error:
        call_command("receivemail", "--stdin", *arguments)
    assert error.value.returncode == code and "other.example" not in str(error.value)
    assert not InboundMail.objects.exists()


def test_the_mail_server_gets_the_exit_code_and_a_sentence():
    done = pipe("--recipient", "nobody@lists.chamber.example")
    assert (done.returncode, done.stdout, done.stderr) == (67, b"", b"CommandError: There is no such address here.\n")


@pytest.mark.parametrize(("limit", "to"), [("MOST_WAITING", LIST), ("MOST_LETTERS", "postmaster")])
def test_while_there_is_no_room_the_mail_server_keeps_the_mail(limit: str, to: str, monkeypatch):
    monkeypatch.setattr(room, limit, 0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(MAIL)))
    with pytest.raises(CommandError) as error:
        call_command("receivemail", "--stdin", "--sender", "joe@bloggs.example", "--recipient", to)
    assert error.value.returncode == os.EX_TEMPFAIL
    assert not InboundMail.objects.exists()


def test_while_the_database_is_down_the_mail_server_keeps_the_mail():
    done = pipe("--recipient", LIST, DATABASE_URL="postgres://x:y@127.0.0.1:1/z")
    assert (done.returncode, done.stdout) == (os.EX_TEMPFAIL, b"")
    assert done.stderr == b"CommandError: The database cannot be asked now (OperationalError).\n"


# A door


def test_a_socket_takes_mail_for_its_group_alone_and_ends_in_order(tmp_path: Path):
    path = tmp_path / "lmtp"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))  # Of a process that was killed.
    with command("--lmtp", str(path), log=tmp_path / "log", ready=lambda: connects(path), LOG_LEVEL="DEBUG") as process:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with RawClient(str(path), hello="LHLO x") as client, RawClient(str(path), hello="LHLO x") as idle:
            assert client.post(KEPT).startswith("250 ")
            process.send_signal(signal.SIGTERM)
            assert idle.reply().startswith("421 4.3.2") and client.reply().startswith("421 ")
        assert process.wait(30) == 0
    assert not path.exists()
    assert InboundMail.objects.get().via == "lmtp"
    log = (tmp_path / "log").read_text()
    assert log.count("The broker does not answer") == 1
    assert not [word for word in ("@", "[address]", "bloggs", "promotions", "loaves") if word in log]


@pytest.mark.parametrize(("way", "hello", "via"), [("--lmtp", "LHLO x", "lmtp"), ("--listen", "EHLO x", "smtp")])
def test_a_port_takes_mail(tmp_path: Path, way: str, hello: str, via: str):
    port = free_port()
    with command(way, f"127.0.0.1:{port}", log=tmp_path / "log", ready=lambda: answers(port)) as process:
        with RawClient(port, hello=hello) as client:
            assert client.post(KEPT).startswith("250 ")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert InboundMail.objects.get().via == via


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as error:
        call_command("receivemail", *arguments, stdout=io.StringIO())
    return str(error.value)


def test_a_place_in_use_is_named_and_left_alone(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = f"127.0.0.1:{other.getsockname()[1]}"
        assert refused("--listen", place).startswith(f"Nobody can listen at {place}: Address already in use.")
    path = tmp_path / "lmtp"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        assert refused("--lmtp", str(path)) == f"Another process takes mail at {path}. End it first."
        assert connects(path)
    (tmp_path / "file").write_text("mine")
    assert "is no socket" in refused("--lmtp", str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_place_that_cannot_be_is_said_in_a_sentence(tmp_path: Path):
    assert refused("--lmtp", str(tmp_path / "no" / "lmtp")).startswith("Nobody can listen at ")
    assert refused("--lmtp", f"{tmp_path}/{'x' * 200}").startswith("Nobody can listen at ")
    assert refused("--listen", "no-such-host.invalid:2525").startswith("Nobody can listen at ")
    for wrong in ("2525", "lmtp", ":25", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x", "::1:25", "a b:25"):
        assert "is not of the form HOST:PORT" in refused("--lmtp", wrong)
        assert "is not of the form HOST:PORT" in refused("--listen", wrong)
    assert listening.port("[::1]:25") == listening.Place(host="::1", port=25)
    with pytest.raises(CommandError, match="one of the arguments"):
        call_command("receivemail")
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("receivemail", "--stdin", "--listen", "127.0.0.1:25")

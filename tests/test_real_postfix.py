"""A real Postfix with the configuration of docs/mail.md, word for word, in front of a real door."""

import grp
import os
import re
import shlex
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from chamberlist import tokens
from chamberlist.embedded import watchdog
from chamberlist.embedded.processes import answers, free_port
from posting.models import InboundMail
from tests import builders, doorkeeper, postfix, programs, workers
from tests.postfix import Postfix
from tests.rawclient import LIST, RawClient
from tests.test_receivemail import connects

pytestmark = pytest.mark.django_db(transaction=True)
DOCUMENT = (workers.REPOSITORY / "docs" / "mail.md").read_text()
MAIL = "From: joe@bloggs.example\nTo: promotions@lists.chamber.example\nSubject: Frühling\n\n" + "x" * 5_000 + "\n.\n..\nEnd.\n"
SMUGGLED = b"MAIL FROM:<ceo@bank.example>\r\nRCPT TO:<" + LIST.encode() + b">\r\nDATA\r\nx\r\n.\r\n"
NOWHERE = "postgres://x:y@127.0.0.1:1/z"


def documented(name: str) -> str:
    """The block of the document that stands behind this mark."""
    found = re.search(rf"<!-- {re.escape(name)} -->\n((?: {{4}}.*\n|\n)+)", DOCUMENT)
    assert found
    return dedent(found[1])


class Front:
    """Postfix as documented, and the place where the door is to be."""

    def __init__(self, server: Postfix, place: str, folder: Path) -> None:
        self.server, self.place, self.folder = server, place, folder

    def door(self, **changes: str) -> AbstractContextManager[object]:
        """Open it."""
        port = self.place.rpartition(":")[2]
        ready = (lambda: connects(Path(self.place))) if "/" in self.place else (lambda: answers(int(port)))
        return doorkeeper.command("--lmtp", self.place, log=self.folder / "door.log", ready=ready, **changes)

    def send(self, *recipients: str, body: str = MAIL, sender: str = "joe@bloggs.example") -> str:
        """With swaks; what was said on both sides."""
        command = [programs.path("swaks"), "--server", f"127.0.0.1:{self.server.port}", "--from", sender, "--data", "-"]
        done = subprocess.run([*command, "--to", ",".join(recipients)], input=body.encode(), capture_output=True, timeout=120)
        return done.stdout.decode()

    def waits_for(self, number: int) -> bool:
        """Until so many messages are in the queue, deferred."""
        return watchdog.wait_until(lambda: [mail["queue_name"] for mail in self.server.waiting()] == ["deferred"] * number, 60)


@contextmanager
def a_front(folder: Path, *, docker: bool) -> Iterator[Front]:
    port = free_port()
    place = f"127.0.0.1:{port}" if docker else str(folder / "lmtp")
    main = documented("main.cf") + (documented("main.cf with Docker") if docker else "")
    main = main.replace("/run/chamberlist/lmtp", place).replace("127.0.0.1:8024", place)
    try:
        with postfix.running(main, documented("master.cf")) as server:
            yield Front(server, place, folder)
    except postfix.CannotStart as error:
        pytest.skip(str(error))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where systemd would make the socket: its group is Postfix's."""
    programs.path("postfix")
    if os.geteuid() != 0:
        pytest.skip("a Postfix of its own must be started as root")
    with tempfile.TemporaryDirectory(prefix="chamberlist-door-") as name:
        os.chown(name, 0, grp.getgrnam("postfix").gr_gid)
        Path(name).chmod(0o2750)
        yield Path(name)


@pytest.fixture(autouse=True)
def promotions() -> None:
    builders.a_list("promotions")


def came(number: int) -> list[tuple[str, str, bytes]]:
    """Once so many were taken."""
    assert watchdog.wait_until(lambda: InboundMail.objects.count() >= number, 60)
    return [(mail.envelope_sender, mail.recipient, mail.content) for mail in InboundMail.objects.order_by("pk")]


@pytest.mark.parametrize("docker", [False, True], ids=["socket", "port"])
def test_mail_comes_through_whole_and_the_rest_is_refused_in_front(folder: Path, docker: bool):
    verp = f"b-{tokens.make('bounce', uuid.uuid4())}@lists.chamber.example"
    with a_front(folder, docker=docker) as front, front.door():
        assert "queued as" in front.send(LIST)
        assert "queued as" in front.send(verp, sender="<>")
        (sender, recipient, content), (nobody, returned, _) = came(2)
        assert (sender, recipient, nobody, returned) == ("joe@bloggs.example", LIST, "", verp)
        head, body = MAIL.encode().replace(b"\n", b"\r\n").split(b"\r\n\r\n", 1)
        assert content.endswith(b"\r\n\r\n" + body + b"\r\n") and head in content  # swaks ends it with an empty line.
        assert "queued as" in front.send("Postmaster", body="Subject: to nobody's domain\n\nx\n")
        assert came(3)[2][1] == "postmaster@lists.chamber.example"
        for wrong in ("nobody", f"b-{'a' * 52}", "promotions+x"):
            assert "** 550 5.1." in front.send(f"{wrong}@lists.chamber.example")
        for elsewhere in (
            "joe@other.example",
            "joe%other.example@lists.chamber.example",
            "other.example!joe@lists.chamber.example",
        ):
            assert "** 554 5.7.1" in front.send(elsewhere)
        with RawClient(front.server.port) as client:
            client.begin()
            client.send(b"Subject: x\r\n\r\nfirst\n.\r\n" + SMUGGLED)
            assert client.reply()[:3] in ("550", "521")
        assert front.server.waiting() == []
        assert InboundMail.objects.count() == 3
        assert "status=bounced" not in front.server.log
    assert "@" not in (folder / "door.log").read_text()


def test_what_cannot_be_taken_now_waits_in_front_and_is_taken_later(folder: Path):
    with a_front(folder, docker=False) as front:
        with front.door():
            front.send(LIST)
            came(1)
        assert "queued as" in front.send(LIST, body="Subject: while the door is closed\n\n1\n")
        assert front.waits_for(1)
        with front.door(DATABASE_URL=NOWHERE):
            assert "queued as" in front.send(LIST, body="Subject: while the database is down\n\n2\n")
            assert front.waits_for(2)
            assert "451 4.3.0" in front.server.log
            assert re.search(r"\*\* 450 4\.", front.send("promotions-owner@lists.chamber.example")), (
                "an unknown one is for later, too"
            )
        assert InboundMail.objects.count() == 1
        with front.door():
            front.server.flush()
            everything = b"".join(content for _, _, content in came(3))
            assert everything.count(b"closed\r\n") == everything.count(b"down\r\n") == 1
            assert watchdog.wait_until(lambda: front.server.waiting() == [], 60)
    assert InboundMail.objects.count() == 3


def test_the_documented_pipe_has_the_exit_codes_that_a_mail_server_knows(tmp_path: Path):
    environment = tmp_path / "env"
    script = (
        documented("pipe script")
        .replace("/srv/chamberlist", str(workers.REPOSITORY))
        .replace("/etc/chamberlist/env", str(environment))
    )
    script = script.replace(".venv/bin/python", sys.executable)
    given = {
        name: value for name, value in workers.environment(workers.NOBODY).items() if name.isidentifier() and "\n" not in value
    }

    def pipe(*arguments: str, **changes: str) -> int:
        environment.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in (given | changes).items()))
        return subprocess.run(
            ["sh", "-c", script, "pipe", *arguments], input=MAIL.encode(), capture_output=True, timeout=120
        ).returncode

    assert pipe("--sender=", f"--recipient={LIST}") == 0
    assert InboundMail.objects.get().envelope_sender == ""
    assert pipe("--sender=-x@bloggs.example", "--recipient=nobody@lists.chamber.example") == 67
    assert pipe(f"--recipient={LIST}", DATABASE_URL=NOWHERE) == 75
    assert pipe(f"--recipient={LIST}", SECRET_KEY="short") == 75
    environment.unlink()
    assert subprocess.run(["sh", "-c", script], input=b"", capture_output=True).returncode == 75

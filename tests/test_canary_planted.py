"""The collectors of the canary audit are shown to work: each is given a leak of its kind, and its report names the place."""

import hashlib
import smtplib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from celery import current_app
from django.apps import apps
from django.core.management import get_commands

from chamberlist import systemmail
from chamberlist.embedded import valkey, watchdog
from chamberlist.models import AuditEntry
from subscriptions.models import MailingList
from tests import builders
from tests.canary import machines, planted
from tests.canary import provider as by_provider
from tests.canary.browsers import Browser
from tests.canary.canaries import MARK, Aviary
from tests.canary.haul import Haul, kinds
from tests.canary.machines import Processes
from tests.canary.registry import Exercised
from tests.canary.searching import Searcher
from tests.providerserver import Provider
from tests.smtpserver import SmtpServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("canary")]


@pytest.fixture
def aviary() -> Aviary:
    return Aviary(seed=3)


@pytest.fixture
def anne(aviary: Aviary) -> str:
    return aviary.address("m")


@pytest.fixture
def bob(aviary: Aviary) -> str:
    return aviary.address("m")


@pytest.fixture
def haul(aviary: Aviary) -> Haul:
    return Haul()


def report(haul: Haul, aviary: Aviary) -> list[str]:
    """The leaks, of which none names anybody."""
    told = haul.leaks(Searcher(aviary))
    assert MARK not in str(told)
    return told


# Real processes


SAYS = "import pathlib, sys; sys.stderr.write(pathlib.Path(sys.argv[1]).read_text())"
RAISES = "import pathlib, sys; raise ValueError(pathlib.Path(sys.argv[1]).read_text())"
WAITS = "import time; time.sleep(60)"


@pytest.mark.parametrize("program", [SAYS, RAISES], ids=["a log line", "a traceback"])
def test_what_a_process_writes_is_reported(program: str, aviary: Aviary, anne: str, haul: Haul, tmp_path: Path):
    (tmp_path / "words").write_text(anne)
    with Processes(haul, tmp_path, {}) as processes:
        processes.start("worker", sys.executable, "-c", program, str(tmp_path / "words")).wait(30)
    assert report(haul, aviary) == ["log of worker: a member's address, plain (1x)"]


def test_what_a_command_prints_is_reported(aviary: Aviary, anne: str, haul: Haul, tmp_path: Path):
    (tmp_path / "words").write_text(anne)
    Processes(haul, tmp_path, {}).run("createlist", sys.executable, "-c", SAYS, str(tmp_path / "words"))
    assert report(haul, aviary) == ["output of createlist: a member's address, plain (1x)"]


def test_what_the_list_of_processes_shows_is_reported(aviary: Aviary, anne: str, bob: str, haul: Haul, tmp_path: Path):
    aviary.secret("a key", "kestrel-amber-quarry-71")
    with Processes(haul, tmp_path, {"KEY": "kestrel-amber-quarry-71"}) as processes:
        child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WAITS!r}, 'kestrel-amber-quarry-71'])"
        processes.start("worker", sys.executable, "-c", WAITS, anne)
        processes.start("web", sys.executable, "-c", WAITS, NAME=bob)
        parent = processes.start("beat", sys.executable, "-c", child)
        assert watchdog.wait_until(lambda: len(machines.family(parent.pid)) == 2, 30)
        processes.look()
        grandchild = machines.family(parent.pid)[1]
        watchdog.signal_process(grandchild, 9)
        for process in processes.running.values():
            process.kill()
    assert report(haul, aviary) == [
        "command line of beat: a key, plain (2x)",  # Its own, in the program that it is given, and its child's.
        "command line of worker: a member's address, plain (1x)",
        "environment of web: a member's address, plain (1x)",  # The key belongs there.
    ]


def test_what_the_broker_is_told_is_reported(aviary: Aviary, anne: str, haul: Haul, tmp_path: Path):
    with valkey.Server(tmp_path) as broker:
        machines.ring(broker.url, "posting.tasks.deliver", arguments=[anne])
        machines.collect_broker(haul, broker.url)
    assert "broker: a member's address, plain (1x)" in report(haul, aviary)


@pytest.mark.parametrize("name", ["{}.csv", "folder of {}/x"])
def test_the_name_of_a_file_is_reported(name: str, aviary: Aviary, anne: str, haul: Haul, tmp_path: Path):
    file = tmp_path / name.format(anne)
    file.parent.mkdir(exist_ok=True)
    file.touch()
    machines.collect_files(haul, tmp_path)
    assert {leak.partition(" (")[0] for leak in report(haul, aviary)} == {"file names: a member's address, plain"}


def test_a_file_is_reported(aviary: Aviary, anne: str, haul: Haul, tmp_path: Path):
    (tmp_path / "fence").write_bytes(anne.encode("utf-16-le"))
    machines.collect_files(haul, tmp_path)
    assert report(haul, aviary) == ["files: a member's address, UTF-16 (1x)"]


def test_what_a_dump_holds_in_clear_is_reported(aviary: Aviary, anne: str, bob: str, haul: Haul):
    builders.members(builders.a_list(), anne, bob)
    machines.collect_dump(haul)
    assert report(haul, aviary) == []
    MailingList.objects.update(description=f"Ask {anne}")
    AuditEntry.objects.create(actor="x", verb="x", subject=hashlib.sha256(bob.encode()).hexdigest())
    machines.collect_dump(haul)
    assert report(haul, aviary) == [
        "pg_dump: a member's address, a hash of the plain address (1x)",
        "pg_dump: a member's address, plain (1x)",
    ]


# What leaves


def test_a_copy_with_the_text_of_somebody_else_s_is_reported(aviary: Aviary, anne: str, bob: str, haul: Haul, smtp: SmtpServer):
    with smtplib.SMTP("127.0.0.1", smtp.port) as relay:
        relay.sendmail("b-x@lists.chamber.example", anne, f"To: {anne}\r\n\r\nHello")
        relay.sendmail("b-x@lists.chamber.example", bob, f"To: {anne}\r\n\r\nHello")
    haul.add_mails(smtp.received, kinds(""))
    assert report(haul, aviary) == ["mails: a member's address, plain (1x)"]


def test_an_alert_that_names_somebody_is_reported(
    aviary: Aviary, anne: str, haul: Haul, smtp: SmtpServer, rung: object, monkeypatch: pytest.MonkeyPatch
):
    systemmail.alert("one", "A thing", f"A server said <{anne}>.")
    monkeypatch.setattr(systemmail, "redact", str)
    systemmail.alert("another", "A thing", f"A server said <{anne}>.")
    assert systemmail.send_due() == 2
    haul.add_mails(smtp.received, kinds(""))
    assert report(haul, aviary) == ["mails: a member's address, plain (1x)"]


def test_a_request_to_a_provider_that_names_two_is_reported(aviary: Aviary, anne: str, bob: str, haul: Haul, provider: Provider):
    for text, name in (("Hello", "x"), (f"Hello {bob}", "x"), ("Hello", bob.replace("@", "%40"))):
        requests.post(provider.url, json={"To": anne, "TextBody": text}, headers={"X-Name": name}, timeout=30)
    by_provider.collect(provider, haul)
    assert report(haul, aviary) == ["a provider's requests: a member's address, plain (2x)"]


@pytest.mark.parametrize(("page", "encoding"), [("/header/", "plain"), ("/cookie/", "base64"), ("/crash/", "plain")], ids=str)
def test_what_a_page_shows_is_reported(page: str, encoding: str, aviary: Aviary, anne: str, haul: Haul, settings: Any):
    settings.ROOT_URLCONF = "tests.canary.planted"
    settings.DEBUG = page == "/crash/"
    planted.LEAKED[:] = [anne]
    Browser("stranger", haul, Exercised()).get(page)
    assert f"HTTP, stranger: a member's address, {encoding} (1x)" in report(haul, aviary)


# What nobody exercises


def test_a_page_that_nobody_exercises_is_named(settings: Any):
    assert not any("planted" in sentence for sentence in Exercised().missing())
    settings.ROOT_URLCONF = "tests.canary.planted"
    exercised = Exercised()
    Browser("stranger", Haul(), exercised).get("/header/")
    missing = [sentence for sentence in exercised.missing() if "planted" in sentence]
    assert missing == ["The audit does not exercise: page planted_cookie", "The audit does not exercise: page planted_crash"]


@pytest.fixture
def a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more of ours, as Django finds it."""
    folder = tmp_path / "management" / "commands"
    folder.mkdir(parents=True)
    (folder / "planted.py").touch()
    monkeypatch.setattr(apps.get_app_config("posting"), "path", str(tmp_path))
    get_commands.cache_clear()  # type: ignore[attr-defined]
    yield
    monkeypatch.undo()
    get_commands.cache_clear()  # type: ignore[attr-defined]


def test_a_command_that_nobody_exercises_is_named(a_command: None):
    assert "The audit does not exercise: command planted" in Exercised().missing()


def test_a_task_that_nobody_exercises_is_named():
    def planted() -> None:
        pass

    current_app.task(name="posting.tasks.planted")(planted)
    try:
        exercised = Exercised()
        assert "The audit does not exercise: task posting.tasks.planted" in exercised.missing()
        exercised.note_log("Task posting.tasks.planted[0-1] received")
        assert "The audit does not exercise: task posting.tasks.planted" in exercised.missing()
        exercised.note_log("Task posting.tasks.planted[0-1] succeeded in 0.1s")
        assert "The audit does not exercise: task posting.tasks.planted" not in exercised.missing()
    finally:
        current_app.tasks.pop("posting.tasks.planted")

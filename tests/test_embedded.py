"""The embedded servers, the launchers and the mail catcher: real processes, each ended by the test that started it."""

import asyncio
import json
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from pathlib import Path

import psycopg2
import pytest
import redis
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import settings as site_settings
from django.test import Client
from django.urls import include, path
from kombu import Connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from chamberlist.embedded import demo, lock, mailcatcher, mailstore, postgres, processes, valkey, watchdog
from chamberlist.urls import urlpatterns as site_urlpatterns

pytestmark = pytest.mark.xdist_group("embedded")

REPOSITORY = Path(__file__).parent.parent
ONCE = Retry(NoBackoff(), 0)
LAUNCHER = [sys.executable, "-m", "chamberlist.embedded"]
WAITS_FOR_EVER = """
import json, os, signal, sys
print(json.dumps([os.environ["CHAMBERLIST_EMBEDDED"], os.environ["DATABASE_URL"], os.environ["REDIS_URL"]]), flush=True)
signal.pause()
"""

urlpatterns = [*site_urlpatterns, path("dev/mail/", include("chamberlist.embedded.mailpage"))]


def descendants(pid: int) -> set[int]:
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return found - {pid}


def all_end(pids: set[int]) -> bool:
    return watchdog.wait_until(lambda: watchdog.all_ended(pids), 15)


@pytest.fixture
def launch():
    with ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[str]:
            launcher = subprocess.Popen([*LAUNCHER, *arguments], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
            stack.enter_context(launcher)
            stack.callback(launcher.kill)  # A failed test leaves nothing either.
            return launcher

        yield start


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What the process prints up to the line with these words; all that it printed, where it ends before."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            break
    return said


def a_mail(subject: str = "Please confirm") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "chamber@lists.chamber.example", "Jörg <jo@members.example>", subject
    mail.set_content("Hello,\n\nfollow http://localhost:8000/confirm/abc/ please.\n")
    mail.add_alternative("<p>Hello <script>alert(1)</script></p>", subtype="html")
    return mail


# The run mode


def test_nothing_is_left_when_the_launcher_is_killed(launch):
    launcher = launch("run", "--fast", "--", sys.executable, "-c", WAITS_FOR_EVER)
    folder, database, _broker = json.loads(read_until(launcher, "["))
    started = descendants(launcher.pid)
    assert len(started) > 4  # The command, the watchdog, Valkey, Postgres and its workers.

    launcher.kill()
    launcher.wait()

    assert all_end(started)
    assert not Path(folder).exists()
    assert not Path(database.partition("host=")[2]).exists()


def test_asked_to_end_the_launcher_ends_its_command_and_its_servers(launch):
    launcher = launch("run", "--fast", "--", sys.executable, "-c", WAITS_FOR_EVER)
    folder, *_ = json.loads(read_until(launcher, "["))
    started = descendants(launcher.pid)

    launcher.terminate()

    assert launcher.wait(20) == 128 + signal.SIGTERM
    assert all_end(started)
    assert not Path(folder).exists()


def test_what_the_command_left_behind_ends_with_it_and_its_exit_code_is_handed_on():
    stray = [sys.executable, "-c", "import signal; signal.pause()"]
    leave_one = f"import subprocess, sys; print(subprocess.Popen({stray}, stdout=2, start_new_session=True).pid); sys.exit(7)"
    done = subprocess.run(
        [*LAUNCHER, "run", "--without-servers", "--", sys.executable, "-c", leave_one],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 7
    assert all_end({int(done.stdout)})


def test_settings_of_production_do_not_reach_the_command(monkeypatch):
    monkeypatch.setenv("EMAIL_PROVIDER", "anymail.backends.postmark.EmailBackend")
    monkeypatch.setenv("SECRET_KEY_FILE", "/run/secrets/real")
    show = "from os import environ as e; print(e.get('EMAIL_PROVIDER'), e.get('SECRET_KEY_FILE'), len(e['SECRET_KEY']))"
    done = subprocess.run(
        [*LAUNCHER, "run", "--without-servers", "--", sys.executable, "-c", show],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.stdout.split() == ["None", "None", "64"]


def test_an_unknown_command_gets_one_sentence():
    done = subprocess.run(
        [*LAUNCHER, "run", "--without-servers", "--", "no-such-command"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "The command no-such-command cannot be run: No such file or directory.\n"


# The servers


def rows(server: postgres.Server, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(server.url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def test_postgres_keeps_its_data_over_a_crash_and_takes_over_from_a_server_left_running(tmp_path):
    folder = tmp_path / ("a path that is much too long for the address of a socket " * 3)
    folder.mkdir()
    first = postgres.Server(folder, fast=True).start()
    rows(first, "CREATE TABLE kept AS SELECT 'Ä' AS letter")
    assert first.child is not None
    left = {first.child.pid} | descendants(first.child.pid)

    with postgres.Server(folder, fast=True) as second:
        assert all_end(left)
        assert rows(second, "SELECT lower(letter) FROM kept") == [("ä",)]
        second.kill()
        # A crash leaves the file; its number may be anybody's by now.
        stale = second.data / "postmaster.pid"
        stale.write_text(stale.read_text().replace(stale.read_text().split()[0], str(os.getpid()), 1))
        assert rows(second.start(), "SELECT count(*) FROM kept") == [(1,)]
    first.kill()


def test_only_the_owner_reaches_postgres(tmp_path):
    with postgres.Server(tmp_path, fast=True) as server:
        assert server.sockets is not None
        assert server.sockets.stat().st_mode & 0o077 == 0
        assert server.data.stat().st_mode & 0o077 == 0
        assert rows(server, "SHOW listen_addresses") == [("",)]


def test_one_url_serves_the_broker_and_the_client_and_a_killed_valkey_comes_back_empty(tmp_path):
    with valkey.Server(tmp_path) as server, redis.Redis.from_url(server.url, retry=ONCE) as client:
        client.set("bell", "rung")
        with Connection(server.url) as broker:
            broker.ensure_connection(max_retries=1)
        with pytest.raises(redis.AuthenticationError), redis.Redis(port=server.port, retry=ONCE) as stranger:
            stranger.get("bell")
        assert server.child is not None
        assert server.password not in Path(f"/proc/{server.child.pid}/cmdline").read_text()

        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        server.start()
        assert client.get("bell") is None


# The demo's launcher


def test_a_port_in_use_gets_one_sentence_that_says_what_to_do(tmp_path):
    with socket.create_server((processes.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(processes.CannotRun, match=rf"^Port {port} is in use: .* make demo PORT={port + 1}$"):
            demo.run(tmp_path, port)


def test_a_second_demo_in_the_same_folder_gets_one_sentence(tmp_path):
    running = pytest.raises(processes.CannotRun, match="running already, at http://localhost:8000/")
    with lock.held(tmp_path / "lock", 8000), running:
        demo.run(tmp_path, 8001)
    with lock.held(tmp_path / "lock", 8001):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()} 8001\n"


def test_too_old_a_python_gets_one_sentence(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.18 && exit 0\nexit 1\n')
    old.chmod(0o700)
    done = subprocess.run(
        ["make", "-s", f"PYTHON={old}", f"VENV={tmp_path}/venv", f"{tmp_path}/venv/python.stamp"],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert done.stdout.startswith("Python 3.9.18 is too old: chamberlist needs Python 3.11 or newer")
    assert not (tmp_path / "venv").exists()


def test_root_without_user_namespaces_gets_one_sentence(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "NOBODY", ("false",))
    with pytest.raises(processes.CannotRun, match="run this as an ordinary user, or set EMBEDDED_DATABASE_URL"):
        postgres.as_nobody()


def test_the_demo_survives_a_killed_launcher_and_ctrl_c_stops_all_of_it(launch, tmp_path):
    arguments = ("demo", "--dir", str(tmp_path / "demo"), "--port", str(processes.free_port()))
    first = launch(*arguments)
    said = read_until(first, "Ctrl-C")
    assert "The demo runs" in said
    credentials = (tmp_path / "demo" / "credentials").read_text()
    assert all(line.strip() in said for line in credentials.splitlines())
    door = re.search(r"curl smtp://localhost:(\d+) --mail-from (\S+) .*--mail-rcpt (\S+) --crlf -T (\S+)", said, re.DOTALL)
    assert door
    letter = Path(REPOSITORY, door[4]).read_text()
    assert f"\nFrom: {door[2]}\nTo: {door[3]}\n" in letter
    password = re.search(rf"Sender +{re.escape(door[2])} +(\S+)", credentials)
    assert password and f"\n\nPassword: {password[1]}\n\n" in letter
    with smtplib.SMTP(processes.LOOPBACK, int(door[1])) as client:
        assert client.sendmail(door[2], [door[3]], a_mail().as_bytes(policy=SMTP_POLICY)) == {}
    started = descendants(first.pid)
    first.kill()
    first.wait()

    second = launch(*arguments)  # At once: it waits for the watchdog of the first.
    assert "The demo runs" in read_until(second, "Ctrl-C")
    assert all_end(started)
    assert (tmp_path / "demo" / "credentials").read_text() == credentials
    started = descendants(second.pid)
    second.send_signal(signal.SIGINT)
    assert "Everything is stopped" in read_until(second, "Everything")
    assert second.wait(20) == 0
    assert all_end(started)
    private = [tmp_path / "demo" / name for name in ("env", "credentials", "manage", "message.eml", "data", "state", "lock")]
    assert all(file.stat().st_mode & 0o077 == 0 for file in private)


# The mail catcher


def test_a_mail_is_stored_before_it_is_taken(tmp_path):
    mail = a_mail().as_bytes(policy=SMTP_POLICY)
    catcher = mailcatcher.Server(tmp_path / "mail.sqlite3", log=tmp_path / "log")
    with catcher, smtplib.SMTP(processes.LOOPBACK, catcher.port) as client:
        client.ehlo()
        assert {"smtputf8", "8bitmime", "size"} <= set(client.esmtp_features)
        client.sendmail("bounces@x.example", ["jörg@members.example"], mail, ["SMTPUTF8", "BODY=8BITMIME"])
        assert catcher.child is not None
        catcher.child.kill()
        client.close()
    (kept,) = mailstore.recent(tmp_path / "mail.sqlite3").messages
    assert (kept.sender, kept.recipients, kept.raw) == ("bounces@x.example", ("jörg@members.example",), mail)


def test_a_mail_that_cannot_be_stored_stays_with_its_sender(tmp_path):
    store = mailstore.open_store(tmp_path / "mail.sqlite3")
    store.close()
    envelope = Envelope()
    envelope.original_content = b"Subject: lost?\r\n\r\n"
    catcher = mailcatcher.Catcher(store)
    taking = catcher.handle_DATA(SMTP.__new__(SMTP), Session.__new__(Session), envelope)
    with ThreadPoolExecutor() as another:  # A browser that this process started has an event loop here.
        reply = another.submit(asyncio.run, taking).result()
    assert reply.startswith("451 ")


@pytest.fixture
def mail_file(tmp_path, settings):
    file = tmp_path / "mail.sqlite3"
    with closing(mailstore.open_store(file)) as store:
        for number in range(60):
            mailstore.keep(
                store,
                received_at=datetime(2026, 2, 20, 9, 0, number, tzinfo=UTC),
                sender="b@lists.chamber.example",
                recipients=[f"member_{number}@members.example"],
                raw=a_mail(f"Mail {number}").as_bytes(),
            )
    settings.DEMO_MAIL = str(file)
    settings.STORAGES = {
        **site_settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    return file


def test_mail_is_listed_newest_first_by_pages_and_found_by_recipient(mail_file):
    first = mailstore.recent(mail_file)
    assert [mail.id for mail in first.messages] == list(range(60, 10, -1))
    assert (first.newer, first.older, first.total) == (None, 2, 60)
    assert [mail.id for mail in mailstore.recent(mail_file, page=2).messages] == list(range(10, 0, -1))
    assert mailstore.recent(mail_file, page=99).number == 2
    assert [mail.id for mail in mailstore.recent(mail_file, "MEMBER_7@").messages] == [8]
    assert mailstore.recent(mail_file, "member%").total == 0


@pytest.mark.urls("tests.test_embedded")
def test_the_mail_page_lists_and_shows_mail_with_links_to_follow(mail_file):
    client = Client(headers={"host": "localhost"})
    listed = client.get("/dev/mail/", {"q": "member_7@"}).content.decode()
    assert "/dev/mail/8/" in listed
    assert "/dev/mail/9/" not in listed
    shown = client.get("/dev/mail/8/").content.decode()
    assert 'href="http://localhost:8000/confirm/abc/"' in shown
    assert "Jörg" in shown
    assert "<script" not in shown
    stored = mailstore.message(mail_file, 8)
    assert stored is not None
    assert client.get("/dev/mail/8/raw/").content == stored.raw
    locked = client.get("/dev/mail/8/html/")
    assert "sandbox" in locked["Content-Security-Policy"]
    assert "script-src" not in locked["Content-Security-Policy"]
    assert client.get("/dev/mail/999/").status_code == 404
    assert client.get("/dev/mail/", {"page": "x"}).status_code == 200
    assert client.post("/dev/mail/").status_code == 405

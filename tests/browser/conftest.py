"""The demo itself, as ``make demo`` starts it, and a real Chromium to use it with."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from chamberlist.embedded.processes import free_port
from tests.workers import REPOSITORY

START_SECONDS, MAIL_SECONDS = 60, 60
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@dataclass(frozen=True)
class Site:
    """A running demo: where it is, and who may sign in."""

    url: str
    folder: Path
    sender: str
    sender_password: str
    staff_password: str

    def manage(self, *arguments: str, stdin: bytes = b"", **environment: str) -> str:
        """``manage.py`` of this demo; what it printed."""
        done = subprocess.run(
            [self.folder / "manage", *arguments], input=stdin, env={**os.environ, **environment}, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def post(self, subject: str, *, body: str = "Two loaves for one.") -> str:
        """A post that waits for staff; its number."""
        letter = f"Subject: {subject}\r\n\r\n{body}\r\n".encode()
        return self.manage("submitpost", "promotions", "--from", self.sender, stdin=letter, POSTING_PASSWORD=self.sender_password)

    def sign_in_as_sender(self, page: Page) -> None:
        page.goto(f"{self.url}/senders/")
        page.get_by_label("Your contact e-mail address").fill(self.sender)
        page.get_by_label("Password from the Chamber").fill(self.sender_password)
        page.get_by_role("button", name="Sign in").click()

    def sign_in_as_staff(self, page: Page) -> None:
        page.goto(f"{self.url}/admin/")
        page.locator("[name=username]").fill("staff")
        page.locator("[name=password]").fill(self.staff_password)
        page.locator("[type=submit]").click()

    def open_mail(self, page: Page, recipient: str, subject: str) -> None:
        """Look at the mail page until the mail is there, and open it."""
        link = page.locator("main a", has_text=subject).first
        for _ in range(MAIL_SECONDS * 2):
            page.goto(f"{self.url}/dev/mail/?q={recipient}")
            if link.count():
                link.click()
                return
            page.wait_for_timeout(500)
        pytest.fail(f"No mail “{subject}” reached {recipient}.")

    def subjects(self, page: Page, recipient: str) -> list[str]:
        """What reached a recipient, newest first."""
        page.goto(f"{self.url}/dev/mail/?q={recipient}")
        return page.locator("main ul a, main ol a, main td a").all_inner_texts()

    def who_got(self, words: str) -> list[str]:
        """The recipients of all mails with these words in them, whatever else is sent meanwhile."""
        with closing(sqlite3.connect(self.folder / "mail.sqlite3")) as store:
            rows = store.execute("SELECT recipients FROM message WHERE instr(raw, ?)", [words.encode()]).fetchall()
        return [recipient for (recipients,) in rows for recipient in json.loads(recipients)]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demo on a port of its own, with its 630 members."""
    folder = tmp_path_factory.mktemp("demo")
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    with (folder / "out").open("wb") as output:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "chamberlist.embedded", "demo", "--port", str(port), "--dir", str(folder / "demo")],
            cwd=REPOSITORY,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        said = _wait_until_it_runs(launcher, folder / "out", f"http://localhost:{port}/healthz")
        sender = re.search(r"Sender\s+(\S+@\S+)\s+(\S+)", said)
        staff = re.search(r"Staff\s+staff\s+(\S+)", said)
        assert sender and staff, said
        started = Site(f"http://localhost:{port}", folder / "demo", sender[1], sender[2], staff[1])
        # All of a run's tests are one day of one sender.
        started.manage("shell", "-c", "from posting.models import Sender; Sender.objects.update(posts_a_day=99, posts_a_month=99)")
        yield started
    finally:
        launcher.send_signal(signal.SIGINT)
        launcher.wait(30)


def _wait_until_it_runs(launcher: subprocess.Popen[bytes], output: Path, health: str) -> str:
    for _ in range(START_SECONDS * 10):
        said = output.read_text()
        if "Ctrl-C" in said:
            with urlopen(health, timeout=5) as answer:  # noqa: S310
                assert answer.status == 200
            return said
        try:
            launcher.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"The demo ended: {output.read_text()}")
    pytest.fail(f"The demo did not start: {output.read_text()}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Where there is none the tests fail: they are never left out silently.

    Not for the whole session: while its driver runs, no test of the same process can have an event loop of its own.
    """
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "There is no browser: `make test` finds one, or set CHROMIUM to its path."
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=FLAGS)
        expect.set_options(timeout=15_000)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test for any message on its console: a blocked style or script, a missing file."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []

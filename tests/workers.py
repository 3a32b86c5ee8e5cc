"""Real workers and commands beside a test: other processes, on the test's own database and broker."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection

from chamberlist import fence
from chamberlist.embedded import valkey
from posting.models import Pace

WIDEST = {"DELIVERY_RATE": 1_000_000, "COPIES_AN_HOUR": 10_000_000, "MEMBER_COPIES_A_DAY": 100}
REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass
class Stack:
    """The broker of one test, and the environment in which other processes see what the test sees."""

    broker: valkey.Server
    folder: Path
    environment: dict[str, str]
    worker: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "worker.log"

    def start_worker(self, *options: str, processes: int = 2) -> None:
        """A Celery worker with the beat inside, logging everything."""
        command = [sys.executable, "-m", "celery", "-A", "chamberlist", "worker", "-B", "-l", "DEBUG"]
        with self.log.open("ab") as log:
            self.worker = subprocess.Popen(
                [*command, *options, "-c", str(processes), "-s", str(self.folder / "beat"), "--pidfile", ""],
                cwd=REPOSITORY,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def end_worker(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it and all its children."""
        if self.worker is None:
            return
        if number == signal.SIGTERM:
            self.worker.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.worker.wait(15)
        if self.worker.poll() is None or number == signal.SIGKILL:
            os.killpg(self.worker.pid, signal.SIGKILL)
        self.worker.wait(15)
        self.worker = None

    def manage(self, *arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        """``manage.py`` as an operator runs it."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env=self.environment | environment,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_worker(signal.SIGKILL)


def database_url() -> str:
    """The test's own database, which is not the one of the environment."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


def environment(broker: str) -> dict[str, str]:
    """In which another process sees what the test sees: its database, and the relay that its settings name."""
    relay = settings.RELAY
    return {
        **os.environ,
        "DATABASE_URL": database_url(),
        "REDIS_URL": broker,
        "SMTP_URL": f"smtp://{relay.host}:{relay.port}/?tls={relay.tls}",
        "PYTHONDONTWRITEBYTECODE": "1",
        **{name: str(value) for name, value in WIDEST.items()},
    }


@contextmanager
def stack(folder: Path) -> Iterator[Stack]:
    """A broker of the test's own, at the relay that the test's settings name."""
    fence.arm(by="a test")
    an_old_installation()
    with valkey.Server(folder) as broker, Stack(broker, folder, environment(broker.url)) as started:
        yield started


def an_old_installation() -> None:
    """One that has sent so much that it need not start slowly."""
    Pace.objects.update_or_create(pk=1, defaults={"drawn": 10**9})


NOBODY = "redis://127.0.0.1:1/0"  # A broker that is not there: a lane at work needs none.


@contextmanager
def lane_runner(*point: str, **changes: str) -> Iterator[subprocess.Popen[bytes]]:
    """A lane in a process of its own (``tests.lanerunner``)."""
    if not fence.is_armed():  # Tables are emptied between tests.
        fence.arm(by="a test")
    an_old_installation()
    command = [sys.executable, "-m", "tests.lanerunner", *point]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment(NOBODY) | changes, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()

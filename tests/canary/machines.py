"""What machines keep and pass on: the broker, the logs, the database's dump and log, files and their names, lists of processes."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import redis
from celery import Celery, current_app
from django.conf import settings
from django.db import connection

from chamberlist.embedded import postgres, watchdog
from tests.canary.haul import Haul
from tests.canary.registry import OURS
from tests.canary.scene import Scene
from tests.test_whole import Listener
from tests.workers import REPOSITORY, database_url

ENDS_WITHIN = 20.0  # Seconds.


@dataclass
class Processes:
    """Real processes of the site, in the repository. What they say, and what the machine shows of them, is kept by their names."""

    haul: Haul
    folder: Path  # Of their logs.
    environment: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *command: str, **changes: str) -> subprocess.Popen[bytes]:
        with self.log(name).open("wb") as log:
            process = subprocess.Popen(
                command, cwd=REPOSITORY, env={**self.environment, **changes}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.running[name] = process
        return process

    def run(self, name: str, *command: str, stdin: bytes = b"", **changes: str) -> str:
        """One that ends by itself; what it wrote to standard output and standard error."""
        environment = {**self.environment, **changes}
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, input=stdin, capture_output=True, timeout=60)
        self.haul.add(f"output of {name}", done.stdout + done.stderr)
        return (done.stdout + done.stderr).decode()

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def says(self, name: str, words: str, *, times: int = 1, seconds: float = 30) -> None:
        """Wait until its log has these words; fails, and shows the log, when the time is over."""
        log = self.log(name)
        assert watchdog.wait_until(lambda: log.read_text(errors="replace").count(words) >= times, seconds), (words, log.read_text())

    def look(self) -> None:
        """What ``ps`` shows of them and their children to everybody, and what their environments hold: secrets, and no address."""
        for name, process in self.running.items():
            for pid in family(process.pid):
                with suppress(OSError):  # It ended meanwhile.
                    self.haul.add(f"command line of {name}", Path(f"/proc/{pid}/cmdline").read_bytes())
                    self.haul.add(f"environment of {name}", Path(f"/proc/{pid}/environ").read_bytes(), with_secrets=True)

    def end(self) -> None:
        """End them in order, and keep their logs."""
        for process in self.running.values():
            process.terminate()
        for name, process in self.running.items():
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_WITHIN)
            process.kill()
            process.wait()
            self.haul.add(f"log of {name}", self.log(name).read_bytes())
        self.running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def family(pid: int) -> list[int]:
    """A process, its children, and theirs."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


@dataclass
class DatabaseLog:
    """What the server of the test's database logs from now on; nothing where that server is not of our making."""

    place: Path | None = None
    begins: int = 0

    def __post_init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            log = Path(cursor.fetchone()[0]).parent / "postgres.log"
        if log.exists():
            self.place, self.begins = log, log.stat().st_size

    def collect(self, haul: Haul) -> None:
        if self.place is not None:
            with self.place.open("rb") as file:
                file.seek(self.begins)
                haul.add("log of Postgres", file.read())


def every_task(scene: Scene) -> None:
    """Each of ours, once more by hand: some ring once in six hours."""
    ours = {name for name in current_app.tasks if name.partition(".")[0] in OURS}
    ring(scene.stack.broker.url, *sorted(ours))
    watchdog.wait_until(lambda: all(f"Task {name}[" in scene.stack.log.read_text() for name in ours), 20)


def ring(broker: str, *tasks: str, arguments: Sequence[object] | None = None) -> None:
    """Each task once, over the broker."""
    app = Celery(broker=broker, set_as_current=False)
    for name in tasks:
        app.send_task(name, args=arguments if arguments is not None else [1] if name.endswith(".deliver") else [])
    app.close()


def collect(scene: Scene, listener: Listener) -> None:
    """Everything that they hold now; the worker has ended."""
    collect_broker(scene.haul, scene.stack.broker.url, listener.said)
    log = scene.stack.log.read_bytes()
    scene.exercised.note_log(log.decode(errors="replace"))
    collect_files(scene.haul, scene.folder)
    collect_files(scene.haul, Path(settings.STATE_DIR))
    collect_dump(scene.haul)


def collect_broker(haul: Haul, url: str, said: Sequence[str] = ()) -> None:
    """Each key that it holds with its value, and what was said to it."""
    broker = redis.Redis.from_url(url)
    for key in broker.scan_iter(count=1000):
        haul.add("broker", key + b"\n" + (broker.dump(key) or b""))
    haul.add("broker", "\n".join(said).encode())
    broker.close()


def collect_files(haul: Haul, folder: Path, *, but: Sequence[Path] = ()) -> None:
    """All below a folder, by name and content. A list that an operator imports is theirs, and ``but`` is the test's own."""
    for file in files(folder):
        haul.add("file names", os.fsencode(file.relative_to(folder)))
        if file.is_file() and file.suffix != ".csv" and file not in but:
            haul.add("logs" if file.suffix == ".log" else "files", file.read_bytes())


def files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if not file.is_socket():
            yield file


def collect_dump(haul: Haul) -> None:
    haul.add("pg_dump", dump())


def dump() -> bytes:
    """The test's database as a thief of a backup has it."""
    return subprocess.run([postgres.binaries()[0] / "pg_dump", database_url()], capture_output=True, check=True).stdout

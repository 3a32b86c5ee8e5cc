"""The inside of the sandbox: ``python -m posting.inbound.confinement PATIENCE MODULE:FUNCTION ...``.

It imports what it may run, gives up what it does not need, and then answers one call after another, each within 2 s of CPU and
256 MB, until its input ends.
"""

import ctypes
import os
import pickle
import resource
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

CPU_SECONDS = 2.0
MEMORY = 256 * 1024 * 1024  # Octets beyond what it takes before a message comes.
OPEN_FILES = 32
HEAD = struct.Struct(">cQ")  # Of an answer: its kind, and the length of its content.
READY, ANSWER, EXCEEDED, FAILED = b"r", b"a", b"e", b"f"

PR_SET_NO_NEW_PRIVS = 38
STATM = Path("/proc/self/statm")
Function = Callable[[Any], object]


class Pickler(pickle.Pickler):
    """A result as plain values: of an object only the names of its module and class are written, and what its fields hold."""

    def persistent_id(self, thing: object) -> tuple[str, str, tuple[object, ...]] | None:
        kind = type(thing)
        if isinstance(thing, UUID):
            return "uuid", "UUID", (str(thing),)
        if isinstance(thing, tuple) and hasattr(thing, "_fields"):
            return kind.__module__, kind.__name__, tuple(thing)
        if isinstance(thing, Enum):
            return kind.__module__, kind.__name__, (thing.value,)
        if is_dataclass(thing) and not isinstance(thing, type):
            return kind.__module__, kind.__name__, tuple(getattr(thing, field.name) for field in fields(thing))
        return None


def serve(requests: BinaryIO, answers: BinaryIO, functions: dict[str, Function], patience: float) -> None:
    """Answer calls until the input ends: the parent has gone, or wants no more."""
    _answer(answers, READY, b"")
    while True:
        try:
            name, argument = pickle.load(requests)  # noqa: S301  The parent is trusted; what it sends for reading is octets.
        except EOFError:
            return
        _limit_memory()
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # Nothing here handles the signal: it ends even a regular expression.
        signal.setitimer(signal.ITIMER_REAL, 2 * patience)  # Should the parent be gone.
        try:
            kind, content = ANSWER, _pickled(functions[name](argument))
        except (MemoryError, RecursionError) as error:
            kind, content = EXCEEDED, type(error).__name__.encode()
        except Exception as error:  # noqa: BLE001  Whatever it is, it is the parent that decides about the message.
            kind, content = FAILED, type(error).__name__.encode("ascii", "replace")
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        del argument
        _answer(answers, kind, content)


def _pickled(result: object) -> bytes:
    written = BytesIO()
    Pickler(written).dump(result)
    return written.getvalue()


def _answer(answers: BinaryIO, kind: bytes, content: bytes) -> None:
    answers.write(HEAD.pack(kind, len(content)))
    answers.write(content)
    answers.flush()


def _function(name: str) -> Function:
    module, _, attribute = name.partition(":")
    function: Function = getattr(import_module(module), attribute)
    return function


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Both ends of the talk with the parent; what is printed or read by anything else goes nowhere."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    return requests, answers


def _give_up_the_rest() -> None:
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, signal.SIG_IGN)  # A service that is stopped finishes the message that it has begun.
    for signal_number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(signal_number, signal.SIG_DFL)  # The parent may have ignored or blocked them: that is inherited.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # A core would hold the message.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.nice(5)


def _limit_memory() -> None:
    """From what is taken now: what one message leaves behind is not held against the next."""
    taken = int(STATM.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, resource.RLIM_INFINITY))


def main(patience: str, *names: str) -> None:
    """Import, give up, serve."""
    requests, answers = _own_pipes()
    functions = {name: _function(name) for name in names}
    _give_up_the_rest()
    serve(requests, answers, functions, float(patience))


if __name__ == "__main__":
    main(*sys.argv[1:])

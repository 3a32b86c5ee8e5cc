"""What a message might make its reader do, for ``tests.test_sandbox``. Like all that runs in a sandbox, it imports no Django."""

import os
import re
import signal
import sys
from uuid import UUID

from posting.delivery.mime import Attachment
from posting.inbound.examining import Examined


class Stranger(Exception):
    """Of a class that the parent does not know."""


def echo(argument: object) -> object:
    return argument


def modules(argument: object) -> list[str]:
    return sorted(sys.modules)


def known(argument: object) -> object:
    return [Examined(fingerprint="Grüße"), Attachment("a.png", "image/png", b"\x89PNG"), UUID(int=7), {"a": (1, None, b"x")}]


def unknown(argument: object) -> object:
    return Stranger("anne@bakery.example")


def reducing(argument: object) -> object:
    """A pickle that would call ``os.system`` in whoever reads it."""

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {argument}",)

    return Evil()


def burn(argument: object) -> None:
    while True:
        pass


def burn_in_c(argument: object) -> None:
    re.match("(a+)+$", "a" * 64 + "b")


def devour(argument: object) -> int:
    held = []
    while True:
        held.append(bytearray(1024 * 1024))


def fill(megabytes: int) -> int:
    return len(bytearray(megabytes * 1024 * 1024))


def recurse(argument: object) -> object:
    return recurse(argument)


def leave(argument: object) -> None:
    os._exit(0)


def die(argument: object) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def stall(argument: object) -> None:
    signal.pause()


def fail(argument: str) -> None:
    raise Stranger(argument)


def pour(argument: object) -> None:
    """Into all that is open, its answers included."""
    while True:
        for number in range(32):
            try:
                os.write(number, b"\xff" * 4096)
            except OSError:
                continue


def enormous(argument: object) -> bytes:
    return bytes(41 * 1024 * 1024)


def write_a_file(path: str) -> None:
    with open(path, "wb", buffering=0) as file:  # noqa: PTH123
        file.write(b"x")


def environment(argument: object) -> dict[str, str]:
    return dict(os.environ)

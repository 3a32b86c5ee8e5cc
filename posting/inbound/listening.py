"""Listening: where the door is, a port or a socket of this machine, and until when it is open."""

import asyncio
import os
import re
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from posting.inbound.server import Door

WRITABLE_FOR_GROUP = 0o660  # The mail server connects as a member of the socket's group.


class CannotListen(Exception):
    """The sentence says why, and what to do."""


@dataclass(frozen=True)
class Place:
    """A TCP port, or the path of a socket."""

    host: str = ""
    port: int = 0
    path: Path | None = None

    def __str__(self) -> str:
        return str(self.path) if self.path else f"{self.host}:{self.port}"


def port(text: str) -> Place:
    """``HOST:PORT``; raises ``CannotListen``."""
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:/\s]+)):([0-9]{1,5})", text)
    if found is None or not 0 < int(found[3]) < 65536:
        raise CannotListen(f"{text!r} is not of the form HOST:PORT, such as 127.0.0.1:2525.")
    return Place(host=found[1] or found[2], port=int(found[3]))


def socket_or_port(text: str) -> Place:
    """The path of a socket, known by a slash in it, or ``HOST:PORT``; raises ``CannotListen``."""
    return Place(path=Path(text)) if "/" in text else port(text)


async def serve(door: Door, place: Place) -> None:
    """Take mail until TERM or INT; raises ``CannotListen``."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    try:
        server = await _listen(door, place)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else "no such host"
        raise CannotListen(f"Nobody can listen at {place}: {why}. Choose another place, or end what uses this one.") from None
    await asked.wait()
    server.close()
    await door.close()
    if place.path is not None:
        place.path.unlink(missing_ok=True)


async def _listen(door: Door, place: Place) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    if place.path is None:
        return await loop.create_server(door.session, place.host, place.port)
    _make_room(place.path)
    with _permissions(WRITABLE_FOR_GROUP):
        return await loop.create_unix_server(door.session, str(place.path))


def _make_room(path: Path) -> None:
    """Remove the socket of a process that is gone; raises ``CannotListen`` where somebody listens, or it is no socket."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise CannotListen(f"{path} is there and is no socket. Choose another place, or remove it.")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
            else:
                raise CannotListen(f"Another process takes mail at {path}. End it first.")


@contextmanager
def _permissions(mode: int) -> Iterator[None]:
    """Files that are made meanwhile are never open to more, not even for a moment."""
    before = os.umask(0o777 & ~mode)
    try:
        yield
    finally:
        os.umask(before)

"""The door for mail in a thread of the test's own, and as the command that an operator runs."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

from django.db import connections

from chamberlist.embedded import watchdog
from posting.inbound.server import Door
from tests import workers


@contextmanager
def open_door(via: str = "smtp", **options: Any) -> Iterator[int]:
    """The port of a door."""
    before = connections.settings["default"]["CONN_MAX_AGE"]
    connections.settings["default"]["CONN_MAX_AGE"] = 0  # The test's database is dropped at its end: no thread may keep it.
    started: Queue[tuple[int, Callable[[], object]]] = Queue()

    async def serve() -> None:
        loop, asked = asyncio.get_running_loop(), asyncio.Event()
        door = Door(via, hostname="lists.chamber.example", **options)
        server = await loop.create_server(door.session, "127.0.0.1", 0)
        started.put((server.sockets[0].getsockname()[1], lambda: loop.call_soon_threadsafe(asked.set)))
        await asked.wait()
        server.close()
        await door.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    port, close = started.get(timeout=30)
    try:
        yield port
    finally:
        close()
        thread.join(60)
        connections.settings["default"]["CONN_MAX_AGE"] = before


@contextmanager
def command(*arguments: str, log: Path, ready: Any, **changes: str) -> Iterator[subprocess.Popen[bytes]]:
    """``manage.py receivemail`` in a process of its own, once it is ready."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [sys.executable, "manage.py", "receivemail", *arguments],
            cwd=workers.REPOSITORY,
            env=workers.environment(workers.NOBODY) | changes,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            assert watchdog.wait_until(lambda: ready() or process.poll() is not None, 60)
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            finally:
                process.kill()

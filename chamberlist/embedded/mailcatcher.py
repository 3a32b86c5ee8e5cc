"""A mail server that keeps every message and sends none on: where the demo's mail ends.

``python -m chamberlist.embedded.mailcatcher PORT FILE`` runs one; ``Server`` runs that as a child.
"""

import asyncio
import signal
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from chamberlist.embedded import mailstore
from chamberlist.embedded.processes import LOOPBACK, Child, Keeper, answers, free_port

SIZE = 32 * 1024 * 1024


class Catcher:
    """The handler: a message is taken (250) once it is committed, else it stays the client's (451)."""

    def __init__(self, store: sqlite3.Connection) -> None:
        self.store = store

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd names it.
        """RFC 5321 section 4.1.1.4: after the 250 the message is ours to keep."""
        raw = envelope.original_content
        assert raw is not None
        try:
            mailstore.keep(
                self.store,
                received_at=datetime.now(UTC),
                sender=envelope.mail_from or "",
                recipients=envelope.rcpt_tos,
                raw=raw,
            )
        except sqlite3.Error:
            return "451 4.3.1 The message could not be stored"
        return "250 2.0.0 Stored"


async def serve(port: int, path: Path) -> None:
    """Take mail on the loopback port until TERM."""
    store = mailstore.open_store(path)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(
        lambda: SMTP(
            Catcher(store),
            hostname="mail.demo.example",
            ident="mail catcher",
            data_size_limit=SIZE,
            enable_SMTPUTF8=True,
        ),
        LOOPBACK,
        port,
    )
    async with server:
        await ended.wait()
    store.close()


class Server:
    """One mail catcher; a context manager. What it keeps is read through ``mailstore``."""

    def __init__(self, path: Path, *, log: Path, environment: dict[str, str] | None = None, keeper: Keeper | None = None) -> None:
        self.path, self.log, self.environment, self.keeper = path, log, environment, keeper
        self.port = free_port()
        self.child: Child | None = None

    @property
    def url(self) -> str:
        """For SMTP_URL."""
        return f"smtp://{LOOPBACK}:{self.port}/?tls=none"

    def launch(self) -> Child:
        """Run it; it takes mail once ``ready``."""
        command = [sys.executable, "-m", "chamberlist.embedded.mailcatcher", str(self.port), str(self.path)]
        self.child = Child("The mail catcher", command, log=self.log, environment=self.environment, keeper=self.keeper)
        return self.child

    def ready(self) -> bool:
        """Whether it takes connections."""
        return answers(self.port)

    def start(self) -> Self:
        """Run it and return once it takes mail."""
        self.launch().wait_until(self.ready)
        return self

    def stop(self) -> None:
        """End it in order."""
        if self.child is not None:
            self.child.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))

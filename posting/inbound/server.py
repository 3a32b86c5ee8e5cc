"""The door's server: how many may stand in it, who asks the database on their behalf, and how it is closed."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import close_old_connections

from posting.inbound import destinations, receiving
from posting.inbound.session import LmtpSession, SmtpSession

MOST_SESSIONS = 100
MOST_OF_ONE_PEER = 10  # Over SMTP. LMTP is spoken by one server of ours, which keeps to limits of its own.
THREADS = 4  # Each with a connection to the database.
CLOSING_SECONDS = 20.0  # For the messages in hand, once the door is to close.

Answer = TypeVar("Answer")


class Door:
    """The house that the sessions of one listener stand in; ``via`` is smtp or lmtp."""

    def __init__(self, via: str, *, hostname: str, most: int = MOST_SESSIONS) -> None:
        self.via, self.hostname, self.most = via, hostname, most
        self.sessions: dict[SmtpSession, str] = {}
        self.peers: Counter[str] = Counter()
        self.empty = asyncio.Event()
        self.empty.set()
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="door")

    def session(self) -> SmtpSession:
        """For one connection; a protocol factory."""
        return LmtpSession(self) if self.via == "lmtp" else SmtpSession(self)

    def admits(self, session: SmtpSession, peer: str) -> bool:
        """Whether there is room for one more from this address."""
        if len(self.sessions) >= self.most or (self.via == "smtp" and self.peers[peer] >= MOST_OF_ONE_PEER):
            return False
        self.sessions[session] = peer
        self.peers[peer] += 1
        self.empty.clear()
        return True

    def leaves(self, session: SmtpSession) -> None:
        """Make room again."""
        peer = self.sessions.pop(session)
        self.peers[peer] -= 1
        if not self.peers[peer]:
            del self.peers[peer]
        if not self.sessions:
            self.empty.set()

    async def refusal(self, recipient: str) -> str:
        """The reply to RCPT where the address is not ours, or ""."""
        return await self._ask(lambda: destinations.refusal(recipient))

    async def take(self, envelope_sender: str, recipients: list[str], raw: bytes) -> str:
        """The reply to a message: 250 once it is on disk."""
        refused = receiving.refusal(raw)
        if refused:
            return refused
        await self._ask(lambda: receiving.take(envelope_sender, recipients, raw, via=self.via))
        return "250 2.0.0 Taken"

    async def close(self) -> None:
        """Let the messages in hand be taken, and end everything else."""
        for session in list(self.sessions):
            session.end()
        try:
            await asyncio.wait_for(self.empty.wait(), CLOSING_SECONDS)
        except TimeoutError:  # Who has not sent a dot by now still has the message.
            for session in list(self.sessions):
                if isinstance(session.transport, asyncio.Transport):
                    session.transport.abort()
        self.threads.shutdown()

    async def _ask(self, work: Callable[[], Answer]) -> Answer:
        """Do what needs the database, as a request of the site would: on a healthy connection of the thread's own."""

        def with_connection() -> Answer:
            close_old_connections()
            try:
                return work()
            finally:
                close_old_connections()

        return await asyncio.get_running_loop().run_in_executor(self.threads, with_connection)

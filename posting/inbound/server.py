"""The door's server: how many may stand in it, who asks the database on their behalf, and how it is closed."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import close_old_connections

from chamberlist import throttle
from posting.inbound import destinations, receiving, room
from posting.inbound.session import LmtpSession, SmtpSession

MOST_SESSIONS = 100
MOST_OF_ONE_NETWORK = 10  # Over SMTP. LMTP is spoken by one server of ours, which keeps to limits of its own.
MOST_OCTETS = 64 * 1024 * 1024  # Of the messages in hand, of all sessions.
LOOKED_SECONDS = 1.0  # For so long it is known whether there is room: many messages ask once.
THREADS = 8  # Each with a connection to the database; they wait for its disk most of the time.
CLOSING_SECONDS = 20.0  # For the messages in hand, once the door is to close.

Answer = TypeVar("Answer")


class Door:
    """The house that the sessions of one listener stand in; ``via`` is smtp or lmtp."""

    def __init__(self, via: str, *, hostname: str, most: int = MOST_SESSIONS) -> None:
        self.via, self.hostname, self.most = via, hostname, most
        self.sessions: dict[SmtpSession, str] = {}
        self.networks: Counter[str] = Counter()
        self.octets = 0
        self.known: dict[str, tuple[float, str]] = {}
        self.empty = asyncio.Event()
        self.empty.set()
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="door")

    def session(self) -> SmtpSession:
        """For one connection; a protocol factory."""
        return LmtpSession(self) if self.via == "lmtp" else SmtpSession(self)

    def admits(self, session: SmtpSession, peer: str) -> bool:
        """Whether there is room for one more from this address's network."""
        network = throttle.network_of(peer)
        if len(self.sessions) >= self.most or (self.via == "smtp" and self.networks[network] >= MOST_OF_ONE_NETWORK):
            return False
        self.sessions[session] = network
        self.networks[network] += 1
        self.empty.clear()
        return True

    def leaves(self, session: SmtpSession) -> None:
        """Make room again."""
        network = self.sessions.pop(session)
        self.networks[network] -= 1
        if not self.networks[network]:
            del self.networks[network]
        if not self.sessions:
            self.empty.set()

    def hold(self, octets: int) -> bool:
        """Whether there is memory for so many octets more; they are counted until ``release``."""
        if self.octets + octets > MOST_OCTETS:
            return False
        self.octets += octets
        return True

    def release(self, octets: int) -> None:
        """Told once the message is out of hand."""
        self.octets -= octets

    async def refusal(self, recipient: str) -> str:
        """The reply to RCPT where the address is not ours, or there is no room for more mail to it, or ""."""
        return await self._ask(lambda: self._refusal(recipient))

    def _refusal(self, recipient: str) -> str:
        destination = destinations.find(recipient)
        if destination is None:
            return destinations.refusal(recipient)
        looked, said = self.known.get(destination.place, (0.0, ""))
        if time.monotonic() - looked >= LOOKED_SECONDS:
            said = room.refusal(destination.place)
            self.known[destination.place] = time.monotonic(), said
        return said

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

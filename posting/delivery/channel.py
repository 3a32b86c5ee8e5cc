"""A channel to a mail server: command lines out, whole replies in (RFC 5321 section 4.2), each awaited until a deadline."""

import asyncio
import math
import ssl
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from posting.delivery.encryption import Encryption

LONGEST_REPLY = 64 * 1024  # Octets; RFC 5321 section 4.5.3.1.5 asks for 512 a line.


class Said(NamedTuple):
    """A reply as it came: code, and its lines joined by line breaks."""

    code: int
    text: bytes


class Ended(Exception):
    """The connection is over, or the server is silent, or what it says is no SMTP: the message says which."""


class Channel(asyncio.Protocol):
    """One connection. Its methods belong to the loop's thread."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.loop: asyncio.AbstractEventLoop
        self.transport: asyncio.Transport
        self.said: deque[Said] = deque()
        self.lines: list[bytes] = []
        self.rest = b""
        self.waiter: asyncio.Future[None] | None = None
        self.deadline = math.inf
        self.encryption: Encryption | None = None
        self.error: Ended | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.loop = transport, asyncio.get_running_loop()
        transport.set_write_buffer_limits(high=0)  # ``resume_writing`` comes when nothing waits in this process.

    def data_received(self, data: bytes) -> None:
        if self.encryption:
            data = self._decrypted(self.encryption, data)
        *whole, self.rest = (self.rest + data).split(b"\n")
        for line in whole:
            self._read(line)
        if (self.rest or self.lines) and len(self.rest) + sum(map(len, self.lines)) > LONGEST_REPLY:
            self._end("the server's answer has no end")
        if self.encryption and self.encryption.is_over:
            self._end("the server closed the connection")
        if self.said:
            self._wake()

    def eof_received(self) -> bool:
        self._end("the server closed the connection")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._end("the connection was lost" if error is None else f"the connection was lost: {error}")

    def resume_writing(self) -> None:
        self._wake()

    # What a session calls

    async def encrypt(self, context: ssl.SSLContext, host: str, timeout: float) -> None:
        """Talk TLS from here on; raises ``Ended`` where the other end cannot, or is not ``host``."""
        encryption = self.encryption = Encryption(context, host)
        self._decrypted(encryption, b"")
        await self._until(lambda: encryption.is_agreed, timeout)

    async def reply(self, timeout: float) -> Said:
        """The next reply; raises ``Ended``. What was said before the end is still heard."""
        if not self.said:
            deadline = self.clock() + timeout
            while not self.said:
                await self._wait(deadline)
        return self.said.popleft()

    async def drained(self, timeout: float) -> None:
        """Wait until what was written has left this process; raises ``Ended``."""
        await self._until(lambda: not self.unsent, timeout)

    async def pause(self) -> None:
        """Until something comes, or the next ``check``; raises ``Ended``."""
        await self._wait(math.inf)

    def write(self, *parts: bytes, behind: bytes = b"") -> int:
        """Write, at once where there is room; what fails shows as ``Ended`` where the reply is awaited.

        How many octets of ``unsent`` are what stands ``behind`` the parts, if none of it has left.
        """
        if self.error:
            return 0
        try:
            if self.encryption:
                parts, behind = (self.encryption.sealed(b"".join(parts)),), self.encryption.sealed(behind)
            self.transport.write(b"".join((*parts, behind)))
        except ssl.SSLError as error:
            self._end(f"the encryption failed: {error}")
        return len(behind)

    @property
    def unsent(self) -> int:
        """How many octets wait in this process for room in the network's buffers. None of them leaves after ``abort``."""
        return self.transport.get_write_buffer_size()

    @property
    def is_quiet(self) -> bool:
        """Whether the connection stands, as far as is known here, and nothing came that was not read."""
        return not (self.said or self.lines or self.rest or self.error or self.transport.is_closing())

    def check(self) -> None:
        """To be called a few times a second: ends a wait whose time is over, and has the others look again."""
        if self.waiter and self.clock() > self.deadline:
            self._end("the server did not answer in time")
        self._wake()

    def abort(self) -> None:
        """Close without a word; what is still unsent never leaves."""
        self._end("we hung up")
        if hasattr(self, "transport"):
            self.transport.abort()

    def _read(self, line: bytes) -> None:
        line = line.rstrip(b"\r")
        code, sign = line[:3], line[3:4]
        if not (code.isdigit() and b"200" <= code < b"600" and sign in b" -"):
            self._end("the server's answer is no SMTP reply")
        self.lines.append(line[4:])
        if sign != b"-" and self.error is None:
            self.said.append(Said(int(code), b"\n".join(self.lines)))
            self.lines = []

    def _decrypted(self, encryption: Encryption, data: bytes) -> bytes:
        clear = b""
        try:
            clear = encryption.opened(data)
        except ssl.SSLError as error:
            self._end(str(error))
        self.transport.write(encryption.to_say())
        return clear

    async def _until(self, condition: Callable[[], bool], timeout: float) -> None:
        deadline = self.clock() + timeout
        while not condition():
            await self._wait(deadline)

    async def _wait(self, deadline: float) -> None:
        if self.error:
            raise self.error
        assert self.waiter is None, "one at a time"
        self.waiter = self.loop.create_future()
        self.deadline = deadline
        try:
            await self.waiter
        finally:
            self.waiter = None

    def _wake(self) -> None:
        if self.waiter and not self.waiter.done():
            self.waiter.set_result(None)

    def _end(self, why: str) -> None:
        if self.error is None:
            self.error = Ended(why)
        self._wake()

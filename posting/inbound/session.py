"""One SMTP or LMTP session (RFC 5321, RFC 2033): a message is taken (250) once it is committed; else it stays the client's.

The library reads commands. Envelope and message are read here: where a message ends, and who it is for, must have one reading.
"""

import asyncio
import logging
import re
import traceback
from typing import Protocol

from aiosmtpd.smtp import SMTP

from posting.inbound import envelope, receiving
from posting.inbound.room import NO_ROOM

IDLE_SECONDS = 300.0  # Until the next command (RFC 5321 section 4.5.3.2.7).
MESSAGE_SECONDS = 600.0  # For a message as a whole, its reply included.
SESSION_SECONDS = 1_800.0  # For all that is said; a message in hand is taken yet.
GOODBYE_SECONDS = 5.0  # For a client to read the last reply.
MOST_COMMANDS = 1_000  # Of one kind in one session.
MOST_REPLIES = 100  # Without a message.
WITHOUT_STATUS = re.compile(r"(?!220)([245])\d\d (?!\d\.\d)")  # A greeting has none.
AGAIN = "451 4.3.0 Please try again later; nothing was taken"

log = logging.getLogger(__name__)


class House(Protocol):
    """What a session asks for; ``take`` and ``refusal`` may raise, and then nothing was taken."""

    hostname: str

    def admits(self, session: "SmtpSession", peer: str) -> bool:
        """Whether there is room for one more from this address's network."""

    def leaves(self, session: "SmtpSession") -> None:
        """Told once for each that was admitted."""

    def hold(self, octets: int) -> bool:
        """Whether there is memory for so many octets more; they are counted until ``release``."""

    def release(self, octets: int) -> None:
        """Told once the message is out of hand."""

    async def refusal(self, recipient: str) -> str:
        """The reply to RCPT where no mail is taken for that address, or ""."""

    async def take(self, envelope_sender: str, recipients: list[str], raw: bytes) -> str:
        """The reply to the message."""


class SmtpSession(SMTP):
    """Speaks SMTP, with what it needs and no more: no AUTH, no ETRN, no STARTTLS, no addresses for VRFY and EXPN."""

    PROTOCOL = "ESMTP"
    WORDS = frozenset({"EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "VRFY", "EXPN"})

    line_length_limit = 64 * 1024  # How much is read at once; lines may be longer.

    def __init__(self, house: House) -> None:
        self.house = house
        self.admitted = self.receiving = False
        self.ending = ""  # The last words, once it is to end.
        self.replies = self.held = 0
        self.longest: asyncio.TimerHandle | None = None
        super().__init__(
            house,
            hostname=house.hostname,
            ident=self.PROTOCOL,
            enable_SMTPUTF8=True,
            timeout=IDLE_SECONDS,
            command_call_limit=MOST_COMMANDS,
            loop=asyncio.get_running_loop(),
        )
        self._smtp_methods = {word: method for word, method in self._smtp_methods.items() if word in self.WORDS}

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        name = transport.get_extra_info("peername")
        self.admitted = self.house.admits(self, name[0] if isinstance(name, tuple) else "")
        if self.admitted:
            super().connection_made(transport)
            self.longest = self.loop.call_later(SESSION_SECONDS, self.end, "421 4.4.2 You have been here for long enough")
        else:
            transport.write(b"421 4.7.0 Too many connections; please come back later\r\n")
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self.admitted:
            assert self.longest is not None
            self.longest.cancel()
            self.house.leaves(self)
            super().connection_lost(error)

    def eof_received(self) -> bool | None:
        return super().eof_received() if self.admitted else None

    def end(self, words: str = "421 4.3.2 The service is being stopped") -> None:
        """Say goodbye: at once, or after the message in hand."""
        self.ending = words
        if not self.receiving:
            self._hang_up(words)

    def _timeout_cb(self) -> None:
        self._hang_up("421 4.4.2 You took too long")

    def _hang_up(self, words: str) -> None:
        if isinstance(self.transport, asyncio.Transport):
            self.transport.write(f"{words}\r\n".encode())
            self.transport.close()
            if self._handler_coroutine is not None:
                self._handler_coroutine.cancel()  # What was sent after that is not read.
            self.loop.call_later(GOODBYE_SECONDS, self.transport.abort)  # Who reads nothing would stay for ever.

    async def push(self, status: str | bytes) -> None:
        """Give every reply an enhanced status code (RFC 2034): some of the library's have none. Who only talks is sent away."""
        self.replies += 1
        if self.replies > MOST_REPLIES:
            self._hang_up("421 4.7.0 You have talked for long enough")
            raise asyncio.CancelledError
        text = status.decode() if isinstance(status, bytes) else status
        found = WITHOUT_STATUS.match(text)
        await super().push(f"{found[0]}{found[1]}.0.0 {text[4:]}" if found else text)

    async def handle_exception(self, error: Exception) -> str:
        """Nothing was taken; the client keeps it. Only the kind and place of the error are logged: its words may quote the mail."""
        place = "".join(traceback.format_tb(error.__traceback__, limit=-2))
        log.error("A mail, or a question about an address, was put off: %s.\n%s", type(error).__name__, place)
        return self._for_the_message(AGAIN) if self.receiving else AGAIN

    # The words

    async def smtp_EHLO(self, arg: str) -> None:
        if not arg:
            await self.push("501 5.5.4 Say your name too")
            return
        self.envelope = self._create_envelope()
        assert self.session is not None
        self.session.extended_smtp, self.session.host_name = True, arg
        offers = ("PIPELINING", f"SIZE {receiving.LARGEST}", "8BITMIME", "SMTPUTF8")
        await self.push("\r\n".join(f"250-{line}" for line in (self.hostname, *offers)) + "\r\n250 ENHANCEDSTATUSCODES")

    async def smtp_HELO(self, arg: str) -> None:
        if not arg:
            await self.push("501 5.5.4 Say your name too")
            return
        self.envelope = self._create_envelope()
        assert self.session is not None
        self.session.extended_smtp, self.session.host_name = False, arg
        await super().push(f"250 {self.hostname}")

    async def smtp_VRFY(self, arg: str | None) -> None:
        await self.push("502 5.5.1 Nobody is told which addresses there are")

    async def smtp_EXPN(self, arg: str | None) -> None:
        await self.push("502 5.5.1 Nobody is told which addresses there are")

    async def smtp_MAIL(self, arg: str | None) -> None:
        await self.push(self._begin(arg))

    async def smtp_RCPT(self, arg: str | None) -> None:
        await self.push(await self._add(arg))

    async def smtp_DATA(self, arg: str | None) -> None:
        assert self.envelope is not None
        if arg or not self.envelope.rcpt_tos:
            await self.push("501 5.5.4 DATA stands alone" if arg else "503 5.5.1 Nobody is named who is to get it")
            return
        self.receiving = True
        self._reset_timeout(MESSAGE_SECONDS)
        try:
            await self.push("354 End it with a dot alone on a line")
            reply = await self._message()
        finally:
            self._let_go()
        await self.push(self._for_the_message(reply))

    # The envelope

    def _begin(self, argument: str | None) -> str:
        assert self.session is not None and self.envelope is not None
        if not self.session.host_name:
            return "503 5.5.1 Say hello first"
        if self.envelope.mail_from is not None:
            return "503 5.5.1 One message at a time"
        said = envelope.mail(argument)
        if said is None:
            return "501 5.5.4 Not of the form MAIL FROM:<name@domain>"
        problem = _unfit(said)
        if not problem:
            self.envelope.mail_from = said.address
        return problem or "250 2.1.0 Go on"

    async def _add(self, argument: str | None) -> str:
        assert self.envelope is not None
        if self.envelope.mail_from is None:
            return "503 5.5.1 Say who sends it first"
        said = envelope.rcpt(argument)
        if said is None:
            return "501 5.5.4 Not of the form RCPT TO:<name@domain>"
        if said.parameters:
            return "555 5.5.4 No parameter is known here"
        if len(self.envelope.rcpt_tos) >= receiving.MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients; send them another one"
        refused = await self.house.refusal(said.address)
        if not refused:
            self.envelope.rcpt_tos.append(said.address)
        return refused or "250 2.1.5 Go on"

    # The message

    async def _message(self) -> str:
        assert self.envelope is not None
        raw = await self._read()
        if isinstance(raw, str):
            return raw
        return await self.house.take(self.envelope.mail_from or "", self.envelope.rcpt_tos, raw)

    async def _read(self) -> bytes | str:
        """The octets up to a line of a dot and CRLF, without the dots that were put before others; or why they are too many.

        Only CRLF ends a line (RFC 5321 section 2.3.8): what some servers take for an end too is part of the message, and refused.
        """
        raw = bytearray()
        problem, size, starts = "", 0, True
        while True:
            try:
                piece = await self._reader.readuntil(b"\r\n")
                ends = True
            except asyncio.LimitOverrunError as error:
                piece, ends = await self._reader.read(error.consumed), False
            if starts and piece == b".\r\n":
                return problem or bytes(raw)
            if starts and piece.startswith(b"."):
                piece = piece[1:]
            size += len(piece)
            if size > receiving.LARGEST:
                problem = receiving.TOO_LARGE
            elif not problem and not self._hold(len(piece)):
                problem = NO_ROOM
            if problem:
                self._let_go()
                raw.clear()
            else:
                raw += piece
            starts = ends

    def _hold(self, octets: int) -> bool:
        has_room = self.house.hold(octets)
        self.held += octets if has_room else 0
        return has_room

    def _let_go(self) -> None:
        self.house.release(self.held)
        self.held = 0

    def _for_the_message(self, reply: str) -> str:
        """The end of a message, with its reply."""
        self.receiving, self.replies = False, 0
        if self.ending:
            self.loop.call_soon(self.end, self.ending)  # Once the reply is on its way.
        self.envelope = self._create_envelope()
        return reply


class LmtpSession(SmtpSession):
    """Speaks LMTP: another hello, and one reply for each recipient that was accepted (RFC 2033 section 4.2)."""

    PROTOCOL = "LMTP"
    WORDS = SmtpSession.WORDS - {"EHLO", "HELO"} | {"LHLO"}

    async def smtp_LHLO(self, arg: str) -> None:
        await self.smtp_EHLO(arg)

    def _for_the_message(self, reply: str) -> str:
        assert self.envelope is not None
        replies = [reply] * len(self.envelope.rcpt_tos)
        super()._for_the_message(reply)
        return "\r\n".join(replies)


def _unfit(said: envelope.Said) -> str:
    """Why a message with these parameters of MAIL is not taken, or ""."""
    given = dict(parameter.partition("=")[::2] for parameter in said.parameters)
    size, body, unicode = given.pop("SIZE", "0"), given.pop("BODY", "7BIT"), given.pop("SMTPUTF8", None)
    if given or body not in ("7BIT", "8BITMIME") or unicode:
        return "555 5.5.4 Such a parameter is not known here"
    if not size.isascii() or not size.isdigit():
        return "501 5.5.4 SIZE takes a number"
    if int(size[:20]) > receiving.LARGEST:
        return receiving.TOO_LARGE
    if unicode is None and not said.address.isascii():
        return "553 5.6.7 Such an address needs SMTPUTF8"
    return ""

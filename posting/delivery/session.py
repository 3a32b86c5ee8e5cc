"""A session with the relay (RFC 5321) that hands over one copy to one recipient at a time, and owns the moment of the final dot.

Where the server offers PIPELINING (RFC 2920), one write holds the text of a copy, its final dot, and the MAIL, RCPT and DATA of the
next copy: a round trip a copy.
"""

import asyncio
import base64
import math
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from chamberlist.redaction import redact
from chamberlist.relay import Relay
from posting.delivery.channel import Channel, Ended, Said
from posting.delivery.copies import Copy
from posting.delivery.replies import RelayRefused, Reply, Stage, Verdict, reply

# RFC 5321 section 4.5.3.2, in seconds; the first is ours, for the network alone.
CONNECT_TIMEOUT = 30
GREETING_TIMEOUT, COMMAND_TIMEOUT, DATA_TIMEOUT, BLOCK_TIMEOUT, DOT_TIMEOUT = 300, 300, 120, 180, 600
GOODBYE_TIMEOUT = 5
HANGING = 10.0  # Seconds after which an unanswered dot is not to hold up the copy behind it.
BLOCK = 32 * 1024  # Octets: a longer copy goes out before its dot does, so that a slow reader does not decide when that leaves.
DOT = b".\r\n"
GO_ON, CLOSING, TOO_LARGE = 354, 421, 552
UNKNOWN_COMMAND = (500, 502, 504)


class Source(Protocol):
    """Where a session gets its copies, and tells how they ended."""

    is_slow: bool  # Whether final dots took long to be answered, lately; sessions say so, and heed it.

    async def next(self) -> Copy | None:
        """The next copy, waiting for one; None when there is no more."""

    def next_now(self) -> Copy | None:
        """The next copy, if one is there."""

    def expires_at(self, copy: Copy) -> float:
        """When nobody wants it any longer, in seconds since 1970."""

    def may_finish(self, copy: Copy) -> bool | None:
        """Whether its final dot may be written now; None: it cannot be said at this moment."""

    def ended(self, copy: Copy, verdict: Verdict) -> None:
        """How the hand-over of a copy ended; told once for each copy that was given."""


class Session:
    """One connection to the relay, kept for many copies."""

    def __init__(self, relay: Relay, source: Source, *, name: str, context: Callable[[], ssl.SSLContext]) -> None:
        """``name`` is what we call ourselves in EHLO; ``context`` says whose certificates are trusted."""
        self.relay, self.source, self.name, self.context = relay, source, name, context
        self.channel = Channel(clock=time.monotonic)
        self.offers: dict[str, str] = {}
        self.held: deque[bytes] = deque()
        self.must_reset = False
        self.is_ready = False
        self.handed_over = 0
        self.has_been_taken = False  # A copy's recipient was: whatever comes later is no proof that our mail is not.
        self.following: Copy | None = None  # In hand, and nothing of it was written.
        self.opened: Copy | None = None  # Its MAIL was written, its dot was not.
        self.finished: Copy | None = None  # Its dot was written, no reply was read.
        self.behind_the_dot = 0  # Octets that were written after that dot, as they stand on the wire.
        self.waits_since = math.inf  # When that dot was written, by ``time.monotonic()``.

    async def open(self) -> None:
        """Connect, encrypt and sign in; raises ``RelayRefused``."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._connect()
            if self.relay.tls == "implicit":
                await self._encrypt()
            self._want(await self.channel.reply(GREETING_TIMEOUT), 220, "greeting")
            await self._greet()
            if self.relay.tls == "starttls":
                await self._start_tls()
            if self.relay.username:
                await self._sign_in()
            self.is_ready = True
        except (OSError, Ended, TimeoutError) as error:
            self.channel.abort()
            raise RelayRefused(redact(str(error)) or "it cannot be reached") from error
        except RelayRefused:
            self.channel.abort()
            raise

    async def work(self) -> None:
        """Hand over copies until the source has no more; raises ``RelayRefused`` or ``Ended`` once each copy's end is told."""
        try:
            copy = await self.source.next()
            while copy is not None:
                copy = await self._hand_over(copy) or await self.source.next()
            await self._goodbye()
        except RelayRefused:
            if self.opened is not None:  # It was we who were refused: this was no try of the copy's.
                self.source.ended(self.opened, Verdict("stopped"))
                self.opened = None
            raise
        finally:
            self.drop()

    def drop(self) -> None:
        """Close without a word, and tell what became of the copies in hand."""
        finished, opened, following = self.finished, self.opened, self.following
        is_unsent = finished is not None and self._has_unsent_dot()
        self.is_ready, self.waits_since = False, math.inf
        self.finished = self.opened = self.following = None
        self.channel.abort()
        if finished is not None:
            self.source.ended(finished, Verdict("stopped" if is_unsent else "lost"))
        if opened is not None:
            self.source.ended(opened, Verdict("cut" if finished is None else "stopped"))
        if following is not None:
            self.source.ended(following, Verdict("stopped"))

    def check(self) -> None:
        """To be called a few times a second: minds the time-outs, and a dot that is still in this process and may leave no more."""
        self.channel.check()
        self.check_dot()
        if self.is_hanging:
            self.source.is_slow = True
            if self.opened is not None:  # Nothing of its text was written: another session may take it.
                self.source.ended(self.opened, Verdict("stopped"))
                self.opened = None

    def check_dot(self) -> None:
        """To be called, too, before anything is sent after a while in which nothing was: asks for a dot that is still here."""
        if self.finished is not None and self._has_unsent_dot() and self.source.may_finish(self.finished) is not True:
            self.drop()

    @property
    def is_hanging(self) -> bool:
        """Whether the final dot has waited for its reply for long."""
        return time.monotonic() - self.waits_since > HANGING

    async def _hand_over(self, copy: Copy) -> Copy | None:
        """One transaction (RFC 5321 section 3.3); gives the copy whose transaction was opened together with the final dot."""
        refusal = await self._open_transaction(copy)
        if refusal is not None:
            self.opened = None
            self.source.ended(copy, refusal)
            return None
        text = copy.data
        if len(text) > BLOCK:
            self.channel.write(text)
            text = b""
            await self.channel.drained(BLOCK_TIMEOUT)
        following = self.following = self._following()
        commands = b"" if following is None else self._opening(following)
        if not await self._may_finish(copy):
            self.opened = None
            self.source.ended(copy, Verdict("stopped"))
            raise Ended("we hung up")  # After 354 a bare dot would be an empty mail: there is no other way back.
        self.finished, self.opened, self.following = copy, following, None
        self.waits_since = time.monotonic()
        self.behind_the_dot = self.channel.write(text, DOT, behind=commands)
        answer = await self.channel.reply(DOT_TIMEOUT)
        self._judge_dot(copy, answer)
        if self.opened is not following:
            raise Ended("the server answered a final dot late, and the copy behind it went elsewhere")
        return following

    async def _may_finish(self, copy: Copy) -> bool:
        """Whether the final dot may be written now, waiting until that can be said.

        Raises ``Ended`` where the server did not wait for the text: its words are no answer to a dot that was never written.
        """
        while (answer := self.source.may_finish(copy)) is None and self.channel.is_quiet:
            await self.channel.pause()
        if not self.channel.is_quiet:
            raise Ended("the server spoke or hung up before the final dot")
        return answer is True

    def _has_unsent_dot(self) -> bool:
        """Whether the dot that was written last has not left this process, or not all of the encrypted record with it."""
        return self.channel.unsent > self.behind_the_dot

    def _judge_dot(self, copy: Copy, answer: Said) -> None:
        if 300 <= answer.code < 400:  # Neither taken nor refused: nobody knows.
            raise Ended(f"the server answered {answer.code} to the final dot")
        self.source.is_slow = self.is_hanging
        self.finished, self.waits_since = None, math.inf
        self.handed_over += 1
        self.source.ended(copy, Verdict("content", reply(*answer)))
        self._leave_if_closing(answer, Verdict("stopped"))

    async def _open_transaction(self, copy: Copy) -> Verdict | None:
        """MAIL, RCPT and DATA; None when the server waits for the text. Raises ``RelayRefused``."""
        if self.opened is not copy:
            if not self._can_take(copy):
                return Verdict("encoding")
            self._begin(copy)
        if self.must_reset:
            self.must_reset = False
            self._want(await self._answer(COMMAND_TIMEOUT), 250, "RSET")
        sender = await self._answer(COMMAND_TIMEOUT)
        if sender.code == TOO_LARGE:  # RFC 1870 section 6.
            return await self._refused("content", sender, unread=2)
        self._leave_if_closing(sender, Verdict("stopped"))
        if not 200 <= sender.code < 300:
            raise RelayRefused(f"MAIL: {_words(sender)}")
        recipient = await self._answer(COMMAND_TIMEOUT)
        self.has_been_taken = self.has_been_taken or recipient.code != CLOSING
        if not 200 <= recipient.code < 300:
            return await self._refused("recipient", recipient, unread=1)
        data = await self._answer(DATA_TIMEOUT)
        if data.code < 400 and data.code != GO_ON:  # RFC 5321 section 4.3.2 knows no such answer: nothing was sent.
            raise Ended(f"the server answered {data.code} to DATA")
        return None if data.code == GO_ON else await self._refused("content", data, unread=0)

    async def _refused(self, stage: Stage, answer: Said, *, unread: int) -> Verdict:
        """A refusal leaves the session usable after RSET."""
        verdict = Verdict(stage, reply(*answer))
        self._leave_if_closing(answer, verdict)
        if self.held:  # Without PIPELINING nothing else was said yet.
            self.held.clear()
            unread = 0
        for _ in range(unread):
            answer = await self.channel.reply(DATA_TIMEOUT)
        if answer.code == GO_ON:  # RFC 2920 section 3.1: no recipient is left, so a bare dot reaches nobody.
            self.channel.write(DOT)
            await self.channel.reply(DOT_TIMEOUT)
        self.must_reset = True
        return verdict

    def _leave_if_closing(self, answer: Said, verdict: Verdict) -> None:
        """421 announces that the session is over (RFC 5321 section 3.8); ``verdict`` is that on the copy that was opened."""
        if answer.code == CLOSING:
            if self.opened is not None:
                self.source.ended(self.opened, verdict)
                self.opened = None
            raise Ended(f"the server is closing: {_words(answer)}")

    def _begin(self, copy: Copy) -> None:
        if self.channel.said or self.channel.error:  # It said goodbye while nothing was on its way.
            self.source.ended(copy, Verdict("stopped"))
            raise Ended("the server closed an idle connection")
        self.opened = copy
        self._ask(self._opening(copy))

    def _following(self) -> Copy | None:
        """The copy whose transaction is to be opened together with the final dot, in one round trip.

        Not while dots are slow: a hanging one gives that copy back, and after 354 the connection is lost with it.
        """
        if "PIPELINING" not in self.offers or self.source.is_slow:
            return None
        copy = self.source.next_now()
        while copy is not None and not self._can_take(copy):
            self.source.ended(copy, Verdict("encoding"))
            copy = self.source.next_now()
        return copy

    def _can_take(self, copy: Copy) -> bool:
        return copy.recipient.isascii() or {"SMTPUTF8", "8BITMIME"} <= self.offers.keys()

    def _opening(self, copy: Copy) -> bytes:
        options = ""
        if not copy.recipient.isascii():
            options = " BODY=8BITMIME SMTPUTF8"  # RFC 6531 section 3.4.
        if "SIZE" in self.offers:
            options += f" SIZE={len(copy.data)}"  # RFC 1870 section 5.
        if "DELIVERBY" in self.offers:
            options += self._deliver_by(copy)
        commands = f"MAIL FROM:<{copy.envelope_sender}>{options}\r\nRCPT TO:<{copy.recipient}>\r\nDATA\r\n".encode()
        assert commands.count(b"\r") == commands.count(b"\n") == 3, "a command is one line"
        return b"RSET\r\n" + commands if self.must_reset else commands

    def _deliver_by(self, copy: Copy) -> str:
        """The life that the copy has left (RFC 2852 section 4), and never more.

        Where the server wants a longer time, it is told none, as a server that does not know of it: its queue keeps mail for a day
        at most (``doctor``). To hold such a copy back would be no mail at all through a server that wants a day.
        """
        shortest = self.offers["DELIVERBY"]
        left = max(int(self.source.expires_at(copy) - time.time()), 1)  # RFC 2852 section 4.1.1: nought is no time to return it by.
        return f" BY={left};R" if not shortest.isdigit() or left >= int(shortest) else ""

    def _ask(self, commands: bytes) -> None:
        """Say them together, or one after the other where the server does not offer PIPELINING."""
        if "PIPELINING" in self.offers:
            self.channel.write(commands)
        else:
            self.held.extend(commands.splitlines(keepends=True))
            self.channel.write(self.held.popleft())

    async def _answer(self, timeout: float) -> Said:
        answer = await self.channel.reply(timeout)
        if self.held and 200 <= answer.code < 400:
            self.channel.write(self.held.popleft())
        return answer

    # Before the first copy

    async def _connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self.channel, self.relay.host, self.relay.port)

    async def _greet(self) -> None:
        """EHLO, or HELO for a server that does not know it (RFC 5321 section 3.2)."""
        answer = await self._command(f"EHLO {self.name}")
        if answer.code in UNKNOWN_COMMAND:
            answer = await self._command(f"HELO {self.name}")
        self._want(answer, 250, "EHLO")
        lines = answer.text.decode("ascii", "replace").upper().split("\n")[1:]
        self.offers = {word: rest.strip() for word, _, rest in (line.replace("=", " ", 1).partition(" ") for line in lines)}

    async def _start_tls(self) -> None:
        """STARTTLS (RFC 3207)."""
        if "STARTTLS" not in self.offers:
            raise RelayRefused("it offers no STARTTLS, and nothing is sent in clear")
        self._want(await self._command("STARTTLS"), 220, "STARTTLS")
        await self._encrypt()
        await self._greet()

    async def _encrypt(self) -> None:
        if not self.channel.is_quiet:  # Said in clear, to be taken for encrypted.
            raise RelayRefused("it said more than it should before the encryption")
        await self.channel.encrypt(self.context(), self.relay.host, CONNECT_TIMEOUT)

    async def _sign_in(self) -> None:
        """AUTH (RFC 4954): PLAIN, or LOGIN where that is all there is."""
        kinds = self.offers.get("AUTH", "").split()
        if "PLAIN" in kinds:
            secret = f"\0{self.relay.username}\0{self.relay.password}"
            answer = await self._command(f"AUTH PLAIN {_base64(secret)}")
        elif "LOGIN" in kinds:
            self._want(await self._command("AUTH LOGIN"), 334, "AUTH")
            self._want(await self._command(_base64(self.relay.username)), 334, "AUTH")
            answer = await self._command(_base64(self.relay.password))
        else:
            raise RelayRefused("it offers no way to sign in that we know (AUTH PLAIN or LOGIN)")
        self._want(answer, 235, "AUTH")

    async def _goodbye(self) -> None:
        self.channel.write(b"QUIT\r\n")
        await self.channel.reply(GOODBYE_TIMEOUT)

    async def _command(self, line: str) -> Said:
        assert "\r" not in line and "\n" not in line, "a command is one line"
        self.channel.write(line.encode(), b"\r\n")
        return await self.channel.reply(COMMAND_TIMEOUT)

    @staticmethod
    def _want(answer: Said, code: int, at: str) -> None:
        if answer.code != code:
            raise RelayRefused(f"{at}: {_words(answer)}")


def _words(answer: Said) -> str:
    said: Reply = reply(*answer)
    return " ".join(str(word) for word in (said.code, said.status, said.text) if word)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

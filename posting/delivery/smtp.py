"""One SMTP connection (RFC 5321) that hands over one copy to one recipient at a time, and owns the moment of the final dot.

smtplib connects, encrypts and signs in; the transaction is ours, since smtplib sends body and dot in one call and hides the reply.
"""

import re
import select
import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from chamberlist.redaction import redact
from chamberlist.relay import Relay

# RFC 5321 section 4.5.3.2, in seconds; but our own relay's greeting must come well within a lane's lease.
GREETING_TIMEOUT = 20
COMMAND_TIMEOUT, DATA_TIMEOUT, BLOCK_TIMEOUT, DOT_TIMEOUT = 300, 120, 180, 600
BLOCK = 16 * 1024  # Octets: one TLS record.
IDLE = 5.0  # How often a lane that waits for a reply renews its lease.
SERVICE_CLOSING = 421
STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")  # RFC 3463 section 2.

Stage = Literal["recipient", "content", "stopped", "lost", "encoding"]


class RelayRefused(Exception):
    """The relay does not take our mail now, whoever it is for: our address, password, certificate or network. Nobody fails."""


@dataclass(frozen=True)
class Reply:
    """A server's reply: ``code`` (RFC 5321 section 4.2), ``status`` (RFC 3463, or ""), ``text`` without addresses."""

    code: int
    status: str
    text: str

    @property
    def is_good(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_permanent(self) -> bool:
        return self.code >= 500


@dataclass(frozen=True)
class Verdict:
    """How a hand-over ended, and at which stage.

    ``recipient``, ``content``: the reply to RCPT, or to DATA and the dot. ``stopped``: no dot was written. ``lost``: the dot was
    written and no reply came. ``encoding``: this server cannot take the address (RFC 6531).
    """

    stage: Stage
    reply: Reply | None = None

    @property
    def is_sent(self) -> bool:
        return self.stage == "content" and self.reply is not None and self.reply.is_good


class Connection:
    """A connection to the relay, kept for many copies."""

    def __init__(self, relay: Relay, *, on_idle: Callable[[], None]) -> None:
        """``on_idle`` is called every few seconds while a reply is awaited."""
        self.relay = relay
        self.on_idle = on_idle
        self.smtp: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.quit()

    @property
    def is_open(self) -> bool:
        return self.smtp is not None

    def open(self) -> None:
        """Connect, encrypt and sign in; raises ``RelayRefused``. It may take a while, so nothing is marked yet."""
        try:
            self.smtp = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise RelayRefused(redact(str(error))) from error

    def hand_over(self, envelope_sender: str, recipient: str, copy: bytes, *, may_finish: Callable[[], bool]) -> Verdict:
        """One transaction with one recipient. ``may_finish`` is asked immediately before the final dot; raises ``RelayRefused``.

        ``copy`` has CRLF line ends. A connection that fails before the dot leaves nothing behind: RelayRefused.
        """
        assert self.smtp is not None, "open it first"
        utf8 = not recipient.isascii()
        if utf8 and not self.smtp.has_extn("smtputf8"):
            return Verdict("encoding")
        try:
            sender = self._command(f"MAIL FROM:<{envelope_sender}>{' SMTPUTF8 BODY=8BITMIME' if utf8 else ''}")
            if not sender.is_good:
                raise RelayRefused(f"MAIL: {sender.code} {sender.text}")
            answer = self._command(f"RCPT TO:<{recipient}>")
            if not answer.is_good:
                return self._refused("recipient", answer)
            answer = self._command("DATA", timeout=DATA_TIMEOUT)
            if answer.code < 400 and answer.code != 354:  # RFC 5321 section 4.3.2 knows no such answer: nothing was sent.
                raise OSError(f"the server answered {answer.code} to DATA")
            if answer.code != 354:
                return self._refused("content", answer)
            self._send(dot_stuffed(copy))
            self._wait(writing=True, timeout=BLOCK_TIMEOUT)
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            self.drop()
            raise RelayRefused(redact(str(error))) from error
        if not may_finish():
            self.drop()  # After 354 a bare dot would be an empty mail: the only way back is to hang up.
            return Verdict("stopped")
        try:
            self._socket().sendall(b".\r\n")  # There is room for it: it does not wait, so the answer above still holds.
            answer = self._reply(timeout=DOT_TIMEOUT)
        except (OSError, smtplib.SMTPServerDisconnected):
            self.drop()
            return Verdict("lost")
        if answer.is_good:
            return Verdict("content", answer)
        if answer.code < 400:  # Neither taken nor refused: nobody knows.
            self.drop()
            return Verdict("lost")
        return self._refused("content", answer)

    def quit(self) -> None:
        """Say goodbye and close."""
        if self.smtp is not None:
            try:
                self._socket().settimeout(IDLE)
                self.smtp.quit()
            except (OSError, smtplib.SMTPException):
                self.smtp.close()
            self.smtp = None

    def drop(self) -> None:
        """Close without a word."""
        if self.smtp is not None:
            self.smtp.close()
            self.smtp = None

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.relay.tls == "implicit":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(self.relay.host, self.relay.port, timeout=GREETING_TIMEOUT, context=context)
        else:
            smtp = smtplib.SMTP(self.relay.host, self.relay.port, timeout=GREETING_TIMEOUT)
        try:
            smtp.ehlo_or_helo_if_needed()
            if self.relay.tls == "starttls":
                smtp.starttls(context=context)
                smtp.ehlo_or_helo_if_needed()
            if self.relay.username:
                smtp.login(self.relay.username, self.relay.password)
        except (OSError, smtplib.SMTPException):
            smtp.close()
            raise
        return smtp

    def _refused(self, stage: Stage, reply: Reply) -> Verdict:
        """A refusal leaves the session usable after RSET; 421 announces that it is over (RFC 5321 section 3.8)."""
        if reply.code == SERVICE_CLOSING:
            self.drop()
        else:
            try:
                self._command("RSET")
            except (OSError, smtplib.SMTPServerDisconnected):
                self.drop()
        return Verdict(stage, reply)

    def _command(self, line: str, *, timeout: int = COMMAND_TIMEOUT) -> Reply:
        assert self.smtp is not None
        assert "\r" not in line and "\n" not in line, "a command is one line"
        self._send(f"{line}\r\n".encode())
        return self._reply(timeout=timeout)

    def _send(self, content: bytes) -> None:
        """Block by block, so that a slow reader does not cost the lease."""
        rest = memoryview(content)
        while rest:
            self._wait(writing=True, timeout=BLOCK_TIMEOUT)
            rest = rest[self._socket().send(rest[:BLOCK]) :]

    def _reply(self, *, timeout: int) -> Reply:
        assert self.smtp is not None
        self._wait(writing=False, timeout=timeout)
        code, text = self.smtp.getreply()
        if code == -1:
            raise smtplib.SMTPServerDisconnected("the server's answer is no SMTP reply")
        return reply(code, text)

    def _wait(self, *, writing: bool, timeout: int) -> None:
        connection = [self._socket()]
        deadline = time.monotonic() + timeout
        while not any(select.select([] if writing else connection, connection if writing else [], [], IDLE)):
            if time.monotonic() > deadline:
                raise TimeoutError("the server did not answer")
            self.on_idle()

    def _socket(self) -> socket.socket:
        assert self.smtp is not None and self.smtp.sock is not None
        return self.smtp.sock


def reply(code: int, text: bytes) -> Reply:
    """A reply without addresses, its enhanced status code (RFC 2034) apart."""
    words = "".join(char if char.isprintable() else " " for char in text.decode("utf-8", "replace")).split()
    status = words[0] if words and STATUS.fullmatch(words[0]) else ""
    return Reply(code, status, redact(" ".join(words[1:] if status else words))[:300])


def dot_stuffed(copy: bytes) -> bytes:
    """The copy as it stands between DATA and the final dot (RFC 5321 section 4.5.2), ended by CRLF."""
    stuffed = copy.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"

"""A real SMTP server on loopback that keeps what it receives, and can be told to misbehave."""

import asyncio
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from chamberlist.relay import Relay

Answer = Callable[[str], str | None]  # Gets the recipient; "" hangs up without a word, None says yes.


@dataclass(frozen=True)
class Received:
    """One transaction: the envelope and the bytes."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    at: float = 0.0  # When its final dot had come, by ``time.monotonic()``.

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def text(self) -> str:
        part = self.message.get_body(("plain",))
        assert part is not None
        return str(part.get_content())


class Door(Controller):
    """Where connections come in: each gets an ``Ear``."""

    def factory(self) -> SMTP:
        return Ear(self.handler, **self.SMTP_kwargs)


class Ear(SMTP):
    """One connection; aiosmtpd asks nobody when it hears DATA."""

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        recipients = self.envelope.rcpt_tos if self.envelope else []
        answer = self.event_handler.at_data(recipients[0]) if recipients else None
        if answer is None:
            await super().smtp_DATA(arg)
        elif answer:
            await self.push(answer)
        else:
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.abort()


class SmtpServer:
    """Give it to ``settings.RELAY`` by ``.relay``. ``at_mail``, ``at_recipient``, ``at_data`` and ``at_dot`` decide its answers.

    ``after_dot`` decides what it says of a copy that it keeps.
    """

    def __init__(self, *offers: str, **options: Any) -> None:
        """``offers`` are lines of its EHLO answer beside aiosmtpd's own."""
        self.offers = offers or ("PIPELINING",)
        self.received: list[Received] = []
        self.at_mail: Answer = lambda _: None
        self.at_recipient: Answer = lambda _: None
        self.at_data: Answer = lambda _: None
        self.at_dot: Answer = lambda _: None
        self.after_dot: Answer = lambda _: None
        self.slowness = 0.0  # Seconds that it thinks about each dot, give or take a half.
        self.never: set[str] = set()  # Recipients whose final dot it never answers.
        self.arrived = threading.Condition()
        self.connections = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.controller = Door(self, hostname="127.0.0.1", port=self.port, enable_SMTPUTF8=True, data_size_limit=2**25, **options)

    def __enter__(self) -> Self:
        self.controller.start()
        self.connections = 0  # The controller's own first one.
        return self

    def __exit__(self, *_: object) -> None:
        self.controller.stop()

    @property
    def relay(self) -> Relay:
        return Relay("127.0.0.1", self.port, "none")

    def to(self, address: str) -> list[Received]:
        """What came for one recipient."""
        return [mail for mail in self.received if address in mail.recipients]

    def wait_for(self, number: int, *, seconds: float = 60) -> list[Received]:
        """All mails, once there are so many; fails when the time is over."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= number, seconds), (
                f"{len(self.received)} of {number} mails came"
            )
            return list(self.received)

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return [*responses[:-1], *(f"250-{offer}" for offer in self.offers if offer), responses[-1]]

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.at_mail(address)
        if answer is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self._say(server, answer)

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.at_recipient(address)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return self._say(server, answer)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        at = time.monotonic()
        answer = self.at_dot(envelope.rcpt_tos[0])
        if answer is None:
            with self.arrived:
                self.received.append(Received(envelope.mail_from or "", tuple(envelope.rcpt_tos), content, at))
                self.arrived.notify_all()
            answer = self.after_dot(envelope.rcpt_tos[0])
        if self.never.intersection(envelope.rcpt_tos):
            await asyncio.Event().wait()
        await asyncio.sleep(self.slowness * random.uniform(0.5, 1.5))
        return self._say(server, answer)

    @staticmethod
    def _say(server: Any, answer: str | None) -> str:
        if answer == "":
            server.transport.abort()
        return "250 2.0.0 OK" if answer is None else answer or "421 gone"

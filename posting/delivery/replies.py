"""Replies: what a mail server said, kept without addresses, and what that means for one copy."""

import re
from typing import Literal, NamedTuple

from chamberlist.redaction import redact

STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")  # RFC 3463 section 2.
KEPT = 300

FOUND_STATUS = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])")

Stage = Literal["recipient", "content", "stopped", "cut", "lost", "unclear", "encoding", "gate"]


class RelayRefused(Exception):
    """The relay does not take our mail now, whoever it is for: our address, password, certificate or network. Nobody fails."""


class Reply(NamedTuple):
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


class Verdict(NamedTuple):
    """How the hand-over of one copy ended, and at which stage.

    ``recipient``, ``content``: the reply to RCPT, or to DATA and the dot. ``stopped``: no dot was written, and nothing went wrong.
    ``cut``: the connection ended while this copy was on its way, before the dot. ``lost``: the dot was written and no reply came.
    ``unclear``: a reply came, and says neither yes nor no. ``encoding``: this server cannot take the address (RFC 6531).
    ``gate``: it must not leave, ``problem`` says why. ``receipt`` is what a provider calls the copy that it took.
    """

    stage: Stage
    reply: Reply | None = None
    problem: str = ""
    receipt: str = ""

    @property
    def is_sent(self) -> bool:
        return self.stage == "content" and self.reply is not None and self.reply.is_good


def reply(code: int, text: bytes) -> Reply:
    """A reply without addresses, its enhanced status code (RFC 2034) apart."""
    words = plain(text.decode("utf-8", "replace")).split()
    status = words[0] if words and STATUS.fullmatch(words[0]) else ""
    return Reply(code, status, redact(" ".join(words[1:] if status else words))[:KEPT])


def plain(text: str) -> str:
    """A text on one line, of characters that can be shown."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())


def status_in(text: str) -> str:
    """The first enhanced status code (RFC 3463) that stands in what a mail server or a provider said, or ""."""
    found = FOUND_STATUS.search(text)
    return found.group() if found else ""

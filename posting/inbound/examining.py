"""Examining: all that is learnt from the bytes of one message. It runs in the sandbox (``inbound.sandbox``): a process with neither
secrets nor database, and with little time and memory. What it gives is small, plain and bounded.
"""

from dataclasses import dataclass, field

from chamberlist import parsing


@dataclass(frozen=True)
class Arrived:
    """A message as it came: ``place`` is the kind of the address of ours that it came to (``inbound.destinations``)."""

    envelope_sender: str = field(repr=False)
    place: str
    raw: bytes = field(repr=False)
    domain: str


@dataclass(frozen=True)
class Examined:
    """What was learnt; ``problem`` says why it could not be read, or ""."""

    problem: str = ""
    subject: str = field(default="", repr=False)


def examine(arrived: Arrived) -> Examined:
    """Read one message; raises nothing that the sandbox does not catch."""
    try:
        message = parsing.parse(arrived.raw)
    except parsing.Unreadable as error:
        return Examined(problem=str(error))
    return Examined(subject=parsing.header(message, "Subject"))

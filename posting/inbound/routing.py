"""Routing: what is done with a message once it is read. One transaction; the caller writes down the outcome in the same one."""

from dataclasses import dataclass

from posting.inbound.destinations import Destination
from posting.inbound.examining import Examined
from posting.models import InboundMail, Post, Sender


class TryLater(Exception):
    """It cannot be done now, and may be in so many ``seconds``: nothing is written, and the message waits."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:.0f} seconds")
        self.seconds = seconds


@dataclass(frozen=True)
class Outcome:
    """What became of a message: the state that its row ends in, what it was taken for, and a sentence without addresses."""

    state: str
    kind: str
    words: str
    sender: Sender | None = None
    post: Post | None = None


def route(mail: InboundMail, destination: Destination, examined: Examined) -> Outcome:
    """Do what the message asks for."""
    return Outcome(InboundMail.State.KEPT, "rest", "Nobody has read it yet.")

"""A lane in a process of its own, to be killed: ``python -m tests.lanerunner [POINT [NTH]]``.

At its NTH passing of POINT it kills itself as ``kill -9`` does. The points are laid on the product from outside.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import django

django.setup()

from posting.delivery import copies, dispatch, lanes, ledger, messages  # noqa: E402 (models need the setup)
from posting.delivery.channel import Channel  # noqa: E402
from posting.delivery.dispatch import Shift  # noqa: E402
from posting.delivery.exchange import Exchange  # noqa: E402
from posting.delivery.judging import Judge  # noqa: E402
from posting.delivery.provider import ProviderWire  # noqa: E402
from posting.delivery.session import DOT, Session  # noqa: E402
from posting.delivery.wire import SmtpWire  # noqa: E402

Call = tuple[Any, ...]
Which = Callable[[Call], bool]


def has_dot(arguments: Call) -> bool:
    return DOT in arguments


def has_outcomes(arguments: Call) -> bool:
    return bool(arguments[1])


POINTS: dict[str, tuple[Any, str, str, Which, str]] = {
    # In the order of a hand-over: where, what, before or after it, which calls; and for each of what a lane passes there.
    "before the lease": (lanes, "take", "before", bool, "lane"),
    "after the lease": (lanes, "take", "after", bool, "lane"),
    "connecting": (Session, "open", "before", bool, "lane"),
    "before the marks": (ledger, "claim", "before", bool, "group"),
    "marks not committed": (ledger, "claim", "after", bool, "group"),
    "marks committed": (Shift, "push", "before", bool, "group"),
    "pushed": (SmtpWire, "push", "after", bool, "group"),
    "a copy built": (copies, "build", "after", bool, "copy"),
    "MAIL, RCPT and DATA written": (Session, "_ask", "after", bool, "lane"),
    "the text asked for": (SmtpWire, "may_finish", "before", bool, "copy"),
    "half of the text written": (Channel, "write", "half", has_dot, "copy"),
    "before the dot": (Channel, "write", "before", has_dot, "copy"),
    "after the dot": (Channel, "write", "after", has_dot, "copy"),
    "a reply read": (Session, "_judge_dot", "before", bool, "copy"),
    "a verdict told": (SmtpWire, "ended", "after", bool, "copy"),
    "a verdict judged": (Judge, "outcome", "after", bool, "copy"),
    "replies not committed": (ledger, "record", "after", has_outcomes, "group"),
    "replies committed": (Shift, "freeze", "before", bool, "group"),
    "asking again": (Shift, "ask", "before", bool, "moment"),
    "hanging up": (SmtpWire, "close", "before", bool, "lane"),
    "hung up": (SmtpWire, "close", "after", bool, "lane"),
    "before the lease is given back": (lanes, "release", "before", bool, "lane"),
}

THROUGH_A_PROVIDER: dict[str, tuple[Any, str, str, Which, str]] = {
    "given to the threads": (ProviderWire, "push", "after", bool, "group"),
    "a message built": (messages, "build", "after", bool, "copy"),
    "connecting to the provider": (ProviderWire, "_may_write", "before", bool, "copy"),
    "permission given": (ProviderWire, "_may_write", "after", bool, "copy"),
    "a response read": (Exchange, "send", "after", bool, "copy"),
    "a response judged": (ProviderWire, "_count", "before", bool, "copy"),
    "a response told": (ProviderWire, "_answer", "after", bool, "copy"),
    "hanging up on the provider": (ProviderWire, "close", "before", bool, "lane"),
}


def lay(point: str, nth: int) -> None:
    """Make the ``nth`` passing of a point the last one."""
    owner, name, moment, is_meant, _ = (POINTS | THROUGH_A_PROVIDER)[point]
    as_ever = getattr(owner, name)
    counting, passed = threading.Lock(), 0

    def is_the_one(arguments: Call) -> bool:
        nonlocal passed
        with counting:
            passed += is_meant(arguments)
            return is_meant(arguments) and passed == nth

    def call(*arguments: Any, **options: Any) -> Any:
        last = is_the_one(arguments)
        if last and moment == "half":
            channel, *parts = arguments
            text = b"".join(parts)
            as_ever(channel, text[: text.index(DOT) // 2])
        if last and moment in ("before", "half"):
            die()
        result = as_ever(*arguments, **options)
        if last:
            die()
        return result

    setattr(owner, name, call)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        lay(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    dispatch.run_lane(1, seconds=600)

"""A lane in a process of its own, to be killed: ``python -m tests.lanerunner [POINT [NTH]]``.

At its NTH passing of POINT it kills itself as ``kill -9`` does. The points are laid on the product from outside.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import django

django.setup()

from django.db import transaction  # noqa: E402 (models need the setup)

from posting.delivery import copies, dispatch, lanes, ledger, messages  # noqa: E402
from posting.delivery.channel import Channel  # noqa: E402
from posting.delivery.dispatch import Shift  # noqa: E402
from posting.delivery.exchange import Exchange  # noqa: E402
from posting.delivery.judging import Judge  # noqa: E402
from posting.delivery.provider import ProviderWire  # noqa: E402
from posting.delivery.session import DOT, Session  # noqa: E402
from posting.delivery.wire import SmtpWire  # noqa: E402

Call = tuple[Any, ...]
Which = Callable[[Call, dict[str, Any]], bool]


def any_call(arguments: Call, options: dict[str, Any]) -> bool:
    return True


def has_dot(arguments: Call, options: dict[str, Any]) -> bool:
    return DOT in arguments


def has_outcomes(arguments: Call, options: dict[str, Any]) -> bool:
    return bool(arguments[1])


def has_replies(arguments: Call, options: dict[str, Any]) -> bool:
    return bool(options.get("taken"))


POINTS: dict[str, tuple[Any, str, str, Which, str]] = {
    # In the order of a hand-over: where, what, before or after it, which calls; and for each of what a lane passes there.
    "before the lease": (lanes, "take", "before", any_call, "lane"),
    "after the lease": (lanes, "take", "after", any_call, "lane"),
    "connecting": (Session, "open", "before", any_call, "lane"),
    "before the marks": (ledger, "claim", "before", any_call, "group"),
    "marks not committed": (ledger, "claim", "uncommitted", any_call, "group"),
    "marks committed": (Shift, "push", "before", any_call, "group"),
    "pushed": (SmtpWire, "push", "after", any_call, "group"),
    "a copy built": (copies, "build", "after", any_call, "copy"),
    "MAIL, RCPT and DATA written": (Session, "_ask", "after", any_call, "lane"),
    "the text asked for": (SmtpWire, "may_finish", "before", any_call, "copy"),
    "half of the text written": (Channel, "write", "half", has_dot, "copy"),
    "before the dot": (Channel, "write", "before", has_dot, "copy"),
    "after the dot": (Channel, "write", "after", has_dot, "copy"),
    "a reply read": (Session, "_judge_dot", "before", any_call, "copy"),
    "a verdict told": (SmtpWire, "ended", "after", any_call, "copy"),
    "a verdict judged": (Judge, "outcome", "after", any_call, "copy"),
    "replies not committed": (ledger, "claim", "uncommitted", has_replies, "group"),
    "replies committed": (Shift, "freeze", "before", any_call, "group"),
    "asking again": (Shift, "ask", "before", any_call, "moment"),
    "hanging up": (SmtpWire, "close", "before", any_call, "lane"),
    "hung up": (SmtpWire, "close", "after", any_call, "lane"),
    "before the lease is given back": (lanes, "release", "before", any_call, "lane"),
}

THROUGH_A_PROVIDER: dict[str, tuple[Any, str, str, Which, str]] = {
    "receipts not committed": (ledger, "record", "uncommitted", has_outcomes, "group"),
    "given to the threads": (ProviderWire, "push", "after", any_call, "group"),
    "a message built": (messages, "build", "after", any_call, "copy"),
    "connecting to the provider": (ProviderWire, "_may_write", "before", any_call, "copy"),
    "permission given": (ProviderWire, "_may_write", "after", any_call, "copy"),
    "a response read": (Exchange, "send", "after", any_call, "copy"),
    "a response judged": (ProviderWire, "_count", "before", any_call, "copy"),
    "a response told": (ProviderWire, "_answer", "after", any_call, "copy"),
    "hanging up on the provider": (ProviderWire, "close", "before", any_call, "lane"),
}


def lay(point: str, nth: int) -> None:
    """Make the ``nth`` passing of a point the last one."""
    owner, name, moment, is_meant, _ = (POINTS | THROUGH_A_PROVIDER)[point]
    as_ever = getattr(owner, name)
    counting, passed = threading.Lock(), 0

    def is_the_one(arguments: Call, options: dict[str, Any]) -> bool:
        nonlocal passed
        with counting:
            passed += is_meant(arguments, options)
            return is_meant(arguments, options) and passed == nth

    def call(*arguments: Any, **options: Any) -> Any:
        last = is_the_one(arguments, options)
        if last and moment == "half":
            channel, *parts = arguments
            text = b"".join(parts)
            as_ever(channel, text[: text.index(DOT) // 2])
        if last and moment in ("before", "half"):
            die()
        within = transaction.atomic() if last and moment == "uncommitted" else nullcontext()
        with within:
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

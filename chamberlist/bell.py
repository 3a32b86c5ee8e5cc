"""The bell: tells the workers that there is something to do. It carries ids only, and may be lost: the sweep finds the work."""

import logging
import time
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

FORGOTTEN = 60  # Seconds after which a ring that no worker heard is worth nothing: the sweep rings every five.

CROWD = 1.0  # Seconds.
_crowds: dict[str, tuple[float, float]] = {}  # Of each task: when it was rung for, and when the ring that is on its way comes.

log = logging.getLogger(__name__)


def ring(task: str, *ids: int, delay: float = 0) -> None:
    """After the commit, ask a worker to run ``task`` (its full name) with ``ids``, ``delay`` seconds from now."""
    transaction.on_commit(partial(_send, task, ids, delay))


def ring_for_many(task: str) -> None:
    """The same for what comes in crowds: at once, and for all that comes within a second after that once more, at its end."""
    transaction.on_commit(partial(_send_seldom, task))


def _send_seldom(task: str) -> None:
    rung, covered = _crowds.get(task, (-CROWD, 0.0))
    now = time.monotonic()
    if now < covered:
        return  # A ring that is still to come is for this one, too.
    if now - rung < CROWD:
        _crowds[task] = (rung, rung + CROWD)
        _send(task, (), rung + CROWD - now)
    else:
        _crowds[task] = (now, 0.0)
        _send(task, (), 0)


def _send(task: str, ids: tuple[int, ...], delay: float) -> None:
    try:
        current_app.send_task(task, args=ids, countdown=delay or None, expires=delay + FORGOTTEN, retry=False)
    except OperationalError:
        log.warning("The broker does not answer; the sweep will find what %s was to do.", task)

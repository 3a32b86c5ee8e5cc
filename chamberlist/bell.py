"""The bell: tells the workers that there is something to do. It carries ids only, and may be lost: the sweep finds the work."""

import logging
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

FORGOTTEN = 60  # Seconds after which a ring that no worker heard is worth nothing: the sweep rings every five.

log = logging.getLogger(__name__)


def ring(task: str, *ids: int, delay: float = 0) -> None:
    """After the commit, ask a worker to run ``task`` (its full name) with ``ids``, ``delay`` seconds from now."""
    transaction.on_commit(partial(_send, task, ids, delay))


def _send(task: str, ids: tuple[int, ...], delay: float) -> None:
    try:
        current_app.send_task(task, args=ids, countdown=delay or None, expires=delay + FORGOTTEN, retry=False)
    except OperationalError:
        log.warning("The broker does not answer; the sweep will find what %s was to do.", task)

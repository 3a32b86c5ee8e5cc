"""Every message ten times: ``--include tests.tenfold`` lays it on a worker, on the children that it forks, and on its beat."""

from typing import Any

from celery import current_app

TIMES = 10
_send = current_app.send_task


def send_task(*arguments: Any, **options: Any) -> Any:
    """As Celery's own, again and again."""
    return [_send(*arguments, **options) for _ in range(TIMES)][-1]


setattr(current_app, "send_task", send_task)  # noqa: B010 (a method, for mypy)

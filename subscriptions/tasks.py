"""The members' tasks: they carry nothing."""

from celery import shared_task

from subscriptions import lifecycle, requests


@shared_task
def take_requests() -> None:
    """Read what was typed on the subscribe pages."""
    requests.take()


@shared_task
def sweep() -> None:
    """Forget what was not confirmed, and end the pauses that are over."""
    lifecycle.sweep()

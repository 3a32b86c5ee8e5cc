"""The members' tasks: they carry nothing."""

from celery import shared_task

from subscriptions import lifecycle, requests


@shared_task
def take_requests() -> None:
    """Do what was asked for on the members' pages."""
    requests.take()


@shared_task
def sweep() -> None:
    """Forget what was not confirmed, end the pauses that are over, and give up what could not be taken."""
    lifecycle.sweep()
    requests.forget()

"""The site's own tasks."""

from celery import shared_task

from chamberlist import fence, systemmail, throttle


@shared_task
def send_system_mail() -> None:
    """Hand over the outbox's due mails; rung by each new one, and by the beat for what the broker lost."""
    systemmail.send_due(alerts_only=not fence.is_open())


@shared_task
def prune() -> None:
    """Delete counters and old mails of the outbox whose time is over."""
    throttle.prune()
    systemmail.prune()

"""The Celery app. Postgres is the queue; a task only says "look there now", so that losing one costs delay, never mail."""

import os

from celery import Celery
from celery.signals import setup_logging

from chamberlist import log

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chamberlist.settings")

app = Celery("chamberlist")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def use_the_sites_logging(loglevel: int | str | None = None, **_kwargs: object) -> None:
    """Log as the site does, through its redaction, at the worker's ``--loglevel``."""
    log.configure(log.configuration(loglevel or "INFO"))

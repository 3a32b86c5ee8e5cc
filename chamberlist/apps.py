"""The site as a Django app; loading it also loads the Celery app, so that every process rings the same broker."""

from django.apps import AppConfig

from chamberlist.celery import app as celery_app

__all__ = ["ChamberlistConfig", "celery_app"]


class ChamberlistConfig(AppConfig):
    name = "chamberlist"
    default_auto_field = "django.db.models.BigAutoField"

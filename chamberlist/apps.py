"""The site as a Django app; loading it also loads the Celery app, so that every process rings the same broker."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.core.checks import register

from chamberlist import checks
from chamberlist.celery import app as celery_app

__all__ = ["ChamberlistConfig", "StaffAdminConfig", "celery_app"]


class ChamberlistConfig(AppConfig):
    name = "chamberlist"
    verbose_name = "The site"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        register(checks.provider)


class StaffAdminConfig(AdminConfig):
    """The admin, on the site's own terms."""

    default_site = "chamberlist.staffsite.StaffSite"

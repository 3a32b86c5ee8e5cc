"""Databases beside the test's own: to be stopped, copied, restored and promoted."""

from collections.abc import Iterator
from contextlib import contextmanager

import environ
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connections


@contextmanager
def elsewhere(url: str, *, migrate: bool = False) -> Iterator[None]:
    """The ORM of this thread works on another database."""
    own = connections["default"]
    other = own.copy()
    other.settings_dict = {**own.settings_dict, "CONN_HEALTH_CHECKS": True, **environ.Env.db_url_config(url)}
    other.settings_dict["OPTIONS"] = {**own.settings_dict["OPTIONS"], **other.settings_dict.get("OPTIONS", {})}
    connections["default"] = other
    ContentType.objects.clear_cache()
    try:
        if migrate:
            call_command("migrate", verbosity=0)
        yield
    finally:
        other.close()
        connections["default"] = own
        ContentType.objects.clear_cache()

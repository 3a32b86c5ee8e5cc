"""System checks: what the settings file cannot judge by itself."""

from typing import Any

from django.conf import settings
from django.core.checks import Error


def anymail_refuses_what_it_cannot_do(app_configs: Any, **_: object) -> list[Error]:
    """E001: a provider that silently drops a header or a second recipient's privacy is not one for us."""
    if not settings.ANYMAIL.get("IGNORE_UNSUPPORTED_FEATURES"):
        return []
    message = "ANYMAIL_IGNORE_UNSUPPORTED_FEATURES would drop headers that members rely on."
    return [Error(message, hint="Take it out of the environment.", id="chamberlist.E001")]

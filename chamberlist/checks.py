"""System checks: what the settings file cannot judge by itself. A lane asks the same before it sends anything."""

from typing import Any

from django.conf import settings
from django.core.checks import Error

from chamberlist import providers

OUT = "Take it out of the environment."


def provider(app_configs: Any, **_: object) -> list[Error]:
    """E001 to E004: what goes through a provider's interface stays confidential, can be left, and is heard of again."""
    found = []
    for name, why in providers.unwanted(settings.ANYMAIL):
        number = "E001" if name.endswith("IGNORE_UNSUPPORTED_FEATURES") else "E004"
        found.append(Error(why, hint=OUT, id=f"chamberlist.{number}"))
    if not settings.EMAIL_PROVIDER:
        return found
    if why := providers.open_to_anybody(settings.EMAIL_PROVIDER, settings.ANYMAIL):
        found.append(Error(why, hint="docs/production.md says how to make one.", id="chamberlist.E002"))
    if why := providers.unfit(settings.EMAIL_PROVIDER):
        found.append(Error(why, hint="Take another, or SMTP_URL alone.", id="chamberlist.E003"))
    return found

"""Django's own command; it takes no mail address, neither as the name nor beside it."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.contrib.auth.models import User

from chamberlist import audit


class Command(createsuperuser.Command):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        User.REQUIRED_FIELDS = []  # Of this command's process alone: no other code asks for it.
        super().__init__(*args, **kwargs)

    def handle(self, *args: Any, **options: Any) -> None:
        known = set(User.objects.values_list("pk", flat=True))
        super().handle(*args, **options)
        for user in User.objects.filter(is_superuser=True).exclude(pk__in=known):
            audit.record(audit.COMMAND_LINE, "add", user, reason="superuser")

    def _validate_username(self, username: str, verbose_field_name: str, database: str) -> str | None:
        if username and "@" in username:
            return audit.NO_ADDRESS
        problem: str | None = super()._validate_username(username, verbose_field_name, database)  # type: ignore[misc]
        return problem

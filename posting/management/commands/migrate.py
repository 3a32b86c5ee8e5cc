"""Django's own command; it also makes the groups of staff that are missing and, the first time, arms the fence."""

from typing import Any

from django.core.management.commands import migrate

from chamberlist import fence, roles
from posting.models import Post
from subscriptions.models import Subscription

LEFT_UNARMED = "The fence is not armed here: nothing is sent until `manage.py arm`, which shows first what would be."


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if options["app_label"] or options["plan"] or options["check_unapplied"]:
            return
        roles.found()  # Not in a migration: Django makes permissions only when all of these have run.
        if fence.is_armed():
            return
        if Post.objects.exists() or Subscription.objects.exists():
            self.stdout.write(self.style.WARNING(LEFT_UNARMED))
            return
        try:
            fence.arm(by="the first migrate")
        except OSError as error:
            self.stdout.write(self.style.WARNING(f"STATE_DIR cannot be written ({error.strerror}). {LEFT_UNARMED}"))

"""Stop all sending."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from chamberlist import audit, halt


class Command(BaseCommand):
    help = "Stop all sending at once, until `resume`. Alerts to staff are still mailed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", required=True, help="kept in the audit trail and shown to staff")

    def handle(self, *, reason: str, **options: object) -> None:
        halt.halt(by=audit.COMMAND_LINE, reason=reason)
        self.stdout.write("Sending is stopped. `manage.py resume` lets it go on.")

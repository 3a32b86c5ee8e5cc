"""Let sending go on."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from chamberlist import audit, halt


class Command(BaseCommand):
    help = "Let sending go on after a halt; what expired meanwhile stays unsent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", default="", help="kept in the audit trail; needed where the breaker stopped it")

    def handle(self, *, reason: str, **options: object) -> None:
        problem = halt.resume(by=audit.COMMAND_LINE, reason=reason)
        if problem:
            raise CommandError(f"{problem} Nothing was changed.")
        self.stdout.write("Sending goes on.")

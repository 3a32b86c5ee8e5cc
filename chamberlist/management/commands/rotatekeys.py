"""Seal everything anew under the first of ADDRESS_KEYS."""

import json
from argparse import ArgumentParser
from collections import Counter

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from chamberlist import audit, rotation

UNREADABLE = (
    "{number} value(s) cannot be opened and were left as they are. Put the missing key back into ADDRESS_KEYS and run this again."
)
LEFT = "{number} value(s) are still under another key than {key_id}: run this again."
NOT_YET = "Not everything is under {key_id}: {others}. Run `manage.py rotatekeys`, and keep the old keys until this says no more."


class Command(BaseCommand):
    help = (
        "Seal everything anew that is sealed under another key than the first of ADDRESS_KEYS, while the site runs. "
        "It may be broken off and run again. Prints JSON counts."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only count what is sealed under which key")

    def handle(self, *, check: bool, **options: object) -> None:
        key_id, _ = settings.ADDRESS_KEYS.first
        if check:
            self.check_only(key_id)
            return
        done = rotation.rotate(by=audit.COMMAND_LINE, say=self.stderr.write)
        resealed = {name: number for name, number in done.resealed.items() if number}
        counts = {
            "key": key_id,
            "resealed": resealed,
            "unreadable": dict(done.unreadable),
            "left": done.left,
            "passes": done.passes,
        }
        self.stdout.write(json.dumps(counts))
        if number := done.unreadable.total():
            raise CommandError(UNREADABLE.format(number=number))
        if done.left:
            raise CommandError(LEFT.format(number=done.left, key_id=key_id))
        if troubles := rotation.troubles():
            raise CommandError(" ".join(troubles))

    def check_only(self, key_id: str) -> None:
        """How many under which key; exit code 1 while any is under another than the first."""
        found = {name: counts for name, counts in rotation.under().items() if counts}
        totals = sum((Counter(counts) for counts in found.values()), Counter[str]())
        self.stdout.write(json.dumps({"first": key_id, "keys": totals, "columns": found}))
        lost = [key for key in sorted(totals) if key not in settings.ADDRESS_KEYS.keys and key != rotation.DAMAGED]
        if troubles := [rotation.MISSING.format(key_id=key) for key in lost] or rotation.troubles():
            raise CommandError(" ".join(troubles))
        if others := ", ".join(f"{number} under {key}" for key, number in sorted(totals.items()) if key != key_id):
            raise CommandError(NOT_YET.format(key_id=key_id, others=others))

"""The demo's steps on its database, in one process: tables, sample data, static files.

The launcher runs ``python -m chamberlist.embedded.prepare FILE``; FILE gets what the first loaddemo says (the
sign-ins). A process for each step would cost a second each.
"""

import io
import sys
from pathlib import Path

import django
from django.core.management import call_command
from django.db import transaction

from chamberlist.embedded.processes import write_private


def main(credentials: Path) -> None:
    """Each step may run again and then changes nothing."""
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    said = io.StringIO()
    with transaction.atomic():  # The data and the only copy of its passwords come together.
        call_command("loaddemo", stdout=said)
        if said.getvalue():
            write_private(credentials, said.getvalue())
    call_command("arm", yes=True, reason="the demo", stdout=io.StringIO())
    call_command("collectstatic", interactive=False, verbosity=0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

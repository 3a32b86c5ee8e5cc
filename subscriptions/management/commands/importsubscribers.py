"""Import subscribers from a CSV file."""

import json
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from chamberlist import audit
from subscriptions import importing
from subscriptions.importing import BadFile
from subscriptions.models import MailingList

ROWS_NAMED = 20


class Command(BaseCommand):
    help = "Import subscribers from a CSV file with a column `email`; prints JSON counts. Errors name row numbers, never addresses."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the list")
        parser.add_argument("file", type=Path, help="the CSV file, in UTF-8")
        parser.add_argument("--evidence", required=True, help="how and when these people agreed; kept with each consent")
        parser.add_argument("--ask", action="store_true", help="mail each the question instead; only their answer subscribes them")
        parser.add_argument("--skip-bad", action="store_true", help="import the good rows of a file that has bad ones")

    def handle(self, *, slug: str, file: Path, evidence: str, ask: bool, skip_bad: bool, **options: object) -> None:
        mailing_list = MailingList.objects.filter(slug=slug).first()
        if mailing_list is None:
            raise CommandError(f"There is no list {slug!r}; create it with `manage.py createlist`. Nothing was imported.")
        if not evidence.strip():
            raise CommandError("--evidence is empty; say how and when these people agreed. Nothing was imported.")
        rows = self.read(file)
        if rows.bad and not skip_bad:
            raise CommandError(
                f"{named(rows.bad)} no usable address. Nothing was imported: mend the file, or add --skip-bad to import the rest."
            )
        how = "asked by mail" if ask else "subscribed with evidence"
        # Before the first one: asking a long list takes many transactions, of which the last may never come.
        audit.record(audit.COMMAND_LINE, "import", mailing_list, reason=f"{len(rows.addresses)} addresses, {how}: {evidence}")
        wanted = importing.by_asking if ask else importing.with_evidence
        counts = wanted(mailing_list, rows, evidence=evidence)
        if rows.bad:
            self.stderr.write(f"{named(rows.bad)} no usable address; the other rows were read.")
        self.stdout.write(json.dumps(counts))

    def read(self, file: Path) -> importing.Rows:
        """The file's rows; a file that cannot be read is one sentence."""
        try:
            with file.open(encoding="utf-8-sig", newline="") as opened:
                return importing.read(opened)
        except OSError as error:
            raise CommandError(f"The file cannot be opened ({error.strerror}). Nothing was imported.") from None
        except UnicodeDecodeError:
            raise CommandError("The file is not in UTF-8; save it as “CSV UTF-8” and try again. Nothing was imported.") from None
        except BadFile as error:
            raise CommandError(str(error)) from None


def named(rows: list[int]) -> str:
    """ "Row 7 has", "Rows 7, 9 and 12 have"; at most twenty by number."""
    if len(rows) == 1:
        return f"Row {rows[0]} has"
    if len(rows) > ROWS_NAMED:
        return f"Rows {', '.join(map(str, rows[:ROWS_NAMED]))} and {len(rows) - ROWS_NAMED} more have"
    return f"Rows {', '.join(map(str, rows[:-1]))} and {rows[-1]} have"

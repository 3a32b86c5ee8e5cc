"""Look at everything that sending needs."""

import json
from argparse import ArgumentParser
from dataclasses import asdict

from django.core.management.base import BaseCommand, CommandError

from chamberlist import doctor


class Command(BaseCommand):
    help = "Look at everything that sending needs, and say what to do about what is not well. Exit code 1: something fails."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, json: bool, **options: object) -> None:
        findings = doctor.examine()
        failed = [finding for finding in findings if finding.verdict == "fail"]
        if json:
            self.stdout.write(as_json(findings))
        for finding in () if json else findings:
            verdict = "FAIL" if finding.verdict == "fail" else finding.verdict
            self.stdout.write(f"{verdict:<8} {finding.check:<16} {finding.text}")
        if failed:
            raise CommandError(f"{len(failed)} of {len(findings)} fail: {', '.join(finding.check for finding in failed)}.")


def as_json(findings: list[doctor.Finding]) -> str:
    """One object: whether all is well, and each finding."""
    well = all(finding.verdict != "fail" for finding in findings)
    return json.dumps({"ok": well, "checks": [asdict(finding) for finding in findings]})

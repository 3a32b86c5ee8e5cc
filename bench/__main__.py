"""``make bench``: each figure a line of JSON on standard output, the median of some runs; progress on standard error."""

import argparse
import os
import sys

import django

# The engine's own speed: with the widest caps that the settings allow, here and in the workers.
os.environ |= {"DELIVERY_RATE": "1000000", "COPIES_AN_HOUR": "10000000", "MEMBER_COPIES_A_DAY": "100"}
django.setup()

from bench import cases  # noqa: E402 (models need the setup)
from bench.report import Missing, Report  # noqa: E402


def main() -> int:
    """Run the cases that were named, or all of them."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"one or several of: {', '.join(cases.CASES)} (default: all)")
    parser.add_argument("--members", type=int, default=20_000, help="subscribers of the list that is sent to (20000)")
    parser.add_argument("--largest", type=int, default=1_000_000, help="rows of the largest ledger of the case `scale` (1000000)")
    parser.add_argument("--runs", type=int, default=3, help="runs of which the median is told (3)")
    options = parser.parse_args()
    if unknown := set(options.cases) - set(cases.CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}; there are {', '.join(cases.CASES)}")
    report = Report(members=options.members, largest=options.largest, runs=options.runs)
    for name in options.cases or cases.CASES:
        try:
            cases.CASES[name](report)
        except Missing as error:
            report.skip(name, str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())

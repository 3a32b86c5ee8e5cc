"""``python -m chamberlist.embedded demo|run|browser``: what the Makefile calls."""

import argparse
import sys
from pathlib import Path

from chamberlist.embedded import browser, demo, runner
from chamberlist.embedded.processes import CannotRun, stop_with_parent


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m chamberlist.embedded", description=__doc__)
    parser.set_defaults(stop_with_parent=False)
    verbs = parser.add_subparsers(dest="verb", required=True)

    show = verbs.add_parser("demo", help="the whole site with sample data, until Ctrl-C")
    show.add_argument("--port", type=int, default=8000, help="where the site listens (8000)")
    show.add_argument("--dir", type=Path, default=Path(".demo"), help="where its data and logs are kept (.demo)")

    run = verbs.add_parser("run", help="one command on throw-away servers")
    run.add_argument("--fast", action="store_true", help="forgo the database's safety against power cuts")
    run.add_argument("--without-servers", action="store_true", help="set the environment only")
    run.add_argument("command", nargs="+", metavar="COMMAND", help="after --, with its arguments")

    for verb in (show, run):
        verb.add_argument("--stop-with-parent", action="store_true", help="end when the calling process ends")
    verbs.add_parser("browser", help="print the Chromium that the browser tests use, installing one if need be")
    return parser


def main() -> int:
    """Do what the command line says; returns the exit code."""
    chosen = options().parse_args()
    if chosen.stop_with_parent:
        stop_with_parent()
    try:
        if chosen.verb == "demo":
            return demo.run(chosen.dir.absolute(), chosen.port)
        if chosen.verb == "run":
            return runner.run(chosen.command, servers=not chosen.without_servers, fast=chosen.fast)
        print(browser.find())
    except CannotRun as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python
"""Django's command line for chamberlist; ``makekeys`` works before there is anything to configure."""

import argparse
import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

from chamberlist import keys
from chamberlist.redaction import redact


def makekeys(arguments: list[str]) -> str:
    """What ``makekeys`` prints."""
    parser = argparse.ArgumentParser("manage.py makekeys", description="Print a complete environment block with fresh secrets.")
    parser.add_argument("--address-key", action="store_true", help="print one new key alone, to stand first in ADDRESS_KEYS")
    return keys.fresh() if parser.parse_args(arguments).address_key else keys.block()


def main(arguments: list[str]) -> None:
    """Run one command; settings that cannot be used are one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chamberlist.settings")
    if arguments[1:2] == ["makekeys"]:
        print(makekeys(arguments[2:]))
        return
    try:
        execute_from_command_line(arguments)
    except ImproperlyConfigured as error:
        sys.exit(f"chamberlist cannot start: {error}")
    except OperationalError as error:
        sys.exit(f"The database does not answer, nothing was changed. It said: {redact(str(error))}")


if __name__ == "__main__":
    main(sys.argv)

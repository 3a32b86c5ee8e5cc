#!/usr/bin/env python
"""Django's command line for chamberlist; ``makekeys`` works before there is anything to configure."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

from chamberlist import keys
from chamberlist.redaction import redact


def main(arguments: list[str]) -> None:
    """Run one command; settings that cannot be used are one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chamberlist.settings")
    if arguments[1:] == ["makekeys"]:
        print(keys.block())
        return
    if arguments[1:] == ["makekeys", "--address-key"]:
        print(keys.fresh())
        return
    try:
        execute_from_command_line(arguments)
    except ImproperlyConfigured as error:
        sys.exit(f"chamberlist cannot start: {error}")
    except OperationalError as error:
        sys.exit(f"The database does not answer, nothing was changed. It said: {redact(str(error))}")


if __name__ == "__main__":
    main(sys.argv)

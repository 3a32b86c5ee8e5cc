"""The product with faults laid on it from outside: what it calls there raises, and says addresses while it does.

gunicorn serves ``tests.canary.crashing:application``, Celery runs ``-A tests.canary.crashing``; as a program it is ``manage.py``.
CRASHES names the folder with ``words.txt``, what is said; each fault that happened is noted there by its name.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import django

django.setup()

from django.core.management import execute_from_command_line  # noqa: E402 (models need the setup)
from django.db import IntegrityError  # noqa: E402

from chamberlist.celery import app as app  # noqa: E402
from chamberlist.wsgi import application as application  # noqa: E402
from posting.delivery import copies, ledger  # noqa: E402
from posting.inbound import receiving, routing  # noqa: E402
from posting.submission import senders  # noqa: E402
from subscriptions import lifecycle, mails, requests  # noqa: E402

FOLDER = Path(os.environ["CRASHES"])
POINTS: dict[str, tuple[Any, str]] = {
    "a view that leaves": (lifecycle, "unsubscribe"),
    "a view that signs in": (senders, "authenticate"),
    "a view that asks": (requests, "receive"),
    "a task": (lifecycle, "sweep"),
    "a request": (lifecycle, "sign_up"),
    "the reader of mail": (routing, "route"),
    "the door": (receiving, "take"),
    "a renderer": (mails, "confirmation"),
    "a copy": (copies, "build"),
    "a command": (ledger, "counts"),
}


def fault(point: str) -> Any:
    def crash(*arguments: object, **options: object) -> NoReturn:
        address = (FOLDER / "words.txt").read_text()
        everything = {
            "address": address,
            "raw": address.encode(),
            "arguments": arguments,
        }  # In reach of who prints local variables.
        (FOLDER / f"{point}.crashed").touch()
        try:
            raise IntegrityError(f"null value\nDETAIL:  Failing row contains (1, {address}).", everything)
        except IntegrityError:
            raise ValueError(f"{point}: <{address}>", address.encode(), json.dumps(everything["address"])) from LookupError(
                everything
            )

    return crash


for name in os.environ["CRASHING"].split(","):
    place, function = POINTS[name]
    setattr(place, function, fault(name))

if __name__ == "__main__":
    execute_from_command_line(["manage.py", *sys.argv[1:]])

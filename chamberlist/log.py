"""Logging: one line an event to standard error, redacted; and what ends a process or a thread is told there as well."""

import logging.config
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

from chamberlist.redaction import redact


def configuration(level: int | str) -> dict[str, Any]:
    """A ``logging.config.dictConfig`` for the site, the workers and the commands."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": "chamberlist.redaction.RedactingFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        # Django's own handlers would mail tracebacks with their local variables to the admins, or write past the redaction.
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            # The library of the door for mail logs envelopes and contents, word by word.
            "mail": {"handlers": [], "propagate": False, "level": "CRITICAL"},
        },
    }


def configure(configuration: dict[str, Any]) -> None:
    """Log so; and nor does an exception that nobody catches quote an address (a command's, a thread's)."""
    logging.config.dictConfig(configuration)
    sys.excepthook = _tell
    if threading.excepthook is threading.__excepthook__:  # Tests listen to it themselves.
        threading.excepthook = lambda told: _tell(told.exc_type, told.exc_value, told.exc_traceback)


def _tell(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))

"""Logging: one line an event to standard error, redacted."""

from typing import Any


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

"""What gunicorn logs by itself, redacted: it quotes requests that it cannot read, and at its debug level all of them."""

from typing import Any

from gunicorn.glogging import Logger

from chamberlist.redaction import RedactingFormatter


class RedactingLogger(Logger):  # type: ignore[misc]
    """For ``--logger-class``."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            line = handler.formatter
            handler.setFormatter(RedactingFormatter(line._fmt if line else None, line.datefmt if line else None))

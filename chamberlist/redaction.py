"""Addresses out of text that is kept or logged: what servers answer and what libraries log may quote them."""

import logging
import re

MASK = "[address]"
# Broad on purpose: a lost word in a log costs less than an address in it. Quoted local parts first, then atoms of any script.
# An atom is tried from its start alone: else a long word without "@" would take the square of its length.
ADDRESS = re.compile(r'"(?:[^"\\\r\n]|\\.){1,64}"@[^\s<>"\',;()]+|(?<![^\s<>"\',;:()\[\]=])[^\s<>"\',;:()\[\]=]+@[^\s<>"\',;()]+')


def redact(text: str) -> str:
    """The text with each mail address replaced by ``[address]``."""
    return ADDRESS.sub(MASK, text) if "@" in text else text


class RedactingFormatter(logging.Formatter):
    """Redacts the finished line, its arguments and traceback included, whoever logged it."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))

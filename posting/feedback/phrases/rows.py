"""Rows: what a table of phrases is made of."""

import re

MAILBOX, TRANSIENT, POLICY, CONTENT, UNKNOWN = "mailbox", "transient", "policy", "content", "unknown"

Row = tuple[str, ...]  # A cause, and the patterns that mean it.


def any_of(*patterns: str) -> re.Pattern[str]:
    """One pattern that finds any of these, in either case of letters."""
    return re.compile("|".join(patterns), re.IGNORECASE)

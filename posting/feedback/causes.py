"""Causes: why a copy came back, by what a mail server said of it."""

import re

MAILBOX = re.compile(r"5\.1\.[0-36]|5\.1\.10|5\.2\.1")
TRANSIENT = re.compile(r"4\.\d+\.\d+|5\.2\.2")
POLICY = re.compile(r"5\.7\.\d+")
CONTENT = re.compile(r"5\.6\.\d+|5\.3\.4")


def cause(status: str, diagnostic: str, *, action: str = "failed") -> str:
    """A word of ``DeliveryEvent.Cause``, by the enhanced status (RFC 3463) and the words of the server."""
    if action != "failed":
        return "transient"
    for pattern, found in ((MAILBOX, "mailbox"), (TRANSIENT, "transient"), (POLICY, "policy"), (CONTENT, "content")):
        if pattern.fullmatch(status):
            return found
    return "unknown"

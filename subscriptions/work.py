"""The work that a browser does before a request is taken: costly to find, one hash to check, and no third party in it."""

import hashlib
import re

COUNTER = re.compile(r"[0-9]{1,15}")  # What JavaScript counts to exactly.


def is_done(token: str, counter: str, *, bits: int) -> bool:
    """Whether SHA-256 of the token, a colon and the counter begins with ``bits`` zero bits."""
    if COUNTER.fullmatch(counter) is None:
        return False
    digest = hashlib.sha256(f"{token}:{counter}".encode()).digest()
    return int.from_bytes(digest, "big") >> (256 - bits) == 0

"""Fingerprints: by its subject and text a copy is known again, whatever a faulty server did to its headers. Pure text."""

import hashlib
import re
import unicodedata

LENGTH = 300  # Letters and digits that are compared: what servers add stands at the end.
PREFIXES = re.compile(r"^(?:\s*(?:\[[^\]]{1,40}\]|(?:re|fwd?|aw|wg|sv|vs|antw|rif|tr)(?:\[\d+\])?:))+\s*", re.IGNORECASE)
FOOT = re.compile(r"^-- ?$", re.MULTILINE)


def of(subject: str, text: str) -> str:
    """32 hexadecimal digits that survive other line breaks, encodings and prefixes; "" where there is nothing to compare."""
    words = _letters(FOOT.split(text, maxsplit=1)[0][: LENGTH * 20])[:LENGTH]
    title = _letters(PREFIXES.sub("", subject[:400]))
    return hashlib.sha256(f"{title}\0{words}".encode()).hexdigest()[:32] if words else ""


def _letters(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKC", text).lower() if char.isalnum())

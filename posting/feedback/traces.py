"""Traces: what a returned message still shows of which copy it was, in our own Message-ID, links and addresses. Nothing here is proven yet."""

import re
from collections.abc import Iterable
from typing import NamedTuple

MOST = 20  # Of each kind: a report is about one copy, or a few.
TOKEN = r"([a-z2-7]{52})(?![a-z2-7])"  # noqa: S105 (The form of ``chamberlist.tokens``: two times 16 octets in base32.)
LOCAL = re.compile(rf"(?<![a-z0-9.-])(b|leave|r)-{TOKEN}")
LINK = re.compile(rf"/leave/{TOKEN}")


class Traces(NamedTuple):
    """``handles``: the 32 digits before the @ of our Message-IDs; ``tokens``: local parts of addresses of ours, ``b-...``, ``leave-...``, ``r-...``."""

    handles: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()


def find(texts: Iterable[str], domain: str) -> Traces:
    """What these texts show, in order and each once."""
    ours = re.compile(rf"(?<![0-9a-z])([0-9a-f]{{32}})@{re.escape(domain.lower())}(?![a-z0-9.-])")
    handles: dict[str, None] = {}
    tokens: dict[str, None] = {}
    for text in texts:
        lowered = text.lower()
        handles.update(dict.fromkeys(ours.findall(lowered)))
        tokens.update(dict.fromkeys(f"{prefix}-{token}" for prefix, token in LOCAL.findall(lowered)))
        tokens.update(dict.fromkeys(f"leave-{token}" for token in LINK.findall(lowered)))
    return Traces(tuple(handles)[:MOST], tuple(tokens)[:MOST])

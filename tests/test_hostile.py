"""Ten thousand hostile messages (HOSTILE=10000; fewer without) through what reads them: no crash, no line break, bounded time."""

import os
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from chamberlist import parsing
from posting.inbound import authentication, lookups
from posting.inbound.authentication import Question
from posting.inbound.examining import Arrived, Examined, examine
from tests import hostile, hostilecontents

NUMBER = int(os.environ.get("HOSTILE", "1500"))
SHARES = 4  # Tests that share the messages out, so that they run beside each other.
SECONDS = 1.0  # Of processor time for one message; twice what the slowest takes on a slow machine.
APPROVED = b"Approved: correct horse battery staple\r\n"
FIELDS = (*hostilecontents.EVERY, "Content-Type", "Content-Disposition", "Authentication-Results", "Auto-Submitted")

share = pytest.mark.parametrize("share", range(SHARES))


def some(share: int) -> Iterator[tuple[str, bytes]]:
    """The messages of one share; every other share has a password in front of each."""
    return hostile.messages(NUMBER // SHARES, seed=share, head=APPROVED if share % 2 else b"")


def bounded(kind: str, raw: bytes, began: float, *, seconds: float = SECONDS) -> None:
    spent = time.process_time() - began
    assert spent < seconds, f"{kind}, {len(raw):,} octets: {spent:.1f} s"


@share
def test_a_hostile_message_is_read_or_refused(share: int):
    refused: Counter[str] = Counter()
    for kind, raw in some(share):
        began = time.process_time()
        try:
            message = parsing.parse(raw)
        except parsing.Unreadable as error:
            assert str(error).endswith(".")
            refused[kind] += 1
            continue
        for name in FIELDS:
            values = parsing.headers(message, name)
            assert parsing.header(message, name) == (values[0] if values else "")
            assert not any(character in value for value in values for character in "\r\n\0\x85\u2028\u202e\ud800"), (kind, values)
        for leaf in parsing.leaves(message):
            text = parsing.text(leaf)
            assert "\r" not in text and "\0" not in text
            text.encode()
        bounded(kind, raw, began)
    assert refused["nested_digests"], "the bounds are never reached"
    assert not refused["charsets"] and not refused["hidden_line_breaks"], "what can be read is refused"


@share
def test_a_hostile_message_is_examined(share: int):
    for kind, raw in some(share):
        began = time.process_time()
        assert isinstance(examine(Arrived("anne@bakery.example", "list", raw, "lists.chamber.example")), Examined)
        bounded(kind, raw, began)


@share
def test_nobody_knows_who_sent_a_hostile_message(share: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lookups.Lookups, "ask", no_server)
    for kind, raw in some(share):
        for authserv_id in ("", "mx.chamber.example"):
            began = time.process_time()
            answer = authentication.check(Question(raw, "anne@bakery.example", authserv_id))
            assert answer.dkim != "pass" and answer.dmarc != "pass" and not answer.aligned
            bounded(kind, raw, began)


def no_server(_: object, name: str) -> None:
    raise lookups.Unanswered


def test_the_messages_are_many_kinds_and_the_same_each_time():
    made = list(hostile.messages(600, head=APPROVED))
    assert made == list(hostile.messages(600, head=APPROVED))
    assert len({kind for kind, _ in made}) >= 40
    assert max(len(raw) for _, raw in made) <= hostilecontents.LARGEST
    assert all(raw.startswith(APPROVED) for _, raw in made)
    dear = [kind for kind, _ in made if kind in {each.__name__ for each in hostile.DEAR}]
    assert len(dear) * 40 == len(made)

"""Samples: what is in the tables beside this file, as messages and what is expected of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.bounces.forms import FORMS, Refusal

HERE = Path(__file__).parent
JANE = "jane.baker@recipient.example"


class Sample(NamedTuple):
    """One bounce: ``causes`` are those that are right, none where nobody could tell."""

    name: str
    raw: bytes
    recipients: frozenset[str]
    causes: frozenset[str]


def made(table: str) -> Iterator[Sample]:
    """The rows of ``refusals.txt`` or ``heldout.txt``, each in its form."""
    for line in _lines(table):
        form, status, *said, causes = (each.strip() for each in line.split("|"))
        words = "|".join(said).replace("{a}", JANE).replace("\\n", "\n")
        raw = FORMS[form](Refusal(JANE, status, words))
        yield Sample(f"{form}: {status} {words}", raw, frozenset({JANE}), frozenset(causes.split()))


def olden() -> Iterator[Sample]:
    """The messages of flufl.bounce, which are up to thirty years old."""
    for line in _lines("olden.txt"):
        name, recipients, causes = (each.strip() for each in line.split("|"))
        raw = (HERE / "flufl" / f"{name}.txt").read_bytes()
        yield Sample(name, raw, frozenset(recipients.split()), frozenset(causes.split()))


def _lines(table: str) -> list[str]:
    lines = (HERE / table).read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]

"""What a benchmark is told, and what it tells."""

import json
import sys
from dataclasses import dataclass
from statistics import median


class Missing(Exception):
    """A program that this case needs is not there; the message says what to install."""


@dataclass(frozen=True)
class Report:
    """The sizes of a run, and where its figures go."""

    members: int
    largest: int
    runs: int

    def tell(self, case: str, values: list[float], unit: str, *, yardstick: list[float] | None = None, **more: object) -> None:
        """The median of the runs, and that of its ratio to the yardstick measured beside each run."""
        line: dict[str, object] = {"case": case, "value": _short(median(values)), "unit": unit}
        if yardstick is not None:
            line["ratio"] = _short(median(value / beside for value, beside in zip(values, yardstick, strict=True)))
        print(json.dumps(line | more), flush=True)

    def skip(self, case: str, why: str) -> None:
        """A case that cannot be run here."""
        print(json.dumps({"case": case, "skipped": why}), flush=True)

    def say(self, text: str) -> None:
        """Progress."""
        print(text, file=sys.stderr, flush=True)


def _short(value: float) -> float:
    return round(value, 3) if value < 10 else round(value, 1)

"""Whether the time of an answer tells in which state an address is: the difference of medians, with what can be known about it.

The states are asked in turn, in a random order within each round, so that what else the machine does falls on all of them
alike; every sample counts. What follows is a 95 % interval for the difference of two states' medians, by drawing rounds again
(bootstrap, seeded). Two states answer in the same time where it lies within 2 ms of nothing, or within 5 % of the time itself.

A series asks 500 times in all at least, all states together. A machine with much else to do makes the interval wide: then a longer
series is made, anew, and at last one of 500 samples of each state. So "differs" is said only if all three say so: a difference
that is there is found in each of them, and what cannot be told apart from one is not the same.
"""

import gc
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil
from statistics import median

SAMPLES, DRAWS = 500, 1_000
AT_LEAST, SHARE = 0.002, 0.05  # Seconds; of the larger median.
WARM_UP = 5  # Rounds before the first that counts: a connection is made, a template is read.

Clock = Callable[[], float]


def nothing(_number: int) -> None:
    """What a state needs that stays as it is."""


@dataclass(frozen=True)
class Case:
    """One state: the request, and what is done before it, unmeasured. Both are given a number that no other sample has."""

    request: Callable[[int], object]
    prepare: Callable[[int], object] = nothing


@dataclass(frozen=True)
class Difference:
    """Between the medians of two states, in seconds, and how much of it is nothing."""

    one: str
    other: str
    low: float
    high: float
    limit: float

    @property
    def is_nothing(self) -> bool:
        return -self.limit <= self.low and self.high <= self.limit

    @property
    def is_one(self) -> bool:
        """Whether the whole interval lies on one side of nothing: not merely too little is known."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.one} - {self.other}: {self.low * 1e3:+.2f} to {self.high * 1e3:+.2f} ms, limit {self.limit * 1e3:.2f} ms"


@dataclass(frozen=True)
class Verdict:
    """What the last series said; ``differences`` are the largest first, ``samples`` those of each state."""

    medians: dict[str, float]
    samples: int
    differences: list[Difference]
    series: int

    @property
    def says(self) -> str:
        return "same" if all(each.is_nothing for each in self.differences) else "differs"

    def __str__(self) -> str:
        times = ", ".join(f"{name} {value * 1e3:.2f}" for name, value in self.medians.items())
        return f"{self.says} in series {self.series}, {self.samples} samples of each; {self.differences[0]}; medians in ms: {times}"


def lengths(states: int) -> tuple[int, ...]:
    """Of each series, in samples of each state."""
    shortest = ceil(SAMPLES / states)
    return shortest, max(shortest, SAMPLES // 2), SAMPLES


def compare(cases: Mapping[str, Case], *, seed: int, series: Sequence[int] = (), clock: Clock = time.perf_counter) -> Verdict:
    """Ask until a series says that the states answer in the same time; ``series`` are their lengths."""
    for number, samples in enumerate(series or lengths(len(cases)), 1):
        found = judged(measured(cases, samples=samples, seed=seed + number, clock=clock), seed=seed, series=number)
        if found.says == "same":
            break
    return found


def measured(cases: Mapping[str, Case], *, samples: int, seed: int, clock: Clock = time.perf_counter) -> dict[str, list[float]]:
    """The times of each state, by rounds."""
    chance, order = random.Random(seed), list(cases)
    times: dict[str, list[float]] = {name: [] for name in cases}
    number = seed * 100_000
    for turn in range(-WARM_UP, samples):
        chance.shuffle(order)
        for name in order:
            number += 1
            cases[name].prepare(number)
            gc.disable()  # Else the garbage of all would be collected in the time of one.
            before = clock()
            cases[name].request(number)
            taken = clock() - before
            gc.enable()
            if turn >= 0:
                times[name].append(taken)
    return times


def judged(times: Mapping[str, list[float]], *, seed: int, series: int = 1) -> Verdict:
    """What the samples say. Rounds are drawn, not samples: what made a round slow made it slow for all."""
    chance, rounds = random.Random(seed), range(len(next(iter(times.values()))))
    drawn: dict[str, list[float]] = {name: [] for name in times}
    for _ in range(DRAWS):
        chosen = chance.choices(rounds, k=len(rounds))
        for name, values in times.items():
            drawn[name].append(median([values[turn] for turn in chosen]))
    medians = {name: median(values) for name, values in times.items()}
    found = []
    for one, other in combinations(times, 2):
        apart = sorted(a - b for a, b in zip(drawn[one], drawn[other], strict=True))
        low, high = apart[int(DRAWS * 0.025)], apart[int(DRAWS * 0.975) - 1]
        found.append(Difference(one, other, low, high, max(AT_LEAST, SHARE * max(medians[one], medians[other]))))
    found.sort(key=lambda each: max(-each.low, each.high) / each.limit, reverse=True)
    return Verdict(medians, len(rounds), found, series)

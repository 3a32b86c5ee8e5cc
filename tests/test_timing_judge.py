"""The judge of the timing tests: it sees what is beyond the limit, and nothing else."""

import random

import pytest

from tests import timing
from tests.timing import Case, Verdict

SEED = 20060123


def made_up(*, apart: float, samples: int = 500, spread: float = 0.002, at: float = 0.004) -> Verdict:
    chance = random.Random(SEED)
    noise = [chance.lognormvariate(0, 1) * spread for _ in range(samples)]  # Of the round: it falls on all alike.
    times = {name: [at + each + chance.random() * spread for each in noise] for name in ("one", "other", "third")}
    return timing.judged(times | {"slow": [each + apart for each in times["one"]]}, seed=SEED)


@pytest.mark.parametrize(("apart", "at", "says"), [
    (0.0, 0.004, "same"),
    (0.001, 0.004, "same"),
    (0.0025, 0.004, "differs"),
    (-0.0025, 0.004, "differs"),
    (0.005, 0.004, "differs"),
    (0.005, 0.2, "same"),  # 5 % of it are ten milliseconds.
    (0.02, 0.2, "differs"),
])  # fmt: skip
def test_the_judge_sees_what_is_beyond_the_limit_and_nothing_else(apart: float, at: float, says: str):
    verdict = made_up(apart=apart, at=at)
    assert verdict.says == says, str(verdict)
    assert ("slow" in (verdict.differences[0].one, verdict.differences[0].other)) or not apart


def test_the_judge_does_not_take_too_few_samples_for_sameness():
    """What cannot be told apart from a difference is not the same."""
    assert made_up(apart=0.0, samples=8, spread=0.02).says == "differs"


def test_the_judge_comes_to_the_same_end_each_time():
    assert str(made_up(apart=0.001)) == str(made_up(apart=0.001))


def test_every_sample_counts_and_each_round_has_an_order_of_its_own():
    asked: list[str] = []
    ticks = iter(range(10**6))
    cases = {name: Case(lambda _, name=name: asked.append(name)) for name in "abc"}  # type: ignore[misc]
    times = timing.measured(cases, samples=20, seed=SEED, clock=lambda: float(next(ticks)))
    assert {name: len(values) for name, values in times.items()} == dict.fromkeys("abc", 20)
    rounds = {tuple(asked[start : start + 3]) for start in range(0, len(asked), 3)}
    assert len(rounds) >= 5 and all(set(each) == set("abc") for each in rounds)

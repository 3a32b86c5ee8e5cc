"""The ledger alone, at different sizes: what expanding costs, and what a copy costs at the beginning, the middle and the end."""

import time
from collections.abc import Container, Iterable
from itertools import pairwise
from unittest import mock

from django.db import connection

from bench import product
from bench.report import Report
from posting.delivery import audience, dispatch
from posting.delivery.desk import Answer, Job
from posting.delivery.lanes import Hold
from posting.delivery.replies import Verdict, reply
from posting.models import Delivery

PART = 20_000
SIZES = (10_000, 100_000, 1_000_000)
YES = Verdict("content", reply(250, b"2.0.0 OK"))


class AtOnce:
    """A wire to nobody, who says yes to every copy at once and looks at the clock after every so many."""

    is_open, is_hanging, trouble = True, False, ""

    def __init__(self, hold: Hold, every: int) -> None:
        self.answers: list[Answer] = []
        self.every, self.taken, self.times = every, 0, [time.monotonic()]

    def open(self) -> None:
        pass

    def push(self, jobs: Iterable[Job]) -> None:
        before = self.taken
        for marked in (job.marked for job in jobs):
            self.answers.append(Answer(marked.id, marked.post_id, YES))
            self.taken += 1
        if before // self.every < self.taken // self.every:
            self.times.append(time.monotonic())

    def allow(self, ids: Container[int], asked_at: float) -> None:
        pass

    def take(self, timeout: float, *, enough: int) -> list[Answer]:
        taken, self.answers = self.answers, []
        return taken

    def close(self, *, seconds: float) -> None:
        pass


def scale(report: Report) -> None:
    """Each size once: a run of the largest takes minutes."""
    small = 0.0
    for size in (size for size in SIZES if size <= report.largest):
        report.say(f"writing {size} members ...")
        post = product.an_accepted_post(product.a_list(f"scale-{size}", size))
        started = time.monotonic()
        assert audience.expand(post.pk)
        report.tell(f"scale, {size}: expand", [time.monotonic() - started], "s")
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {Delivery._meta.db_table}")
        times = _times(min(PART, size))
        costs = [1e6 * (later - earlier) / min(PART, size) for earlier, later in pairwise(times)]
        small = small or costs[0]
        places = {"first": costs[0], "middle": costs[len(costs) // 2], "last": costs[-1]}
        for place, cost in places.items():
            report.tell(f"scale, {size}: ledger, {place} {min(PART, size)}", [cost], "us/copy", yardstick=[small])
        post.deliveries.all().delete()


def _times(every: int) -> list[float]:
    """When each so many copies had gone, by one lane."""
    wires: list[AtOnce] = []

    def open_wire(hold: Hold) -> AtOnce:
        wires.append(AtOnce(hold, every))
        return wires[0]

    with mock.patch.object(dispatch, "open_wire", open_wire):
        dispatch.run_lane(1, seconds=3600)
    return wires[0].times

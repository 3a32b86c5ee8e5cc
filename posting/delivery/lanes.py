"""Lanes: who may hand copies over now. A lease in Postgres, proven by a fencing token."""

import time
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F, Q

from chamberlist.clock import Now
from posting.models import Lane

SECONDS = 60.0
LEASE = timedelta(seconds=SECONDS)
MARGIN = 10.0  # Seconds of lease that must be left when the final dot is written.
LONGEST_REST = 15 * 60


def _both_clocks() -> tuple[float, float]:
    """Boot time counts a suspended machine's sleep; wall time counts what a frozen virtual machine's host knows."""
    return time.clock_gettime(time.CLOCK_BOOTTIME), time.time()


@dataclass
class Hold:
    """The lease that this process holds on a lane."""

    number: int
    token: int
    taken: tuple[float, float] = field(default_factory=_both_clocks)

    def seconds_left(self) -> float:
        """How long the lease is surely ours, by the faster of the two clocks; a clock set back ends it."""
        boot, wall = _both_clocks()
        boot_passed, wall_passed = boot - self.taken[0], wall - self.taken[1]
        return SECONDS - max(boot_passed, wall_passed) if boot_passed >= 0 and wall_passed >= 0 else 0.0


TAKE = """
    UPDATE posting_lane l
    SET token = token + 1, leased_until = clock_timestamp() + %s * interval '1 second', marked = '{}'
    WHERE number = %s AND COALESCE(leased_until, '-infinity') <= clock_timestamp()
      AND COALESCE(rests_until, '-infinity') <= clock_timestamp()
      AND NOT EXISTS (SELECT FROM posting_delivery d WHERE d.id = ANY(l.marked) AND d.state = 'sending' AND d.lane_id = l.number)
    RETURNING token
"""


def take(number: int) -> Hold | None:
    """Take the lane, unless somebody holds it or it rests; raises its fencing token.

    Nor while a copy that its last holder marked has no end (``ledger.recover``): the lane is all that knows where those are.
    """
    Lane.objects.get_or_create(number=number)
    taken = _both_clocks()
    with transaction.atomic(), connection.cursor() as cursor:
        Lane.objects.select_for_update().get(number=number)  # What its holder commits at this moment is seen by what follows.
        cursor.execute(TAKE, [SECONDS, number])
        row = cursor.fetchone()
    return Hold(number, row[0], taken) if row else None


def renew(hold: Hold) -> bool:
    """Prolong the lease; False when the lane has a new holder."""
    taken = _both_clocks()
    mine = Lane.objects.filter(number=hold.number, token=hold.token, leased_until__gt=Now())
    if not mine.update(leased_until=Now() + LEASE):
        return False
    hold.taken = taken
    return True


def release(hold: Hold) -> None:
    """Give the lane back."""
    Lane.objects.filter(number=hold.number, token=hold.token).update(leased_until=None)


def rest(hold: Hold) -> None:
    """The relay refused us: come back later, twice as late each time."""
    lane = Lane.objects.get(number=hold.number)
    pause = timedelta(seconds=min(5 * 2**lane.failures, LONGEST_REST))
    Lane.objects.filter(number=hold.number, token=hold.token).update(failures=F("failures") + 1, rests_until=Now() + pause)


def works(hold: Hold) -> None:
    """The relay takes our mail again."""
    Lane.objects.filter(number=hold.number, token=hold.token).exclude(failures=0).update(failures=0, rests_until=None)


def idle(count: int) -> list[int]:
    """Which of the lanes 1 to ``count`` nobody holds and need no rest."""
    busy = Lane.objects.filter(Q(leased_until__gt=Now()) | Q(rests_until__gt=Now())).values_list("number", flat=True)
    return sorted(set(range(1, count + 1)) - set(busy))

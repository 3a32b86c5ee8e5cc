"""The pace: how many copies may leave, all lanes together, by a row in Postgres that no restart empties.

It is a bucket: what flows in at DELIVERY_RATE is drawn out by the lanes, and no more than a second's worth is ever in it. A new
installation starts slowly, since receivers distrust a sender who begins with thousands; COPIES_AN_HOUR bounds it whatever happens.
"""

import math
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from chamberlist import systemmail
from chamberlist.clock import now
from posting.models import Pace

START = 30  # Copies a minute at the very beginning.
GROWTH = 60  # The pace a minute is a 60th of all copies so far: from 1,800 copies on it doubles in 42 minutes of sending.
AT_ONCE = 1.0  # Seconds' worth of copies that may leave together.
NOT_BEFORE = 0.25  # Seconds between two draws of a lane that found the bucket empty: a few copies are a group, too.
MOST = 64  # Groups that a lane draws at a time, where there are so many: a commit less for each copy.
HOUR = timedelta(hours=1)


@dataclass
class Ration:
    """What one lane has drawn and not used yet."""

    left: int = 0
    ask_at: float = 0.0  # By ``time.monotonic()``.

    def for_a(self, group: int) -> int:
        """How many copies may be marked now, a group at most."""
        if self.left < group and time.monotonic() >= self.ask_at:
            drawn, wait = draw(MOST * group)
            self.left += drawn
            self.ask_at = time.monotonic() + wait
        # Of few sizes, since each has a plan of its own in Postgres.
        return group if self.left >= group else 1 << self.left.bit_length() >> 1

    def give_back(self) -> None:
        """What was not used was not sent: it counts for no hour, and makes no installation older. The bucket stays empty."""
        Pace.objects.filter(pk=1).update(in_hour=Greatest(F("in_hour") - self.left, 0), drawn=Greatest(F("drawn") - self.left, 0))
        self.left = 0


@transaction.atomic
def draw(wanted: int) -> tuple[int, float]:
    """Take up to ``wanted`` copies out of the bucket: how many there were, and for how many seconds not to ask again."""
    Pace.objects.get_or_create(pk=1)
    pace, moment = Pace.objects.select_for_update().get(pk=1), now()
    rate, hour = per_second(pace), moment.replace(minute=0, second=0, microsecond=0)
    full = _full(pace, moment, rate)
    # A clock that steps back over the full hour, and forth again, must not open a new one each time.
    counted = pace.hour if pace.hour and hour <= pace.hour <= hour + HOUR else hour
    room = settings.COPIES_AN_HOUR - (pace.in_hour if pace.hour == counted else 0)
    drawn = max(0, min(wanted, math.floor(full), room))
    if drawn:
        pace.hour, pace.in_hour = counted, settings.COPIES_AN_HOUR - room + drawn
        pace.drawn += drawn
        pace.paid_until = moment - timedelta(seconds=(full - drawn) / rate)
        pace.save()
    if room <= drawn:
        _tell_of_the_cap()
        return drawn, (counted + HOUR - moment).total_seconds()
    return drawn, 0.0 if drawn == wanted else max(NOT_BEFORE, (1 + drawn - full) / rate)


def per_second(pace: Pace) -> float:
    """How many copies a second flow in now."""
    return min(settings.DELIVERY_RATE, max(START, pace.drawn / GROWTH)) / 60


def _full(pace: Pace, moment: datetime, rate: float) -> float:
    """How many copies are in the bucket."""
    most = max(1.0, rate * AT_ONCE)
    if pace.paid_until is None or pace.paid_until > moment:  # New, or the clock was set back.
        return most
    return min(most, (moment - pace.paid_until).total_seconds() * rate)


def _tell_of_the_cap() -> None:
    systemmail.alert(
        "copies an hour",
        "The cap on copies an hour is reached",
        f"{settings.COPIES_AN_HOUR} copies have left in this hour, and the setting COPIES_AN_HOUR allows no more. The others wait "
        "for the next hour, as long as their post lives. If so many are meant to leave, the operator can raise it.",
    )

"""Turns: where a lane takes its next group from. Its places stand in a circle, so that a small post waits behind no large one."""

import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime

from posting.delivery import ledger
from posting.delivery.lanes import Hold
from posting.delivery.ledger import Marked, Outcome, Place

LOOK_AGAIN = 0.5  # Seconds after which a lane looks for posts that came since.
READS = 20  # In one turn: a post whose members have all left must not keep the lane from its other work.


class Turns:
    """What a lane remembers of the queue: the places where copies wait, in their circle, and how far it has read each.

    Reading on from the last row keeps the cost of a copy the same at the end of a large post: the rows before it are dead.
    """

    def __init__(self) -> None:
        self.places: deque[Place] = deque()
        self.recent: list[int] = []
        self.read_to: dict[Place, tuple[datetime | None, int]] = {}
        self.looked_at = 0.0
        self.is_cut_short = False  # Whether the last claim ended before it had read all that is due.

    def claim(self, hold: Hold, *, limit: int, taken: Sequence[Outcome] = ()) -> list[Marked]:
        """The next group, all of one post, marked for good; empty where nothing is due. What was ``taken`` is recorded with it."""
        self.is_cut_short = False
        is_new = False
        while not is_new:  # What was seen last may be read to its end while other copies wait elsewhere.
            is_new = self._look(hold)
            for _ in range(len(self.places)):
                place = self.places[0]
                self.places.rotate(-1)
                marked = self._from(hold, place, limit, taken)
                taken = ()
                if marked or self.is_cut_short:
                    return marked
            self.forget()
        ledger.record(hold, taken)
        return []

    def forget(self) -> None:
        """Begin anew: what was marked was not committed, or others may have put rows back that were passed."""
        self.places.clear()
        self.read_to.clear()
        self.looked_at = 0.0

    def _look(self, hold: Hold) -> bool:
        """Learn where copies wait; whether it was time to."""
        if time.monotonic() - self.looked_at < LOOK_AGAIN:
            return False
        ledger.note_begun()
        found = ledger.open_places()
        order = list(found)
        if found and not self.places:  # Not each time with the oldest: if there the relay hangs up, the others would wait.
            start = hold.token % len(order)
            order = order[start:] + order[:start]
        known = [place for place in self.places if place in found]
        self.recent = ledger.recent_posts()
        self.places = deque([*known, *(place for place in order if place not in known)])
        self.read_to = {place: self.read_to.get(place, begin) for place, begin in found.items()}
        self.looked_at = time.monotonic()
        return True

    def _from(self, hold: Hold, place: Place, limit: int, taken: Sequence[Outcome]) -> list[Marked]:
        for _ in range(READS):
            claim = ledger.claim(hold, place, limit=limit, after=self.read_to[place], recent=self.recent, taken=taken)
            taken = ()
            if claim.last is None:
                self.places.remove(place)
                del self.read_to[place]
                return []
            self.read_to[place] = claim.last
            if claim.marked:
                return claim.marked
        self.is_cut_short = True
        return []

"""Turns: which post a lane takes its next group from. They stand in a circle, so that a small one waits behind no large one."""

import time
from collections import deque
from datetime import datetime

from posting.delivery import ledger
from posting.delivery.lanes import Hold
from posting.delivery.ledger import BEGINNING, Marked

LOOK_AGAIN = 0.5  # Seconds after which a lane looks for posts that came since.
READS = 20  # In one transaction: a post whose members have all left must not keep the lane from its other work.


class Turns:
    """What a lane remembers of the queue: the posts in their circle, and how far it has read each.

    Reading on from the last row keeps the cost of a copy the same at the end of a large post: the rows before it are dead.
    """

    def __init__(self) -> None:
        self.posts: deque[int] = deque()
        self.recent: list[int] = []
        self.read_to: dict[int, tuple[datetime, int]] = {}
        self.looked_at = 0.0
        self.is_cut_short = False  # Whether the last claim ended before it had read all that is due.

    def claim(self, hold: Hold, *, limit: int) -> list[Marked]:
        """The next group, all of one post; empty where nothing is due. The caller's transaction marks them."""
        self._look(hold)
        self.is_cut_short = False
        for _ in range(len(self.posts)):
            post_id = self.posts[0]
            self.posts.rotate(-1)
            marked = self._from(hold, post_id, limit)
            if marked or self.is_cut_short:
                return marked
        self.forget()
        return []

    def forget(self) -> None:
        """Begin anew: what was marked was not committed, or others may have put rows back that were passed."""
        self.posts.clear()
        self.read_to.clear()
        self.looked_at = 0.0

    def _look(self, hold: Hold) -> None:
        if time.monotonic() - self.looked_at < LOOK_AGAIN:
            return
        found = ledger.open_posts()
        if found and not self.posts:  # Not each time with the oldest: if there the relay hangs up, the others would wait.
            start = hold.token % len(found)
            found = found[start:] + found[:start]
        known = [post_id for post_id in self.posts if post_id in found]
        self.recent = ledger.recent_posts()
        self.posts = deque([*known, *(post_id for post_id in found if post_id not in known)])
        self.looked_at = time.monotonic()

    def _from(self, hold: Hold, post_id: int, limit: int) -> list[Marked]:
        for _ in range(READS):
            after = self.read_to.get(post_id, BEGINNING)
            claim = ledger.claim(hold, post_id, limit=limit, after=after, recent=self.recent)
            if claim.last is None:
                self.read_to.pop(post_id, None)
                return []
            self.read_to[post_id] = claim.last
            if claim.marked:
                return claim.marked
        self.is_cut_short = True
        return []

"""The desk: what every way out of here shares, between the lane that pushes copies and the sessions that hand them over."""

import time
from collections import deque
from collections.abc import Container, Iterable
from typing import NamedTuple

from posting.delivery.copies import Compiled, Values
from posting.delivery.lanes import MARGIN, Hold
from posting.delivery.ledger import Marked
from posting.delivery.replies import Verdict

FRESH = 0.5  # Seconds that an answer of the ledger may be old when a final dot, or a request, is written.
BARREN = 3  # So many in a row that took nothing: it is about who takes our mail, not about a copy.


class Answer(NamedTuple):
    """How the hand-over of one marked copy ended."""

    delivery_id: int
    post_id: int
    verdict: Verdict


class Job(NamedTuple):
    """A copy to hand over. Its own values may be there already, derived twice: to build it, and to check it."""

    compiled: Compiled
    marked: Marked
    own: Values | None = None
    own_again: Values | None = None


class Desk:
    """Copies that wait, the ledger's latest answer about them, and how each ended."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        self.is_open, self.is_hanging, self.trouble = False, False, ""
        self.permit: tuple[Container[int], float] = (frozenset(), 0.0)
        self.jobs: deque[Job] = deque()
        self.answers: list[Answer] = []
        self.enough = 1
        self.is_closing = False

    def push(self, jobs: Iterable[Job]) -> None:
        """Copies to hand over, in this order."""
        self.jobs.extend(jobs)
        self._call()

    def allow(self, ids: Container[int], asked_at: float) -> None:
        """The ledger's latest answer: which copies may leave, asked at that ``time.monotonic()``."""
        self.permit = (ids, asked_at)
        self._call()

    def has_news(self) -> bool:
        """Whether as many copies have ended as are waited for."""
        return len(self.answers) >= self.enough

    def taken(self) -> list[Answer]:
        """What has ended."""
        taken, self.answers = self.answers, []
        return taken

    def may_leave(self, delivery_id: int) -> bool | None:
        """Whether this copy may leave at this moment; None: it cannot be said."""
        ids, asked_at = self.permit
        if delivery_id not in ids:
            return False
        if time.monotonic() - asked_at > FRESH or self.hold.seconds_left() < MARGIN:
            return None
        return True

    def _call(self) -> None:
        """Wake who hands over: there are copies, there is a new answer, or it is over."""
        raise NotImplementedError

    def _tell(self) -> None:
        """Wake who takes the answers."""
        raise NotImplementedError

    def _give_up(self, why: str) -> None:
        """Nothing is taken from us now, whoever it is for."""
        if not self.is_closing:
            self.trouble = self.trouble or why
        self._return_jobs()
        self._call()
        self._tell()

    def _return_jobs(self) -> None:
        while self.jobs:
            marked = self.jobs.popleft().marked
            self._answer(marked.id, marked.post_id, Verdict("stopped"))

    def _answer(self, delivery_id: int, post_id: int, verdict: Verdict) -> None:
        self.answers.append(Answer(delivery_id, post_id, verdict))
        if not verdict.is_sent:  # It may be about the post: the lane judges it at once.
            self.enough = 1
        if len(self.answers) >= self.enough:
            self._tell()

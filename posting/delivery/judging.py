"""Judging: what the relay's answers mean, for each copy its end, and for its post whether it must stop. It knows no database."""

import time
from typing import NamedTuple

from posting.delivery.evidence import Refusal, Refused
from posting.delivery.ledger import Marked, Outcome, State
from posting.delivery.replies import Verdict

SAME_REFUSALS = 3  # So often in a row the same refusal of the content is about the post, not about its recipients.
BREAKS = 3
ONE_EVENT = 1.0  # Seconds within which connections that break, with nothing taken between, broke for one reason.
PUT_OFF = 20  # So many copies put off in a row are the relay's trouble, not the recipients'.

WITHOUT_REPLY = {
    "stopped": (State.QUEUED, "", ""),
    "gate": (State.QUEUED, "", ""),
    "cut": (State.QUEUED, "", "the connection ended before the text was sent"),
    "lost": (State.IN_DOUBT, "", "the connection ended before the answer was read"),
    "unclear": (State.IN_DOUBT, "", "the answer says neither yes nor no"),
    "encoding": (State.FAILED, "5.6.7", "the mail relay cannot take an address of this form"),
}
UNSPENT = ("stopped", "gate")


class Breaks(NamedTuple):
    """How often in a row connections ended at copies of one post, when last, and how many copies had been taken by then."""

    times: int
    at: float
    taken: int


class Judge:
    """Judges one shift's answers, and remembers what makes them more than a copy's own affair."""

    def __init__(self) -> None:
        self.taken = 0  # Copies that the relay took.
        self.problems: dict[int, str] = {}  # Posts to be stopped for a check, and why.
        self.refused: dict[int, list[Refused]] = {}  # What the gate refused, by post.
        self.suspects: set[int] = set()  # Posts of which a copy was refused since the breaker looked.
        self.puts_off_all = ""  # What the relay said, again and again.
        self._refusals: dict[int, tuple[str, int]] = {}
        self._breaks: dict[int, Breaks] = {}
        self._put_off = 0

    def outcome(self, marked: Marked, verdict: Verdict) -> Outcome:
        """What a verdict means for the copy."""
        state: str
        if verdict.reply is None:
            state, status, text = WITHOUT_REPLY[verdict.stage]
        else:
            state, status, text = meaning(verdict), verdict.reply.status, f"{verdict.reply.code} {verdict.reply.text}"
        if verdict.is_sent:
            self.taken += 1
            self._put_off = 0
            self._refusals.pop(marked.post_id, None)
            self._breaks.pop(marked.post_id, None)
        else:
            self._consider(marked, verdict, state, text)
        spent = verdict.reply is not None or verdict.stage not in UNSPENT
        return Outcome(marked.id, state, status, text, spent=spent, attempts=marked.attempts, receipt=verdict.receipt)

    def stop(self, post_id: int, problem: str, delivery_id: int | None = None) -> None:
        """A post has a problem, or a copy of it; where the gate found it, the evidence is kept."""
        self.problems[post_id] = problem
        if isinstance(problem, Refusal):
            self.refused.setdefault(post_id, []).append(Refused(delivery_id, problem))

    def _consider(self, marked: Marked, verdict: Verdict, state: str, text: str) -> None:
        post_id = marked.post_id
        if verdict.problem:
            self.stop(post_id, verdict.problem, marked.id)
        if state == State.FAILED:
            self.suspects.add(post_id)
        if state == State.FAILED and verdict.stage == "content":
            self._refused(post_id, text)
        if verdict.stage in ("lost", "cut"):
            self._broke(post_id)
        self._put_off = self._put_off + 1 if state == State.DEFERRED else 0
        if self._put_off == PUT_OFF:
            self.puts_off_all = text

    def _refused(self, post_id: int, said: str) -> None:
        before, times = self._refusals.get(post_id, (said, 0))
        times = times + 1 if before == said else 1
        self._refusals[post_id] = (said, times)
        if times >= SAME_REFUSALS:
            self.problems[post_id] = f"The mail relay refused it {times} times in a row with the same words: {said}"

    def _broke(self, post_id: int) -> None:
        """A relay that starts anew ends all connections at once; one that cannot take a post ends each that brings it."""
        last, now = self._breaks.get(post_id), time.monotonic()
        if last and now - last.at < ONE_EVENT and self.taken == last.taken:
            return
        times = last.times + 1 if last else 1
        self._breaks[post_id] = Breaks(times, now, self.taken)
        if times >= BREAKS:
            self.problems[post_id] = f"The connection to the mail relay broke {times} times in a row at its copies."


def meaning(verdict: Verdict) -> str:
    """The state that a copy ends this attempt in, by the server's reply."""
    assert verdict.reply is not None
    if verdict.is_sent:
        return State.SENT
    return State.FAILED if verdict.reply.is_permanent else State.DEFERRED

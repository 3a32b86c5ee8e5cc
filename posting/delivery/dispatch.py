"""A lane at work: marks a group of copies, hands them over, writes the replies back, and goes on until nothing is due.

This thread alone talks to the ledger. The wire hands over in a thread of its own, and what it may hand over it learns here, so a
ledger that is slow or gone stops the next dot.
"""

import logging
import time
from collections.abc import Iterable

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from chamberlist import fence, systemmail
from posting.delivery import breaker, closing, copies, gate, lanes, ledger, waking
from posting.delivery.copies import Compiled
from posting.delivery.lanes import LEASE, Hold
from posting.delivery.ledger import Marked, Outcome, State
from posting.delivery.pace import Ration
from posting.delivery.replies import Verdict
from posting.delivery.session import DOT_TIMEOUT
from posting.delivery.turns import Turns
from posting.delivery.wire import Answer, SmtpWire, Wire
from posting.models import Post

log = logging.getLogger(__name__)

ASK_AGAIN = 0.2  # Seconds between two questions to the ledger whether the copies in hand may leave.
FROM_THE_LEDGER = (DatabaseError, InterfaceError)
TRY_AGAIN = 0.5
GOODBYE = 6.0
SILENCE = 30.0  # Seconds after which a relay that has not greeted us is one that does not take our mail.
SAME_REFUSALS = 3  # So often in a row the same refusal of the content is about the post, not about its recipients.

WITHOUT_REPLY = {
    "stopped": (State.QUEUED, "", ""),
    "gate": (State.QUEUED, "", ""),
    "cut": (State.QUEUED, "", "the connection ended before the text was sent"),
    "lost": (State.IN_DOUBT, "", "the connection ended before the answer was read"),
    "encoding": (State.FAILED, "5.6.7", "the mail relay cannot take an address of this form"),
}
UNSPENT = ("stopped", "gate")


def run_lane(number: int, *, seconds: float) -> bool:
    """Hand over what is due, taking no new group after ``seconds``; True when there may be more."""
    hold = lanes.take(number) if waking.may_send() and ledger.is_anything_due() else None
    if hold is None:
        return False
    try:
        wire = open_wire(hold)
        try:
            is_more = Shift(hold, wire).work(until=time.monotonic() + seconds)
        finally:
            wire.close(seconds=GOODBYE)
        closing.settle()
        closing.close_posts()
        return is_more
    finally:
        lanes.release(hold)


def open_wire(hold: Hold) -> Wire:
    """The way to whoever takes our copies, connecting by now."""
    wire = SmtpWire(settings.RELAY, hold, connections=settings.DELIVERY_CONNECTIONS, name=settings.LIST_DOMAIN)
    wire.open()
    return wire


class Shift:
    """One run of a lane: what it has in hand, and what it remembers from one group to the next."""

    def __init__(self, hold: Hold, wire: Wire) -> None:
        self.hold, self.wire = hold, wire
        self.turns, self.ration = Turns(), Ration()
        self.in_hand: dict[int, Marked] = {}
        self.wanted: frozenset[int] = frozenset()
        self.asked_at = 0.0
        self.minded_at = 0.0
        self.unrecorded: list[Outcome] = []
        self.problems: dict[int, str] = {}
        self.compiled: dict[int, Compiled | None] = {}
        self.refusals: dict[int, tuple[str, int]] = {}
        self.suspects: set[int] = set()  # Posts of which a copy was refused since the breaker looked.
        self.faults: list[str] = []
        self.is_ours = True
        self.is_idle = False
        self.silent_since: float | None = time.monotonic()  # Until a session with the relay is open.

    def work(self, *, until: float) -> bool:
        """Group after group; True when time was up before the work."""
        group = settings.DELIVERY_GROUP
        while True:
            if self.wire.is_open:
                self.silent_since = None
            takes_more = self.takes_more(until)
            if not self.in_hand and not self.unrecorded and (self.is_idle or not takes_more):
                break
            limit = self.room(group) if takes_more else 0
            self.wait(group, seconds=0.0 if limit and not self.is_idle else ASK_AGAIN)
            self.turn(limit=limit)
            self.mind()
        trouble = self.wire.trouble or ("it does not answer" if self.is_silent() else "")
        if trouble:
            self.refused_us(trouble)
            return False
        lanes.works(self.hold)
        return self.is_ours and not self.is_idle

    def room(self, group: int) -> int:
        """How many copies may be marked now: by what is in hand already, and by the pace."""
        if not self.wire.is_open or len(self.in_hand) > group:
            return 0
        try:
            return self.ration.for_a(group)
        except FROM_THE_LEDGER as error:
            self.mend(error)
            return 0

    def wait(self, group: int, *, seconds: float) -> None:
        """Judge what has ended. Two groups are marked at most: while one is handed over, the next is already durable."""
        enough = max(len(self.in_hand) - group, min(group, len(self.in_hand))) or 1
        for answer in self.wire.take(seconds, enough=enough):
            self.judge(answer)

    def takes_more(self, until: float) -> bool:
        """Whether a new group may be marked. A lane that must wait for a dot anyway does not let its other sessions stand idle."""
        return self.is_ours and not self.wire.trouble and (time.monotonic() < until or self.wire.is_hanging)

    def is_silent(self) -> bool:
        """Whether the relay has had time to greet us and has not."""
        return self.silent_since is not None and time.monotonic() - self.silent_since > SILENCE

    def turn(self, *, limit: int) -> None:
        """One commit: the replies that came, and the marks of the next group, which is then handed to the wire."""
        if not limit and not self.unrecorded:
            return
        asked_at = time.monotonic()
        try:
            with transaction.atomic():
                ledger.record(self.hold, self.unrecorded)
                marked = self.turns.claim(self.hold, limit=limit) if limit else []
            doubts = sum(outcome.state == State.IN_DOUBT for outcome in self.unrecorded)
            self.unrecorded = []
            self.is_idle = bool(limit) and not marked
            self.ration.left -= len(marked)
            self.freeze()
            self.suspect()
            if doubts:
                closing.tell_of_doubts(doubts)
            self.push(marked, asked_at)
        except FROM_THE_LEDGER as error:
            self.mend(error)

    def push(self, marked: Iterable[Marked], asked_at: float) -> None:
        """Give a marked group to the wire; marking asked the ledger whether its copies may leave."""
        jobs = []
        for copy in marked:
            compiled = self.compile(copy.post_id)
            if compiled is None:
                self.unrecorded.append(Outcome(copy.id, State.QUEUED, spent=False))
            else:
                jobs.append((compiled, copy))
        if not self.in_hand:
            self.asked_at = asked_at
        self.in_hand |= {copy.id: copy for _, copy in jobs}
        self.wanted |= {copy.id for _, copy in jobs}
        self.wire.allow(self.wanted, self.asked_at)
        self.wire.push(jobs)

    def mind(self) -> None:
        """A few times a second: may the copies in hand still leave, and is the lane still ours?"""
        if time.monotonic() - self.minded_at < ASK_AGAIN:
            return
        self.minded_at = time.monotonic()
        try:
            self.ask()
            self.keep()
        except FROM_THE_LEDGER as error:
            self.mend(error)

    def ask(self) -> None:
        """Learn from the ledger which of the copies in hand may still leave, and tell the wire."""
        self.asked_at = time.monotonic()
        self.is_ours = self.is_ours and fence.is_open()
        self.wanted = ledger.still_wanted(self.hold, self.in_hand) if self.in_hand and self.is_ours else frozenset()
        self.wire.allow(self.wanted, self.asked_at)

    def keep(self) -> None:
        """Renew the lease once half of it is over. A lane that somebody else holds takes nothing more."""
        if self.is_ours and self.hold.seconds_left() < LEASE.total_seconds() / 2:
            self.is_ours = lanes.renew(self.hold)

    def mend(self, error: Exception) -> None:
        """The ledger was lost, perhaps in mid-commit: read on a new connection what is marked, before anything else is sent.

        Until then the wire's answer grows stale, and no dot is written; replies are kept, and recorded once there is a ledger.
        """
        if not is_lost(error):
            raise error
        log.warning("lane %s: the ledger was lost: %s", self.hold.number, type(error).__name__)
        until = time.monotonic() + DOT_TIMEOUT
        self.turns.forget()
        while True:
            connection.close()
            try:
                known = self.in_hand.keys() | {outcome.delivery_id for outcome in self.unrecorded}
                ledger.put_back(self.hold, ledger.marked_by(self.hold) - known)
                return
            except FROM_THE_LEDGER:
                if time.monotonic() > until:
                    raise
                time.sleep(TRY_AGAIN)

    def refused_us(self, why: str) -> None:
        """It is not about any recipient: the lane rests, and staff are told."""
        lanes.rest(self.hold)
        systemmail.alert("relay", "The mail relay does not take our mail", f"Copies wait, nobody is left out. It said: {why}")

    def compile(self, post_id: int) -> Compiled | None:
        """The post, rendered once a shift; None where it is stopped. One that cannot be built must not hold up the others."""
        if post_id not in self.compiled:
            self.compiled[post_id] = None
            try:
                compiled = copies.compile_post(Post.objects.select_related("mailing_list", "sender").get(pk=post_id))
                problem = gate.check_post(compiled)
            except Exception as error:
                if is_lost(error):
                    del self.compiled[post_id]
                    raise
                log.exception("post %s cannot be built", post_id)
                problem = "Its copies cannot be built; the log says why."
            if problem:
                self.problems[post_id] = problem
            else:
                self.compiled[post_id] = compiled
        return self.compiled[post_id]

    def judge(self, answer: Answer) -> None:
        """What a verdict means for the copy, and for its post."""
        if answer.delivery_id not in self.in_hand:
            self.faults.append(f"A copy of post {answer.post_id} ended twice.")
            return
        marked, verdict = self.in_hand.pop(answer.delivery_id), answer.verdict
        state: str
        if verdict.reply is None:
            state, status, text = WITHOUT_REPLY[verdict.stage]
            spent = verdict.stage not in UNSPENT
        else:
            state, status, text = meaning(verdict), verdict.reply.status, f"{verdict.reply.code} {verdict.reply.text}"
            spent = True
        self.unrecorded.append(Outcome(marked.id, state, status, text, spent=spent, attempts=marked.attempts))
        if state == State.FAILED:
            self.suspects.add(marked.post_id)
        if verdict.problem:
            self.problems[marked.post_id] = verdict.problem
        if verdict.is_sent:
            self.refusals.pop(marked.post_id, None)
        elif verdict.stage == "content" and state == State.FAILED:
            self.refused(marked.post_id, text)

    def refused(self, post_id: int, said: str) -> None:
        """The relay refused a copy's content: the same words for three recipients in a row stop the post."""
        before, times = self.refusals.get(post_id, (said, 0))
        times = times + 1 if before == said else 1
        self.refusals[post_id] = (said, times)
        if times >= SAME_REFUSALS:
            self.problems[post_id] = f"The mail relay refused it {times} times in a row with the same words: {said}"

    def freeze(self) -> None:
        """Stop the posts that have a problem for a check, their copies in hand included."""
        for post_id, problem in self.problems.items():
            closing.freeze(post_id, problem)
            self.compiled[post_id] = None
        if self.problems:
            self.problems = {}
            self.ask()

    def suspect(self) -> None:
        """Where copies were refused, the breaker looks whether there are too many. What it stops, ``ask`` learns."""
        for post_id in self.suspects:
            breaker.look(post_id)
        for fault in self.faults:
            breaker.trip(fault)
        self.suspects.clear()
        self.faults.clear()


def is_lost(error: Exception) -> bool:
    """Whether this is the end of a connection to the ledger: a server that is there gives its errors an SQLSTATE."""
    if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
        return getattr(error.__cause__, "pgcode", None) is None
    return isinstance(error, FROM_THE_LEDGER)


def meaning(verdict: Verdict) -> str:
    """The state that a copy ends this attempt in, by the server's reply."""
    assert verdict.reply is not None
    if verdict.is_sent:
        return State.SENT
    return State.FAILED if verdict.reply.is_permanent else State.DEFERRED

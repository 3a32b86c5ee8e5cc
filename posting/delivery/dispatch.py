"""A lane at work: marks a group of copies, hands them over, writes the replies back, and goes on until nothing is due.

Here alone the ledger is asked. The wire learns here what it may hand over, so a ledger that is slow or gone stops the next dot.
"""

import logging
import time
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction

from chamberlist import fence, systemmail
from posting.delivery import breaker, closing, copies, gate, lanes, ledger, refusals, unreadable, waking
from posting.delivery.copies import Compiled
from posting.delivery.desk import Job
from posting.delivery.judging import Judge
from posting.delivery.lanes import LEASE, Hold
from posting.delivery.ledger import Marked, Outcome, State
from posting.delivery.pace import Ration
from posting.delivery.provider import ProviderWire
from posting.delivery.session import DOT_TIMEOUT
from posting.delivery.turns import Turns
from posting.delivery.wire import SmtpWire, Wire
from posting.models import Post

log = logging.getLogger(__name__)

ASK_AGAIN = 0.2  # Seconds between two questions to the ledger whether the copies in hand may leave.
FROM_THE_LEDGER = (DatabaseError, InterfaceError)
# SQLSTATE classes of a server that cannot serve now: connection, transaction (read-only after a failover), rollback, resources,
# operator, system. What was asked is not wrong: it is asked again.
NOT_NOW = ("08", "25", "40", "53", "57", "58")
TRY_AGAIN = 0.5
GOODBYE = 6.0
SILENCE = 30.0  # Seconds after which a relay that has not greeted us is one that does not take our mail.
OVERTIME = 60.0  # Seconds that a lane goes on taking groups because a dot hangs: with that dot's ten minutes, twelve in all.
FEW = 4  # Copies in hand until the first one of a shift is taken: a relay that refuses all has not refused many.


def run_lane(number: int, *, seconds: float) -> bool:
    """Hand over what is due, taking no new group after ``seconds``; True when there may be more."""
    hold = lanes.take(number) if waking.may_send() and ledger.is_anything_due() else None
    if hold is None:
        return False
    try:
        wire = open_wire(hold)
        shift = Shift(hold, wire)
        try:
            is_more = shift.work(until=time.monotonic() + seconds)
        except Exception:
            shift.abandon()
            raise
        finally:
            wire.close(seconds=GOODBYE)
        shift.ration.give_back()
        closing.settle()
        closing.close_posts()
        return is_more
    finally:
        lanes.release(hold)


def open_wire(hold: Hold) -> Wire:
    """The way to whoever takes our copies, connecting by now."""
    connections = settings.DELIVERY_CONNECTIONS
    wire: Wire
    if settings.EMAIL_PROVIDER:
        wire = ProviderWire(settings.EMAIL_PROVIDER, hold, connections=connections)
    else:
        wire = SmtpWire(settings.RELAY, hold, connections=connections, name=settings.LIST_DOMAIN)
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
        self.judge = Judge()
        self.compiled: dict[int, Compiled | None] = {}
        self.faults: list[str] = []
        self.is_ours = True
        self.is_idle = False
        self.is_locked_out = False  # No address of a group could be opened: it is about us.
        self.silent_since: float | None = time.monotonic()  # Until a session with the relay is open.

    def work(self, *, until: float) -> bool:
        """Group after group; True when time was up before the work."""
        group = settings.DELIVERY_GROUP
        while True:
            if self.wire.is_open:
                self.silent_since = None
            takes_more = self.takes_more(until)
            if not self.in_hand and not self.has_to_tell() and (self.is_idle or not takes_more):
                break
            limit = self.room(group) if takes_more else 0
            self.wait(group, seconds=0.0 if limit and not self.is_idle else ASK_AGAIN)
            if not limit and self.takes_more(until):  # What was answered meanwhile made room: one commit writes both.
                limit = self.room(group)
            self.turn(limit=limit)
            self.mind()
        trouble = self.wire.trouble or ("it does not answer" if self.is_silent() else "")
        if trouble:
            self.refused_us(trouble)
            return False
        if self.is_locked_out:
            lanes.rest(self.hold)
            return False
        if self.judge.taken:
            lanes.works(self.hold)
        return self.is_ours and not self.is_idle

    def room(self, group: int) -> int:
        """How many copies may be marked now: by what is in hand already, and by the pace."""
        if not self.wire.is_open or len(self.in_hand) > (group if self.judge.taken else 0):
            return 0
        try:
            return self.ration.for_a(group if self.judge.taken else min(group, FEW))
        except FROM_THE_LEDGER as error:
            self.mend(error)
            return 0

    def wait(self, group: int, *, seconds: float) -> None:
        """Judge what has ended. Two groups are marked at most: while one is handed over, the next is already durable."""
        enough = max(len(self.in_hand) - group, min(group, len(self.in_hand))) or 1
        for answer in self.wire.take(seconds, enough=enough):
            marked = self.in_hand.get(answer.delivery_id)
            if marked is None:
                self.faults.append(f"A copy of post {answer.post_id} ended twice.")
                continue
            self.unrecorded.append(self.judge.outcome(marked, answer.verdict))
            del self.in_hand[marked.id]  # Not before: what is neither in hand nor to be recorded counts as never sent.

    def takes_more(self, until: float) -> bool:
        """Whether a new group may be marked. A lane that must wait for a dot anyway does not let its other sessions stand idle."""
        left = until - time.monotonic()
        may_take = self.is_ours and not self.is_locked_out and not self.wire.trouble
        return may_take and (left > 0 or (self.wire.is_hanging and left > -OVERTIME))

    def is_silent(self) -> bool:
        """Whether the relay has had time to greet us and has not."""
        return self.silent_since is not None and time.monotonic() - self.silent_since > SILENCE

    def turn(self, *, limit: int) -> None:
        """Mostly one commit: the replies that came, and the marks of the next group, which is then handed to the wire."""
        if not limit and not self.has_to_tell():
            return
        asked_at = time.monotonic()
        try:
            if not limit or not all(map(ledger.is_taken, self.unrecorded)):
                ledger.record(self.hold, self.unrecorded)
                doubts = sum(outcome.state == State.IN_DOUBT for outcome in self.unrecorded)
                self.unrecorded = []
                if doubts:
                    closing.tell_of_doubts(doubts)
            marked = self.turns.claim(self.hold, limit=limit, taken=self.unrecorded) if limit else []
            self.unrecorded = []
            self.is_idle = bool(limit) and not marked and not self.turns.is_cut_short
            self.ration.left -= len(marked)
            stopped = self.freeze() | self.alarm(marked)
            self.push(self.readable(marked), asked_at, but=stopped)
        except FROM_THE_LEDGER as error:
            self.mend(error)

    def has_to_tell(self) -> bool:
        """Whether there is something to write down, or to tell those who must know."""
        return bool(self.unrecorded or self.faults or self.judge.problems or self.judge.suspects)

    def push(self, marked: Iterable[Marked], asked_at: float, *, but: Container[int]) -> None:
        """Give a marked group to the wire; marking asked the ledger whether its copies may leave. ``but``: of no such post."""
        jobs = []
        for copy in marked:
            compiled = None if copy.post_id in but else self.compile(copy.post_id)
            if compiled is None:
                self.unrecorded.append(Outcome(copy.id, State.QUEUED, spent=False))
            else:
                jobs.append(Job(compiled, copy))
        if not self.in_hand:
            self.asked_at = asked_at
        pushed = {job.marked.id: job.marked for job in jobs}
        self.in_hand |= pushed
        self.wanted |= pushed.keys()
        self.wire.allow(self.wanted, self.asked_at)
        self.wire.push(jobs)

    def readable(self, marked: Sequence[Marked]) -> list[Marked]:
        """Those whose address can be opened. The others end or wait; where there are only others, the lane takes no more."""
        closed = [copy for copy in marked if not copy.recipient]
        if closed:
            outcomes = unreadable.outcomes(closed)
            self.unrecorded += outcomes
            self.is_locked_out = len(closed) == len(marked) and any(outcome.state == State.QUEUED for outcome in outcomes)
        return [copy for copy in marked if copy.recipient]

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

        Until then the wire's answer is stale, and no dot is written; replies are kept, and recorded once there is a ledger. What
        answers then may be another server, which never heard of our last commits: the fence is asked first, and anew.
        """
        if not is_lost(error):
            raise error
        log.warning("lane %s: the ledger was lost: %s", self.hold.number, type(error).__name__)
        until = time.monotonic() + DOT_TIMEOUT
        self.asked_at = 0.0
        self.wire.allow(self.wanted, self.asked_at)
        self.turns.forget()
        while True:
            connection.close()
            try:
                self.is_ours = self.is_ours and fence.check()
                known = self.in_hand.keys() | {outcome.delivery_id for outcome in self.unrecorded}
                if self.is_ours:  # Elsewhere a mark may be all that is left of a copy that was sent: it ends in doubt.
                    ledger.put_back(self.hold, ledger.marked_by(self.hold) - known)
                return
            except FROM_THE_LEDGER:
                if time.monotonic() > until:
                    raise
                self.wait(settings.DELIVERY_GROUP, seconds=TRY_AGAIN)

    def abandon(self) -> None:
        """After a fault of ours: nothing more leaves, what is on its way is waited for, and what is known is written down."""
        until = time.monotonic() + DOT_TIMEOUT
        while self.in_hand and time.monotonic() < until:
            self.wire.allow(frozenset(), time.monotonic())
            self.wait(settings.DELIVERY_GROUP, seconds=ASK_AGAIN)
            with suppress(*FROM_THE_LEDGER):
                self.keep()
        with suppress(*FROM_THE_LEDGER):
            connection.close()
            ledger.record(self.hold, self.unrecorded)
            if self.is_ours and fence.check():
                ledger.put_back(self.hold, ledger.marked_by(self.hold) - self.in_hand.keys())

    def refused_us(self, why: str) -> None:
        """It is not about any recipient: the lane rests, and staff are told."""
        lanes.rest(self.hold)
        systemmail.alert("relay", "The mail relay does not take our mail", f"Copies wait, nobody is left out. It said: {why}")

    def compile(self, post_id: int) -> Compiled | None:
        """The post, rendered once a shift; None where it is stopped. One that cannot be built must not hold up the others."""
        if post_id not in self.compiled:
            self.compiled[post_id] = None
            problem: str
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
                self.judge.stop(post_id, problem)
            else:
                self.compiled[post_id] = compiled
        return self.compiled[post_id]

    def freeze(self) -> frozenset[int]:
        """Stop the posts that have a problem for a check, their copies in hand included; which they are."""
        frozen = frozenset(self.judge.problems)
        for post_id in frozen:
            with transaction.atomic():  # Whoever finds it frozen finds out why.
                closing.freeze(post_id, self.judge.problems[post_id])
                if refused := self.judge.refused.get(post_id):
                    refusals.record(post_id, refused)
        if frozen:
            self.ask()
        for post_id in frozen:
            del self.judge.problems[post_id]
            self.judge.refused.pop(post_id, None)
            self.compiled.pop(post_id, None)  # If a person lets it go on, it is built anew.
        return frozen

    def alarm(self, marked: Iterable[Marked]) -> frozenset[int]:
        """Tell those who must know: staff, and the breaker. The posts of which it lets no marked copy leave."""
        is_stopped = any(breaker.look(post_id) for post_id in self.judge.suspects)
        for fault in self.faults:
            breaker.trip(fault)
            is_stopped = True
        if self.judge.puts_off_all:
            said = self.judge.puts_off_all
            text = f"It says “later” to one copy after the other. They are tried again as long as their post lives. It said: {said}"
            systemmail.alert("put off", "The mail relay puts off every copy", text)
        self.judge.suspects.clear()
        self.faults.clear()
        self.judge.puts_off_all = ""
        if is_stopped:
            self.ask()
        return frozenset(copy.post_id for copy in marked) if is_stopped else frozenset()


def is_lost(error: Exception) -> bool:
    """Whether the ledger cannot be had now: its connection ended, or it says so. Any other error has another SQLSTATE."""
    code = getattr(error.__cause__, "pgcode", None)
    return isinstance(error, FROM_THE_LEDGER) and (code is None or code[:2] in NOT_NOW)

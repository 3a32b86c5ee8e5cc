"""A lane at work: marks a group of copies, hands them over, writes the replies back, and goes on until nothing is due."""

import logging
import time
from collections.abc import Sequence

from django.conf import settings

from chamberlist import systemmail
from posting.delivery import closing, copies, gate, lanes, ledger
from posting.delivery.copies import Compiled, Copy
from posting.delivery.lanes import LEASE, MARGIN, Hold
from posting.delivery.ledger import Outcome, State
from posting.delivery.smtp import Connection, RelayRefused, Verdict
from posting.models import Delivery, Post

log = logging.getLogger(__name__)

FRESH = 0.5  # Seconds that an answer of the ledger may be old when a final dot is written.
SAME_REFUSALS = 3  # So often in a row the same refusal of the content is about the post, not about its recipients.

WITHOUT_REPLY = {
    "stopped": (State.QUEUED, "", ""),
    "lost": (State.IN_DOUBT, "", "the connection ended before the answer was read"),
    "encoding": (State.FAILED, "5.6.7", "the mail relay cannot take an address of this form"),
}


def run_lane(number: int, *, seconds: float) -> bool:
    """Hand over what is due, taking no new group after ``seconds``; True when there may be more."""
    hold = lanes.take(number)
    if hold is None:
        return False
    try:
        with Connection(settings.RELAY, on_idle=lambda: keep(hold)) as connection:
            is_more = Shift(hold, connection).work(until=time.monotonic() + seconds)
        closing.settle()
        closing.close_posts()
        return is_more
    finally:
        lanes.release(hold)


def keep(hold: Hold) -> None:
    """Renew the lease once half of it is over."""
    if hold.seconds_left() < LEASE.total_seconds() / 2:
        lanes.renew(hold)


class Shift:
    """What a lane remembers from one group to the next."""

    def __init__(self, hold: Hold, connection: Connection) -> None:
        self.hold = hold
        self.connection = connection
        self.compiled: dict[int, Compiled | None] = {}
        self.refusals: dict[int, tuple[str, int]] = {}
        self.wanted: set[int] = set()
        self.asked_at = 0.0

    def work(self, *, until: float) -> bool:
        """Group after group; True when time was up before the work."""
        while time.monotonic() < until:
            if not self.connection.is_open and not self.connect():
                return False
            self.asked_at = time.monotonic()  # Marking asks the ledger the same question as ``may_leave`` does.
            group = ledger.mark(self.hold, limit=settings.DELIVERY_GROUP)
            self.wanted = {delivery.pk for delivery in group}
            if not group or not self.hand_over(group):
                return False
            keep(self.hold)
        return True

    def connect(self) -> bool:
        """Open the connection while nothing is marked: a relay that takes minutes to answer leaves no copy in doubt."""
        if not ledger.is_anything_due():
            return False
        try:
            self.connection.open()
        except RelayRefused as error:
            self.refused_us(error)
            return False
        if not lanes.renew(self.hold):
            self.refused_us(RelayRefused("it took too long to answer"))
            return False
        return True

    def hand_over(self, group: Sequence[Delivery]) -> bool:
        """Hand over a marked group and write down how each copy ended; False when the relay refuses us."""
        outcomes: list[Outcome] = []
        on_the_wire: int | None = None
        try:
            for copy in self.build(group):
                if not self.connection.is_open:
                    break  # The rest waits until there is another one.
                on_the_wire = copy.delivery_id
                outcomes.append(self.one(copy))
                if outcomes[-1].state == State.IN_DOUBT:
                    on_the_wire = None
                    raise RelayRefused("it hung up after the final dot")
            lanes.works(self.hold)
        except RelayRefused as error:
            if on_the_wire is not None:  # It waits longer than the others, so that one odd copy does not hold them all up.
                outcomes.append(Outcome(on_the_wire, State.QUEUED))
            self.refused_us(error)
            return False
        finally:
            ledger.record(self.hold, outcomes)
            ended = {outcome.delivery_id for outcome in outcomes} | {on_the_wire}
            ledger.put_back(self.hold, [delivery.pk for delivery in group if delivery.pk not in ended])
        return True

    def refused_us(self, error: RelayRefused) -> None:
        """It is not about any recipient: the lane rests, and staff are told."""
        lanes.rest(self.hold)
        systemmail.alert("relay", "The mail relay does not take our mail", f"Copies wait, nobody is left out. It said: {error}")

    def build(self, group: Sequence[Delivery]) -> list[Copy]:
        """The copies of a group that pass the gate; a post with one that does not is frozen, and its copies wait."""
        built = [self.build_one(delivery) for delivery in group]
        return [copy for copy in built if copy is not None]

    def build_one(self, delivery: Delivery) -> Copy | None:
        """One copy, or None where its post is stopped; a post that cannot be built at all must not hold up the others."""
        done = False
        try:
            compiled = self.compile(delivery.post_id)
            copy = copies.build(compiled, delivery) if compiled else None
            done = True
        finally:
            if not done:
                self.freeze(delivery.post_id, "Its copies cannot be built; the log says why.")
        problem = gate.check_copy(copy) if copy else ""
        if problem:
            self.freeze(delivery.post_id, problem)
        return None if problem else copy

    def compile(self, post_id: int) -> Compiled | None:
        """The post, rendered once a shift; None where the gate stopped it."""
        if post_id not in self.compiled:
            post = Post.objects.select_related("mailing_list", "sender").get(pk=post_id)
            compiled = copies.compile_post(post)
            self.compiled[post_id] = compiled
            problem = gate.check_post(compiled)
            if problem:
                self.freeze(post_id, problem)
        return self.compiled[post_id]

    def one(self, copy: Copy) -> Outcome:
        """Hand over one copy, unless it is no longer wanted; raises ``RelayRefused``."""
        if not self.may_leave(copy.delivery_id):
            return Outcome(copy.delivery_id, State.QUEUED, spent=False)
        verdict = self.connection.hand_over(
            copy.envelope_sender, copy.recipient, copy.message, may_finish=lambda: self.may_leave(copy.delivery_id)
        )
        return self.judge(copy, verdict)

    def judge(self, copy: Copy, verdict: Verdict) -> Outcome:
        """What a verdict means for the copy, and for its post."""
        if verdict.reply is None:
            return Outcome(copy.delivery_id, *WITHOUT_REPLY[verdict.stage], spent=verdict.stage != "stopped")
        status, said = verdict.reply.status, f"{verdict.reply.code} {verdict.reply.text}"
        if verdict.is_sent:
            self.refusals.pop(copy.post_id, None)
            return Outcome(copy.delivery_id, State.SENT, status, said)
        if not verdict.reply.is_permanent:
            return Outcome(copy.delivery_id, State.DEFERRED, status, said)
        if verdict.stage == "content":
            self.refused(copy.post_id, said)
        return Outcome(copy.delivery_id, State.FAILED, status, said)

    def refused(self, post_id: int, said: str) -> None:
        """The relay refused a copy's content: the same words for three recipients in a row stop the post."""
        before, times = self.refusals.get(post_id, (said, 0))
        times = times + 1 if before == said else 1
        self.refusals[post_id] = (said, times)
        if times >= SAME_REFUSALS:
            self.freeze(post_id, f"The mail relay refused it {times} times in a row with the same words: {said}")

    def freeze(self, post_id: int, problem: str) -> None:
        """Stop a post for a check, its copies in hand included."""
        closing.freeze(post_id, problem)
        self.compiled[post_id] = None
        self.asked_at = 0.0

    def may_leave(self, delivery_id: int) -> bool:
        """Whether a final dot may be written now, by an answer of the ledger at most half a second old."""
        if self.hold.seconds_left() < MARGIN:
            return False
        if time.monotonic() - self.asked_at > FRESH:
            self.asked_at = time.monotonic()
            self.wanted = ledger.still_wanted(self.hold, self.wanted)
        return delivery_id in self.wanted

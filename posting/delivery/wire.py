"""The wire: several sessions with the relay, side by side in the lane's own thread. It knows no database.

The lane pushes marked copies and says, again and again, which of them may still leave; the wire builds each copy when a session is
free, and asks that answer immediately before the final dot. Its event loop runs while the lane waits in ``take``, and only then:
what the lane asks of the ledger stops every dot meanwhile. A thread of its own was tried: both fought for the interpreter.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Container, Iterable
from typing import Protocol

from chamberlist.relay import Relay
from posting.delivery import copies, gate
from posting.delivery.channel import Ended
from posting.delivery.copies import Compiled, Copy
from posting.delivery.desk import BARREN, Answer, Desk, Job
from posting.delivery.lanes import Hold
from posting.delivery.replies import RelayRefused, Verdict
from posting.delivery.session import Session

log = logging.getLogger(__name__)

TICK = 0.1
REFUSED = 2  # So many refusals of us in a row. A single one may be a limit that still counts the connection just closed.
LONGEST_PAUSE = 60.0


class Wire(Protocol):
    """A way to whoever takes our copies. Every copy that is pushed ends in one answer."""

    is_open: bool  # Whether a copy that is pushed now would leave soon.
    is_hanging: bool  # Whether a final dot has waited for its reply for long.
    trouble: str  # Why nothing is taken from us now, whoever it is for; or "".

    def open(self) -> None:
        """Begin to connect."""

    def push(self, jobs: Iterable[Job]) -> None:
        """Copies to hand over, in this order."""

    def allow(self, ids: Container[int], asked_at: float) -> None:
        """The ledger's latest answer: which copies may leave, asked at that ``time.monotonic()``."""

    def take(self, timeout: float, *, enough: int) -> list[Answer]:
        """What has ended; waits for so many, for an opening or an end of the way out, or so many seconds."""

    def close(self, *, seconds: float) -> None:
        """Say goodbye, within so many seconds, and hang up. What has no final dot by now gets none."""


class SmtpWire(Desk):
    """Sessions with an SMTP relay: one at first, and more while copies wait for one."""

    def __init__(self, relay: Relay, hold: Hold, *, connections: int, name: str) -> None:
        """``name`` is what we call ourselves in EHLO."""
        super().__init__(hold)
        self.relay, self.connections, self.name = relay, connections, name
        self.is_slow = False
        self.compiled: dict[int, Compiled] = {}  # Of the copies that a session has in hand, by post.
        self.loop = asyncio.new_event_loop()
        self.heard: asyncio.Future[None] | None = None  # What ``take`` waits for.
        self.sleepers: set[asyncio.Future[None]] = set()
        self.sessions: set[Session] = set()
        self.tasks: list[asyncio.Task[None]] = []
        self.barren = 0
        self._context: ssl.SSLContext | None = None

    # What the lane calls

    def open(self) -> None:
        self.tasks = [self.loop.create_task(self._connection(number)) for number in range(self.connections)]
        self.tasks.append(self.loop.create_task(self._mind()))

    def push(self, jobs: Iterable[Job]) -> None:
        jobs = list(jobs)
        marks = [job.marked for job in jobs]
        try:
            own, again = copies.values_for_all(marks), copies.values_for_all(marks[::-1])[::-1]
        except Exception:
            log.exception("the values of a group cannot be derived together")  # Each copy is then tried alone.
        else:
            jobs = [Job(job.compiled, job.marked, *both) for job, *both in zip(jobs, own, again, strict=True)]
        super().push(jobs)

    def take(self, timeout: float, *, enough: int) -> list[Answer]:
        self.enough = enough
        for session in tuple(self.sessions):
            session.check_dot()
        self.heard = self.loop.create_future()
        waiting = self.loop.call_later(0.0 if self.has_news() else timeout, self._tell)
        try:
            self.loop.run_until_complete(self.heard)
        finally:
            waiting.cancel()
            self.heard = None
        return self.taken()

    def close(self, *, seconds: float) -> None:
        try:
            if self.tasks:
                self.loop.run_until_complete(self._close(seconds))
        finally:
            self.loop.close()

    # What a session asks (session.Source)

    async def next(self) -> Copy | None:
        while not self.is_closing:
            copy = self.next_now()
            if copy is not None:
                return copy
            await self._sleep()
        return None

    def next_now(self) -> Copy | None:
        while self.jobs and not self.trouble:
            job = self.jobs.popleft()
            copy = self._build(job)
            if copy is not None:
                self.compiled[copy.post_id] = job.compiled
                return copy
        return None

    def expires_at(self, copy: Copy) -> float:
        expires_at = self.compiled[copy.post_id].post.expires_at
        assert expires_at is not None
        return expires_at.timestamp()

    def may_finish(self, copy: Copy) -> bool | None:
        answer = self.may_leave(copy.delivery_id)
        return False if answer is None and self.is_closing else answer  # There is no time to wait for a better one.

    def ended(self, copy: Copy, verdict: Verdict) -> None:
        self._answer(copy.delivery_id, copy.post_id, verdict)

    # The loop

    def _call(self) -> None:
        self.loop.call_soon(self._wake)  # Together with what came meanwhile: a session first learns whether it still is one.

    def _tell(self) -> None:
        if self.heard and not self.heard.done():
            self.heard.set_result(None)

    def is_over(self) -> bool:
        """Whether no session is to be opened any more."""
        return self.is_closing or bool(self.trouble)

    async def _connection(self, number: int) -> None:
        """Keep one session, connecting anew when it ends; the first at once, another when copies wait for it."""
        pause, until = 0.0, 0.0
        while not self.is_over():
            is_needed = number == 0 or (self.is_open and self.jobs)
            if not is_needed or time.monotonic() < until:
                await self._sleep()
                continue
            pause = 0.0 if await self._session() else min(max(1.0, 2 * pause), LONGEST_PAUSE)
            until = time.monotonic() + pause

    async def _session(self) -> bool:
        """One session from greeting to goodbye; whether it handed anything over."""
        refused = ""
        session = Session(self.relay, self, name=self.name, context=self._trust)
        self.sessions.add(session)
        try:
            await session.open()
            self._count_open()
            self._wake()
            await session.work()
        except RelayRefused as error:
            refused = str(error)
        except Ended as error:
            log.info("lane %s: %s", self.hold.number, error)
        except Exception:
            log.exception("lane %s: a session ended by a fault of ours", self.hold.number)
            self._give_up("a fault of ours ended the session; the log says which")
        finally:
            session.drop()
            self.sessions.discard(session)
            self._count_open()
        if session.has_been_taken:
            self.barren = 0
        elif not self.is_open:
            self.barren += 1
            if self.barren >= (REFUSED if refused else BARREN):
                self._give_up(refused or "it ends each connection before it has taken a copy")
        return session.handed_over > 0

    def _count_open(self) -> None:
        before, self.is_open = self.is_open, any(session.is_ready for session in self.sessions)
        if self.is_open != before:
            self._tell()

    async def _mind(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            if self.trouble:
                self._return_jobs()
            for session in tuple(self.sessions):
                session.check()
            self.is_hanging = any(session.is_hanging for session in self.sessions)
            self._wake()

    async def _close(self, seconds: float) -> None:
        self.is_closing = True
        self._return_jobs()
        self._wake()
        *connections, minder = self.tasks
        await asyncio.wait(connections, timeout=seconds)
        for session in tuple(self.sessions):
            session.drop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*connections, minder, return_exceptions=True)

    def _build(self, job: Job) -> Copy | None:
        compiled, marked, own, own_again = job
        if marked.id not in self.permit[0]:
            self._answer(marked.id, marked.post_id, Verdict("stopped"))
            return None
        problem: str
        try:
            copy = copies.build(compiled, marked, own)
            problem = gate.check_copy(compiled, marked, copy, own_again)
        except Exception:
            log.exception("delivery %s cannot be built", marked.id)
            problem = "Its copies cannot be built; the log says why."
        if not problem:
            return copy
        self._answer(marked.id, marked.post_id, Verdict("gate", problem=problem))
        return None

    def _trust(self) -> ssl.SSLContext:
        self._context = self._context or ssl.create_default_context()
        return self._context

    async def _sleep(self) -> None:
        """Until something changes: copies, permission, or the end."""
        sleeper = self.loop.create_future()
        self.sleepers.add(sleeper)
        try:
            await sleeper
        finally:
            self.sleepers.discard(sleeper)

    def _wake(self) -> None:
        for sleeper in tuple(self.sleepers):
            if not sleeper.done():
                sleeper.set_result(None)

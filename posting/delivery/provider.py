"""A provider's interface as a way out: several threads, each with a connection of its own, one request for one copy.

Like the relay's wire it knows no database: which copies may leave it learns from the lane's thread, and asks that answer just
before it writes a request. What it cannot know (a response that never came, or says neither yes nor no) is in doubt until a report
settles it.
"""

import logging
import threading
import time
from collections.abc import Container, Iterable

import requests
from anymail.exceptions import AnymailRecipientsRefused
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend

from chamberlist import providers
from chamberlist.redaction import redact
from posting.delivery import gate, messages, verdicts
from posting.delivery.copies import Compiled
from posting.delivery.desk import BARREN, Answer, Desk, Job
from posting.delivery.exchange import Exchange, Stopped
from posting.delivery.lanes import Hold
from posting.delivery.ledger import Marked
from posting.delivery.messages import Message
from posting.delivery.replies import RelayRefused, Verdict, plain

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
PATIENCE = 5.0  # Seconds that an open connection waits for a permission: later, the provider may have hung up.
HANGING = 10.0
UNFIT = "The provider's interface cannot be given its copies; the log says why."


class ProviderWire(Desk):
    """Threads that hand copies over through django-anymail. They begin to connect when a copy is there."""

    def __init__(self, backend: str, hold: Hold, *, connections: int) -> None:
        super().__init__(hold)
        self.backend = backend
        self.calls, self.news = threading.Condition(), threading.Condition()
        self.threads = [threading.Thread(target=self._work, name=f"provider {n}", daemon=True) for n in range(connections)]
        self.written: dict[int, float] = {}  # When the request of a copy began to leave whose response is awaited.
        self.unclear = 0
        self.refused_at = 0.0

    # What the lane's thread calls

    def open(self) -> None:
        self.trouble = providers.problem(self.backend, settings.ANYMAIL)
        self.is_open = not self.trouble
        if self.is_open:
            for thread in self.threads:
                thread.start()

    def push(self, jobs: Iterable[Job]) -> None:
        with self.calls:
            super().push(jobs)
            if self.trouble:  # The threads may have ended with it.
                self._return_jobs()

    def allow(self, ids: Container[int], asked_at: float) -> None:
        super().allow(ids, asked_at)
        self.is_hanging = any(time.monotonic() - at > HANGING for at in tuple(self.written.values()))

    def take(self, timeout: float, *, enough: int) -> list[Answer]:
        with self.news:
            self.enough, before = enough, self.trouble
            self.news.wait_for(lambda: self.has_news() or self.trouble != before, timeout)
            return self.taken()

    def close(self, *, seconds: float) -> None:
        with self.calls:
            self.is_closing = True
            self._return_jobs()
            self._call()
        until = time.monotonic() + seconds
        for thread in self.threads:
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))

    # The threads

    def _call(self) -> None:
        with self.calls:
            self.calls.notify_all()

    def _tell(self) -> None:
        with self.news:
            self.news.notify()

    def _answer(self, delivery_id: int, post_id: int, verdict: Verdict) -> None:
        with self.news:
            super()._answer(delivery_id, post_id, verdict)

    def _give_up(self, why: str) -> None:
        with self.calls:
            super()._give_up(why)

    def _work(self) -> None:
        exchange = Exchange()
        try:
            timeouts = (CONNECT_TIMEOUT, float(settings.ANYMAIL["REQUESTS_TIMEOUT"]))
            connection = get_connection(self.backend, timeout=timeouts)
            connection.open()
            exchange.carry(connection.session)  # type: ignore[attr-defined]
            while (job := self._next()) is not None:
                self._hand_over(connection, exchange, job.compiled, job.marked)
            connection.close()
        except (ImproperlyConfigured, ImportError) as error:
            self._give_up(redact(str(error)))
        except Exception:
            log.exception("lane %s: a connection to the provider ended by a fault of ours", self.hold.number)
            self._give_up("a fault of ours ended the connection; the log says which")

    def _next(self) -> Job | None:
        with self.calls:
            while not self.is_closing:
                if self.trouble:
                    self._return_jobs()
                elif self.jobs:
                    return self.jobs.popleft()
                self.calls.wait()
        return None

    def _hand_over(self, connection: BaseEmailBackend, exchange: Exchange, compiled: Compiled, marked: Marked) -> None:
        built = self._build(compiled, marked)
        if isinstance(built, Verdict):
            self._answer(marked.id, marked.post_id, built)
            return
        exchange.expect(lambda: self._may_write(marked.id))
        verdict = Verdict("lost")  # Whatever else may happen, a copy that was taken up is answered for.
        try:
            verdict = hand_over(connection, exchange, built)
        except RelayRefused as error:
            self._give_up(str(error))
            verdict = Verdict("stopped")
        finally:
            self.written.pop(marked.id, None)
            self._count(verdict)
            self._answer(marked.id, marked.post_id, verdict)

    def _build(self, compiled: Compiled, marked: Marked) -> Message | Verdict:
        if marked.id not in self.permit[0]:
            return Verdict("stopped")
        problem: str
        try:
            if not messages.can_take(marked.recipient):
                return Verdict("encoding")
            message = messages.build(compiled, marked, self.backend)
            problem = gate.check_message(compiled, marked, message, self.backend)
        except Exception:
            log.exception("delivery %s cannot be built", marked.id)
            problem = "Its copies cannot be built; the log says why."
        return Verdict("gate", problem=problem) if problem else message

    def _may_write(self, delivery_id: int) -> bool:
        """Whether the request of a copy may be written now, waiting until it can be said."""
        until = time.monotonic() + PATIENCE
        with self.calls:
            while not self.is_closing and not self.trouble and time.monotonic() < until:
                answer = self.may_leave(delivery_id)
                if answer:
                    self.written[delivery_id] = time.monotonic()
                if answer is not None:
                    return answer
                self.calls.wait(PATIENCE)
        return False

    def may_leave(self, delivery_id: int) -> bool | None:
        """As ever; after a refusal of the content not before the lane had time to judge what it means for the post."""
        return super().may_leave(delivery_id) if self.permit[1] > self.refused_at else None

    def _count(self, verdict: Verdict) -> None:
        """An interface that answers nobody clearly is left alone, before it has every copy in doubt."""
        if verdict.stage == "content" and not verdict.is_sent:
            self.refused_at = time.monotonic()
        if verdict.reply is not None:
            self.unclear = 0
        elif verdict.stage in ("lost", "unclear"):
            self.unclear += 1
            if self.unclear >= BARREN:
                self._give_up(f"{self.unclear} times in a row it did not say whether it took a copy")


def hand_over(connection: BaseEmailBackend, exchange: Exchange, message: Message) -> Verdict:
    """Give one message to the interface; raises ``RelayRefused`` where it surely was not taken, for a reason that is about us."""
    try:
        connection.send_messages([message])
    except Stopped:
        return Verdict("stopped")
    except AnymailRecipientsRefused:
        log.debug("The provider refused a recipient; the status tells which way.")
    except requests.RequestException as error:
        if exchange.response is not None:
            return verdicts.on_response(exchange.response)
        if exchange.is_written:
            return Verdict("lost")
        raise RelayRefused(redact(plain(str(error)))) from error
    except Exception:
        log.exception("a copy could not be given to the provider's interface")
        if exchange.response is not None:
            return verdicts.on_response(exchange.response)
        return Verdict("lost") if exchange.is_written else Verdict("gate", problem=UNFIT)
    if not exchange.is_written:  # Somebody's signal cancelled it.
        return Verdict("gate", problem=UNFIT)
    return verdicts.on_status(message, exchange.response)

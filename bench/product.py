"""The whole product on a ground of its own: members, a post, and worker processes that hand its copies over."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from django.db import connection

from chamberlist import bell
from chamberlist.clock import now
from chamberlist.sealed import seal
from posting.delivery import audience
from posting.models import Delivery, Pace, Post, Sender
from posting.moderation import moderation
from posting.submission import senders, submission
from subscriptions import addresses
from subscriptions.addresses import Address
from subscriptions.models import MailingList, Subscription

REPOSITORY = Path(__file__).resolve().parent.parent
LANES = 2
TICKS = os.sysconf("SC_CLK_TCK")
BODY = "Two loaves for the price of one, all week, at our shop in the High Street.\n\n" * 40  # About 10 KB a copy.
COLUMNS = "mailing_list_id, handle, sealed_address, address_hash, domain_hash, state, confirmed_at"


def a_list(slug: str, members: int) -> MailingList:
    """A list with so many subscribed members, written as fast as rows can be."""
    mailing_list = MailingList.objects.create(slug=slug, name=slug.capitalize(), undo_seconds=0)
    rows, moment = io.StringIO(), now().isoformat()
    for number in range(members):
        address, handle = f"member{number}@shop{number % 997}.example", uuid.uuid4()
        person = Address(address, address)
        sealed = seal(address, place=Subscription.address.place(Subscription, handle))
        hashes = f"\\\\x{person.hash.hex()}\t\\\\x{person.domain_hash.hex()}"
        rows.write(f"{mailing_list.pk}\t{handle}\t{sealed}\t{hashes}\tactive\t{moment}\n")
    rows.seek(0)
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {Subscription._meta.db_table} ({COLUMNS}) FROM STDIN", rows)
        cursor.execute(f"ANALYZE {Subscription._meta.db_table}")
    return mailing_list


def an_accepted_post(mailing_list: MailingList) -> Post:
    """A post that waits for its expansion."""
    sender = Sender.objects.filter(name="Bloggs Ltd").first()
    if sender is None:
        sender, _ = senders.approve(addresses.parse("joe@bloggs.example"), name="Bloggs Ltd", lists=[], by="bench")
        Sender.objects.update(posts_a_day=30_000, posts_a_month=30_000)
        Pace.objects.update_or_create(pk=1, defaults={"drawn": 10**9})  # An installation that need not start slowly.
    sender.lists.add(mailing_list)
    post = submission.write(sender, mailing_list, key=uuid.uuid4(), subject="Spring offers", body=BODY)
    problem = submission.submit(post, content_hash=post.content_hash)
    problem = problem or moderation.accept(post, content_hash=post.content_hash, by="bench", now=True)
    assert not problem, problem
    post.refresh_from_db()
    return post


@dataclass(frozen=True)
class Sent:
    """What one sending came to."""

    a_second: float
    cpu_seconds: float  # Of the worker's processes, for 1,000 copies.
    memory: float  # The largest proportional set of a worker's child, MB.


def send(mailing_list: MailingList, worker: "Worker", *, lanes: int = LANES) -> Sent:
    """One post to all members, by real workers, from the first bell to the last copy."""
    post = an_accepted_post(mailing_list)
    assert audience.expand(post.pk)
    post.refresh_from_db()
    assert post.audience
    cpu, started = worker.cpu_seconds(), now()
    with worker.watched() as sizes:
        for lane in range(1, lanes + 1):
            bell.ring("posting.tasks.deliver", lane)
        _await_end(post)
    copies = Delivery.objects.filter(post=post)
    assert not copies.exclude(state=Delivery.State.SENT).exists(), "each copy was taken"
    ended = copies.order_by("-ended_at").values_list("ended_at", flat=True)[0]
    assert ended is not None
    spent = worker.cpu_seconds() - cpu
    return Sent(post.audience / (ended - started).total_seconds(), 1000 * spent / post.audience, max(sizes, default=0.0))


def _await_end(post: Post) -> None:
    waiting = Delivery.objects.filter(post=post, state__in=Delivery.OPEN)
    until = time.monotonic() + 1800
    while waiting.exists():
        assert time.monotonic() < until, "the copies never ended"
        time.sleep(0.1)


@dataclass
class Worker:
    """Celery's worker, as production starts it, at a relay on loopback."""

    relay: int
    settings: dict[str, str] = field(default_factory=dict)
    app: str = "chamberlist"
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        given = {
            "SMTP_URL": f"smtp://127.0.0.1:{self.relay}/?tls=none",
            "DELIVERY_LANES": str(LANES),
            "LOG_LEVEL": "WARNING",
        }
        command = [sys.executable, "-m", "celery", "-A", self.app, "worker", "-c", str(LANES + 2), "-l", "WARNING"]
        self.process = subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle", "--pidfile", ""],
            cwd=REPOSITORY,
            env=os.environ | given | self.settings,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + 60
        while len(self.children()) < LANES + 2 and time.monotonic() < until:
            time.sleep(0.2)
        time.sleep(2)  # It answers the bell a moment after its children are there.
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def children(self) -> list[int]:
        """The processes that do the work."""
        assert self.process is not None
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(number) for number in listed.split()]

    def cpu_seconds(self) -> float:
        """What they have used so far."""
        return cpu_seconds(self.children())

    @contextmanager
    def watched(self) -> Iterator[list[float]]:
        """Gathers the proportional set sizes of the children, in MB, once a second."""
        sizes: list[float] = []
        is_over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(sizes, is_over))
        watcher.start()
        try:
            yield sizes
        finally:
            is_over.set()
            watcher.join()

    def _watch(self, sizes: list[float], is_over: threading.Event) -> None:
        while not is_over.wait(1.0):
            for pid in self.children():
                with suppress(OSError):
                    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                    sizes.append(next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024)


def cpu_seconds(processes: Iterable[int]) -> float:
    """What these processes, and those of their own that have ended, have used so far."""
    total = 0
    for pid in processes:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / TICKS


def an_environment_line(pem: bytes) -> str:
    """A key as one line."""
    return pem.decode().replace("\n", "\\n")

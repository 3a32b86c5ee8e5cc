"""The whole job on real parts: 630 members, a broker, a worker, a mail server; and the broker may fail."""

import json
import os
import signal
import subprocess
import threading
from collections import Counter
from email.utils import getaddresses

import pytest
import redis
from django.conf import settings
from django.db import connection

from chamberlist.clock import now
from chamberlist.embedded import postgres
from posting.models import Delivery, Lane, Post
from tests import builders
from tests.smtpserver import Received, SmtpServer
from tests.workers import Stack, database_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("whole")]
LETTER = b"From: joe@bloggs.example\r\nSubject: Spring offers\r\n\r\nTwo loaves for one.\r\n"


def submit(stack: Stack, letter: bytes = LETTER) -> str:
    """A post as the operator's commands make it; its number."""
    promotions = builders.a_list()
    sender = builders.a_sender(promotions)
    submitted = stack.manage(
        "submitpost", "promotions", "--from", "joe@bloggs.example", stdin=letter, POSTING_PASSWORD=builders.PASSWORDS[sender.pk]
    )
    assert submitted.returncode == 0, submitted.stderr
    return submitted.stdout.decode().strip()


def status(stack: Stack, number: str) -> dict[str, int]:
    shown = stack.manage("poststatus", number, "--json")
    counts: dict[str, int] = json.loads(shown.stdout)
    return counts


def wait_for(post: str, state: str, *, seconds: float = 60) -> None:
    """Until the ledger says so: Postgres is asked again and again, for so long at most."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DO $$ BEGIN
                FOR i IN 1..%s LOOP
                    PERFORM FROM posting_post WHERE id = %s AND state = %s;
                    EXIT WHEN FOUND;
                    PERFORM pg_sleep(0.05);
                END LOOP;
            END $$
            """,
            [int(seconds * 20), int(post), state],
        )
    found = Post.objects.get(pk=post)
    assert found.state == state, f"{found.state}: {Counter(found.deliveries.values_list('state', flat=True))}"


def copies(smtp: SmtpServer) -> list[Received]:
    """What went to members: a slow acceptance lets the mail that a post waits reach the office first."""
    return [mail for mail in smtp.received if mail.recipients != (settings.CHAMBER_ALERTS,)]


class Listener(threading.Thread):
    """Everything that is said to the broker, as MONITOR shows it."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.said: list[str] = []
        self.monitor = redis.Redis.from_url(url, socket_timeout=None).monitor()  # However long nothing is said.
        self.monitor.__enter__()
        self.start()

    def run(self) -> None:
        try:
            for command in self.monitor.listen():
                self.said.append(str(command["command"]))
        except (redis.RedisError, OSError, ValueError):
            return


def test_630_members_get_one_copy_each_and_nothing_else_learns_an_address(stack: Stack, smtp: SmtpServer):
    number = submit(stack)
    addresses = builders.many_members(Post.objects.get(pk=number).mailing_list, 630)
    listener = Listener(stack.broker.url)
    stack.start_worker()
    assert stack.manage("acceptpost", number, "--now").returncode == 0

    wait_for(number, Post.State.DONE, seconds=120)
    received = copies(smtp)
    assert sorted(mail.recipients for mail in received) == sorted((address,) for address in addresses)
    for mail in received:
        assert [address for _, address in getaddresses(mail.message.get_all("To", []))] == list(mail.recipients)
    counts = status(stack, number)
    assert counts.pop("audience") == counts["sent"] == 630
    assert counts.pop("id") == int(number) and str(counts.pop("state")) == "done"
    assert sum(counts.values()) == 630

    dump = subprocess.run([postgres.binaries()[0] / "pg_dump", database_url()], capture_output=True, check=True).stdout.decode()
    stack.end_worker()
    log = stack.log.read_text()
    broker = "\n".join(listener.said)
    for name, place in (("pg_dump", dump), ("the worker's log", log), ("the broker", broker)):
        leaked = [address for address in addresses if address in place]
        assert leaked == [], f"{name} names {len(leaked)} members"
    assert "posting_delivery" in dump and "posting.tasks.deliver" in log and "posting.tasks.deliver" in broker


def test_a_broker_that_is_flushed_and_killed_loses_nothing_and_repeats_nothing(stack: Stack, smtp: SmtpServer):
    number = submit(stack)
    addresses = builders.many_members(Post.objects.get(pk=number).mailing_list, 300)
    heard = Counter[str]()

    def trouble(address: str) -> None:
        heard["copies"] += 1
        if heard["copies"] == 50:
            redis.Redis.from_url(stack.broker.url).flushall()
        if heard["copies"] == 100:
            stack.broker.kill()
        if heard["copies"] == 200:
            stack.broker.start()

    smtp.at_recipient = trouble
    stack.start_worker()
    assert stack.manage("acceptpost", number, "--now").returncode == 0
    wait_for(number, Post.State.DONE, seconds=120)
    assert sorted(mail.recipients for mail in copies(smtp)) == sorted((address,) for address in addresses)
    assert status(stack, number)["sent"] == 300


def test_a_broker_that_is_down_when_the_post_is_accepted_costs_only_time(stack: Stack, smtp: SmtpServer):
    number = submit(stack)
    builders.many_members(Post.objects.get(pk=number).mailing_list, 20)
    stack.broker.kill()
    accepted = stack.manage("acceptpost", number, "--now")
    assert accepted.returncode == 0 and b"accepted" in accepted.stdout
    stack.broker.start()
    stack.start_worker()
    assert len(smtp.wait_for(20)) == 20
    wait_for(number, Post.State.DONE)


def test_a_killed_worker_leaves_at_most_two_groups_in_doubt_and_nothing_twice(stack: Stack, smtp: SmtpServer):
    number = submit(stack)
    addresses = builders.many_members(Post.objects.get(pk=number).mailing_list, 200)
    stack.environment |= {"DELIVERY_GROUP": "8"}
    heard = Counter[str]()
    killed = threading.Event()

    def kill(address: str) -> None:
        heard["copies"] += 1
        if heard["copies"] == 60 and stack.worker:
            os.killpg(stack.worker.pid, signal.SIGKILL)
            killed.set()

    smtp.at_dot = kill
    stack.start_worker()
    assert stack.manage("acceptpost", number, "--now").returncode == 0
    assert killed.wait(60)
    stack.end_worker(signal.SIGKILL)
    Lane.objects.update(leased_until=now())
    stack.start_worker()
    wait_for(number, Post.State.DONE, seconds=120)

    received = Counter(mail.recipients[0] for mail in copies(smtp))
    assert max(received.values()) == 1
    counts = status(stack, number)
    assert counts["sent"] + counts["in_doubt"] == 200
    assert 0 < counts["in_doubt"] <= 2 * 8 * 2  # Two lanes.
    missing = set(addresses) - set(received)
    doubts = Delivery.objects.filter(post_id=int(number), state=Delivery.State.IN_DOUBT).select_related("subscription")
    assert missing <= {doubt.subscription.address for doubt in doubts if doubt.subscription}

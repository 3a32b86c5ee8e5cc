"""Killing things in mid-send: nobody gets two copies, nobody is forgotten, and what nobody can know is called in doubt.

``make test`` runs a short form; ``make test-crash`` sets CRASH_RUNS, CRASH_INSTANTS and CRASH_COPIES to the full size.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest
from celery import current_app
from django.apps import apps
from django.db import OperationalError, connection, models
from django.db.backends.base.base import BaseDatabaseWrapper

from chamberlist import halt
from chamberlist.clock import Now
from chamberlist.embedded import postgres
from posting.delivery import audience, dispatch, lanes, ledger, session, sweep, wire
from posting.models import Delivery, Lane, Post, Sender
from posting.moderation import moderation
from subscriptions import lifecycle
from tests import builders
from tests.checker import Reckoning, reckon
from tests.databases import elsewhere
from tests.lanerunner import POINTS
from tests.smtpserver import SmtpServer
from tests.test_whole import wait_for
from tests.workers import Stack, lane_runner

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State

RUNS = int(os.environ.get("CRASH_RUNS", "1"))
INSTANTS = int(os.environ.get("CRASH_INSTANTS", "3"))
COPIES = int(os.environ.get("CRASH_COPIES", "150"))
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.randrange(10**6)
GROUP = 16
PATIENCE = 120


@pytest.fixture
def post(smtp: SmtpServer, settings) -> Post:
    """A post whose copies wait, and a relay that takes them."""
    settings.DELIVERY_GROUP = GROUP
    return a_post()


def a_post(copies: int = COPIES) -> Post:
    promotions = builders.a_list()
    builders.many_members(promotions, copies)
    return builders.a_sending_post(builders.a_sender(promotions))


def end_leases() -> None:
    """As if a minute had passed since the lane's holder was last heard of."""
    Lane.objects.update(leased_until=Now() - timedelta(seconds=1), rests_until=None)


def go_on(post: Post) -> None:
    """What beat and the workers do once the lease of whoever died is over."""
    end_leases()
    sweep.sweep()
    dispatch.run_lane(1, seconds=600)


def survived(post: Post, smtp: SmtpServer, *, killed: int = 1) -> Reckoning:
    """The post goes on to its end, each copy once, and few are in doubt."""
    go_on(post)
    reckoning = reckon(post, smtp)
    assert post.state == Post.State.DONE
    assert set(reckoning.states) <= {State.SENT, State.IN_DOUBT}
    assert reckoning.states[State.IN_DOUBT] <= 2 * GROUP * killed
    return reckoning


def at_copy(smtp: SmtpServer, number: int, act: Callable[[], None]) -> None:
    """Do something once, when the server has the whole of its copy with that number."""
    heard = threading.Lock()
    copies = 0

    def dot(_: str) -> None:
        nonlocal copies
        with heard:
            copies += 1
            mine = copies == number
        if mine:
            act()

    smtp.at_dot = dot


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_each_point_of_the_hand_over(point: str, smtp: SmtpServer, settings):
    settings.DELIVERY_GROUP = GROUP
    smtp.slowness = 0.05 if point == "asking again" else 0  # A lane asks a few times a second.
    doubts = []
    for run in range(RUNS):
        smtp.received.clear()
        post = a_post() if run == 0 else another_post()
        nth = random.Random(f"{SEED} {point} {run}").randint(1, 3)
        rare = point in ("connecting", "asking again", "hanging up", "hung up") or "lease" in point
        with lane_runner(point, "1" if rare else str(nth), DELIVERY_GROUP=str(GROUP)) as process:
            assert process.wait(PATIENCE) == -signal.SIGKILL, "it was to be killed"
        doubts.append(survived(post, smtp).states[State.IN_DOUBT])
    print(f"{point}: in doubt {max(doubts)} at most, {sum(doubts) / len(doubts):.1f} on average")


def another_post() -> Post:
    return builders.a_sending_post(Sender.objects.get())


def test_a_worker_killed_at_random_instants(smtp: SmtpServer, settings):
    settings.DELIVERY_GROUP = GROUP
    print(f"CRASH_SEED={SEED}")
    chance, doubts = random.Random(SEED), []
    for run in range(INSTANTS):
        smtp.received.clear()
        post = a_post() if run == 0 else another_post()
        number = chance.randint(1, COPIES)
        with lane_runner(DELIVERY_GROUP=str(GROUP)) as process:
            at_copy(smtp, number, lambda: threading.Timer(chance.random() / 200, process.kill).start())
            process.wait(PATIENCE)
        doubts.append(survived(post, smtp).states[State.IN_DOUBT])
    print(f"random instants: in doubt {max(doubts)} at most, {sum(doubts) / len(doubts):.1f} on average")


@pytest.mark.xdist_group("whole")
def test_ten_times_the_same_message_is_one_lane(stack: Stack, smtp: SmtpServer):
    post = a_post()
    stack.environment |= {"DELIVERY_LANES": "2"}
    with current_app.connection_for_write(stack.broker.url) as broker:
        tasks: list[tuple[str, tuple[int, ...]]] = [("posting.tasks.deliver", (1,)), ("posting.tasks.deliver", (2,))]
        for task, ids in 10 * [*tasks, ("posting.tasks.sweep", ())]:
            current_app.send_task(task, args=ids, connection=broker)
    stack.start_worker()
    wait_for(str(post.pk), Post.State.DONE)
    assert reckon(post, smtp).states == {State.SENT: COPIES}


@pytest.mark.xdist_group("whole")
def test_two_beats_are_one(stack: Stack, smtp: SmtpServer, tmp_path):
    promotions = builders.a_list()
    builders.many_members(promotions, COPIES)
    post = builders.an_accepted_post(builders.a_sender(promotions))
    (tmp_path / "second").mkdir()
    with Stack(stack.broker, tmp_path / "second", stack.environment) as second:
        stack.start_worker()
        second.start_worker()
        wait_for(str(post.pk), Post.State.DONE)
        second.end_worker()
    assert reckon(post, smtp).states == {State.SENT: COPIES}


def test_a_worker_frozen_past_its_lease_writes_no_more_dots(post: Post, smtp: SmtpServer):
    smtp.slowness = 0.03
    frozen = threading.Event()
    with lane_runner(DELIVERY_GROUP=str(GROUP)) as process:

        def freeze() -> None:
            os.kill(process.pid, signal.SIGSTOP)
            frozen.set()

        at_copy(smtp, COPIES // 3, freeze)
        assert frozen.wait(PATIENCE)
        since = time.monotonic()
        go_on(post)
        assert time.monotonic() - since > wire.FRESH, "as long as a lease, for the frozen one"
        before = len(smtp.received)
        os.kill(process.pid, signal.SIGCONT)
        process.wait(PATIENCE)
    assert len(smtp.received) == before
    go_on(post)  # A few, where it was frozen in mid-transaction: nobody else could have marked those.
    reckoning = reckon(post, smtp)
    assert reckoning.states[State.IN_DOUBT] <= 2 * GROUP
    assert set(reckoning.states) <= {State.SENT, State.IN_DOUBT}


def test_a_dot_that_is_never_answered_holds_up_nobody_else(post: Post, smtp: SmtpServer, settings, monkeypatch):
    settings.DELIVERY_CONNECTIONS = 2
    monkeypatch.setattr(session, "DOT_TIMEOUT", 5)
    monkeypatch.setattr(session, "HANGING", 0.5)
    smtp.never = {"member3@shop3.example"}
    dispatch.run_lane(1, seconds=600)
    assert reckon(post, smtp).states == {State.SENT: COPIES - 1, State.IN_DOUBT: 1}
    last = max(mail.at for mail in smtp.received)
    unanswered = next(mail.at for mail in smtp.received if mail.recipients == ("member3@shop3.example",))
    assert last - unanswered < 4, "the others did not wait for it"


def test_postgres_stopped_at_once_in_mid_send(smtp: SmtpServer, tmp_path: Path):
    """As ``pg_ctl stop -m immediate`` does it. The lane writes no dot until it can ask again, and forgets no reply."""
    link = tmp_path / "pg"
    with postgres.Server(tmp_path / "server") as server:
        assert server.sockets is not None and server.child is not None
        link.symlink_to(server.sockets)
        url = f"postgres://{postgres.USER}@/{postgres.DATABASE}?host={link}"
        with elsewhere(url, migrate=True):
            post = a_post()
            smtp.slowness = 0.02
            with lane_runner(DATABASE_URL=url, DELIVERY_GROUP=str(GROUP)) as process:
                smtp.wait_for(COPIES // 3)
                os.kill(server.child.pid, signal.SIGQUIT)
                server.child.process.wait(PATIENCE)
                stopped = time.monotonic()
                server.start()
                link.unlink()
                link.symlink_to(server.sockets)
                started = time.monotonic()
                assert process.wait(PATIENCE) == 0
            connection.close()
            assert not [mail for mail in smtp.received if stopped + 1 < mail.at < started]
            assert survived(post, smtp).states == {State.SENT: COPIES}


@pytest.mark.parametrize("is_durable", [True, False], ids=["committed", "not committed"])
def test_an_error_during_a_commit(post: Post, smtp: SmtpServer, is_durable: bool):
    """Nobody can tell from the error whether it was written: nothing is sent before a new connection has read it."""
    commit, commits = BaseDatabaseWrapper._commit, 0  # type: ignore[attr-defined]

    def fail_at_times(self: BaseDatabaseWrapper) -> None:
        nonlocal commits
        commits += 1
        if commits % 5 == 3:
            if is_durable:
                commit(self)
            self.connection.close()
            raise OperationalError("the connection was lost during COMMIT")
        commit(self)

    with mock.patch.object(BaseDatabaseWrapper, "_commit", fail_at_times), suppress(OperationalError):
        dispatch.run_lane(1, seconds=600)
    connection.close()
    assert commits > 5
    reckoning = survived(post, smtp)
    assert reckoning.states == {State.SENT: COPIES}, "what was marked in vain was put back, and sent later"


def stop_halt(post: Post) -> set[str]:
    halt.halt(by="a test", reason="a test")
    return everybody(post)


def stop_recall(post: Post) -> set[str]:
    assert moderation.recall(Post.objects.get(pk=post.pk), by="a test") == ""
    return everybody(post)


def stop_leaving(post: Post) -> set[str]:
    """Half of those whose copies wait or are in hand leave, one by one."""
    leaving = set()
    for copy in post.deliveries.filter(state__in=Delivery.OPEN).select_related("subscription").order_by("-pk")[: COPIES // 4]:
        assert copy.subscription is not None and lifecycle.unsubscribe(copy.subscription.handle, how="page")
        leaving.add(copy.subscription.address)
    return leaving


def everybody(post: Post) -> set[str]:
    return {copy.subscription.address for copy in post.deliveries.select_related("subscription") if copy.subscription}


@pytest.mark.parametrize("stop", [stop_halt, stop_recall, stop_leaving])
def test_a_stop_holds_within_a_second(post: Post, smtp: SmtpServer, stop: Callable[[Post], set[str]]):
    """The server takes 20 ms for each dot, and no broker is there."""
    smtp.slowness = 0.02
    with lane_runner(DELIVERY_GROUP=str(GROUP)) as process:
        smtp.wait_for(COPIES // 6)
        stopped = stop(post)
        at = time.monotonic()
        process.wait(PATIENCE)
    late = [mail.at - at for mail in smtp.received if mail.recipients[0] in stopped and mail.at > at]
    print(f"{stop.__name__}: last dot {max(late, default=0):.2f} s after the commit, {len(late)} in all")
    assert max(late, default=0) <= 1
    reckoning = reckon(post, smtp)
    assert reckoning.states[State.SENT] < COPIES


@pytest.mark.parametrize("days", [32, -32], ids=["moved on", "set back"])
def test_clocks_that_jump_by_32_days_send_nothing(smtp: SmtpServer, days: int, settings):
    """The same as all stored times shifted the other way; asked of a lane in mid-post, and of a post that waits."""
    post = a_post(300)
    hold = lanes.take(1)
    assert hold and len(ledger.claim(hold, post.pk, limit=GROUP).marked) == GROUP
    shift_all_times(-days)
    sweep.sweep()
    end_leases()
    sweep.sweep()
    dispatch.run_lane(1, seconds=600)
    assert smtp.received == []
    assert reckon(post, smtp).states[State.SENT] == 0


def shift_all_times(days: int) -> None:
    """Every stored time, in every table of ours."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # Append-only tables, too.
        for model in apps.get_models():
            times = [f'"{field.column}"' for field in model._meta.local_concrete_fields if isinstance(field, models.DateTimeField)]
            if times:
                changes = ", ".join(f"{column} = {column} + interval '{days} days'" for column in times)
                cursor.execute(f"UPDATE {model._meta.db_table} SET {changes}")  # noqa: S608 (names of our own tables)
        cursor.execute("SET session_replication_role = origin")


def test_two_at_once_expand_once(smtp: SmtpServer):
    promotions = builders.a_list()
    builders.many_members(promotions, 50)
    post = builders.an_accepted_post(builders.a_sender(promotions))
    together, done = threading.Barrier(4), []

    def expand() -> None:
        together.wait()
        done.append(audience.expand(post.pk))
        connection.close()

    people = [threading.Thread(target=expand) for _ in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sorted(done) == [False, False, False, True]
    assert post.deliveries.count() == 50

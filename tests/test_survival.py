"""Killing things in mid-send: nobody gets two copies, nobody is forgotten, and what nobody can know is called in doubt."""

import os
import random
import re
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from unittest import mock

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client
from django.urls import reverse

from chamberlist.embedded import postgres
from chamberlist.models import AuditEntry
from posting.delivery import audience, desk, dispatch, session, sweep
from posting.models import Delivery, Post
from subscriptions import addresses, requests
from tests import builders
from tests.checker import Reckoning, reckon
from tests.databases import elsewhere
from tests.lanerunner import POINTS
from tests.sending import (
    COPIES,
    GROUP,
    INSTANTS,
    PATIENCE,
    RUNS,
    SEED,
    a_post,
    another_post,
    at_copy,
    go_on,
    ring,
    survived,
    tell_of_doubts,
)
from tests.smtpserver import SmtpServer
from tests.test_whole import wait_for
from tests.workers import Stack, lane_runner

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State


@pytest.fixture
def post(smtp: SmtpServer, settings) -> Post:
    """A post whose copies wait, and a relay that takes them."""
    settings.DELIVERY_GROUP = GROUP
    return a_post()


TIMES_PASSED = {"lane": 1, "moment": 3, "group": max(1, COPIES // (2 * GROUP)), "copy": COPIES}  # At least, in a post.


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_each_point_of_the_hand_over(point: str, smtp: SmtpServer, settings):
    settings.DELIVERY_GROUP = GROUP
    *_, passed_for_each = POINTS[point]
    reckonings = []
    for run in range(RUNS):
        smtp.received.clear()
        smtp.slowness = 8 / COPIES if passed_for_each == "moment" else 0  # A lane asks a few times a second.
        post = a_post() if run == 0 else another_post()
        nth = random.Random(f"{SEED} {point} {run}").randint(1, TIMES_PASSED[passed_for_each])
        with lane_runner(point, str(nth), DELIVERY_GROUP=str(GROUP)) as process:
            assert process.wait(PATIENCE) == -signal.SIGKILL, "it was to be killed"
        smtp.slowness = 0
        reckonings.append(survived(post, smtp))
    tell_of_doubts(point, reckonings)


def test_a_worker_killed_at_random_instants(smtp: SmtpServer, settings):
    settings.DELIVERY_GROUP = GROUP
    chance, reckonings, killed = random.Random(SEED), list[Reckoning](), 0
    for run in range(INSTANTS):
        smtp.received.clear()
        post = a_post() if run == 0 else another_post()
        number, moment = chance.randint(1, COPIES), chance.random() / 200
        with lane_runner(DELIVERY_GROUP=str(GROUP)) as process:
            at_copy(smtp, number, threading.Timer(moment, process.kill).start)
            killed += process.wait(PATIENCE) == -signal.SIGKILL
        reckonings.append(survived(post, smtp))
    tell_of_doubts(f"random instants, {killed} killed before their end", reckonings)
    assert killed >= INSTANTS * 2 // 3


@pytest.mark.xdist_group("workers")
def test_every_message_ten_times_and_side_by_side_does_everything_once(stack: Stack, smtp: SmtpServer):
    """The post's way from acceptance on, and a question by mail to each of ten people who signed up."""
    promotions = builders.a_list()
    builders.many_members(promotions, COPIES)
    post = builders.an_accepted_post(builders.a_sender(promotions))
    newcomers = [f"new{number}@shop.example" for number in range(10)]
    for newcomer in newcomers:
        requests.receive(promotions, addresses.parse(newcomer))

    def ring_for_both() -> None:
        for lane in (1, 2):
            ring(stack, "posting.tasks.deliver", lane, times=10)

    smtp.slowness = 15 / COPIES  # Two lanes, four connections each: some seconds.
    at_copy(smtp, COPIES // 3, ring_for_both)
    for task in ("posting.tasks.sweep", "subscriptions.tasks.take_requests"):
        ring(stack, task, times=10)
    stack.start_worker("--include", "tests.tenfold", processes=6)
    wait_for(str(post.pk), Post.State.DONE, seconds=PATIENCE + COPIES / 10)
    received = smtp.wait_for(COPIES + len(newcomers), seconds=60)
    stack.end_worker()
    others = [mail for mail in received if mail.recipients[0] in newcomers]
    assert sorted(mail.recipients for mail in others) == sorted((newcomer,) for newcomer in newcomers)
    smtp.received = [mail for mail in received if mail not in others]
    assert reckon(post, smtp).states == {State.SENT: COPIES}
    assert smtp.connections <= 2 * 4 + len(newcomers), "ten deliveries of one task make no ten lanes"
    messages = re.findall(r"Task (\S+)\[\S+\] received", stack.log.read_text())
    for task in ("posting.tasks.sweep", "posting.tasks.deliver", "subscriptions.tasks.take_requests"):
        assert messages.count(task) >= 10, f"{task} was to come ten times"


@pytest.mark.xdist_group("workers")
def test_two_beats_are_one(stack: Stack, smtp: SmtpServer, tmp_path):
    promotions = builders.a_list()
    builders.many_members(promotions, COPIES)
    post = builders.an_accepted_post(builders.a_sender(promotions))
    (tmp_path / "second").mkdir()
    with Stack(stack.broker, tmp_path / "second", stack.environment) as second:
        stack.start_worker()
        second.start_worker()
        wait_for(str(post.pk), Post.State.DONE, seconds=PATIENCE + COPIES / 10)
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
        go_on()
        assert time.monotonic() - since > desk.FRESH, "as long as a lease, for the frozen one"
        before = len(smtp.received)
        os.kill(process.pid, signal.SIGCONT)
        process.wait(PATIENCE)
    assert len(smtp.received) == before
    smtp.slowness = 0
    survived(post, smtp)  # A few wait, where it was frozen in mid-transaction: nobody else could have marked those.


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


def test_two_people_a_double_click_and_a_form_sent_again_are_one_fan_out(smtp: SmtpServer):
    """Four browsers accept at once, then two sweeps expand at once, and somebody clicks once more afterwards."""
    promotions = builders.a_list()
    builders.many_members(promotions, COPIES)
    post = builders.a_held_post(builders.a_sender(promotions))
    users = [get_user_model().objects.create_superuser(f"ann{number}") for number in range(2)]
    accepting = reverse("admin:posting_post_do", args=[post.pk, "accept"])

    def accept(browser: Client) -> None:
        assert browser.post(accepting, {"content_hash": post.content_hash}).status_code == 302

    browsers = []
    for user in [*users, users[0], users[1]]:  # Each of the two clicks twice.
        browsers.append(Client())
        browsers[-1].force_login(user)
    at_once(*(lambda browser=browser: accept(browser) for browser in browsers))
    assert AuditEntry.objects.filter(verb="accept").count() == 1
    expanded: list[bool] = []
    at_once(sweep.sweep, sweep.sweep, *(lambda: expanded.append(audience.expand(post.pk)) for _ in range(2)))
    assert sum(expanded) <= 1
    accept(browsers[0])
    at_once(*(lambda lane=lane: dispatch.run_lane(lane, seconds=60) for lane in (1, 2, 1, 2)))
    accept(browsers[0])
    sweep.sweep()
    dispatch.run_lane(1, seconds=60)
    assert reckon(post, smtp).states == {State.SENT: COPIES}


def at_once(*acts) -> None:
    together, failures = threading.Barrier(len(acts)), list[BaseException]()

    def act(it) -> None:
        together.wait(30)
        try:
            it()
        except BaseException as error:  # noqa: BLE001 (told below)
            failures.append(error)
        finally:
            connection.close()

    people = [threading.Thread(target=act, args=(it,)) for it in acts]
    for person in people:
        person.start()
    for person in people:
        person.join(PATIENCE)
    assert failures == []

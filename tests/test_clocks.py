"""Clocks that jump: what is pending then is not sent by itself."""

import time
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

from chamberlist import fence, halt, systemmail, throttle
from posting.delivery import dispatch, lanes, ledger, pace, refusals, sweep
from posting.delivery.evidence import Refusal, Refused
from posting.delivery.ledger import Outcome
from posting.feedback import replies
from posting.inbound import receiving
from posting.models import Delivery, Post
from posting.submission import lostpasswords
from subscriptions import addresses, lifecycle, requests
from subscriptions.models import Suppression
from tests import builders
from tests.checker import reckon
from tests.clocks import shift_all_times
from tests.sending import GROUP, PATIENCE, a_post, end_leases
from tests.smtpserver import SmtpServer
from tests.workers import lane_runner

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State
JUMPS = pytest.mark.parametrize("days", [32, -32], ids=["moved on", "set back"])


@JUMPS
@pytest.mark.parametrize("is_alone", [False, True], ids=["all defences", "the ledger alone"])
def test_of_300_copies_none_leaves(days: int, is_alone: bool, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch):
    """A lane that was at work has marked some. The ledger holds them although nobody notices that the site has slept."""
    post = a_post(300)
    fence.arm(by="a test")
    hold = lanes.take(1)
    assert hold and len(ledger.claim(hold, builders.first_turns(post), limit=GROUP).marked) == GROUP
    shift_all_times(-days)
    if is_alone:
        monkeypatch.setattr(fence, "has_slept", lambda: False)
    assert ledger.still_wanted(hold, list(post.deliveries.values_list("pk", flat=True))) == frozenset()
    for _ in range(2):
        sweep.sweep()
        dispatch.run_lane(1, seconds=600)
        end_leases()
    assert smtp.received == []
    states = reckon(post, smtp).states
    assert states[State.SENT] == 0 and states[State.IN_DOUBT] <= GROUP


@JUMPS
def test_a_lane_at_work_stops(days: int, smtp: SmtpServer):
    post = a_post(300)
    smtp.slowness = 0.3  # Two groups in hand are seconds of work.
    with lane_runner(DELIVERY_GROUP=str(GROUP)) as process:
        smtp.wait_for(30)
        shift_all_times(-days)
        jumped = time.monotonic()
        assert process.wait(PATIENCE) == 0
    assert max(mail.at for mail in smtp.received) - jumped <= 1
    smtp.slowness, before = 0, len(smtp.received)
    for _ in range(2):
        sweep.sweep()
        dispatch.run_lane(1, seconds=600)
        end_leases()
    assert len(smtp.received) == before
    assert reckon(post, smtp).states[State.SENT] == before


def test_an_accepted_post_that_waits_for_its_time_stays(smtp: SmtpServer):
    promotions = builders.a_list()
    builders.many_members(promotions, 20)
    post = builders.an_accepted_post(builders.a_sender(promotions))
    shift_all_times(-32)
    sweep.sweep()
    dispatch.run_lane(1, seconds=60)
    post.refresh_from_db()
    assert smtp.received == [] and post.state in (Post.State.EXPIRED, Post.State.FROZEN)


# What moves the clocks in these tests


def columns() -> dict[str, dict[str, str]]:
    """The type of each column of each table, as the database has it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT table_name, column_name, data_type FROM information_schema.columns JOIN information_schema.tables
            USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
            """
        )
        found: dict[str, dict[str, str]] = {}
        for table, column, kind in cursor.fetchall():
            found.setdefault(table, {})[column] = kind
    found.pop("django_migrations")  # Django's own record, of no time that anybody asks for.
    return found


def everything(tables: dict[str, dict[str, str]], *, days: int) -> dict[str, list[Any]]:
    """All rows, their times moved by so many days."""
    rows = {}
    with connection.cursor() as cursor:
        for table, kinds in tables.items():
            is_time = {column: kind.startswith("timestamp") for column, kind in kinds.items()}
            values = [f'("{column}"' + f" + interval '{days} days'" * moves + ")::text" for column, moves in is_time.items()]
            cursor.execute(f"SELECT {', '.join(values)} FROM {table}")  # noqa: S608 (names of our own tables)
            rows[table] = sorted(map(repr, cursor.fetchall()))
    return rows


def test_the_helper_moves_every_stored_time_and_nothing_else():
    tables = columns()
    assert not {kind for kinds in tables.values() for kind in kinds.values()} & {"date", "interval", "time without time zone"}
    post = a_post(3)
    hold = lanes.take(1)
    assert hold is not None
    [first, *_] = ledger.claim(hold, builders.first_turns(post), limit=2).marked
    ledger.record(hold, [Outcome(first.id, State.FAILED, "5.1.1", "unknown")])
    lanes.rest(hold)
    pace.draw(1)
    halt.halt(by="a test", reason="a test")
    fence.arm(by="a test")
    systemmail.alert("test", "A test", "It is one.")
    throttle.hit("a test", "192.0.2.1", limit=1, per=timedelta(minutes=1))
    requests.receive(post.mailing_list, addresses.parse("new@shop.example"))
    requests.take()
    requests.receive(post.mailing_list, addresses.parse("newer@shop.example"))
    lostpasswords.receive("joe@bloggs.example")
    refusals.record(post.pk, [Refused(first.id, Refusal("A test.", "copy", "Bcc"))])
    lifecycle.suppress(addresses.parse("never@shop.example").hash, None, Suppression.Reason.COMPLAINT)
    receiving.take("joe@bloggs.example", ["promotions@lists.chamber.example"], b"Subject: Offers\r\n\r\nx\r\n", via="smtp")
    assert "passed on" in replies.pass_to_sender(UUID(bytes=first.handle), key=uuid4(), text="Two for me.")
    Client().force_login(get_user_model().objects.create_superuser("ann"))
    expected = everything(tables, days=32)
    shift_all_times(32)
    assert everything(tables, days=0) == expected
    with_times = {table for table, kinds in tables.items() if any(kind.startswith("timestamp") for kind in kinds.values())}
    empty = {table for table in with_times if not expected[table]}
    assert empty <= {"django_admin_log"}, "a table without a row proves nothing"

"""An upgrade of an installation whose copies are under way."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from posting.delivery import dispatch, lanes, ledger
from posting.models import Delivery, Lane, Post
from tests import builders
from tests.smtpserver import SmtpServer

BEFORE = ("posting", "0006_refused_copies_are_counted")
State = Delivery.State


def migrate(*to: tuple[str, str]) -> None:
    MigrationExecutor(connection).migrate(list(to))


def newest() -> list[tuple[str, str]]:
    return [node for node in MigrationExecutor(connection).loader.graph.leaf_nodes() if node[0] == "posting"]


@pytest.mark.django_db(transaction=True)
def test_copies_that_waited_or_were_marked_before_the_marks_moved_go_on(smtp: SmtpServer):
    promotions = builders.a_list()
    builders.many_members(promotions, 8)
    post = builders.a_sending_post(builders.a_sender(promotions))
    hold = lanes.take(1)
    assert hold
    marked = ledger.claim(hold, builders.first_turns(post), limit=2).marked
    try:
        migrate(BEFORE)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM posting_delivery WHERE next_attempt_at IS NULL")
            assert cursor.fetchone() == (0,), "each waited for its time, then"
    finally:
        migrate(*newest())
    assert set(Lane.objects.get(number=1).marked) == {copy.id for copy in marked}
    lanes.release(hold)
    assert ledger.recover() == 2
    dispatch.run_lane(1, seconds=60)
    counts = ledger.counts(Post.objects.get(pk=post.pk))
    assert {state: number for state, number in counts.items() if number} == {State.SENT: 6, State.IN_DOUBT: 2}

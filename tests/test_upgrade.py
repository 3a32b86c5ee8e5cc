"""An upgrade of an installation whose copies are under way."""

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from posting.delivery import dispatch, lanes, ledger
from posting.models import Delivery, Lane, Post
from posting.moderation import moderation
from tests import builders
from tests.enclosures import LIST, OFFER
from tests.smtpserver import SmtpServer

BEFORE = ("posting", "0006_refused_copies_are_counted")
State = Delivery.State


def migrate(*to: tuple[str, str]) -> None:
    MigrationExecutor(connection).migrate(list(to))


def newest() -> list[tuple[str, str]]:
    return [node for node in MigrationExecutor(connection).loader.graph.leaf_nodes() if node[0] == "posting"]


@pytest.mark.django_db(transaction=True)
def test_what_posts_say_is_sealed_and_opened_again_on_the_way_back():
    sender = builders.a_sender(builders.a_list())
    rejected, held = (builders.a_held_post(sender, body=body, html="<p>x</p>", files=[OFFER, LIST]) for body in ("One", "Two"))
    assert moderation.reject(rejected, reason="The price is missing.", by="mary") == ""
    builders.overwrite(held, allowed_addresses=["bob@garage.example"])
    before = said(rejected), said(held)
    try:
        migrate(("posting", "0009_inbound_mail_knows_its_place"))
        with connection.cursor() as cursor:
            cursor.execute("SELECT subject, body, html, allowed_addresses, reject_reason FROM posting_post ORDER BY id")
            assert cursor.fetchall() == [
                ("Spring offers", "One", "<p>x</p>", "[]", "The price is missing."),
                ("Spring offers", "Two", "<p>x</p>", '["bob@garage.example"]', ""),
            ]
            cursor.execute("SELECT name, content FROM posting_attachment WHERE post_id = %s ORDER BY position", [held.pk])
            assert [(name, bytes(content)) for name, content in cursor.fetchall()] == [(f.name, f.content) for f in (OFFER, LIST)]
    finally:
        migrate(*newest())
    assert (said(rejected), said(held)) == before
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(p)::text || row_to_json(a)::text FROM posting_post p JOIN posting_attachment a ON true")
        stored = str(cursor.fetchall())
    assert "Spring" not in stored and "bob@" not in stored and OFFER.content.hex() not in stored


def said(post: Post) -> list[Any]:
    """All that it says."""
    found = Post.objects.get(pk=post.pk)
    files = [(file.name, file.content) for file in found.attachments.order_by("position")]
    words = [found.subject, found.body, found.html, found.allowed_addresses, found.reject_reason]
    return [*words, files, found.content_hash, found.content_hash == post.content_hash]


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

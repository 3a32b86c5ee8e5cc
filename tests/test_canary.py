"""The canary audit: 1,000 members, every feature, and then every byte that left is searched. ``make canary`` runs it alone."""

import io
import logging
from pathlib import Path

import pytest
from celery import Celery, current_app

from chamberlist.redaction import RedactingFormatter
from posting.models import Post
from tests import builders
from tests.canary import machines, office, people, post, scene
from tests.canary.haul import Haul, kinds
from tests.canary.registry import Exercised
from tests.canary.searching import Searcher
from tests.smtpserver import SmtpServer
from tests.test_whole import Listener, wait_for
from tests.workers import Stack

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("canary")]
MEMBERS = 1_000


def test_no_canary_stands_where_it_does_not_belong(
    stack: Stack, smtp: SmtpServer, tmp_path: Path, settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    settings.AUTHSERV_ID = scene.FRONT
    stack.environment |= {"LOG_LEVEL": "DEBUG", "AUTHSERV_ID": scene.FRONT}
    ringing = Celery(broker=stack.broker.url, set_as_current=False)
    monkeypatch.setattr(current_app, "send_task", ringing.send_task)
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    monkeypatch.setattr(logging.getLogger(), "handlers", [*logging.getLogger().handlers, handler])

    town = scene.build(stack, smtp, tmp_path, number=MEMBERS)
    listener = Listener(stack.broker.url)
    builders.members(town.promotions, *town.members)
    builders.members(town.events, *town.members[:50])
    stack.start_worker()
    big = builders.an_accepted_post(town.sender, town.promotions)
    people.members(town)
    people.senders(town)
    wait_for(str(big.pk), Post.State.DONE)
    post.by_mail(town, big)
    post.at_the_door(town)
    post.by_webhook(town, settings)
    office.looks(town)
    office.commands(town)
    people.errors(town)
    machines.every_task(town)
    town.settle()
    stack.end_worker()
    ringing.close()
    machines.collect(town, listener)
    town.haul.add("logs", log.getvalue().encode())
    town.haul.add_mails(smtp.received, kinds("sn"))

    searcher = Searcher(town.aviary)
    leaks = town.haul.leaks(searcher)
    missing = town.exercised.missing()
    with capsys.disabled():
        print(f"\n{town.haul.summary}\n{len(town.exercised.features):>12,} features exercised", *leaks, *missing, sep="\n")
    assert leaks == []
    assert missing == []


def test_what_nobody_exercised_is_named():
    missing = Exercised().missing()
    assert "The audit does not exercise: page subscribe" in missing
    assert "The audit does not exercise: verb post.accept" in missing
    assert Haul().summary == ""

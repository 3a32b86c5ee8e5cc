"""The canary audit: 1,000 members, every feature, and then every byte that left is searched. ``make canary`` runs it alone."""

import io
import logging
from pathlib import Path

import pytest
from celery import Celery, current_app

from chamberlist.embedded import watchdog
from chamberlist.redaction import RedactingFormatter
from posting.models import Post
from tests import builders
from tests.canary import machines, office, people, post, scene
from tests.canary.browsers import staff
from tests.canary.haul import Haul, kinds
from tests.canary.registry import Exercised
from tests.canary.searching import Searcher
from tests.smtpserver import SmtpServer
from tests.test_whole import Listener, wait_for
from tests.workers import Stack

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("canary")]
MEMBERS = 1_000


def test_no_canary_stands_where_it_does_not_belong(
    stack: Stack,
    smtp: SmtpServer,
    tmp_path: Path,
    settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
):
    settings.AUTHSERV_ID = scene.FRONT
    stack.environment |= {"LOG_LEVEL": "DEBUG", "AUTHSERV_ID": scene.FRONT}
    ringing = Celery(broker=stack.broker.url, set_as_current=False)
    monkeypatch.setattr(current_app, "send_task", ringing.send_task)
    caplog.set_level(logging.DEBUG)
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])

    town = scene.build(stack, smtp, tmp_path, number=MEMBERS)
    listener = Listener(stack.broker.url)
    town.timed(post.refused)
    stack.start_worker()
    smtp.at_dot = lambda recipient: "" if recipient == town.members[40] else None
    big = builders.an_accepted_post(town.sender, town.promotions)
    town.timed(people.members, settings)
    town.timed(people.senders)
    wait_for(str(big.pk), Post.State.DONE)
    smtp.at_dot = lambda _: None
    rich = post.with_files(town)
    town.timed(people.looks_at_files, rich)
    town.timed(post.by_mail, big)
    town.timed(post.at_the_door)
    town.timed(post.by_webhook, settings)
    town.timed(office.doubts, big)
    town.timed(office.looks)
    town.timed(office.acts, big, rich)
    town.timed(office.commands)
    town.timed(people.errors)
    assert town.exercised.tasks_left(stack.log)
    town.timed(machines.every_task)
    assert watchdog.wait_until(lambda: not town.exercised.tasks_left(stack.log), 60)
    town.settle()
    stack.end_worker()
    ringing.close()
    town.timed(office.rotating, settings)
    town.timed(machines.collect, listener)
    town.haul.add("logs", log.getvalue().encode())
    town.haul.add_mails([mail for mail in smtp.received if town.contact in mail.recipients], kinds("s" + scene.NAMED))
    town.haul.add_mails([mail for mail in smtp.received if town.contact not in mail.recipients], kinds("s", *town.allowed))

    searcher = Searcher(town.aviary)
    leaks = town.haul.leaks(searcher)
    missing = town.exercised.missing()
    with capsys.disabled():
        took = [f"{seconds:>12.1f} s {name}" for name, seconds in town.seconds.items()]
        print(f"\n{town.haul.summary}\n{len(town.exercised.features):>12,} features exercised", *took, *leaks, *missing, sep="\n")
    assert not leaks, "\n".join(leaks)
    assert not missing, "\n".join(missing)


def test_what_nobody_exercised_is_named():
    missing = Exercised().missing()
    assert "The audit does not exercise: page subscribe" in missing
    assert "The audit does not exercise: verb post.accept" in missing
    assert Haul().summary == ""


@pytest.mark.parametrize(
    ("page", "status", "location", "noted"),
    [
        ("lists", 200, "", "page lists"),
        ("subscribe", 302, "/lists/promotions/sent/", "page subscribe"),
        ("compose", 302, "/senders/sign-in/", ""),
        ("sender_sign_out", 302, "/senders/sign-in/", "page sender_sign_out"),
        ("admin:posting_post_change", 302, "/admin/login/?next=/admin/", ""),
        ("admin:posting_post_change", 302, "/admin/", ""),
        ("admin:login", 302, "/admin/", "page admin:login"),
        ("admin:posting_post_add", 403, "", "refusal of admin:posting_post_add"),
        ("leave", 404, "", ""),
        ("requested", 405, "", ""),
        ("subscribe", 422, "", ""),
        ("subscribe", 429, "", ""),
        ("healthz", 500, "", ""),
    ],
)
def test_a_page_is_exercised_only_when_it_was_shown(page: str, status: int, location: str, noted: str):
    exercised = Exercised()
    exercised.note_answer(page, status, location)
    assert exercised.features == ({noted} if noted else set())
    told = [each for each in exercised.missing() if each.startswith(f"The audit does not exercise: page {page} ")]
    assert noted or told == [f"The audit does not exercise: page {page} (it only ever answered {status})"]


def test_what_staff_did_counts_only_when_it_left_an_entry():
    promotions = builders.a_list()
    held = builders.a_held_post(builders.a_sender(promotions), promotions)
    browser = scene.Visitor(Exercised(), "staff", Haul())
    browser.client.force_login(staff("boss", is_superuser=True))
    office.do(browser, held, "thaw")
    assert browser.record.features == {"page admin:posting_post_do"}
    office.do(browser, held, "discard")
    assert "verb post.discard" in browser.record.features and "verb post.thaw" not in browser.record.features


def test_a_task_is_exercised_only_when_it_ended_well(tmp_path: Path):
    log, exercised = tmp_path / "worker.log", Exercised()
    log.write_text(
        "Task posting.tasks.sweep[1-2] succeeded in 1s: None\nTask posting.tasks.prune[3-4] raised unexpected: KeyError()"
    )
    left = exercised.tasks_left(log)
    assert "task posting.tasks.prune" in left and "task posting.tasks.sweep" not in left


def test_a_command_is_exercised_only_when_it_did_not_refuse(stack: Stack, smtp: SmtpServer, tmp_path: Path):
    town = scene.Scene(stack, smtp, tmp_path)
    town.command("createlist", "no slug", "--name", "x")
    assert town.exercised.features == set()
    town.command("createlist", "fairs", "--name", "Fairs")
    assert town.exercised.features == {"command createlist"}
    assert "not created" in town.haul.caught[0].octets.decode(), "what it refused with has left as well"

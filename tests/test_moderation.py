"""What staff decide: each verb from each state, two people at once, and who is told."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from chamberlist import systemmail
from chamberlist.clock import now
from chamberlist.models import AuditEntry, SystemMail
from posting import tasks
from posting.delivery import audience, closing
from posting.models import Delivery, Post, Sender
from posting.moderation import moderation
from posting.submission import submission
from subscriptions.models import MailingList
from tests import builders
from tests.smtpserver import SmtpServer

pytestmark = pytest.mark.django_db
State = Post.State
Verb = Callable[[Post], str]
Rung = list[tuple[str, tuple[int, ...]]]

VERBS: dict[str, Verb] = {
    "accept": lambda post: moderation.accept(post, content_hash=post.content_hash, by="ann"),
    "reject": lambda post: moderation.reject(post, reason="Not for this list.", by="ann"),
    "discard": lambda post: moderation.discard(post, by="ann"),
    "undo": lambda post: moderation.undo(post, by="ann"),
    "hurry": lambda post: moderation.hurry(post, by="ann"),
    "recall": lambda post: moderation.recall(post, by="ann", reason="Wrong price."),
    "thaw": lambda post: moderation.thaw(post, by="ann", reason="It was a test."),
    "submit": lambda post: submission.submit(post, content_hash=post.content_hash),
    "withdraw": submission.withdraw,
}
MOVES = {
    ("accept", State.HELD): State.ACCEPTED,
    ("reject", State.HELD): State.REJECTED,
    ("discard", State.HELD): State.DISCARDED,
    ("undo", State.ACCEPTED): State.HELD,
    ("hurry", State.ACCEPTED): State.ACCEPTED,
    ("recall", State.ACCEPTED): State.RECALLED,
    ("recall", State.SENDING): State.RECALLED,
    ("recall", State.FROZEN): State.RECALLED,
    ("thaw", State.FROZEN): State.SENDING,
    ("submit", State.DRAFT): State.HELD,
    ("withdraw", State.DRAFT): State.WITHDRAWN,
    ("withdraw", State.HELD): State.WITHDRAWN,
}
SUBMITTED_BEFORE = {State.HELD, State.ACCEPTED, State.SENDING, State.DONE, State.FROZEN}
WORDS = {
    "accept": "accept", "reject": "reject", "discard": "discard", "undo": "undo", "hurry": "send now", "recall": "recall",
    "thaw": "let go on",
}  # fmt: skip


@pytest.fixture
def joe() -> Sender:
    promotions = builders.a_list()
    builders.members(promotions, "anne@bakery.example", "bob@cafe.example")
    return builders.a_sender(promotions)


def a_post(sender: Sender, state: str) -> Post:
    """A post that came to ``state`` as posts do."""
    if state in (State.DRAFT, State.WITHDRAWN):
        post = builders.a_draft(sender)
    elif state in (State.HELD, State.REJECTED, State.DISCARDED):
        post = builders.a_held_post(sender)
    elif state == State.ACCEPTED:
        post = builders.an_accepted_post(sender)
    else:
        post = builders.a_sending_post(sender)
    steps: dict[str, Callable[[], object]] = {
        State.WITHDRAWN: lambda: submission.withdraw(post),
        State.REJECTED: lambda: moderation.reject(post, reason="No.", by="a test"),
        State.DISCARDED: lambda: moderation.discard(post, by="a test"),
        State.DONE: lambda: post.advance(State.DONE),
        State.RECALLED: lambda: closing.end(post, State.RECALLED),
        State.EXPIRED: lambda: closing.end(post, State.EXPIRED),
        State.FROZEN: lambda: closing.freeze(post.pk, "A copy looked odd."),
    }
    steps.get(state, lambda: None)()
    post.refresh_from_db()
    assert post.state == state
    return post


def snapshot(post: Post) -> dict[str, object]:
    return dict(Post.objects.filter(pk=post.pk).values()[0])


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("verb", list(VERBS))
def test_each_verb_moves_what_it_may_and_answers_a_sentence_for_the_rest(verb: str, state: str, joe: Sender, rung: Rung):
    post = a_post(joe, state)
    before, entries = snapshot(post), AuditEntry.objects.count()
    moved_to = MOVES.get((verb, State(state)))

    problem = VERBS[verb](post)

    post.refresh_from_db()
    if moved_to is not None:
        assert (problem, post.state) == ("", moved_to)
        assert snapshot(post) != before
        if verb in WORDS:
            entry = AuditEntry.objects.latest("pk")
            assert (entry.actor, entry.verb, entry.subject) == ("ann", WORDS[verb], f"post {post.pk}")
        return
    assert snapshot(post) == before
    assert AuditEntry.objects.count() == entries
    if verb == "submit" and state in SUBMITTED_BEFORE:
        assert problem == ""
    elif verb in WORDS:
        assert problem == moderation.MOVED_ON.format(state=State(state).label)
    else:
        assert "by now" in problem


# Accepting


def test_acceptance_freezes_content_and_expiry_and_leaves_time_to_undo(joe: Sender):
    MailingList.objects.update(undo_seconds=300)
    post = builders.a_held_post(joe)
    assert moderation.accept(post, content_hash=post.content_hash, by="ann") == ""
    post.refresh_from_db()
    assert (post.accepted_by, post.accepted_hash) == ("ann", post.content_hash)
    assert post.accepted_at is not None and post.starts_at is not None and post.expires_at is not None
    assert abs(post.starts_at - post.accepted_at - timedelta(minutes=5)) < timedelta(seconds=1)
    assert abs(post.expires_at - post.accepted_at - timedelta(hours=24)) < timedelta(seconds=1)
    assert audience.due() == []
    assert not audience.expand(post.pk)
    builders.later(post, "starts_at", timedelta(minutes=5))
    assert audience.due() == [post.pk]


def test_what_changed_since_the_moderator_read_it_is_not_accepted(joe: Sender):
    post = builders.a_held_post(joe)
    seen = post.content_hash
    builders.overwrite(post, body="Something else.")
    assert "has changed since you read it" in moderation.accept(post, content_hash=seen, by="ann")
    assert "has changed since you read it" in moderation.accept(post, content_hash="", by="ann")
    post.refresh_from_db()
    assert post.state == State.HELD


@pytest.mark.parametrize("column", ["subject", "body", "sender", "mailing_list"])
def test_everything_that_shapes_the_copies_is_in_the_hash(column: str, joe: Sender):
    post = builders.a_draft(joe)
    other = builders.a_list("other")
    changes = {"subject": "x", "body": "x", "sender": builders.a_sender(other, address="x@y.example"), "mailing_list": other}
    before = post.content_hash
    setattr(post, column, changes[column])
    assert post.content_hash != before


def test_addresses_in_the_text_are_allowed_by_name_and_kept_with_the_acceptance(joe: Sender):
    post = builders.a_held_post(joe, body="Ask anne@bakery.example or Bob@cafe.example.")
    for allow in ([], ["anne@bakery.example"], ["other@x.example", "anne@bakery.example"]):
        problem = moderation.accept(post, content_hash=post.content_hash, by="ann", allow=allow)
        assert "that you did not allow" in problem
        assert "@" not in problem
    names = ["anne@bakery.example", "Bob@cafe.example"]
    problem = moderation.accept(post, content_hash=post.content_hash, by="ann", allow=[*names, "other@x.example"])
    assert "1 mail address(es) that do not stand in it" in problem and "@" not in problem
    allow = ["ANNE@Bakery.example", "Bob@CAFE.example"]
    assert moderation.accept(post, content_hash=post.content_hash, by="ann", allow=allow) == ""
    post.refresh_from_db()
    assert post.allowed_addresses == sorted(names)


def test_the_bell_rings_when_a_post_may_start(joe: Sender, rung: Rung, django_capture_on_commit_callbacks: Any):
    with django_capture_on_commit_callbacks(execute=True):
        post = builders.an_accepted_post(joe)
    assert rung.count(("posting.tasks.sweep", ())) == 1
    with django_capture_on_commit_callbacks(execute=True):
        moderation.hurry(post, by="ann")
        closing.freeze(post.pk, "odd")
        moderation.thaw(post, by="ann", reason="fine")
    assert rung.count(("posting.tasks.sweep", ())) == 3


# Taking back


def test_an_acceptance_that_is_undone_leaves_no_trace_and_can_be_given_again(joe: Sender):
    post = builders.a_held_post(joe, body="Ask anne@bakery.example")
    allow = ["anne@bakery.example"]
    assert moderation.accept(post, content_hash=post.content_hash, by="ann", allow=allow) == ""
    assert moderation.undo(post, by="bob") == ""
    post.refresh_from_db()
    assert (post.accepted_at, post.accepted_by, post.accepted_hash, post.starts_at, post.expires_at) == (None, "", "", None, None)
    assert post.allowed_addresses == []
    assert audience.due() == []
    assert "did not allow" in moderation.accept(post, content_hash=post.content_hash, by="ann")
    assert moderation.accept(post, content_hash=post.content_hash, by="ann", allow=allow) == ""


def test_nothing_is_undone_once_there_are_copies(joe: Sender):
    post = builders.a_sending_post(joe)
    assert "Being sent" in moderation.undo(post, by="ann")
    assert post.deliveries.count() == 2


def test_hurry_ends_the_time_to_undo(joe: Sender):
    MailingList.objects.update(undo_seconds=300)
    post = builders.a_held_post(joe)
    moderation.accept(post, content_hash=post.content_hash, by="ann")
    assert audience.due() == []
    assert moderation.hurry(post, by="ann") == ""
    assert audience.due() == [post.pk]


def test_a_recall_cancels_the_copies_that_wait_and_no_others(joe: Sender):
    post = builders.a_sending_post(joe)
    first, second = post.deliveries.order_by("pk")
    Delivery.objects.filter(pk=first.pk).update(state=Delivery.State.SENT)
    assert moderation.recall(post, by="ann", reason="Wrong price.") == ""
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (Delivery.State.SENT, Delivery.State.CANCELLED)
    assert second.status == "the post was recalled"
    assert AuditEntry.objects.get(verb="recall").reason == "Wrong price."


def test_a_frozen_post_goes_on_where_it_was_with_a_reason(joe: Sender):
    accepted, sending = builders.an_accepted_post(joe), builders.a_sending_post(joe)
    for post, state in ((accepted, State.ACCEPTED), (sending, State.SENDING)):
        closing.freeze(post.pk, "A copy looked odd.")
        assert "why it may go on" in moderation.thaw(post, by="ann", reason="  ")
        assert "“Stopped for a check”" in VERBS["accept"](post)
        assert moderation.thaw(post, by="ann", reason="It was a test.") == ""
        post.refresh_from_db()
        assert (post.state, post.frozen_reason) == (state, "")
    assert AuditEntry.objects.filter(verb="let go on", reason="It was a test.").count() == 2


def test_the_audit_trail_keeps_reasons_without_addresses(joe: Sender):
    moderation.recall(builders.an_accepted_post(joe), by="ann", reason="anne@bakery.example asked")
    assert AuditEntry.objects.get(verb="recall").reason == "[address] asked"


# Who is told


def test_the_author_of_a_rejected_post_is_told_the_reason_by_mail(joe: Sender, smtp: SmtpServer):
    post = builders.a_held_post(joe)
    assert "write a reason" in moderation.reject(post, reason=" \n", by="ann")
    assert moderation.reject(post, reason=" The price is missing. ", by="ann") == ""
    SystemMail.objects.exclude(purpose="post_rejected").delete()
    assert systemmail.send_due() == 1
    (mail,) = smtp.received
    assert mail.recipients == ("joe@bloggs.example",)
    assert mail.message["Subject"] == "Not accepted: Spring offers"
    assert "The price is missing." in mail.text


def test_a_discarded_post_is_dropped_without_a_word(joe: Sender):
    post = builders.a_held_post(joe)
    SystemMail.objects.all().delete()
    moderation.discard(post, by="ann")
    assert not SystemMail.objects.exists()


def test_staff_are_told_of_a_post_that_waits_and_not_of_one_that_was_decided(joe: Sender, smtp: SmtpServer, settings):
    decided, waiting = builders.a_held_post(joe, subject="Decided"), builders.a_held_post(joe, body="Ask anne@bakery.example")
    moderation.discard(decided, by="ann")
    systemmail.send_due()
    (mail,) = smtp.received
    assert mail.recipients == (settings.CHAMBER_ALERTS,)
    assert f"/admin/posting/post/{waiting.pk}/change/" in mail.text
    assert all(reason in mail.text for reason in waiting.reasons)
    assert SystemMail.objects.get(object_id=decided.pk).state == SystemMail.State.CANCELLED


def test_what_waited_for_14_days_is_discarded_with_a_notice_to_its_author(joe: Sender, smtp: SmtpServer):
    old, young, accepted = builders.a_held_post(joe), builders.a_held_post(joe), builders.an_accepted_post(joe)
    SystemMail.objects.all().delete()
    builders.set_clock_back(old, "submitted_at", timedelta(days=14, minutes=1))
    builders.set_clock_back(young, "submitted_at", timedelta(days=13, hours=23))
    builders.set_clock_back(accepted, "submitted_at", timedelta(days=15))
    tasks.discard_stale()
    for post, state in ((old, State.DISCARDED), (young, State.HELD), (accepted, State.ACCEPTED)):
        post.refresh_from_db()
        assert post.state == state
    assert old.ended_at is not None and now() - old.ended_at < timedelta(minutes=1)
    assert moderation.discard_stale() == 0
    assert systemmail.send_due() == 1
    (mail,) = smtp.to("joe@bloggs.example")
    assert mail.message["Subject"] == "Not sent: Spring offers"
    assert "14 days" in mail.text


def test_mails_about_a_post_that_is_gone_are_not_sent(joe: Sender, smtp: SmtpServer):
    for purpose in ("post_waiting", "post_rejected", "post_discarded", "test_copy"):
        systemmail.queue(purpose, 4711)
    assert systemmail.send_due() == 0
    assert {mail.state for mail in SystemMail.objects.all()} == {SystemMail.State.CANCELLED}
    assert smtp.received == []


# Two people at once


def at_once(*verbs: Callable[[], str]) -> list[str]:
    """What each verb answered, each in a thread and a connection of its own, started together."""
    start, answers = threading.Barrier(len(verbs)), [""] * len(verbs)

    def run(number: int) -> None:
        try:
            start.wait(10)
            answers[number] = verbs[number]()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[number]) for number in range(len(verbs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return answers


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("one", "other"), [("accept", "accept"), ("accept", "reject"), ("reject", "discard"), ("accept", "withdraw")]
)
def test_of_two_people_who_decide_at_once_one_wins_and_the_other_is_told(one: str, other: str, joe: Sender, rung: Rung):
    post = builders.a_held_post(joe)
    entries = AuditEntry.objects.count()
    answers = at_once(lambda: VERBS[one](post), lambda: VERBS[other](Post.objects.get(pk=post.pk)))
    assert sorted(answer == "" for answer in answers) == [False, True]
    assert "by now" in max(answers)
    assert AuditEntry.objects.count() <= entries + 1
    post.refresh_from_db()
    winner = (one, other)[answers.index("")]
    assert post.state == MOVES[winner, State.HELD]


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("second", ["reject", "the clock"])
def test_whoever_decides_second_waits_for_the_first_and_then_loses(second: str, joe: Sender, rung: Rung):
    post = builders.a_held_post(joe)
    builders.set_clock_back(post, "submitted_at", timedelta(days=15))
    answers: list[str | int] = []

    def decide() -> None:
        answers.append(VERBS["reject"](post) if second == "reject" else moderation.discard_stale())
        connection.close()

    deciding = threading.Thread(target=decide)
    with transaction.atomic():
        assert VERBS["accept"](Post.objects.get(pk=post.pk)) == ""
        deciding.start()
        deadline = time.monotonic() + 10
        while not somebody_waits_for_a_lock():
            assert deciding.is_alive() and time.monotonic() < deadline, "it waits for the commit"
    deciding.join(30)
    assert answers == [moderation.MOVED_ON.format(state="Accepted") if second == "reject" else 0]
    post.refresh_from_db()
    assert post.state == State.ACCEPTED


@pytest.mark.django_db(transaction=True)
def test_two_posts_at_once_do_not_pass_the_senders_limit(joe: Sender, rung: Rung):
    Sender.objects.update(posts_a_month=1)
    drafts = builders.a_draft(joe), builders.a_draft(joe)
    answers = at_once(*(lambda post=post: submission.submit(post, content_hash=post.content_hash) for post in drafts))
    assert sorted(answer == "" for answer in answers) == [False, True]
    assert Post.objects.filter(state=State.HELD).count() == 1


# Submitting


def test_one_form_is_one_draft_with_the_text_of_the_last_time(joe: Sender):
    draft = builders.a_draft(joe)
    again = submission.write(joe, draft.mailing_list, subject="Changed", body=" New text ", key=draft.submission_key)
    assert (again.pk, again.subject, again.body) == (draft.pk, "Changed", "New text")
    submission.submit(again, content_hash=again.content_hash)
    late = submission.write(joe, draft.mailing_list, subject="Too late", body="x", key=draft.submission_key)
    assert (late.pk, late.subject, Post.objects.count()) == (draft.pk, "Changed", 1)


def test_one_key_of_two_senders_is_two_drafts(joe: Sender):
    draft = builders.a_draft(joe)
    other = builders.a_sender(draft.mailing_list, address="ann@other.example")
    assert submission.write(other, draft.mailing_list, subject="x", body="x", key=draft.submission_key).pk != draft.pk


def test_only_a_draft_is_rewritten(joe: Sender):
    post = builders.a_draft(joe)
    assert submission.rewrite(post, post.mailing_list, subject="New\r\nBcc: x", body=" text ") == ""
    post.refresh_from_db()
    assert (post.subject, post.body) == ("New Bcc: x", "text")
    submission.submit(post, content_hash=post.content_hash)
    assert "no longer a draft" in submission.rewrite(post, post.mailing_list, subject="x", body="x")
    post.refresh_from_db()
    assert post.subject == "New Bcc: x"


def test_a_second_click_is_fine_although_the_limit_is_reached_by_the_first(joe: Sender):
    Sender.objects.update(posts_a_month=1)
    post = builders.a_held_post(joe)
    assert VERBS["submit"](post) == ""
    assert "Your limit is 1" in VERBS["submit"](builders.a_draft(joe))


def test_the_limit_counts_30_days(joe: Sender):
    Sender.objects.update(posts_a_month=1)
    old = builders.a_held_post(joe)
    builders.set_clock_back(old, "submitted_at", timedelta(days=30, minutes=1))
    assert VERBS["submit"](builders.a_draft(joe)) == ""


# The tasks


@pytest.mark.django_db(transaction=True)
def test_the_sweep_starts_a_post_and_rings_for_each_lane_and_a_lane_hands_it_over(
    joe: Sender, rung: Rung, smtp: SmtpServer, settings
):
    builders.an_accepted_post(joe)
    rung.clear()
    tasks.sweep()
    assert rung == [("posting.tasks.deliver", (lane,)) for lane in range(1, settings.DELIVERY_LANES + 1)]
    rung.clear()
    tasks.deliver(1)
    assert len(smtp.received) == 2
    assert rung == []


@pytest.mark.django_db(transaction=True)
def test_a_lane_whose_time_is_up_rings_for_itself(joe: Sender, rung: Rung, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch):
    builders.a_sending_post(joe)
    rung.clear()
    monkeypatch.setattr(tasks, "LANE_SECONDS", 0.0)
    tasks.deliver(1)
    assert rung == [("posting.tasks.deliver", (1,))]

"""The wire: several sessions, and when it is the relay that does not take our mail."""

import time
from collections.abc import Iterator

import pytest

from posting.delivery import copies, wire
from posting.delivery.desk import BARREN, Answer, Job
from posting.delivery.lanes import Hold
from posting.delivery.wire import SmtpWire
from posting.models import Post
from tests import builders
from tests.smtpserver import SmtpServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def way(smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmtpWire]:
    """A wire of one session, which comes back at once."""
    monkeypatch.setattr(wire, "LONGEST_PAUSE", 0)
    made = SmtpWire(smtp.relay, Hold(1, 1), connections=1, name="lists.chamber.example")
    yield made
    made.close(seconds=5)


def handed_over(way: SmtpWire, number: int) -> list[Answer]:
    """How the hand-over of so many copies ended."""
    post = builders.a_post_to("anne@bakery.example")
    compiled, marked = copies.compile_post(Post.objects.get(pk=post.pk)), builders.a_mark(post)
    jobs = [Job(compiled, marked._replace(id=marked.id + offset)) for offset in range(number)]
    way.open()
    way.push(jobs)
    answers: list[Answer] = []
    until = time.monotonic() + 30
    while len(answers) < number and time.monotonic() < until:
        way.allow({job.marked.id for job in jobs}, time.monotonic())
        answers += way.take(0.1, enough=number - len(answers))
    return answers


def stages(answers: list[Answer]) -> list[str]:
    return ["sent" if answer.verdict.is_sent else answer.verdict.stage for answer in answers]


def test_copies_that_cost_the_connection_are_no_proof_against_the_relay(smtp: SmtpServer, way: SmtpWire):
    """What it hangs up on may be in the post: others are to be tried."""
    smtp.at_dot = lambda _: ""
    connections = BARREN + 1
    assert sorted(stages(handed_over(way, 2 * connections))) == ["lost"] * connections + ["stopped"] * connections
    assert way.trouble == ""


def test_a_relay_that_hangs_up_on_each_recipient_takes_nothing_from_us(smtp: SmtpServer, way: SmtpWire):
    smtp.at_recipient = lambda _: ""
    assert stages(handed_over(way, 10)) == ["cut"] * BARREN + ["stopped"] * (10 - BARREN)
    assert "before it has taken a copy" in way.trouble


def test_a_single_refusal_is_asked_again(smtp: SmtpServer, way: SmtpWire):
    """A relay that limits connections may still count one that has just ended."""
    answers = iter(["451 4.7.0 too many connections"])
    smtp.at_mail = lambda _: next(answers, None)
    assert stages(handed_over(way, 5)) == ["stopped", "sent", "sent", "sent", "sent"]
    assert way.trouble == ""


def test_two_refusals_in_a_row_are_about_us(smtp: SmtpServer, way: SmtpWire):
    smtp.at_mail = lambda _: "550 5.7.1 not from you"
    assert stages(handed_over(way, 5)) == ["stopped"] * 5
    assert way.trouble == "MAIL: 550 5.7.1 not from you"


def test_a_dot_that_waits_here_is_asked_for_before_a_loop_that_stood_still_goes_on(way: SmtpWire):
    """While the lane waits for Postgres nothing is heard; what was stopped meanwhile must not leave in the loop's first breath."""

    class Stuck:
        dropped = False

        def check_dot(self) -> None:
            assert not way.loop.is_running()
            self.dropped = True

    session = Stuck()
    way.sessions.add(session)  # type: ignore[arg-type]
    way.take(0, enough=1)
    way.sessions.clear()
    assert session.dropped


def test_a_trouble_that_is_known_wakes_nobody_again(way: SmtpWire):
    """Who waits for a last answer would ask without a pause."""
    began = time.monotonic()
    way.loop.call_later(0.05, way._give_up, "gone")
    way.take(30, enough=1)
    assert way.trouble == "gone" and time.monotonic() - began < 10
    began = time.monotonic()
    assert way.take(0.05, enough=1) == []
    assert time.monotonic() - began >= 0.05

"""The breaker: what stops all sending by itself, what does not, and how a person lets it go on."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from chamberlist import halt, systemmail
from chamberlist.models import Alert, AuditEntry, Halt
from posting import tasks
from posting.delivery import breaker, dispatch, lanes, ledger
from posting.delivery.desk import Answer
from posting.delivery.replies import Verdict, reply
from posting.delivery.wire import SmtpWire
from posting.feedback import events
from posting.feedback.events import Report
from posting.models import Delivery, DeliveryEvent, Lane, Post, Sender
from tests import builders
from tests.smtpserver import SmtpServer

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State
UNKNOWN, POLICY = "550 5.1.1 no such mailbox", "550 5.7.1 we do not trust you"


@pytest.fixture
def post(settings: Any) -> Post:
    """A post to a hundred, one after the other."""
    settings.DELIVERY_CONNECTIONS, settings.DELIVERY_GROUP = 1, 8
    return a_post(100)


def a_post(members: int) -> Post:
    promotions = builders.a_list()
    builders.many_members(promotions, members)
    return builders.a_sending_post(builders.a_sender(promotions))


def at_copies(smtp: SmtpServer, said: str, *numbers: int) -> None:
    """The server refuses the recipients with these numbers in the order of their arrival."""
    seen = 0

    def answer(_: str) -> str | None:
        nonlocal seen
        seen += 1
        return said if seen in numbers else None

    smtp.at_recipient = answer


def counts(post: Post) -> dict[str, int]:
    return {state: number for state, number in ledger.counts(post).items() if number}


def test_more_than_a_tenth_of_the_first_fifty_refused_stops_everything(post: Post, smtp: SmtpServer):
    at_copies(smtp, UNKNOWN, 3, 9, 14, 20, 33, 41, 60)
    dispatch.run_lane(1, seconds=60)
    assert halt.is_on()
    row = Halt.objects.get()
    assert (row.halted_by, row.reason) == (
        halt.BREAKER,
        f"More than 5 of the first 50 copies of post {post.pk} were refused or came back.",
    )
    found = counts(post)
    assert found[State.FAILED] == 6 and sum(found.values()) == 100
    assert found[State.SENT] <= 41 + 8, "the group in hand, no more"
    [alert] = Alert.objects.all()
    assert alert.kind.startswith("breaker/") and "stopped by itself" in alert.headline


def test_a_tenth_is_not_too_much_and_later_refusals_are_the_members_own(post: Post, smtp: SmtpServer):
    at_copies(smtp, UNKNOWN, 3, 9, 14, 20, 33, *range(60, 80))
    dispatch.run_lane(1, seconds=60)
    assert not halt.is_on()
    assert counts(post) == {State.SENT: 75, State.FAILED: 25}


def test_a_small_list_with_a_few_dead_addresses_is_no_alarm(smtp: SmtpServer, settings: Any):
    settings.DELIVERY_GROUP = 8
    post = a_post(6)
    at_copies(smtp, UNKNOWN, 1, 2, 3, 4)
    dispatch.run_lane(1, seconds=60)
    assert not halt.is_on()
    assert counts(post) == {State.SENT: 2, State.FAILED: 4}


def test_copies_that_come_back_count_as_refused(post: Post, smtp: SmtpServer):
    dispatch.run_lane(1, seconds=60)
    copies = list(post.deliveries.order_by("ended_at", "pk"))
    for copy in copies[:5]:
        copy.advance(State.BOUNCED)
        breaker.look(post.pk)
    assert not halt.is_on()
    copies[5].advance(State.BOUNCED)
    breaker.look(post.pk)
    assert halt.is_on()


def came_back(copy: Delivery, status: str = "5.1.1 unknown") -> None:
    copy.advance(State.BOUNCED, status=status)
    DeliveryEvent.objects.create(delivery=copy, key=f"report/{copy.pk}", kind="bounced")
    breaker.look(copy.post_id)


def test_copies_that_come_back_after_a_stop_count_although_they_had_left_before(post: Post, smtp: SmtpServer):
    dispatch.run_lane(1, seconds=60)
    halt.halt(by="mary", reason="a look")
    assert halt.resume(by="mary", reason="") == ""
    for copy in post.deliveries.order_by("ended_at", "pk")[:6]:
        came_back(copy)
    assert halt.is_on()


def test_reports_that_show_a_message_id_alone_stop_nobody(post: Post, smtp: SmtpServer):
    """Whoever got a copy can write one."""
    dispatch.run_lane(1, seconds=60)
    for copy in post.deliveries.filter(state=State.SENT)[:10]:
        report = Report("bounced", "dsn/x", "550 5.7.1 blocked", status="5.7.1", cause="policy", proof="message-id")
        assert events.record(copy.pk, report)
    assert not halt.is_on()


def test_to_resume_what_was_not_stopped_forgets_nothing(post: Post, smtp: SmtpServer):
    dispatch.run_lane(1, seconds=60)
    first, *others = post.deliveries.order_by("ended_at", "pk")[:6]
    for copy in others:
        came_back(copy)
    assert halt.resume(by="mary", reason="") == ""
    assert not halt.is_on()
    came_back(first)
    assert halt.is_on()


def test_a_mailbox_that_is_full_today_is_no_refusal(post: Post, smtp: SmtpServer):
    dispatch.run_lane(1, seconds=60)
    for copy in post.deliveries.all()[:20]:
        came_back(copy, "4.2.2 mailbox full")
    assert not halt.is_on()


def test_addresses_that_we_cannot_write_say_nothing_about_the_list(post: Post):
    post.deliveries.update(
        state=State.FAILED, status="5.6.7 the mail relay cannot take an address of this form", ended_at=post.accepted_at
    )
    breaker.look(post.pk)
    assert not halt.is_on()


def test_a_content_that_is_refused_stops_its_post_alone(smtp: SmtpServer, settings: Any):
    settings.DELIVERY_CONNECTIONS, settings.DELIVERY_GROUP = 8, 16
    post = a_post(60)
    smtp.at_dot = lambda _: "554 5.6.0 a file of this kind"
    dispatch.run_lane(1, seconds=60)
    assert Post.objects.get(pk=post.pk).state == Post.State.FROZEN
    assert not halt.is_on()


def test_three_refusals_for_reputation_stop_everything_and_two_do_not(post: Post, smtp: SmtpServer):
    at_copies(smtp, POLICY, 20, 40)
    dispatch.run_lane(1, seconds=60)
    assert not halt.is_on()
    again = builders.a_sending_post(Sender.objects.get())
    at_copies(smtp, POLICY, 10, 30, 48)
    dispatch.run_lane(1, seconds=60)
    assert Halt.objects.get().reason == f"3 copies of post {again.pk} were refused for policy or reputation (5.7.x)."
    assert counts(again)[State.QUEUED] > 0


def test_one_domains_own_rules_are_no_opinion_of_us(post: Post, smtp: SmtpServer):
    smtp.at_recipient = lambda address: POLICY if address.endswith("@shop7.example") else None
    dispatch.run_lane(1, seconds=60)
    assert counts(post) == {State.SENT: 97, State.FAILED: 3}
    assert not halt.is_on()


def test_a_few_closed_mailboxes_in_a_large_post_are_no_opinion_of_us(smtp: SmtpServer, settings: Any):
    settings.DELIVERY_CONNECTIONS = 1
    post = a_post(200)
    at_copies(smtp, POLICY, 160, 170, 180)
    dispatch.run_lane(1, seconds=60)
    assert counts(post)[State.FAILED] == 3
    assert not halt.is_on()


def test_what_was_seen_before_a_person_resumed_does_not_trip_it_again(post: Post, smtp: SmtpServer):
    at_copies(smtp, POLICY, 1, 2, 3)
    dispatch.run_lane(1, seconds=60)
    assert halt.resume(by="mary", reason="") != "", "a reason is asked for"
    assert halt.is_on()
    assert halt.resume(by="mary", reason="The relay's operator has put it right") == ""
    smtp.at_recipient = lambda _: None
    at_copies(smtp, POLICY, 10, 20)
    dispatch.run_lane(1, seconds=60)
    breaker.look(post.pk)
    assert not halt.is_on()
    assert counts(post) == {State.SENT: 95, State.FAILED: 5}
    assert AuditEntry.objects.filter(verb="resume").get().reason == "The relay's operator has put it right"


def test_each_trip_tells_staff_once_and_a_second_trip_tells_them_again(post: Post, smtp: SmtpServer):
    breaker.trip("First.")
    breaker.trip("First again.")
    assert Halt.objects.get().reason == "First."
    halt.resume(by="mary", reason="seen")
    Halt.objects.update(resumed_at=post.accepted_at)
    connection.cursor().execute("UPDATE chamberlist_alert SET kind = 'breaker/earlier'")
    breaker.trip("Second.")
    systemmail.send_due()
    assert [mail.message["Subject"] for mail in smtp.received].count(smtp.received[0].message["Subject"]) == 2
    assert "First." in smtp.received[0].text and "let sending go on" not in smtp.received[0].message["Subject"]


def test_a_persons_halt_hides_no_alarm(post: Post):
    halt.halt(by="mary", reason="a look")
    breaker.trip("Something is wrong.")
    row = Halt.objects.get()
    assert (row.halted_by, row.reason) == (halt.BREAKER, "Something is wrong. (mary had stopped it: a look)")
    assert Alert.objects.count() == 1
    assert halt.resume(by="mary", reason="") != ""


def test_that_everything_stops_is_told_after_any_number_of_alerts(post: Post):
    for number in range(12):
        systemmail.alert(f"frozen/{number}", "A post is stopped", "for a check")
    breaker.trip("Something is wrong.")
    assert Alert.objects.count() == 11


def test_two_lanes_that_trip_at_once_send_one_alert():
    together = threading.Barrier(4)

    def trip() -> None:
        together.wait()
        breaker.trip("Something is wrong.")
        connection.close()

    lanes_ = [threading.Thread(target=trip) for _ in range(4)]
    for lane in lanes_:
        lane.start()
    for lane in lanes_:
        lane.join()
    assert Alert.objects.count() == 1


def a_copy_more(post: Post) -> None:
    Delivery.objects.create(post=post)


def a_copy_fewer(post: Post) -> None:
    first = post.deliveries.first()
    assert first is not None
    first.delete()


def a_late_copy(post: Post) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE posting_delivery SET state = 'sent', ended_at = %s + interval '12 minutes' WHERE id = "
            "(SELECT min(id) FROM posting_delivery)",
            [post.expires_at],
        )


def a_mark_of_no_lane(post: Post) -> None:
    Lane.objects.create(number=7, token=3)
    first = post.deliveries.first()
    assert first is not None
    first.advance(State.SENDING, lane_id=7, lane_token=4)


def a_copy_where_nobody_looks(post: Post) -> None:
    Post.objects.filter(pk=post.pk).update(last_copy=post.begun_to + 1)


FAULTS = [a_copy_more, a_copy_fewer, a_late_copy, a_mark_of_no_lane, a_copy_where_nobody_looks]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_ledger_that_does_not_add_up_stops_everything(post: Post, fault: Callable[[Post], None]):
    tasks.reckon()
    assert not halt.is_on()
    fault(post)
    tasks.reckon()
    row = Halt.objects.get()
    assert row.halted_by == halt.BREAKER and f"post {post.pk}" in row.reason
    assert Post.objects.get(pk=post.pk).state == Post.State.FROZEN
    assert halt.resume(by="mary", reason="its post stays stopped") == ""
    tasks.reckon()
    assert not halt.is_on(), "the others go on"


def test_a_ledger_adds_up_at_every_stage(post: Post, smtp: SmtpServer):
    hold = lanes.take(1)
    assert hold and ledger.claim(hold, builders.first_turns(post), limit=8).marked
    tasks.reckon()
    lanes.release(hold)
    ledger.recover()
    tasks.reckon()
    at_copies(smtp, "451 later", 5)
    dispatch.run_lane(1, seconds=60)
    tasks.reckon()
    assert not halt.is_on()


def test_a_copy_that_ends_twice_stops_everything(post: Post, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch):
    class Stuttering(SmtpWire):
        def take(self, timeout: float, *, enough: int) -> list[Answer]:
            return [*super().take(timeout, enough=enough), Answer(10**9, post.pk, Verdict("content", reply(250, b"ok")))]

    monkeypatch.setattr("posting.delivery.dispatch.SmtpWire", Stuttering)
    dispatch.run_lane(1, seconds=60)
    assert Halt.objects.get().reason == f"A copy of post {post.pk} ended twice."


def test_staff_read_what_happened_and_must_say_why_it_may_go_on(post: Post, admin_client: Client):
    breaker.trip("3 copies of post 1 were refused for policy or reputation (5.7.x).")
    page = admin_client.get("/admin/chamberlist/halt/").content.decode()
    assert "stopped by itself" in page and "5.7.x" in page
    admin_client.post("/admin/chamberlist/halt/1/do/resume/", {"reason": " "})
    assert halt.is_on()
    with pytest.raises(CommandError, match="write why"):
        call_command("resume")
    call_command("resume", "--reason", "Asked the relay's operator")
    assert not halt.is_on()

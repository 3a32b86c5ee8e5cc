"""A lane at work, against a real SMTP server and a real ledger: what leaves, what waits, and who is told."""

import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from email.utils import getaddresses

import pytest
from django.db import close_old_connections, connection

from chamberlist import halt
from chamberlist.clock import Now
from chamberlist.models import Alert
from chamberlist.relay import Relay
from posting.delivery import closing, copies, dispatch, lanes, ledger
from posting.delivery.judging import Judge
from posting.delivery.replies import Verdict
from posting.delivery.wire import SmtpWire
from posting.models import Delivery, DeliveryEvent, Lane, Post
from posting.moderation import moderation
from subscriptions import lifecycle
from subscriptions.models import Subscription, Suppression
from tests import builders
from tests.smtpserver import SmtpServer

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State


@pytest.fixture
def post(settings) -> Post:
    """A post to three members, expanded."""
    settings.DELIVERY_GROUP = 16
    promotions = builders.a_list()
    builders.members(promotions, "anne@bakery.example", "bob@garage.example", "cleo@florist.example")
    return builders.a_sending_post(builders.a_sender(promotions))


@pytest.fixture
def wires(monkeypatch: pytest.MonkeyPatch, settings) -> list[SmtpWire]:
    """The wires that the lanes open, of one session each, so that copies leave one after the other."""
    settings.DELIVERY_CONNECTIONS = 1
    opened: list[SmtpWire] = []

    def open_wire(hold: lanes.Hold) -> SmtpWire:
        wire = open_as_ever(hold)
        assert isinstance(wire, SmtpWire)
        opened.append(wire)
        return wire

    open_as_ever = dispatch.open_wire
    monkeypatch.setattr(dispatch, "open_wire", open_wire)
    return opened


def counts(post: Post) -> dict[str, int]:
    return {state: number for state, number in ledger.counts(post).items() if number}


def run_lanes(*numbers: int) -> None:
    for number in numbers or (1,):
        dispatch.run_lane(number, seconds=60)


def state_of(post: Post) -> str:
    return Post.objects.get(pk=post.pk).state


def test_each_subscriber_gets_one_copy_addressed_to_them_alone(smtp: SmtpServer, settings):
    promotions = builders.a_list()
    addresses = builders.many_members(promotions, 50)
    post = builders.a_sending_post(builders.a_sender(promotions))

    run_lanes()

    assert sorted(mail.recipients for mail in smtp.received) == sorted((address,) for address in addresses)
    for mail in smtp.received:
        assert [address for _, address in getaddresses(mail.message.get_all("To", []))] == list(mail.recipients)
        others = set(addresses) - set(mail.recipients)
        assert not any(other.encode() in mail.content for other in others)
    assert state_of(post) == Post.State.DONE
    assert counts(post) == {State.SENT: 50}
    assert smtp.connections <= settings.DELIVERY_CONNECTIONS


def test_many_lanes_and_many_rings_send_once(smtp: SmtpServer, settings):
    settings.DELIVERY_GROUP = 3
    promotions = builders.a_list()
    builders.many_members(promotions, 60)
    builders.a_sending_post(builders.a_sender(promotions))

    def work(lane: int) -> None:
        dispatch.run_lane(lane, seconds=60)
        connection.close()

    workers = [threading.Thread(target=work, args=(lane,)) for lane in (1, 2, 3, 1, 2, 3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    close_old_connections()
    recipients = [mail.recipients for mail in smtp.received]
    assert len(recipients) == len(set(recipients)) == 60


def test_a_lane_that_somebody_holds_is_left_alone(smtp: SmtpServer, post: Post):
    assert lanes.take(1)
    assert dispatch.run_lane(1, seconds=60) is False
    assert smtp.received == []


def test_a_lane_goes_on_in_another_task_when_its_time_is_up(smtp: SmtpServer, post: Post):
    assert dispatch.run_lane(1, seconds=-1) is True
    assert smtp.received == []


def test_who_left_after_the_expansion_gets_nothing(smtp: SmtpServer, post: Post):
    anne = post.deliveries.order_by("pk")[0].subscription
    assert anne and lifecycle.unsubscribe(anne.handle, how="page")
    run_lanes()
    assert smtp.to("anne@bakery.example") == []
    assert counts(post) == {State.SENT: 2, State.CANCELLED: 1}
    assert state_of(post) == Post.State.DONE


def test_who_paused_gets_nothing(smtp: SmtpServer, post: Post):
    anne = post.deliveries.order_by("pk")[0].subscription
    assert anne
    lifecycle.pause(anne.handle, days=30)
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.CANCELLED: 1}


def test_who_was_suppressed_gets_nothing(smtp: SmtpServer, post: Post):
    delivery = post.deliveries.order_by("pk")[0]
    lifecycle.suppress(bytes(delivery.address_hash or b""), None, Suppression.Reason.COMPLAINT)
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.SUPPRESSED: 1}


def test_a_member_who_was_erased_gets_nothing(smtp: SmtpServer, post: Post):
    anne = post.deliveries.order_by("pk")[0].subscription
    assert anne
    anne.delete()
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.CANCELLED: 1}


@pytest.mark.parametrize("moment", ["at_recipient", "at_dot"])
def test_a_recall_in_mid_send_stops_the_next_dot(smtp: SmtpServer, post: Post, wires: list[SmtpWire], moment: str):
    stop_at_the_second(smtp, wires, moment, lambda: moderation.recall(Post.objects.get(pk=post.pk), by="a test"))
    run_lanes()
    assert counts(post) == {State.SENT: len(smtp.received), State.CANCELLED: 3 - len(smtp.received)}
    assert len(smtp.received) == (1 if moment == "at_recipient" else 2)
    assert state_of(post) == Post.State.RECALLED


def test_a_halt_in_mid_send_stops_the_next_dot_and_a_resume_goes_on(smtp: SmtpServer, post: Post, wires: list[SmtpWire]):
    stop_at_the_second(smtp, wires, "at_recipient", lambda: halt.halt(by="a test", reason="fire"))
    run_lanes()
    assert counts(post) == {State.SENT: 1, State.QUEUED: 2}
    halt.resume(by="a test", reason="out")
    run_lanes()
    assert counts(post) == {State.SENT: 3}
    assert {delivery.attempts for delivery in post.deliveries.all()} == {1}


def test_leaving_in_mid_send_holds_for_the_own_copy(smtp: SmtpServer, post: Post, wires: list[SmtpWire]):
    third = post.deliveries.order_by("pk")[2].subscription
    assert third
    stop_at_the_second(smtp, wires, "at_recipient", lambda: lifecycle.unsubscribe(third.handle, how="page"))
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.CANCELLED: 1}


def test_expiry_in_mid_send_stops_the_next_dot(smtp: SmtpServer, post: Post, wires: list[SmtpWire]):
    stop_at_the_second(smtp, wires, "at_recipient", lambda: builders.set_clock_back(post, "expires_at", timedelta(seconds=1)))
    run_lanes()
    assert counts(post) == {State.SENT: 1, State.EXPIRED: 2}
    assert state_of(post) == Post.State.EXPIRED


def test_a_lease_that_is_nearly_over_writes_no_dot(smtp: SmtpServer, post: Post, wires: list[SmtpWire], monkeypatch):
    short = threading.Event()
    as_ever = lanes.Hold.seconds_left
    monkeypatch.setattr(lanes.Hold, "seconds_left", lambda hold: lanes.MARGIN - 1 if short.is_set() else as_ever(hold))
    monkeypatch.setattr(lanes, "renew", lambda _: not short.is_set())

    def lose_it() -> None:
        short.set()
        Lane.objects.update(leased_until=Now() + timedelta(seconds=lanes.MARGIN - 1))

    stop_at_the_second(smtp, wires, "at_recipient", lose_it)
    run_lanes()
    assert len(smtp.received) == 1
    assert counts(post) == {State.SENT: 1, State.QUEUED: 2}


def test_a_refused_recipient_fails_alone(smtp: SmtpServer, post: Post):
    smtp.at_recipient = lambda address: "550 5.1.1 <bob@garage.example> unknown" if "bob" in address else None
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.FAILED: 1}
    [event] = DeliveryEvent.objects.all()
    assert (event.kind, event.status) == ("failed", "5.1.1")
    failed = post.deliveries.get(state=State.FAILED)
    assert "garage" not in event.text + failed.status and "unknown" in failed.status
    assert state_of(post) == Post.State.DONE


@pytest.mark.parametrize("moment", ["at_recipient", "at_dot"])
def test_a_copy_that_is_put_off_goes_later(smtp: SmtpServer, post: Post, moment: str):
    setattr(smtp, moment, lambda address: "451 4.7.1 later" if "bob" in address else None)
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.DEFERRED: 1}
    assert state_of(post) == Post.State.SENDING
    run_lanes()
    assert len(smtp.to("bob@garage.example")) == 0  # Not at once.
    setattr(smtp, moment, lambda _: None)
    builders.set_clock_back(post.deliveries.get(state=State.DEFERRED), "next_attempt_at", timedelta(seconds=1))
    run_lanes()
    assert counts(post) == {State.SENT: 3}
    assert len(smtp.to("bob@garage.example")) == 1


def test_a_copy_whose_answer_was_lost_is_in_doubt_and_not_sent_again(smtp: SmtpServer, post: Post):
    smtp.at_dot = lambda address: "" if "bob" in address else None
    run_lanes()
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.IN_DOUBT: 1}
    assert Alert.objects.get().kind == "doubt"
    assert state_of(post) == Post.State.DONE


def test_a_relay_that_refuses_us_fails_nobody_and_staff_are_told_once(smtp: SmtpServer, post: Post):
    smtp.at_mail = lambda _: "550 5.7.1 who are you"
    run_lanes(1, 2)
    assert counts(post) == {State.QUEUED: 3}
    assert Alert.objects.filter(kind="relay").count() == 1
    smtp.at_mail = lambda _: None
    run_lanes(1)  # It rests.
    assert smtp.received == []
    builders.set_clock_back(Lane.objects.get(number=1), "rests_until", timedelta(seconds=1))
    post.deliveries.update(next_attempt_at=Now())
    run_lanes(1)
    assert counts(post) == {State.SENT: 3}
    assert Lane.objects.get(number=1).failures == 0


def test_a_wrong_relay_password_fails_nobody(smtp: SmtpServer, post: Post, settings):
    settings.RELAY = Relay("127.0.0.1", smtp.port, "none", "chamber", "wrong")
    run_lanes()
    assert counts(post) == {State.QUEUED: 3}
    assert Alert.objects.filter(kind="relay").exists()


def test_a_relay_lost_in_mid_group_keeps_what_was_sent(smtp: SmtpServer, post: Post):
    answers = iter([None, "", "", ""])
    smtp.at_mail = lambda _: next(answers, None)
    run_lanes()
    assert counts(post) == {State.SENT: 1, State.QUEUED: 2}


def test_a_relay_that_takes_minutes_to_greet_finds_nothing_marked(post: Post, settings):
    seen: list[dict[str, int]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet_late() -> None:
            client, _ = listener.accept()
            seen.append(counts(post))
            connection.close()
            client.close()

        server = threading.Thread(target=greet_late)
        server.start()
        settings.RELAY = Relay("127.0.0.1", listener.getsockname()[1], "none")
        run_lanes()
        server.join(10)
    assert seen == [{State.QUEUED: 3}] and counts(post) == {State.QUEUED: 3}


def test_a_relay_that_closes_in_mid_group_gets_the_rest_elsewhere(smtp: SmtpServer, post: Post, wires: list[SmtpWire]):
    smtp.at_recipient = lambda address: "421 4.3.2 closing" if "anne" in address else None
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.DEFERRED: 1}
    assert smtp.connections == 2


@pytest.mark.parametrize("moment", ["at_data", "at_dot"])
def test_the_same_refusal_of_three_copies_in_a_row_freezes_the_post(smtp: SmtpServer, moment: str, settings):
    settings.DELIVERY_GROUP = 5
    promotions = builders.a_list()
    builders.many_members(promotions, 20)
    post = builders.a_sending_post(builders.a_sender(promotions))
    setattr(smtp, moment, lambda _: "554 5.6.0 looks like spam")
    run_lanes()
    found = counts(post)
    assert 3 <= found[State.FAILED] <= 3 + 2 * settings.DELIVERY_CONNECTIONS and sum(found.values()) == 20
    post.refresh_from_db()
    assert post.state == Post.State.FROZEN and "looks like spam" in post.frozen_reason
    assert Alert.objects.get().kind == f"frozen/{post.pk}"
    setattr(smtp, moment, lambda _: None)
    assert moderation.thaw(post, by="a test", reason="talked to the relay's people") == ""
    run_lanes()
    assert counts(post) == {State.FAILED: found[State.FAILED], State.SENT: 20 - found[State.FAILED]}


def test_refusals_in_different_words_freeze_nothing(smtp: SmtpServer, post: Post):
    words = iter(["554 a", "554 b", "554 c"])
    smtp.at_dot = lambda _: next(words)
    run_lanes()
    assert counts(post) == {State.FAILED: 3}
    assert state_of(post) == Post.State.DONE


def test_a_text_that_was_changed_after_acceptance_is_not_sent(smtp: SmtpServer, post: Post):
    builders.overwrite(post, body="Something else.")
    run_lanes()
    assert smtp.received == []
    post.refresh_from_db()
    assert post.state == Post.State.FROZEN and counts(post) == {State.QUEUED: 3}


def test_a_copy_that_the_gate_refuses_freezes_the_post(smtp: SmtpServer, post: Post, monkeypatch):
    built = copies.headers

    def with_a_leak(*args):
        return {**built(*args), "Cc": "bob@garage.example"}

    monkeypatch.setattr(copies, "headers", with_a_leak)
    run_lanes()
    assert smtp.received == []
    assert state_of(post) == Post.State.FROZEN and counts(post) == {State.QUEUED: 3}


def test_a_bug_in_building_stops_that_post_and_leaves_its_copies_as_they_were(smtp: SmtpServer, post: Post, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(copies, "build", broken)
    run_lanes()
    assert counts(post) == {State.QUEUED: 3}
    assert state_of(post) == Post.State.FROZEN
    assert lanes.idle(1) == [1]


def test_an_address_that_the_relay_cannot_take_fails_with_that_reason(smtp: SmtpServer):
    smtp.controller.SMTP_kwargs["enable_SMTPUTF8"] = False
    promotions = builders.a_list()
    builders.members(promotions, "anne@bakery.example", "jörg@bakery.example")
    post = builders.a_sending_post(builders.a_sender(promotions))
    run_lanes()
    assert counts(post) == {State.SENT: 1, State.FAILED: 1}
    assert "address of this form" in post.deliveries.get(state=State.FAILED).status


def test_an_address_beyond_ascii_gets_its_copy(smtp: SmtpServer):
    promotions = builders.a_list()
    builders.members(promotions, "jörg@müller.example")
    builders.a_sending_post(builders.a_sender(promotions))
    run_lanes()
    [mail] = smtp.received
    assert mail.recipients == ("jörg@xn--mller-kva.example",)
    assert "To: jörg@xn--mller-kva.example\r\n".encode() in mail.content


def test_the_lease_is_renewed_while_there_is_work(smtp: SmtpServer, post: Post, wires: list[SmtpWire], monkeypatch):
    seen: list[object] = []

    def look() -> None:
        seen.append(Lane.objects.get(number=1).leased_until)
        monkeypatch.setattr(dispatch, "LEASE", timedelta(hours=1))  # More than half of it is over.

    smtp.at_dot = lambda _: None
    stop_at_the_second(smtp, wires, "at_recipient", look)
    run_lanes()
    monkeypatch.undo()
    assert counts(post) == {State.SENT: 3}


def stop_at_the_second(smtp: SmtpServer, wires: list[SmtpWire], moment: str, act: Callable[[], object]) -> None:
    """When the server hears of the second copy, do ``act`` as somebody else would; it answers once the lane has asked again."""
    heard: list[str] = []

    def somebody_else() -> None:
        act()
        connection.close()

    def listen(address: str) -> None:
        heard.append(address)
        if len(heard) == 2:
            someone = threading.Thread(target=somebody_else)
            someone.start()
            someone.join(30)
            committed = time.monotonic()
            wait_until(lambda: wires[-1].permit[1] > committed)

    setattr(smtp, moment, listen)


def wait_until(is_so: Callable[[], bool], *, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


def test_one_copy_that_the_relay_hangs_up_on_does_not_hold_up_the_others(smtp: SmtpServer, post: Post):
    smtp.at_recipient = lambda address: "" if "anne" in address else None
    for _ in range(2):
        run_lanes()
        Lane.objects.update(rests_until=None)
    assert counts(post) == {State.SENT: 2, State.QUEUED: 1}


def test_a_post_that_a_person_lets_go_on_goes_on_in_the_same_turn_of_its_lane(smtp: SmtpServer, post: Post, monkeypatch):
    """And costs no round after round of marking and putting back meanwhile."""
    Post.objects.filter(pk=post.pk).update(accepted_hash="x" * 64)
    other = builders.a_sending_post(post.sender)
    smtp.slowness = 0.1
    turns: list[int] = []
    freeze = closing.freeze

    def freeze_and_thaw(post_id: int, reason: str) -> None:
        freeze(post_id, reason)
        Post.objects.filter(pk=post_id).update(accepted_hash=post.content_hash)
        assert moderation.thaw(Post.objects.get(pk=post_id), by="mary", reason="read it again") == ""

    class Counted(dispatch.Shift):
        def turn(self, *, limit: int) -> None:
            turns.append(limit)
            super().turn(limit=limit)

    monkeypatch.setattr(closing, "freeze", freeze_and_thaw)
    monkeypatch.setattr(dispatch, "Shift", Counted)
    run_lanes()
    assert counts(post) == counts(other) == {State.SENT: 3}
    assert len(turns) < 100


def test_a_ledger_that_can_only_be_read_for_a_while_costs_no_answer(smtp: SmtpServer, settings):
    """As after a failover: what is on its way is waited for, and what was answered is written down once it can be."""
    settings.DELIVERY_CONNECTIONS, settings.DELIVERY_GROUP = 2, 8
    promotions = builders.a_list()
    builders.many_members(promotions, 40)
    post = builders.a_sending_post(builders.a_sender(promotions))
    smtp.slowness = 0.01
    name = connection.settings_dict["NAME"]
    others = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = '{name}'"  # noqa: S608
    once = threading.Lock()

    def from_outside(*statements: str) -> None:
        def run() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET default_transaction_read_only = off")
                for statement in statements:
                    cursor.execute(statement)
            connection.close()

        other = threading.Thread(target=run)
        other.start()
        other.join()

    def only_read(_: str) -> None:
        if len(smtp.received) >= 20 and once.acquire(blocking=False):
            from_outside(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on', others)
            again = [f'ALTER DATABASE "{name}" RESET default_transaction_read_only', others]
            threading.Timer(2, from_outside, again).start()

    smtp.at_dot = only_read
    run_lanes()
    assert counts(post) == {State.SENT: 40}
    assert len(smtp.received) == 40


def test_after_a_fault_of_ours_nothing_leaves_and_what_is_known_is_written_down(smtp: SmtpServer, settings, monkeypatch):
    settings.DELIVERY_CONNECTIONS, settings.DELIVERY_GROUP = 2, 8
    promotions = builders.a_list()
    builders.many_members(promotions, 40)
    post = builders.a_sending_post(builders.a_sender(promotions))
    smtp.slowness = 0.01

    once = threading.Lock()

    def fault(self: dispatch.Shift) -> None:
        if len(smtp.received) >= 20 and once.acquire(blocking=False):
            raise ZeroDivisionError

    monkeypatch.setattr(dispatch.Shift, "keep", fault)
    monkeypatch.setattr(dispatch, "ASK_AGAIN", 0.05)
    with pytest.raises(ZeroDivisionError):
        run_lanes()
    found = counts(post)
    assert found[State.SENT] == len(smtp.received) < 40
    assert set(found) == {State.SENT, State.QUEUED}


def test_a_copy_whose_answer_cannot_be_judged_is_in_doubt_and_not_sent_again(smtp: SmtpServer, post: Post, monkeypatch):
    judged = Judge.outcome

    def fault(self: Judge, marked: ledger.Marked, verdict: Verdict) -> ledger.Outcome:
        if marked.recipient == "bob@garage.example":
            raise ZeroDivisionError
        return judged(self, marked, verdict)

    with monkeypatch.context() as broken:
        broken.setattr(Judge, "outcome", fault)
        broken.setattr(dispatch, "DOT_TIMEOUT", 1)
        with pytest.raises(ZeroDivisionError):
            run_lanes()
    bob = post.deliveries.get(subscription__in=[row for row in Subscription.objects.all() if row.address == "bob@garage.example"])
    assert len(smtp.to("bob@garage.example")) == 1 and bob.state == State.SENDING
    ledger.recover()
    run_lanes()
    bob.refresh_from_db()
    assert bob.state == State.IN_DOUBT and len(smtp.to("bob@garage.example")) == 1

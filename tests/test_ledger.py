"""The ledger, its lanes and its repair: what is marked, what is refused, what is found again."""

import threading
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from chamberlist import halt
from posting import tasks
from posting.delivery import audience, closing, lanes, ledger, sweep
from posting.delivery.lanes import Hold
from posting.delivery.ledger import Marked, Outcome
from posting.delivery.turns import Turns
from posting.models import Delivery, DeliveryEvent, Lane, Post
from posting.moderation import moderation
from subscriptions import lifecycle
from subscriptions.models import Subscription, Suppression
from tests import builders

pytestmark = pytest.mark.django_db
State = Delivery.State


@pytest.fixture
def post() -> Post:
    promotions = builders.a_list()
    builders.many_members(promotions, 5)
    return builders.a_sending_post(builders.a_sender(promotions))


@pytest.fixture
def hold(post: Post) -> Hold:
    held = lanes.take(1)
    assert held
    return held


def mark(hold: Hold, *, limit: int) -> list[Marked]:
    """The next group of a lane that has just begun."""
    return Turns().claim(hold, limit=limit)


def fresh(copy: Marked) -> Delivery:
    return Delivery.objects.get(pk=copy.id)


def end_lease(number: int = 1) -> None:
    builders.set_clock_back(Lane.objects.get(number=number), "leased_until", timedelta(seconds=1))


def states(post: Post) -> dict[str, int]:
    return {state: number for state, number in ledger.counts(post).items() if number}


def test_the_audience_is_who_is_subscribed_at_that_moment():
    promotions, other = builders.a_list(), builders.a_list("events")
    anne, bob, cleo, dan, eve = builders.members(
        promotions, *(f"{name}@shop.example" for name in ("anne", "bob", "cleo", "dan", "eve"))
    )
    builders.a_member(other, "finn@shop.example")
    lifecycle.unsubscribe(anne.handle, how="page")
    lifecycle.pause(bob.handle, days=14)
    lifecycle.suppress(bytes(cleo.address_hash), None, Suppression.Reason.COMPLAINT)
    lifecycle.suppress(bytes(dan.address_hash), promotions, Suppression.Reason.BOUNCE)
    post = builders.a_sending_post(builders.a_sender(promotions))
    assert [delivery.subscription for delivery in post.deliveries.all()] == [eve]
    assert post.audience == 1


def test_a_post_is_expanded_once(post: Post):
    assert audience.expand(post.pk) is False
    assert post.deliveries.count() == post.audience == 5


def test_nothing_is_expanded_before_its_time_after_its_time_or_during_a_halt():
    sender = builders.a_sender(builders.a_list(undo_seconds=300))
    post = builders.a_held_post(sender)
    accept(post)
    assert audience.due() == [] and audience.expand(post.pk) is False
    builders.set_clock_back(post, "starts_at", timedelta(seconds=1))
    halt.halt(by="a test", reason="fire")
    assert audience.due() == [post.pk] and audience.expand(post.pk) is False
    halt.resume(by="a test", reason="")
    builders.set_clock_back(post, "expires_at", timedelta(seconds=1))
    assert audience.due() == [] and audience.expand(post.pk) is False


def test_the_database_refuses_a_second_copy(post: Post):
    first = post.deliveries.order_by("pk")[0]
    with pytest.raises(IntegrityError, match="delivery_once_a_subscription"), transaction.atomic():
        Delivery.objects.create(post=post, subscription=first.subscription, address_hash=b"x" * 32)
    with pytest.raises(IntegrityError, match="delivery_once_an_address"), transaction.atomic():
        Delivery.objects.create(post=post, subscription=None, address_hash=bytes(first.address_hash or b""))


def test_a_lane_has_one_holder_at_a_time():
    first = lanes.take(1)
    assert first and lanes.take(1) is None
    assert lanes.idle(2) == [2]
    lanes.release(first)
    second = lanes.take(1)
    assert second and second.token > first.token


def test_an_old_holder_can_neither_renew_nor_release():
    first = lanes.take(1)
    assert first
    end_lease()
    assert lanes.renew(first) is False
    second = lanes.take(1)
    assert second
    lanes.release(first)
    lanes.rest(first)
    assert lanes.renew(first) is False and lanes.renew(second) is True
    assert Lane.objects.get(number=1).rests_until is None


def test_a_lane_that_was_refused_rests_longer_each_time(hold: Hold):
    rests = []
    for _ in range(12):
        lanes.rest(hold)
        lane = Lane.objects.get(number=1)
        assert lane.rests_until
        rests.append((lane.rests_until - lane.rests_until.now(lane.rests_until.tzinfo)).total_seconds())
    assert 4 < rests[0] < 6 and 9 < rests[1] < 11 and rests[-1] <= lanes.LONGEST_REST
    lanes.release(hold)
    assert lanes.take(1) is None and lanes.idle(1) == []


def test_a_clock_set_back_or_a_long_sleep_ends_the_lease(hold: Hold, monkeypatch):
    boot, wall = hold.taken
    assert 50 < hold.seconds_left() <= 60
    monkeypatch.setattr(lanes, "_both_clocks", lambda: (boot + 1, wall - 3600))
    assert hold.seconds_left() == 0
    monkeypatch.setattr(lanes, "_both_clocks", lambda: (boot + 1, wall + 3600))
    assert hold.seconds_left() < 0
    monkeypatch.setattr(lanes, "_both_clocks", lambda: (boot + 55, wall + 1))
    assert hold.seconds_left() == pytest.approx(5)


def test_marked_copies_are_not_marked_again(hold: Hold):
    other = lanes.take(2)
    assert other
    first, second = mark(hold, limit=3), mark(other, limit=3)
    assert (len(first), len(second)) == (3, 2)
    assert not {copy.id for copy in first} & {copy.id for copy in second}
    assert mark(hold, limit=3) == []


def test_who_lost_the_lane_marks_nothing(hold: Hold):
    end_lease()
    assert mark(hold, limit=3) == []


def test_only_the_lane_that_marked_a_copy_still_wants_it(hold: Hold, post: Post):
    ids = {copy.id for copy in mark(hold, limit=5)}
    assert ledger.still_wanted(hold, ids) == ids
    assert ledger.still_wanted(Hold(1, hold.token + 1), ids) == set()
    assert ledger.still_wanted(Hold(2, hold.token), ids) == set()
    end_lease()
    assert ledger.still_wanted(hold, ids) == set()


@pytest.mark.parametrize("why", ["halt", "recall", "freeze", "expire", "leave", "suppress"])
def test_a_marked_copy_that_may_leave_no_longer_is_not_wanted(hold: Hold, post: Post, why: str):
    [copy] = mark(hold, limit=1)
    delivery = fresh(copy)
    member = delivery.subscription
    assert member
    {
        "halt": lambda: halt.halt(by="a test", reason="fire"),
        "recall": lambda: closing.end(post, Post.State.RECALLED),
        "freeze": lambda: closing.freeze(post.pk, "a check"),
        "expire": lambda: builders.set_clock_back(post, "expires_at", timedelta(seconds=1)),
        "leave": lambda: lifecycle.unsubscribe(member.handle, how="page"),
        "suppress": lambda: lifecycle.suppress(bytes(delivery.address_hash or b""), None, Suppression.Reason.OBJECTION),
    }[why]()
    assert ledger.still_wanted(hold, [copy.id]) == set()


def test_a_zombies_late_word_is_refused(hold: Hold, post: Post):
    [copy] = mark(hold, limit=1)
    end_lease()
    assert ledger.recover() == 1
    queue_again(copy)
    heir = lanes.take(1)
    assert heir
    again = mark(heir, limit=5)
    assert copy.id in {other.id for other in again}
    ledger.record(hold, [Outcome(copy.id, State.FAILED, "5.1.1", "no")])
    row = fresh(copy)
    assert row.state == State.SENDING and row.lane_token == heir.token
    assert DeliveryEvent.objects.count() == 0


def test_a_zombie_cannot_say_that_its_copies_were_taken(hold: Hold, post: Post):
    [copy] = mark(hold, limit=1)
    end_lease()
    assert ledger.recover() == 1
    queue_again(copy)
    heir = lanes.take(1)
    assert heir and copy.id in {other.id for _ in range(2) for other in mark(heir, limit=5)}
    assert Turns().claim(hold, limit=5, taken=[Outcome(copy.id, State.SENT, "2.0.0", "250 ok")]) == []
    row = fresh(copy)
    assert row.state == State.SENDING and row.lane_token == heir.token


def test_a_late_answer_settles_the_doubt_of_its_own_lane(hold: Hold):
    [copy] = mark(hold, limit=1)
    end_lease()
    ledger.recover()
    ledger.record(hold, [Outcome(copy.id, State.SENT, "2.0.0", "250 ok")])
    row = fresh(copy)
    assert row.state == State.SENT and row.ended_at


def test_a_lane_never_queues_a_doubt_again(hold: Hold):
    [copy] = mark(hold, limit=1)
    end_lease()
    ledger.recover()
    ledger.put_back(hold, [copy.id])
    row = fresh(copy)
    assert row.state == State.IN_DOUBT


def test_a_doubt_is_not_marked(hold: Hold):
    copies = mark(hold, limit=5)
    end_lease()
    ledger.recover()
    heir = lanes.take(1)
    assert heir and mark(heir, limit=5) == []
    assert {Delivery.objects.get(pk=copy.id).state for copy in copies} == {State.IN_DOUBT}


def test_what_is_put_back_was_not_an_attempt(hold: Hold):
    [copy] = mark(hold, limit=1)
    ledger.put_back(hold, [copy.id])
    row = fresh(copy)
    assert (row.state, row.attempts) == (State.QUEUED, 0)


def test_an_outcome_that_is_told_twice_counts_once(hold: Hold):
    [copy] = mark(hold, limit=1)
    for _ in range(2):
        ledger.record(hold, [Outcome(copy.id, State.DEFERRED, "4.2.2", "452 full")])
    row = fresh(copy)
    assert row.state == State.DEFERRED and row.next_attempt_at > row.post.accepted_at  # type: ignore[operator]
    assert DeliveryEvent.objects.get().status == "4.2.2"


def test_each_wait_is_about_twice_as_long_and_half_an_hour_at_most():
    for attempts, minutes in ((0, 1), (1, 1), (2, 2), (4, 8), (9, 30), (99, 30)):
        assert timedelta(minutes=0.8 * minutes) <= ledger.back_off(attempts) <= timedelta(minutes=1.2 * minutes)


def test_what_a_dead_worker_marked_is_in_doubt_and_the_rest_goes_on(hold: Hold, post: Post, settings, rung):
    settings.DELIVERY_LANES = 2
    mark(hold, limit=2)
    assert sweep.sweep() == [2]  # The worker may live.
    assert states(post) == {State.SENDING: 2, State.QUEUED: 3}
    end_lease()
    assert sweep.sweep() == [1, 2]
    assert states(post) == {State.IN_DOUBT: 2, State.QUEUED: 3}


def test_a_lane_whose_copies_have_no_end_is_taken_by_nobody_before_they_have_one(hold: Hold, post: Post):
    """It alone knows which they are."""
    mark(hold, limit=2)
    end_lease()
    assert lanes.take(1) is None
    assert ledger.recover() == 2
    heir = lanes.take(1)
    assert heir and Lane.objects.get(number=1).marked == []


def test_a_mark_that_no_lane_knows_of_ends_in_doubt_once_its_lease_is_over(hold: Hold, post: Post):
    """So does a worker of an older version mark, that an upgrade left running."""
    mark(hold, limit=2)
    Lane.objects.update(marked=[])
    tasks.reckon()
    assert states(post) == {State.SENDING: 2, State.QUEUED: 3} and not halt.is_on()
    end_lease()
    tasks.reckon()
    assert states(post) == {State.IN_DOUBT: 2, State.QUEUED: 3} and not halt.is_on()


def test_a_lane_knows_what_it_has_marked_and_forgets_what_has_ended(hold: Hold, post: Post):
    turns = Turns()
    first = turns.claim(hold, limit=2)
    second = turns.claim(hold, limit=2, taken=[Outcome(first[0].id, State.SENT, "2.0.0", "250 ok")])
    assert Lane.objects.get(number=1).marked == [first[1].id, *(copy.id for copy in second)]
    assert ledger.marked_by(hold) == {first[1].id, *(copy.id for copy in second)}
    row = fresh(first[0])
    assert (row.state, row.status) == (State.SENT, "2.0.0 250 ok") and row.ended_at


def test_a_copy_that_is_marked_and_taken_touches_no_index(hold: Hold, post: Post):
    """Postgres says how many rows it wrote beside their old selves (heap-only tuples)."""

    def counted() -> tuple[int, int]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_stat_get_xact_tuples_updated(c.oid), pg_stat_get_xact_tuples_hot_updated(c.oid) "
                "FROM pg_class c WHERE relname = 'posting_delivery'"
            )
            updated, without_index = cursor.fetchone()
            return updated, without_index

    before = counted()
    turns = Turns()
    copies = turns.claim(hold, limit=3)
    turns.claim(hold, limit=1, taken=[Outcome(copy.id, State.SENT, "2.0.0", "250 ok") for copy in copies])
    updated, without_index = counted()
    assert (updated - before[0], without_index - before[1]) == (7, 7)


def test_a_post_remembers_how_far_its_first_turns_have_got(hold: Hold, post: Post):
    def begun() -> int:
        ledger.note_begun()
        post.refresh_from_db()
        return post.begun_to

    first = post.begun_to
    assert begun() == first and post.last_copy == first + 5
    copies = mark(hold, limit=2)
    assert begun() == first + 2
    ledger.put_back(hold, [copy.id for copy in copies])
    assert begun() == first + 2
    turns = Turns()
    groups = [{copy.id for copy in turns.claim(hold, limit=9)} for _ in range(2)]
    assert begun() == post.last_copy
    assert sorted(map(sorted, groups)) == [[first + 1, first + 2], [first + 3, first + 4, first + 5]]


def test_first_turns_and_further_ones_take_turns(hold: Hold, post: Post):
    """Neither waits for all of the other: a large post's first copies may be refused for now while its last ones have not begun."""
    ledger.put_back(hold, [copy.id for copy in mark(hold, limit=2)])
    turns = Turns()
    attempts = [turns.claim(hold, limit=1)[0].id for _ in range(4)]
    first = post.begun_to
    assert sorted(attempts) == [first + 1, first + 2, first + 3, first + 4] and attempts != sorted(attempts)


def test_a_lane_given_back_without_a_word_leaves_a_doubt(hold: Hold, post: Post):
    mark(hold, limit=1)
    lanes.release(hold)
    assert ledger.recover() == 1


def test_the_sweep_starts_what_is_due_and_rings_for_what_waits(rung, settings, django_capture_on_commit_callbacks):
    settings.DELIVERY_LANES = 2
    promotions = builders.a_list()
    builders.many_members(promotions, 3)
    post = builders.an_accepted_post(builders.a_sender(promotions))
    rung.clear()
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sweep()
    assert rung == [("posting.tasks.deliver", (1,)), ("posting.tasks.deliver", (2,))]
    post.refresh_from_db()
    assert post.state == Post.State.SENDING


def test_nothing_to_do_rings_no_bell(rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sweep()
    assert rung == []


def test_a_lane_with_more_to_do_rings_for_itself(post: Post, rung, monkeypatch, django_capture_on_commit_callbacks):
    monkeypatch.setattr(tasks, "LANE_SECONDS", -1.0)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.deliver(1)
    assert rung == [("posting.tasks.deliver", (1,))]
    rung.clear()
    assert lanes.take(1)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.deliver(1)
    assert rung == []


def test_a_post_without_an_audience_is_done():
    post = builders.a_sending_post(builders.a_sender(builders.a_list()))
    sweep.sweep()
    post.refresh_from_db()
    assert (post.state, post.audience) == (Post.State.DONE, 0)


@pytest.mark.parametrize("before", [Post.State.ACCEPTED, Post.State.SENDING, Post.State.FROZEN])
def test_a_post_whose_time_is_over_expires_with_its_waiting_copies(post: Post, hold: Hold, before: str):
    mark(hold, limit=1)
    if before == Post.State.FROZEN:
        closing.freeze(post.pk, "a check")
    if before == Post.State.ACCEPTED:
        post = builders.an_accepted_post(post.sender)
    builders.set_clock_back(post, "expires_at", timedelta(seconds=1))
    sweep.sweep()
    post.refresh_from_db()
    assert post.state == Post.State.EXPIRED and post.ended_at
    if before != Post.State.ACCEPTED:
        assert states(post) == {State.SENDING: 1, State.EXPIRED: 4}


def test_a_copy_that_came_back_after_the_end_of_its_post_is_settled(post: Post, hold: Hold):
    copies = mark(hold, limit=2)
    closing.end(post, Post.State.RECALLED)
    ledger.put_back(hold, [copies[0].id])
    ledger.record(hold, [Outcome(copies[1].id, State.DEFERRED, "4.2.2", "452 full")])
    sweep.sweep()
    assert states(post) == {State.CANCELLED: 5}


def test_the_counts_sum_to_the_audience_whatever_happened(post: Post, hold: Hold):
    copies = mark(hold, limit=4)
    outcomes = (State.SENT, State.FAILED, State.DEFERRED, State.IN_DOUBT)
    ledger.record(hold, [Outcome(copy.id, state) for copy, state in zip(copies, outcomes, strict=True)])
    assert sum(ledger.counts(post).values()) == post.audience == 5
    assert states(post) == {**dict.fromkeys(outcomes, 1), State.QUEUED: 1}


def test_freezing_twice_tells_staff_once(post: Post):
    closing.freeze(post.pk, "first")
    closing.freeze(post.pk, "second")
    post.refresh_from_db()
    assert post.frozen_reason == "first"


def test_a_post_ends_once(post: Post):
    assert closing.end(post, Post.State.RECALLED) is True
    assert closing.end(post, Post.State.EXPIRED) is False


def test_rows_name_nobody(post: Post, hold: Hold):
    delivery = post.deliveries.all()[0]
    event = DeliveryEvent(pk=3)
    assert [str(row) for row in (delivery, event, Lane(number=2))] == [f"delivery {delivery.pk}", "delivery event 3", "lane 2"]
    assert isinstance(delivery.handle, uuid.UUID)


def accept(post: Post) -> None:
    assert moderation.accept(post, content_hash=post.content_hash, by="a test") == ""
    post.refresh_from_db()


def queue_again(copy: Marked) -> None:
    """As a named person decides."""
    Delivery.objects.filter(pk=copy.id).update(state=State.QUEUED)


def test_copies_that_a_person_has_sent_again_keep_their_post_open(post: Post, hold: Hold, monkeypatch: pytest.MonkeyPatch):
    """The sweep has just found nothing open in it."""
    marked = ledger.claim(hold, builders.first_turns(post), limit=10).marked
    ledger.record(hold, [Outcome(copy.id, State.IN_DOUBT) for copy in marked])
    close = closing._close

    def with_somebody_quicker(post_id: int) -> None:
        assert moderation.resend_doubts(Post.objects.get(pk=post_id), by="mary") == (len(marked), "")
        close(post_id)

    monkeypatch.setattr(closing, "_close", with_somebody_quicker)
    closing.close_posts()
    assert Post.objects.get(pk=post.pk).state == Post.State.SENDING
    assert ledger.is_anything_due()


def test_a_second_sweep_does_not_wait_for_the_first_one_to_write_a_large_post():
    promotions = builders.a_list()
    builders.a_member(promotions)
    post = builders.an_accepted_post(builders.a_sender(promotions))
    answers: list[bool] = []

    def second() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        answers.append(audience.expand(post.pk))
        connection.close()

    with transaction.atomic():
        assert audience.expand(post.pk)
        other = threading.Thread(target=second)
        other.start()
        other.join()
    assert answers == [False]


def test_a_recall_of_a_large_post_does_not_wait_for_its_rows(post: Post, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(closing, "BATCH", 1)
    assert moderation.recall(post, by="mary") == ""
    assert ledger.counts(post)["cancelled"] == 1
    closing.settle()
    counts = ledger.counts(post)
    assert counts["cancelled"] == post.audience


def test_one_turn_reads_no_further_than_a_lane_may_be_away(post: Post, hold: Hold, monkeypatch: pytest.MonkeyPatch):
    """Everybody has left: what is settled in passing is a bounded piece of work, and the lane comes round."""
    monkeypatch.setattr("posting.delivery.turns.READS", 2)
    Subscription.objects.update(state="unsubscribed")
    turns = Turns()
    assert turns.claim(hold, limit=1) == [] and turns.is_cut_short
    assert ledger.counts(post)["cancelled"] == 2
    for _ in range(2):
        assert turns.claim(hold, limit=1) == []
    assert ledger.counts(post)["cancelled"] == post.audience


def test_lanes_do_not_all_begin_with_the_same_post():
    promotions = builders.a_list()
    builders.members(promotions, "anne@bakery.example", "bob@garage.example")
    joe = builders.a_sender(promotions)
    posts = {builders.a_sending_post(joe).pk for _ in range(3)}
    first = set()
    for number in range(1, 4):
        hold = lanes.take(number)
        assert hold
        hold = replace(hold, token=number)
        Lane.objects.filter(number=number).update(token=number)
        first.add(Turns().claim(hold, limit=1)[0].post_id)
    assert first == posts

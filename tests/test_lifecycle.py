"""What can happen to a consent, and how often a person is asked."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils.timezone import localtime

from chamberlist.clock import now
from chamberlist.models import SystemMail
from posting.delivery import audience
from subscriptions import addresses, consent, lifecycle, requests, statements, tasks
from subscriptions.models import ConsentEvent, MailingList, Subscription, SubscriptionRequest, Suppression
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
State, Kind = Subscription.State, ConsentEvent.Kind
ANNE = addresses.parse("anne@bakery.example")


@pytest.fixture
def promotions() -> MailingList:
    return builders.a_list()


def asked(mailing_list: MailingList) -> Subscription:
    assert lifecycle.sign_up(mailing_list, ANNE, how="form")
    return mailing_list.subscriptions.get()


def link_of(subscription: Subscription) -> uuid.UUID:
    assert subscription.confirmation is not None
    return subscription.confirmation


def a_day_passes(days: float = 1.1) -> None:
    for mail in SystemMail.objects.all():
        builders.later(mail, "created_at", timedelta(days=days))
    seconds = int(days * 86400)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # A table with checks to come cannot be altered.
    builders.rewrite_append_only(
        "subscriptions_consentevent", "UPDATE subscriptions_consentevent SET at = at - %s * interval '1 second'", seconds
    )


def kinds() -> list[str]:
    return list(ConsentEvent.objects.values_list("kind", flat=True))


def test_who_asks_is_asked_back_and_not_subscribed(promotions: MailingList):
    anne = asked(promotions)
    assert (anne.state, anne.confirmed_at) == (State.PENDING, None)
    assert list(SystemMail.objects.values_list("purpose", "object_id")) == [("confirmation", anne.pk)]
    assert kinds() == [Kind.REQUESTED]


def test_the_button_subscribes_once_and_keeps_the_proof(promotions: MailingList):
    anne = asked(promotions)
    link = link_of(anne)
    assert lifecycle.confirm(link)
    anne.refresh_from_db()
    assert (anne.state, anne.confirmation) == (State.ACTIVE, None)
    assert anne.confirmed_at is not None
    assert abs(anne.confirmed_at - now()) < timedelta(minutes=1)
    assert not lifecycle.confirm(link)
    assert kinds() == [Kind.REQUESTED, Kind.CONFIRMED]
    proof = ConsentEvent.objects.get(kind=Kind.CONFIRMED)
    assert bytes(proof.address_hash) == ANNE.hash
    assert proof.wording == consent.wording(promotions).version


def test_a_link_that_nobody_was_given_confirms_nothing(promotions: MailingList):
    asked(promotions)
    assert not lifecycle.confirm(uuid.uuid4())
    assert kinds() == [Kind.REQUESTED]


def test_a_link_stops_working_after_14_days_even_if_no_sweep_ran(promotions: MailingList):
    anne = asked(promotions)
    builders.later(anne, "asked_at", timedelta(days=14, hours=1))
    assert not lifecycle.confirm(link_of(anne))
    builders.later(anne, "asked_at", timedelta(hours=-2))
    assert lifecycle.confirm(link_of(anne))


def asked_twice(mailing_list: MailingList) -> uuid.UUID:
    """What the first of two mails carries."""
    first = link_of(asked(mailing_list))
    a_day_passes()
    assert lifecycle.sign_up(mailing_list, ANNE, how="form")
    return first


def test_each_mail_of_a_question_can_be_answered(promotions: MailingList):
    first = asked_twice(promotions)
    assert lifecycle.confirm(first)
    assert not lifecycle.confirm(first)


def test_not_me_in_an_older_mail_ends_the_question_that_a_stranger_had_asked_again(promotions: MailingList):
    lifecycle.disown(asked_twice(promotions), on=promotions)
    assert not Subscription.objects.exists()
    assert Suppression.objects.get().reason == Suppression.Reason.OBJECTION
    assert kinds()[-1] == Kind.DISOWNED


def test_who_left_in_between_is_asked_a_new_question(promotions: MailingList):
    anne = asked(promotions)
    first = link_of(anne)
    assert lifecycle.confirm(first)
    assert lifecycle.unsubscribe(anne.handle, how="page")
    assert lifecycle.sign_up(promotions, ANNE, how="form")
    assert not lifecycle.confirm(first)


def test_an_address_is_asked_once_a_day_and_three_times_in_thirty_days(promotions: MailingList):
    outcomes = []
    for _ in range(5):
        outcomes += [lifecycle.sign_up(promotions, ANNE, how="form"), lifecycle.sign_up(promotions, ANNE, how="form")]
        a_day_passes()
    assert outcomes == [True, False] * 3 + [False] * 4
    assert SystemMail.objects.count() == 3
    a_day_passes(30)
    assert lifecycle.sign_up(promotions, ANNE, how="form")


def test_the_cap_counts_an_address_over_all_lists_and_keeps_nothing_of_what_it_refuses(promotions: MailingList):
    asked(promotions)
    news = builders.a_list("news")
    assert not lifecycle.sign_up(news, ANNE, how="form")
    assert not news.subscriptions.exists()
    assert SystemMail.objects.count() == 1


def test_who_has_answered_may_ask_for_another_list_at_once(promotions: MailingList):
    lifecycle.confirm(link_of(asked(promotions)))
    assert lifecycle.sign_up(builders.a_list("news"), ANNE, how="form")


def test_one_address_does_not_use_up_another_s_questions(promotions: MailingList):
    asked(promotions)
    assert lifecycle.sign_up(promotions, addresses.parse("bob@butcher.example"), how="form")


@pytest.mark.parametrize("state", [State.ACTIVE, State.PAUSED])
def test_a_member_who_asks_again_is_told_and_stays_as_they_are(promotions: MailingList, state: str):
    anne = builders.a_member(promotions)
    if state == State.PAUSED:
        lifecycle.pause(anne.handle, days=14)
    assert lifecycle.sign_up(promotions, ANNE, how="form")
    assert not lifecycle.sign_up(promotions, ANNE, how="form")
    anne.refresh_from_db()
    assert anne.state == state
    assert list(SystemMail.objects.values_list("purpose", flat=True)) == ["already"]


def test_not_me_forgets_a_stranger_s_address_and_suppresses_its_hash(promotions: MailingList):
    link = link_of(asked(promotions))
    lifecycle.disown(link)
    lifecycle.disown(link)
    assert not Subscription.objects.exists()
    assert [(bytes(row.address_hash), row.mailing_list, row.reason) for row in Suppression.objects.all()] == [
        (ANNE.hash, promotions, "objection")
    ]
    assert kinds() == [Kind.REQUESTED, Kind.DISOWNED]
    assert lifecycle.is_suppressed(ANNE.hash, promotions)
    assert not lifecycle.is_suppressed(ANNE.hash, builders.a_list("news"))


def test_after_not_me_an_address_is_asked_once_in_thirty_days(promotions: MailingList):
    lifecycle.disown(link_of(asked(promotions)))
    assert lifecycle.sign_up(promotions, ANNE, how="form")
    for _ in range(9):
        a_day_passes(3)
        assert not lifecycle.sign_up(promotions, ANNE, how="form")
    a_day_passes(4)
    assert lifecycle.sign_up(promotions, ANNE, how="form")


def test_not_me_of_somebody_who_was_a_member_leaves_them_as_left(promotions: MailingList):
    anne = builders.a_member(promotions)
    lifecycle.unsubscribe(anne.handle, how="page")
    lifecycle.disown(link_of(asked(promotions)))
    anne.refresh_from_db()
    assert anne.state == State.UNSUBSCRIBED
    assert lifecycle.is_suppressed(ANNE.hash, promotions)


def test_confirming_lifts_what_suppressed_the_address_here_and_everywhere(promotions: MailingList):
    news = builders.a_list("news")
    for scope in (promotions, None, news):
        lifecycle.suppress(ANNE.hash, scope, Suppression.Reason.BOUNCE)
    lifecycle.confirm(link_of(asked(promotions)))
    assert list(Suppression.objects.values_list("mailing_list", flat=True)) == [news.pk]
    assert not lifecycle.is_suppressed(ANNE.hash, promotions)


def test_being_suppressed_twice_keeps_the_first_reason(promotions: MailingList):
    lifecycle.suppress(ANNE.hash, promotions, Suppression.Reason.COMPLAINT)
    lifecycle.suppress(ANNE.hash, promotions, Suppression.Reason.BOUNCE)
    assert Suppression.objects.get().reason == "complaint"


@pytest.mark.parametrize("state", [State.PENDING, State.ACTIVE, State.PAUSED, State.SUSPENDED])
def test_leaving_works_from_every_state_and_once(promotions: MailingList, state: str):
    if state == State.PENDING:
        anne = asked(promotions)
    else:
        anne = builders.a_member(promotions)
        if state == State.PAUSED:
            lifecycle.pause(anne.handle, days=14)
        if state == State.SUSPENDED:
            anne.advance(State.SUSPENDED)
    assert lifecycle.unsubscribe(anne.handle, how="one-click")
    assert not lifecycle.unsubscribe(anne.handle, how="one-click")
    anne.refresh_from_db()
    assert (anne.state, anne.confirmation, anne.paused_until) == (State.UNSUBSCRIBED, None, None)
    assert anne.left_at is not None
    assert kinds().count(Kind.LEFT) == 1


def test_an_erased_row_s_handle_does_nothing(promotions: MailingList):
    gone = uuid.uuid4()
    assert not lifecycle.unsubscribe(gone, how="page")
    lifecycle.pause(gone, days=14)
    assert not lifecycle.resume(gone, how="page")
    lifecycle.rejoin(gone)
    lifecycle.disown(gone)
    lifecycle.ask_to_manage(gone)
    lifecycle.lapse(1)
    assert not SystemMail.objects.exists()
    assert not ConsentEvent.objects.exists()


def test_a_link_of_one_list_changes_nothing_on_another(promotions: MailingList):
    news = builders.a_list("news")
    anne, bob = asked(promotions), builders.a_member(promotions, "bob@butcher.example")
    assert not lifecycle.confirm(link_of(anne), on=news)
    assert not lifecycle.unsubscribe(bob.handle, how="page", on=news)
    lifecycle.pause(bob.handle, days=14, on=news)
    lifecycle.ask_to_manage(bob.handle, on=news)
    lifecycle.disown(link_of(anne), on=news)
    anne.refresh_from_db()
    bob.refresh_from_db()
    assert (anne.state, bob.state) == (State.PENDING, State.ACTIVE)
    assert lifecycle.unsubscribe(bob.handle, how="page", on=promotions)
    lifecycle.rejoin(bob.handle, on=news)
    bob.refresh_from_db()
    assert bob.state == State.UNSUBSCRIBED
    assert SystemMail.objects.count() == 1
    assert lifecycle.confirm(link_of(anne), on=promotions)


def test_who_left_by_mistake_is_asked_and_comes_back_by_confirming_alone(promotions: MailingList):
    anne = builders.a_member(promotions)
    lifecycle.rejoin(anne.handle)
    assert not SystemMail.objects.exists()  # Had not left.
    lifecycle.unsubscribe(anne.handle, how="page")
    lifecycle.rejoin(anne.handle)
    lifecycle.rejoin(anne.handle)
    anne.refresh_from_db()
    assert anne.state == State.PENDING
    assert SystemMail.objects.count() == 1
    lifecycle.confirm(link_of(anne))
    anne.refresh_from_db()
    assert (anne.state, anne.left_at) == (State.ACTIVE, None)


def test_a_holder_of_a_forwarded_copy_cannot_have_its_reader_mailed_again_and_again(promotions: MailingList):
    anne = builders.a_member(promotions)
    lifecycle.unsubscribe(anne.handle, how="page")
    for _ in range(6):
        lifecycle.rejoin(anne.handle)
        anne.refresh_from_db()
        lifecycle.unsubscribe(anne.handle, how="page")
        a_day_passes()
    assert SystemMail.objects.count() == lifecycle.MAILS_IN_30_DAYS


def test_a_pause_ends_by_itself_and_not_before(promotions: MailingList):
    anne = builders.a_member(promotions)
    until = lifecycle.pause(anne.handle, days=14)
    anne.refresh_from_db()
    assert (anne.state, anne.paused_until) == (State.PAUSED, until)
    assert timedelta(days=14) - timedelta(hours=1) < until - now() <= timedelta(days=15)
    here = localtime(until)
    assert (here.hour, here.minute, here.second) == (0, 0, 0)
    lifecycle.sweep()
    anne.refresh_from_db()
    assert anne.state == State.PAUSED
    builders.later(anne, "paused_until", timedelta(days=15))
    lifecycle.sweep()
    anne.refresh_from_db()
    assert (anne.state, anne.paused_until) == (State.ACTIVE, None)
    assert kinds() == [Kind.IMPORTED, Kind.PAUSED, Kind.RESUMED]


def test_a_pause_is_made_longer_by_its_link_and_never_shorter(promotions: MailingList):
    anne = builders.a_member(promotions)
    lifecycle.pause(anne.handle, days=30)
    longer = lifecycle.pause(anne.handle, days=90)
    for _ in range(3):
        assert lifecycle.pause(anne.handle, days=14) < longer
        assert lifecycle.pause(anne.handle, days=90) >= longer
    anne.refresh_from_db()
    assert anne.paused_until == longer
    assert kinds() == [Kind.IMPORTED, Kind.PAUSED, Kind.PAUSED]


@pytest.mark.parametrize("state", [State.PENDING, State.UNSUBSCRIBED, State.SUSPENDED])
def test_who_is_not_subscribed_is_not_paused(promotions: MailingList, state: str):
    if state == State.PENDING:
        anne = asked(promotions)
    else:
        anne = builders.a_member(promotions)
        anne.advance(state)
    before = kinds()
    lifecycle.pause(anne.handle, days=14)
    anne.refresh_from_db()
    assert (anne.state, anne.paused_until) == (state, None)
    assert kinds() == before


def test_a_pause_ends_by_the_mailed_link_which_is_asked_for_once_a_day(promotions: MailingList):
    anne = builders.a_member(promotions)
    lifecycle.pause(anne.handle, days=14)
    lifecycle.ask_to_manage(anne.handle)
    lifecycle.ask_to_manage(anne.handle)
    assert list(SystemMail.objects.values_list("purpose", flat=True)) == ["manage"]
    assert lifecycle.resume(anne.handle, how="mailed link")
    anne.refresh_from_db()
    assert anne.state == State.ACTIVE
    assert not lifecycle.resume(anne.handle, how="mailed link")


def test_the_link_to_what_is_set_is_mailed_where_there_is_something_to_see(promotions: MailingList):
    people = builders.members(
        promotions, *(f"{name}@shop.example" for name in ("active", "paused", "suspended", "left", "unwilling"))
    )
    lifecycle.pause(people[1].handle, days=14)
    lifecycle.suspend(people[2].handle, how="bounce")
    lifecycle.unsubscribe(people[3].handle, how="page")
    lifecycle.suppress(bytes(people[4].address_hash), None, Suppression.Reason.OBJECTION)
    assert lifecycle.sign_up(promotions, ANNE, how="form")
    pending = promotions.subscriptions.get(state=State.PENDING)
    for person in (*people, pending):
        lifecycle.ask_to_manage(person.handle)
    mailed = SystemMail.objects.filter(purpose="manage").order_by("pk").values_list("object_id", flat=True)
    assert list(mailed) == [person.pk for person in people[:3]]


def test_leaving_during_a_pause_is_not_undone_by_its_end(promotions: MailingList):
    anne = builders.a_member(promotions)
    lifecycle.pause(anne.handle, days=14)
    lifecycle.unsubscribe(anne.handle, how="page")
    lifecycle.sweep()
    assert not lifecycle.resume(anne.handle, how="mailed link")
    anne.refresh_from_db()
    assert anne.state == State.UNSUBSCRIBED


def test_what_nobody_confirmed_is_forgotten_after_14_days(promotions: MailingList):
    anne = asked(promotions)
    builders.later(anne, "asked_at", timedelta(days=13, hours=23))
    lifecycle.sweep()
    assert Subscription.objects.exists()
    builders.later(anne, "asked_at", timedelta(hours=2))
    lifecycle.sweep()
    assert not Subscription.objects.exists()
    assert not ConsentEvent.objects.exists()


def test_a_former_member_who_does_not_confirm_has_left_as_before(promotions: MailingList):
    anne = builders.a_member(promotions)
    lifecycle.unsubscribe(anne.handle, how="page")
    anne = asked(promotions)
    builders.later(anne, "asked_at", timedelta(days=15))
    lifecycle.sweep()
    anne.refresh_from_db()
    assert anne.state == State.UNSUBSCRIBED
    assert kinds() == [Kind.IMPORTED, Kind.LEFT, Kind.REQUESTED, Kind.LAPSED]


def test_what_was_confirmed_a_moment_before_the_sweep_reaches_it_stays(promotions: MailingList):
    anne = asked(promotions)
    lifecycle.confirm(link_of(anne))
    lifecycle.lapse(anne.pk)
    anne.refresh_from_db()
    assert anne.state == State.ACTIVE
    assert kinds() == [Kind.REQUESTED, Kind.CONFIRMED]


def test_a_typed_request_waits_sealed_and_is_taken_once(promotions: MailingList, rung):
    requests.receive(promotions, ANNE)
    requests.receive(promotions, ANNE)
    waiting = SubscriptionRequest.objects.first()
    assert waiting is not None
    assert "anne" not in waiting.sealed_address
    assert waiting.address == "anne@bakery.example"
    assert not Subscription.objects.exists()
    assert requests.take() == 2
    assert requests.take() == 0
    assert Subscription.objects.count() == SystemMail.objects.count() == 1
    assert not SubscriptionRequest.objects.exists()


WISHES = [wish for wish in SubscriptionRequest.Wish if wish != SubscriptionRequest.Wish.SIGN_UP]


@pytest.mark.parametrize("wish", WISHES)
def test_what_a_link_asks_for_waits_once_however_often_it_is_used(promotions: MailingList, rung, wish: str):
    about, other = uuid.uuid4(), uuid.uuid4()
    for _ in range(50):
        requests.wish(promotions, SubscriptionRequest.Wish(wish), about)
    requests.wish(promotions, SubscriptionRequest.Wish(wish), other)
    assert list(SubscriptionRequest.objects.order_by("pk").values_list("wish", "about")) == [(wish, about), (wish, other)]
    assert requests.take() == 2  # Nobody's: there is nothing to do.
    assert not SubscriptionRequest.objects.exists()
    requests.wish(promotions, SubscriptionRequest.Wish(wish), about)
    assert requests.take() == 1


def test_the_bell_rings_for_a_wish_and_not_for_each_of_a_crowd(promotions: MailingList, rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(50):
            requests.wish(promotions, SubscriptionRequest.Wish.MANAGE, uuid.uuid4())
    assert set(rung) == {("subscriptions.tasks.take_requests", ())} and len(rung) < 10


def test_each_wish_becomes_its_verb(promotions: MailingList):
    anne, bob = asked(promotions), builders.a_member(promotions, "bob@butcher.example")
    cleo = builders.a_member(promotions, "cleo@chandler.example")
    lifecycle.unsubscribe(bob.handle, how="page")
    requests.wish(promotions, SubscriptionRequest.Wish.DISOWN, link_of(anne))
    requests.wish(promotions, SubscriptionRequest.Wish.REJOIN, bob.handle)
    requests.wish(promotions, SubscriptionRequest.Wish.MANAGE, cleo.handle)
    assert requests.take() == 3
    bob.refresh_from_db()
    assert bob.state == State.PENDING
    assert not Subscription.objects.filter(pk=anne.pk).exists()
    assert lifecycle.is_suppressed(ANNE.hash, promotions)
    mails = SystemMail.objects.exclude(object_id=anne.pk).order_by("pk")
    assert list(mails.values_list("purpose", "object_id")) == [("confirmation", bob.pk), ("manage", cleo.pk)]


def test_a_request_that_raises_holds_up_no_other_and_is_tried_again(promotions: MailingList, caplog):
    requests.receive(promotions, ANNE)
    bad = SubscriptionRequest.objects.get()
    sealed, bad.sealed_address = bad.sealed_address, "gone:anne@bakery.example"
    bad.save()
    requests.receive(promotions, addresses.parse("bob@butcher.example"))
    assert requests.take() == 1
    assert requests.take() == 0, "it waits for its time"
    assert list(SubscriptionRequest.objects.values_list("pk", "tries")) == [(bad.pk, 1)]
    assert SystemMail.objects.filter(purpose="alert").count() == 1
    assert "Unreadable" in caplog.text and "bakery" not in caplog.text
    SubscriptionRequest.objects.update(sealed_address=sealed)  # The key is put back.
    builders.set_clock_back(bad, "due_at", timedelta(seconds=1))
    assert requests.take() == 1
    assert not SubscriptionRequest.objects.exists()
    assert Subscription.objects.count() == 2


def test_the_tries_grow_rarer_and_end_after_14_days(promotions: MailingList, monkeypatch: pytest.MonkeyPatch):
    def fail(_: object) -> None:
        raise RuntimeError

    monkeypatch.setitem(requests.VERBS, SubscriptionRequest.Wish.MANAGE, fail)
    about = uuid.uuid4()
    requests.wish(promotions, SubscriptionRequest.Wish.MANAGE, about)
    waits = []
    for _ in range(8):
        requests.wish(promotions, SubscriptionRequest.Wish.MANAGE, about)
        requests.take()
        row = SubscriptionRequest.objects.get()  # However often it is asked for meanwhile.
        waits.append(round((row.due_at - now()).total_seconds() / 60))
        builders.set_clock_back(row, "due_at", timedelta(seconds=1))
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
    builders.later(row, "created_at", timedelta(days=13, hours=23))
    tasks.sweep()
    assert SubscriptionRequest.objects.exists()
    builders.later(row, "created_at", timedelta(hours=2))
    tasks.sweep()
    assert not SubscriptionRequest.objects.exists()


@pytest.mark.parametrize(
    "odd",
    [
        {"wish": "sign_up", "about": uuid.uuid4()},
        {"wish": "sign_up"},
        {"wish": "manage"},
        {"wish": "manage", "about": uuid.uuid4(), "sealed_address": "k:x"},
        {"wish": "dance", "about": uuid.uuid4()},
    ],
)
def test_the_database_refuses_a_request_that_is_neither_by_address_nor_by_link(promotions: MailingList, odd: dict[str, Any]):
    with pytest.raises(IntegrityError), transaction.atomic():
        SubscriptionRequest.objects.create(mailing_list=promotions, **odd)


@pytest.mark.django_db(transaction=True)
def test_who_asks_again_does_not_wait_for_the_worker_that_has_the_first_in_hand(monkeypatch: pytest.MonkeyPatch):
    """Else the time would tell whether there is anything to do for the person."""
    promotions, about = builders.a_list(), uuid.uuid4()
    in_hand, asked_again = threading.Event(), threading.Event()
    seen: list[bool] = []

    def slow(_: object) -> None:
        in_hand.set()
        seen.append(asked_again.wait(10))

    def work() -> None:
        requests.take()
        connection.close()

    monkeypatch.setitem(requests.VERBS, SubscriptionRequest.Wish.MANAGE, slow)
    requests.wish(promotions, SubscriptionRequest.Wish.MANAGE, about)
    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert in_hand.wait(10)
        for _ in range(2):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
                requests.wish(promotions, SubscriptionRequest.Wish.MANAGE, about)
        assert SubscriptionRequest.objects.count() == 2
    finally:
        asked_again.set()
        worker.join()
    assert seen == [True, True]
    assert not SubscriptionRequest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_the_same_moment_make_one_subscription_and_one_mail():
    promotions = builders.a_list()
    start = threading.Barrier(4)
    outcomes: list[bool] = []

    def sign_up() -> None:
        try:
            start.wait(10)
            outcomes.append(lifecycle.sign_up(promotions, ANNE, how="form"))
        finally:
            connection.close()

    threads = [threading.Thread(target=sign_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == [False, False, False, True]
    assert Subscription.objects.count() == SystemMail.objects.count() == 1


def test_names_show_numbers_and_no_address(promotions: MailingList):
    anne = asked(promotions)
    requests.receive(promotions, ANNE)
    lifecycle.suppress(ANNE.hash, None, Suppression.Reason.BOUNCE)
    rows = [
        anne,
        SubscriptionRequest.objects.get(),
        Suppression.objects.get(),
        ConsentEvent.objects.get(),
        SystemMail.objects.get(),
    ]
    for row in rows:
        assert str(row.pk) in str(row)
        assert "bakery" not in f"{row!s}{row!r}"
    assert promotions.list_id == "promotions.lists.chamber.example"
    assert promotions.address == "promotions@lists.chamber.example"
    assert str(promotions) == "Promotions"


def test_an_old_link_to_end_a_pause_does_not_confirm_for_somebody_who_was_asked_again(promotions: MailingList):
    anne = builders.a_member(promotions)
    lifecycle.unsubscribe(anne.handle, how="page")
    asked(promotions)
    assert not lifecycle.resume(anne.handle, how="mailed link")
    anne.refresh_from_db()
    assert anne.state == State.PENDING


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "verb",
    [
        lambda anne: lifecycle.unsubscribe(anne.handle, how="page"),
        lambda anne: lifecycle.pause(anne.handle, days=14),
        lambda anne: lifecycle.complain(anne.handle, how="complaint"),
    ],
    ids=["leave", "pause", "complain"],
)
def test_leaving_does_not_wait_for_a_post_that_is_being_expanded(verb: Callable[[Subscription], object]):
    """Its rows point to the subscription, which keeps whoever wants to delete it waiting until they are committed."""
    promotions = builders.a_list()
    anne = builders.a_member(promotions)
    post = builders.an_accepted_post(builders.a_sender(promotions))
    done: list[object] = []

    def leave() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        done.append(verb(anne))
        connection.close()

    with transaction.atomic():
        assert audience.expand(post.pk)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # What a commit does first.
        other = threading.Thread(target=leave)
        other.start()
        other.join()
    assert len(done) == 1 and done[0]
    anne.refresh_from_db()
    assert anne.state != State.ACTIVE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "verb",
    [
        lambda nobody: lifecycle.unsubscribe(nobody, how="page"),
        lambda nobody: lifecycle.pause(nobody, days=14),
        lambda nobody: lifecycle.confirm(nobody),
    ],
    ids=["leave", "pause", "confirm"],
)
def test_a_link_of_nobody_waits_for_the_disk_as_any_other(verb: Callable[[uuid.UUID], object]):
    """A transaction without a number, or with nothing in the write-ahead log, commits without waiting."""

    def ask(question: str) -> object:
        with connection.cursor() as cursor:
            cursor.execute(question)
            return cursor.fetchone()[0]

    with transaction.atomic():
        before = ask("SELECT pg_current_wal_insert_lsn()")
        assert ask("SELECT pg_current_xact_id_if_assigned()::text") is None
        verb(uuid.uuid4())
        assert ask("SELECT pg_current_xact_id_if_assigned()::text") is not None
        written = ask("SELECT pg_current_wal_insert_lsn()")
        assert ask(f"SELECT '{before}'::pg_lsn < '{written}'::pg_lsn")
    assert ask(f"SELECT pg_current_wal_flush_lsn() >= '{written}'::pg_lsn")


def test_an_ordinary_role_of_the_database_may_write_what_a_commit_waits_for():
    role = f"clerk{uuid.uuid4().hex[:8]}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role}")
        cursor.execute(f"SET ROLE {role}")
        try:
            cursor.execute(f"SELECT {statements.FLUSHED}")
        finally:
            cursor.execute("RESET ROLE")
            cursor.execute(f"DROP ROLE {role}")

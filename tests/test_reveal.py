"""A whole address is shown to few, once, with a reason and on record; and nobody tries a list of addresses out."""

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from chamberlist import systemmail
from chamberlist.models import Alert, AuditEntry, SystemMail
from subscriptions import addresses, disclosure, lifecycle
from subscriptions.models import ConsentEvent, Subscription, Suppression
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
ROW = "admin:subscriptions_subscription_change"
DO = "admin:subscriptions_subscription_do"
FIND = "admin:subscriptions_subscription_find"
SUBSCRIPTIONS = "admin:subscriptions_subscription_changelist"


@pytest.fixture
def anne() -> Subscription:
    return builders.a_member(builders.a_list(), "anne@bakery.example")


def somebody(name: str, *permissions: str) -> Client:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def mary() -> Client:
    return somebody("mary", "view_subscription", "change_subscription", "reveal_address")


def reveal(client: Client, row: Subscription, reason: str = "She rang up", **more):
    return client.post(reverse(DO, args=[row.pk, "reveal"]), {"reason": reason}, **more)


def test_the_whole_address_is_shown_once_with_a_reason_and_on_record(mary: Client, anne: Subscription):
    assert reverse(DO, args=[anne.pk, "reveal"]) in mary.get(reverse(ROW, args=[anne.pk])).content.decode()
    response = reveal(mary, anne, "Called from anne@bakery.example")
    assert response.status_code == 200
    assert "anne@bakery.example" in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert "anne@" not in mary.get(reverse(ROW, args=[anne.pk])).content.decode()
    assert not any("anne@" in str(session.get_decoded()) for session in Session.objects.all())
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.verb, entry.subject) == ("mary", "reveal address", f"subscription {anne.pk}")
    assert entry.reason == "Called from [address]"
    reveal(mary, anne)
    assert AuditEntry.objects.count() == 2


@pytest.mark.parametrize("reason", ["", "  "])
def test_without_a_reason_nothing_is_shown(mary: Client, anne: Subscription, reason: str):
    response = reveal(mary, anne, reason, follow=True)
    page = response.content.decode()
    assert "Please write why you need the address" in page and "anne@" not in page
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("permissions", ["view_subscription change_subscription", "reveal_address", "view_subscription"])
def test_who_lacks_a_permission_is_shown_nothing(anne: Subscription, permissions: str):
    client = somebody("john", *permissions.split())
    assert reverse(DO, args=[anne.pk, "reveal"]) not in client.get(reverse(ROW, args=[anne.pk])).content.decode()
    response = reveal(client, anne)
    assert response.status_code == 403
    assert "anne@" not in response.content.decode()
    assert not AuditEntry.objects.exists()


def test_a_reveal_takes_a_post_of_our_own_form(mary: Client, anne: Subscription):
    led = mary.get(reverse(DO, args=[anne.pk, "reveal"]))  # As after a sign-in that ran out.
    assert (led.status_code, led["Location"]) == (302, reverse(ROW, args=[anne.pk]))
    assert mary.put(reverse(DO, args=[anne.pk, "reveal"])).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="mary"))
    assert reveal(strict, anne).status_code == 403
    assert not AuditEntry.objects.exists()


def test_one_account_empties_no_list_and_the_others_are_told(mary: Client, anne: Subscription, admin_client: Client):
    for _ in range(disclosure.REVEALS_A_DAY - 1):
        assert reveal(mary, anne).status_code == 200
    assert not Alert.objects.exists()
    assert reveal(mary, anne).status_code == 200
    assert "The account mary has been shown 20 addresses in a day" in Alert.objects.get().text
    refused = reveal(mary, anne, follow=True).content.decode()
    assert "You have been shown as many addresses" in refused and "anne@" not in refused
    assert AuditEntry.objects.filter(verb="reveal address").count() == disclosure.REVEALS_A_DAY
    assert reveal(admin_client, anne).status_code == 200, "each account counts for itself"


def test_the_cap_is_one_of_a_month_as_well(mary: Client, anne: Subscription):
    for _ in range(disclosure.REVEALS_A_MONTH):
        AuditEntry.objects.create(actor="mary", verb="reveal address", subject="x")
    at = "UPDATE chamberlist_auditentry SET at = clock_timestamp() - interval %s WHERE actor = %s"
    builders.rewrite_append_only("chamberlist_auditentry", at, "29 days", "mary")
    assert "You have been shown as many addresses" in reveal(mary, anne, follow=True).content.decode()
    builders.rewrite_append_only("chamberlist_auditentry", at, "31 days", "mary")
    assert reveal(mary, anne).status_code == 200


def find(client: Client, typed: str):
    return client.post(reverse(FIND), {"address": typed}, follow=True)


@pytest.mark.parametrize("typed", ["bakery.example", "@bakery.example", " Bakery.EXAMPLE "])
def test_everybody_at_a_domain_is_found_and_stays_masked(mary: Client, anne: Subscription, typed: str):
    builders.members(anne.mailing_list, "bob@bakery.example", "carl@butcher.example")
    response = find(mary, typed)
    page = response.content.decode()
    assert "a•••@b•••.example" in page and "b•••@b•••.example" in page and "c•••@b•••.example" not in page
    assert "bakery" not in page and "bakery" not in str(response.redirect_chain)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.verb, entry.reason) == ("mary", "look up", "2 found by a domain.")


def test_each_look_up_is_on_record_without_the_address(mary: Client, anne: Subscription):
    find(mary, "anne@bakery.example")
    find(mary, "bob@butcher.example")
    assert list(AuditEntry.objects.order_by("pk").values_list("verb", "subject", "reason")) == [
        ("look up", "subscriptions", "1 found by an address."),
        ("look up", "subscriptions", "0 found by an address."),
    ]


def test_nobody_tries_a_list_of_addresses_out(mary: Client, anne: Subscription):
    for number in range(disclosure.LOOK_UPS_AN_HOUR):
        assert "has no subscription" in find(mary, f"m{number}@bakery.example").content.decode()
    assert "The account mary has looked up 30 addresses" in Alert.objects.get().text
    refused = find(mary, "anne@bakery.example")
    assert "You have looked up 30 times within an hour" in refused.content.decode()
    assert reverse(ROW, args=[anne.pk]) not in str(refused.redirect_chain)
    assert AuditEntry.objects.count() == disclosure.LOOK_UPS_AN_HOUR


def test_nobody_tries_out_what_an_address_is_found_by(mary: Client, anne: Subscription):
    for lookup in ("address_hash", "sealed_address__startswith", "domain_hash", "handle"):
        response = mary.get(f"{reverse(SUBSCRIPTIONS)}?{lookup}=x")
        assert response.status_code == 400 or response["Location"].endswith("?e=1"), lookup


def test_a_look_up_that_finds_nobody_says_of_what_and_not_with_a_tick(mary: Client, anne: Subscription):
    for typed, words in (
        ("nobody@bakery.example", "This address has no subscription."),
        ("nowhere.example", "Nobody at this domain has a subscription."),
    ):
        page = find(mary, typed)
        assert [(str(said), said.level_tag) for said in page.context["messages"]] == [(words, "warning")]


def test_what_a_look_up_found_says_so_and_shows_the_way_back(mary: Client, anne: Subscription):
    builders.a_member(anne.mailing_list, "bert@bakery.example")
    page = find(mary, "bakery.example").content.decode()
    assert "You see what your look-up found" in page and f'<a href="{reverse(SUBSCRIPTIONS)}">Show all' in page
    assert "You see what your look-up found" not in mary.get(reverse(SUBSCRIPTIONS)).content.decode()


def test_looking_up_and_other_alerts_do_not_silence_the_alert_about_whole_addresses(mary: Client, anne: Subscription):
    for number in range(disclosure.LOOK_UPS_AN_HOUR):
        disclosure.look_up(f"m{number}@bakery.example", by="mary")
    for number in range(systemmail.ALERTS_AN_HOUR):
        systemmail.alert(f"noise {number}", "Noise", "Noise")
    for _ in range(disclosure.REVEALS_A_DAY):
        disclosure.reveal(anne, by="mary", reason="She rang up")
    mary_s = User.objects.get(username="mary").pk
    kinds = list(Alert.objects.exclude(kind__startswith="noise").order_by("pk").values_list("kind", flat=True))
    assert kinds == [f"look-ups/{mary_s}", f"reveals/{mary_s}"]


def test_an_alert_about_an_account_holds_no_address_either(anne: Subscription):
    user = User.objects.create_user("carl@cafe.example", is_staff=True)
    for _ in range(disclosure.REVEALS_A_DAY):
        disclosure.reveal(anne, by="carl@cafe.example", reason="She rang up")
    alert = Alert.objects.get()
    assert "@" not in alert.kind + alert.text and f"The account user {user.pk} has been shown" in alert.text


def pending(address: str = "dora@dairy.example") -> Subscription:
    promotions = builders.a_list()
    assert lifecycle.sign_up(promotions, addresses.parse(address), how="form")
    return promotions.subscriptions.get()


def ask(client: Client, row: Subscription, reason: str = "It never arrived, she says") -> str:
    return client.post(reverse(DO, args=[row.pk, "ask"]), {"reason": reason}, follow=True).content.decode()


def test_staff_have_one_more_confirmation_sent_though_the_address_was_mailed_today(mary: Client):
    dora = pending()
    former = dora.confirmation
    assert not lifecycle.sign_up(dora.mailing_list, addresses.parse("dora@dairy.example"), how="form")
    assert reverse(DO, args=[dora.pk, "ask"]) in mary.get(reverse(ROW, args=[dora.pk])).content.decode()
    assert "Please write why" in ask(mary, dora, " ")
    assert "The confirmation mail is on its way." in ask(mary, dora)
    dora.refresh_from_db()
    assert dora.confirmation == former  # Each mail of a question can be answered.
    assert SystemMail.objects.filter(purpose="confirmation", object_id=dora.pk).count() == 2
    assert ConsentEvent.objects.filter(kind="requested", how="staff").count() == 1
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.subject, entry.reason) == ("ask once more", f"subscription {dora.pk}", "It never arrived, she says")


def test_once_in_thirty_days_over_all_lists_and_no_more(mary: Client):
    dora = pending()
    ask(mary, dora)
    assert "Staff had this address asked within the last 30 days." in ask(mary, dora)
    other = builders.a_member(builders.a_list("news"), "dora@dairy.example")
    lifecycle.unsubscribe(other.handle, how="page")
    dora.refresh_from_db()
    other.refresh_from_db()
    assert "Staff had this address asked within the last 30 days." in ask(mary, other)
    assert SystemMail.objects.filter(purpose="confirmation").count() == 2
    assert AuditEntry.objects.count() == 1
    at = "UPDATE subscriptions_consentevent SET at = at - interval %s"
    builders.rewrite_append_only("subscriptions_consentevent", at, "29 days")
    assert "Staff had this address asked" in ask(mary, dora)
    builders.rewrite_append_only("subscriptions_consentevent", at, "2 days")
    assert "The confirmation mail is on its way." in ask(mary, dora)


def test_who_answered_may_be_asked_once_more(mary: Client):
    dora = pending()
    ask(mary, dora)
    dora.refresh_from_db()
    assert dora.confirmation is not None and lifecycle.confirm(dora.confirmation)
    lifecycle.unsubscribe(dora.handle, how="page")
    assert "The confirmation mail is on its way." in ask(mary, dora)


def test_who_has_left_is_asked_and_subscribes_by_their_own_answer_alone(mary: Client, anne: Subscription):
    lifecycle.unsubscribe(anne.handle, how="page")
    assert "The confirmation mail is on its way." in ask(mary, anne)
    anne.refresh_from_db()
    assert anne.state == Subscription.State.PENDING


@pytest.mark.parametrize("reason", Suppression.Reason.values)
def test_an_address_that_must_not_be_mailed_is_asked_by_its_own_sign_up_alone(mary: Client, reason: str):
    dora = pending()
    lifecycle.suppress(bytes(dora.address_hash), dora.mailing_list, Suppression.Reason(reason))
    assert "This address must not be mailed." in ask(mary, dora)
    assert SystemMail.objects.filter(purpose="confirmation").count() == 1
    assert not AuditEntry.objects.exists()


def test_who_said_this_was_not_me_is_not_asked(mary: Client, anne: Subscription):
    lifecycle.unsubscribe(anne.handle, how="page")
    ask(mary, anne)
    anne.refresh_from_db()
    assert anne.confirmation is not None
    lifecycle.disown(anne.confirmation)
    at = "UPDATE subscriptions_consentevent SET at = at - interval %s"
    builders.rewrite_append_only("subscriptions_consentevent", at, "25 hours")
    assert "This address must not be mailed." in ask(mary, anne)


def test_who_is_subscribed_is_not_asked(mary: Client, anne: Subscription):
    assert reverse(DO, args=[anne.pk, "ask"]) not in mary.get(reverse(ROW, args=[anne.pk])).content.decode()
    assert "There is no question to ask" in ask(mary, anne)
    assert not SystemMail.objects.exists()

"""What staff see of members, and what they can do for one."""

import logging

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from chamberlist import halt
from chamberlist.models import AuditEntry, Halt, SystemMail
from subscriptions import addresses, lifecycle
from subscriptions.models import ConsentEvent, MailingList, Subscription, Suppression
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
LIST = "admin:subscriptions_subscription_changelist"
FIND = "admin:subscriptions_subscription_find"
DO = "admin:subscriptions_subscription_do"
ROW = "admin:subscriptions_subscription_change"


@pytest.fixture
def anne() -> Subscription:
    return builders.a_member(builders.a_list(), "anne@bakery.example")


@pytest.fixture
def staff(client: Client) -> Client:
    """Somebody who may look at and change subscriptions, and nothing else."""
    user = User.objects.create_user("mary", password="a long password", is_staff=True)
    wanted = ("view_subscription", "change_subscription")
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    client.force_login(user)
    return client


@pytest.fixture
def onlooker(client: Client) -> Client:
    user = User.objects.create_user("olive", password="a long password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_subscription"))
    client.force_login(user)
    return client


def test_addresses_are_masked_on_every_page(admin_client: Client, anne: Subscription):
    lifecycle.suppress(bytes(anne.address_hash), None, Suppression.Reason.BOUNCE)
    lifecycle.sign_up(builders.a_list("news"), addresses.parse("bob@butcher.example"), how="form")
    pages = [
        reverse(LIST),
        reverse(ROW, args=[anne.pk]),
        reverse("admin:subscriptions_suppression_changelist"),
        reverse("admin:subscriptions_suppression_change", args=[Suppression.objects.get().pk]),
        reverse("admin:chamberlist_systemmail_changelist"),
        reverse("admin:chamberlist_systemmail_change", args=[SystemMail.objects.get().pk]),
        reverse("admin:chamberlist_auditentry_changelist"),
        reverse("admin:subscriptions_mailinglist_changelist"),
        reverse("admin:index"),
    ]
    for page in pages:
        response = admin_client.get(page)
        assert response.status_code == 200, page
        assert "anne@" not in response.content.decode(), page
        assert "bakery" not in response.content.decode(), page
        assert "butcher" not in response.content.decode(), page
        assert bytes(anne.address_hash).hex() not in response.content.decode(), page
    assert "a•••@b•••.example" in admin_client.get(pages[0]).content.decode()
    assert "a•••@b•••.example" in admin_client.get(pages[1]).content.decode()


def test_an_exact_address_finds_its_row_and_stands_in_no_link(staff: Client, anne: Subscription):
    response = staff.post(reverse(FIND), {"address": " ANNE@bakery.example"})
    assert response.status_code == 302
    assert response["Location"] == reverse(ROW, args=[anne.pk])
    builders.a_member(builders.a_list("news"), "anne@bakery.example")
    both = staff.post(reverse(FIND), {"address": "anne@bakery.example"}, follow=True)
    assert both.status_code == 200
    assert "anne" not in str(both.redirect_chain)
    assert both.content.decode().count("a•••@b•••.example") == 2


@pytest.mark.parametrize("typed", ["bob@butcher.example", "nonsense", ""])
def test_what_is_not_found_is_said_without_repeating_it(staff: Client, anne: Subscription, typed: str):
    response = staff.post(reverse(FIND), {"address": typed}, follow=True)
    assert response.redirect_chain == [(reverse(LIST), 302)]
    page = response.content.decode()
    assert ("This address has no subscription." in page) is (typed == "bob@butcher.example")
    assert ("This is not a complete mail address" in page) is (typed != "bob@butcher.example")
    assert "butcher" not in page


def test_looking_for_an_address_takes_a_post_of_our_own_form(staff: Client, anne: Subscription):
    assert staff.get(reverse(FIND), {"address": "anne@bakery.example"}).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="mary"))
    assert strict.post(reverse(FIND), {"address": "anne@bakery.example"}).status_code == 403


def test_the_search_form_of_the_page_is_a_post(staff: Client, anne: Subscription):
    page = staff.get(reverse(LIST)).content.decode()
    assert f'<form class="find" method="post" action="{reverse(FIND)}">' in page
    assert 'name="q"' not in page


def test_who_may_not_see_subscriptions_finds_nobody(client: Client, anne: Subscription):
    client.force_login(User.objects.create_user("nick", is_staff=True))
    for typed in ("anne@bakery.example", "bob@butcher.example"):
        response = client.post(reverse(FIND), {"address": typed})
        assert (response.status_code, response["Location"]) == (302, reverse("admin:index"))
    assert client.get(reverse(LIST)).status_code == 403
    client.logout()
    assert client.post(reverse(FIND), {"address": "anne@bakery.example"})["Location"].startswith(reverse("admin:login"))


def test_staff_unsubscribe_a_member_on_their_word_with_a_reason(staff: Client, anne: Subscription):
    url = reverse(DO, args=[anne.pk, "unsubscribe"])
    assert url in staff.get(reverse(ROW, args=[anne.pk])).content.decode()
    response = staff.post(url, {"reason": "Rang us, as anne@bakery.example"}, follow=True)
    assert "nothing is mailed to this person" in response.content.decode()
    anne.refresh_from_db()
    assert anne.state == Subscription.State.UNSUBSCRIBED
    assert ConsentEvent.objects.filter(kind="left", how="staff").count() == 1
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.verb, entry.subject) == ("mary", "unsubscribe", f"subscription {anne.pk}")
    assert entry.reason == "Rang us, as [address]"
    assert url not in response.content.decode()
    again = staff.post(url, {"reason": "Rang again"}, follow=True)
    assert "There was nothing to unsubscribe." in again.content.decode()
    assert AuditEntry.objects.count() == 1


def test_without_a_reason_nothing_happens(staff: Client, anne: Subscription):
    response = staff.post(reverse(DO, args=[anne.pk, "unsubscribe"]), {"reason": "  "}, follow=True)
    assert "Please write why" in response.content.decode()
    anne.refresh_from_db()
    assert anne.state == Subscription.State.ACTIVE
    assert not AuditEntry.objects.exists()


def test_a_verb_takes_a_post_a_known_name_a_row_and_the_permission(staff: Client, anne: Subscription):
    assert staff.get(reverse(DO, args=[anne.pk, "unsubscribe"])).status_code == 302
    for verb in ("delete", "masked", "has_add_permission", "save_model"):
        assert staff.post(reverse(DO, args=[anne.pk, verb]), {"reason": "x"}).status_code == 404
    assert staff.post(reverse(DO, args=[anne.pk + 1, "unsubscribe"]), {"reason": "x"}).status_code == 404


def test_who_may_only_look_does_nothing(onlooker: Client, anne: Subscription):
    url = reverse(DO, args=[anne.pk, "unsubscribe"])
    assert url not in onlooker.get(reverse(ROW, args=[anne.pk])).content.decode()
    assert onlooker.post(url, {"reason": "x"}).status_code == 403
    anne.refresh_from_db()
    assert anne.state == Subscription.State.ACTIVE


@pytest.mark.parametrize("model", ["subscription", "suppression"])
def test_nothing_is_added_edited_or_deleted_by_hand(admin_client: Client, anne: Subscription, model: str):
    row: Subscription | Suppression = anne
    if model == "suppression":
        lifecycle.suppress(bytes(anne.address_hash), None, Suppression.Reason.BOUNCE)
        row = Suppression.objects.get()
    before = type(row).objects.values().get()
    name = f"admin:subscriptions_{model}"
    values = {"state": "unsubscribed", "reason": "erasure", "mailing_list": "", "address_hash": "x", "_save": "Save"}
    assert admin_client.post(reverse(f"{name}_change", args=[row.pk]), values).status_code == 403
    assert admin_client.post(reverse(f"{name}_add"), values).status_code == 403
    assert admin_client.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    admin_client.post(reverse(f"{name}_changelist"), {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert type(row).objects.values().get() == before


def test_a_list_keeps_its_address_and_is_not_deleted(admin_client: Client, anne: Subscription):
    promotions = anne.mailing_list
    url = reverse("admin:subscriptions_mailinglist_change", args=[promotions.pk])
    values = {
        "name": "Special offers",
        "slug": "offers",
        "description": "",
        "moderation": "none",
        "replies": "opaque",
        "undo_seconds": 60,
        "suspend_after": 2,
        "suspend_after_unproven": 4,
        "suspend_after_transient": 8,
        "suspend_days": 30,
    }
    assert admin_client.post(url, values).status_code == 302
    promotions.refresh_from_db()
    assert (promotions.name, promotions.slug, promotions.moderation) == ("Special offers", "promotions", "none")
    assert (
        admin_client.post(reverse("admin:subscriptions_mailinglist_delete", args=[promotions.pk]), {"post": "yes"}).status_code
        == 403
    )
    added = {**values, "slug": "news", "name": "News"}
    assert admin_client.post(reverse("admin:subscriptions_mailinglist_add"), added).status_code == 302
    assert MailingList.objects.filter(slug="news").exists()
    page = admin_client.get(reverse("admin:subscriptions_mailinglist_changelist")).content.decode()
    assert '<td class="field-subscribers">1</td>' in page


def test_no_address_is_written_to_the_log(staff: Client, anne: Subscription, caplog):
    with caplog.at_level(logging.DEBUG):
        staff.post(reverse(FIND), {"address": "anne@bakery.example"}, follow=True)
        staff.post(reverse(DO, args=[anne.pk, "unsubscribe"]), {"reason": "x"}, follow=True)
    assert "anne@" not in "\n".join(record.getMessage() for record in caplog.records if record.name != "django.db.backends")


def test_staff_stop_everything_and_let_it_go_on_with_a_reason(admin_client: Client):
    page = reverse("admin:chamberlist_halt_changelist")
    assert "Sending is not stopped." in admin_client.get(page).content.decode()
    stop, go = (reverse("admin:chamberlist_halt_do", args=[1, verb]) for verb in ("halt", "resume"))
    assert admin_client.get(stop).status_code == 302
    assert "Please write why" in admin_client.post(stop, {"reason": " "}, follow=True).content.decode()
    assert not halt.is_on()
    assert "Something looks odd" in admin_client.post(stop, {"reason": "Something looks odd"}, follow=True).content.decode()
    assert halt.is_on()
    assert "Sending is not stopped." in admin_client.post(go, {"reason": "All is well"}, follow=True).content.decode()
    assert not halt.is_on()
    entries = AuditEntry.objects.values_list("actor", "verb", "subject", "reason").order_by("pk")
    assert list(entries) == [("admin", "halt", "halt 1", "Something looks odd"), ("admin", "resume", "halt 1", "All is well")]


def test_the_commands_stop_everything_and_let_it_go_on(capsys):
    call_command("halt", "--reason", "The relay looks odd")
    assert halt.is_on()
    call_command("resume", "--reason", "Mended")
    assert not halt.is_on()
    assert capsys.readouterr().out.count("\n") == 2
    entries = AuditEntry.objects.values_list("actor", "verb", "reason").order_by("pk")
    assert list(entries) == [("command line", "halt", "The relay looks odd"), ("command line", "resume", "Mended")]
    with pytest.raises(CommandError, match="--reason"):
        call_command("halt")


def test_a_second_halt_keeps_the_first_one_s_time_and_reason():
    halt.halt(by="mary", reason="First")
    first = Halt.objects.get()
    halt.halt(by="john", reason="Second")
    again = Halt.objects.get()
    assert (again.halted_at, again.halted_by, again.reason) == (first.halted_at, "mary", "First")
    assert AuditEntry.objects.count() == 2
    assert str(first) == "halt"


def test_the_staff_sign_in_is_throttled_with_one_answer_for_all(client: Client):
    User.objects.create_superuser("mary", password="a long password")
    login = reverse("admin:login")
    for name in ("mary", "nobody"):
        for _ in range(10):
            page = client.post(login, {"username": name, "password": "wrong"}).content.decode()
            assert "Please enter the correct" in page
        right = client.post(login, {"username": name, "password": "a long password"})
        assert right.status_code == 200
        assert "Too many tries." in right.content.decode()
    other = client.post(login, {"username": "mary", "password": "a long password"}, REMOTE_ADDR="203.0.113.7")
    assert other.status_code == 302


def test_the_page_of_a_suspended_member_says_how_they_come_back(admin_client: Client, anne: Subscription):
    assert lifecycle.suspend(anne.handle, how="bounce")
    page = admin_client.get(reverse("admin:subscriptions_subscription_change", args=[anne.pk])).content.decode()
    assert "Suspended, mail came back" in page and "confirming once more" in page and "Suspended: mail came back" in page

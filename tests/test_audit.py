"""The audit trail: all that staff do leaves an entry, which nobody changes, and which holds no address."""

import io
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command, get_commands
from django.db import DatabaseError, connection, transaction
from django.test import Client, RequestFactory
from django.urls import reverse

from chamberlist import audit, halt, keys
from chamberlist.adminpages import AuditedAdmin, VerbAdmin
from chamberlist.clock import Now
from chamberlist.models import AuditEntry, Halt
from posting.delivery import closing
from posting.models import InboundMail, Post
from posting.moderation import moderation
from subscriptions import addresses, lifecycle
from subscriptions.models import MailingList
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
TRAIL = "admin:chamberlist_auditentry_changelist"
REASON = {"reason": "As bob@butcher.example asked"}


def joe() -> Any:
    return builders.a_sender(builders.a_list())


def mail(state: str) -> InboundMail:
    letter = builders.a_mail(b"Subject: Hello\n\nHello")
    assert letter.advance(InboundMail.State.READING)
    assert letter.advance(state, kind="rest", ended_at=Now())
    return letter


def frozen() -> Post:
    post = builders.a_post_to("anne@bakery.example")
    closing.freeze(post.pk, "A test.")
    return post


def under_way() -> Post:
    return builders.a_post_to("anne@bakery.example")


def undoable() -> Post:
    post = builders.a_held_post(joe())
    assert moderation.accept(post, content_hash=post.content_hash, by="a test") == ""
    return post


def pending() -> Any:
    promotions = builders.a_list()
    lifecycle.sign_up(promotions, addresses.parse("anne@bakery.example"), how="form")
    return promotions.subscriptions.get()


def halted() -> Any:
    halt.halt(by="a test", reason="A test")
    return Halt.objects.get(pk=1)


VERBS: dict[tuple[str, str], Callable[[], Any]] = {  # What each is done to. A verb that is not here fails the test.
    ("halt", "halt"): lambda: Halt.objects.create(pk=1),
    ("halt", "resume"): halted,
    ("subscription", "unsubscribe"): lambda: builders.a_member(builders.a_list()),
    ("subscription", "reveal"): lambda: builders.a_member(builders.a_list()),
    ("subscription", "ask"): pending,
    ("sender", "revoke"): joe,
    ("sender", "issue"): joe,
    ("post", "accept"): lambda: builders.a_held_post(joe()),
    ("post", "reject"): lambda: builders.a_held_post(joe()),
    ("post", "discard"): lambda: builders.a_held_post(joe()),
    ("post", "undo"): undoable,
    ("post", "hurry"): undoable,
    ("post", "recall"): undoable,
    ("post", "thaw"): frozen,
    ("post", "resend"): under_way,
    ("post", "leave"): under_way,
    ("inboundmail", "read"): lambda: mail(InboundMail.State.KEPT),
    ("inboundmail", "discard"): lambda: mail(InboundMail.State.KEPT),
    ("inboundmail", "discard_all"): lambda: mail(InboundMail.State.KEPT),
    ("inboundmail", "again"): lambda: mail(InboundMail.State.QUARANTINED),
}
ALL_VERBS = [
    (model._meta.model_name, verb)
    for model, its in admin.site._registry.items()
    if isinstance(its, VerbAdmin)
    for verb in (*its.verbs, *its.answering)
]


@pytest.mark.parametrize(("model", "verb"), ALL_VERBS)
def test_each_verb_of_the_admin_leaves_an_entry(admin_client: Client, model: str, verb: str):
    assert (model, verb) in VERBS, "Say in VERBS what it is done to: what staff do stands in the audit trail."
    row = VERBS[model, verb]()
    before = AuditEntry.objects.count()
    url = reverse(f"admin:{row._meta.app_label}_{model}_do", args=[row.pk, verb])
    admin_client.post(url, {**REASON, "content_hash": getattr(row, "content_hash", "")})
    entry = AuditEntry.objects.latest("pk")
    assert AuditEntry.objects.count() == before + 1
    assert (entry.actor, entry.subject) == ("admin", audit.name(row))
    assert "butcher" not in entry.reason


LIST = {
    "name": "News of bob@butcher.example",
    "description": "",
    "moderation": "all",
    "replies": "opaque",
    "undo_seconds": "60",
    "suspend_after": "1",
    "suspend_after_unproven": "3",
    "suspend_after_transient": "10",
    "suspend_days": "14",
}
USER = {"username": "mary", "password1": "a long password", "password2": "a long password"}
FORMS: dict[str, dict[str, Any]] = {  # What is typed to add a row, and to change one.
    "mailinglist": {"add": {**LIST, "slug": "news"}, "change": LIST},
    "sender": {
        "add": {"name": "Joe", "contact": "jo@bloggs.example", "posts_a_day": "3", "posts_a_month": "8"},
        "change": {"name": "Jo", "posts_a_day": "9", "posts_a_month": "8"},
    },
    "user": {"add": USER, "change": {"is_active": "on", "is_superuser": "on"}},
    "group": {"add": {"name": "Office"}, "change": {"name": "Office"}},
}
ROWS: dict[str, Callable[[], Any]] = {
    "mailinglist": builders.a_list,
    "sender": joe,
    "user": lambda: User.objects.create_user("john"),
    "group": lambda: Group.objects.create(name="Staff"),
}


def what_may_be_done() -> list[tuple[str, str]]:
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True, is_staff=True)
    doable = []
    for model, its in admin.site._registry.items():
        may = {"add": its.has_add_permission(request), "change": its.has_change_permission(request)}
        may["delete"] = its.has_delete_permission(request)
        doable += [(str(model._meta.model_name), what) for what, allowed in may.items() if allowed]
    return doable


@pytest.mark.parametrize(("model", "what"), what_may_be_done())
def test_each_row_that_is_added_changed_or_deleted_leaves_an_entry(admin_client: Client, model: str, what: str):
    assert model in FORMS, "Say in FORMS what is typed: what staff do stands in the audit trail."
    kind = next(each for each in admin.site._registry if each._meta.model_name == model)
    base = f"admin:{kind._meta.app_label}_{model}_{what}"
    row = ROWS[model]() if what != "add" else None
    before = set(AuditEntry.objects.values_list("pk", flat=True))
    form = {"post": "yes"} if what == "delete" else FORMS[model][what]
    response = admin_client.post(reverse(base, args=[row.pk] if row else []), form)
    assert response.status_code == 302 or model == "sender", response.content.decode()[-3000:]
    entries = AuditEntry.objects.exclude(pk__in=before)
    assert entries.filter(actor="admin", verb=what).exists()
    assert not any("@" in f"{entry.actor}{entry.subject}{entry.reason}" for entry in entries)
    assert not LogEntry.objects.exists()


def test_every_page_of_the_admin_writes_to_the_trail_and_not_to_djangos_log():
    assert [model for model, its in admin.site._registry.items() if not isinstance(its, AuditedAdmin)] == []


def test_an_entry_says_which_permission_was_given_and_which_limit_was_set(admin_client: Client):
    john, office = User.objects.create_user("john", is_staff=True), Group.objects.create(name="Office")
    wanted = Permission.objects.get(codename="reveal_address")
    form = {"is_active": "on", "is_staff": "on", "groups": [office.pk], "user_permissions": [wanted.pk]}
    admin_client.post(reverse("admin:auth_user_change", args=[john.pk]), form)
    reason = AuditEntry.objects.get(verb="change").reason
    assert "groups: +Office" in reason and "| subscription | Can see a member's whole address" in reason
    admin_client.post(reverse("admin:auth_user_change", args=[john.pk]), {"is_active": "on", "is_staff": "on"})
    assert "groups: -Office" in AuditEntry.objects.filter(verb="change").latest("pk").reason
    bloggs = joe()
    form = {"name": "Jo", "posts_a_day": "9", "posts_a_month": "8", "lists": [builders.a_list("news").pk]}
    admin_client.post(reverse("admin:posting_sender_change", args=[bloggs.pk]), form)
    reason = AuditEntry.objects.filter(verb="change").latest("pk").reason
    assert reason == "name; lists: +News, -Promotions; posts a day: 9"


def test_a_password_of_staff_leaves_an_entry_without_it(admin_client: Client):
    john = User.objects.create_user("john", is_staff=True)
    form = {"usable_password": "true", "password1": "a quite new one", "password2": "a quite new one"}
    admin_client.post(reverse("admin:auth_user_password_change", args=[john.pk]), form)
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.subject) == ("change", f"user {john.pk}")
    assert "password" in entry.reason and "new one" not in entry.reason
    form = {"old_password": "password", "new_password1": "yet another one", "new_password2": "yet another one"}
    admin_client.post(reverse("admin:password_change"), {**form, "old_password": "wrong"})
    admin_client.post(reverse("admin:password_change"), form)
    assert AuditEntry.objects.filter(actor="admin", verb="change own password").count() == 1


def test_who_signs_in_and_out_and_who_fails_stands_in_the_trail(client: Client):
    mary = User.objects.create_user("mary", password="a long password", is_staff=True)
    for name, password in (("mary", "guessed"), ("bob@butcher.example", "guessed"), ("mary", "a long password")):
        client.post(reverse("admin:login"), {"username": name, "password": password})
    client.post(reverse("admin:logout"))
    assert list(AuditEntry.objects.order_by("pk").values_list("actor", "verb", "subject")) == [
        ("somebody", "failed sign-in", f"user {mary.pk}"),
        ("somebody", "failed sign-in", "no user"),
        ("mary", "sign in", f"user {mary.pk}"),
        ("mary", "sign out", f"user {mary.pk}"),
    ]


def test_who_guesses_does_not_flood_the_trail(client: Client):
    User.objects.create_user("mary", password="a long password", is_staff=True)
    for number in range(80):  # Who is an account does not tell by what is written, and so not by the time that it takes.
        form = {"username": "mary" if number % 9 == 0 else f"guess{number}", "password": "x"}
        client.post(reverse("admin:login"), form, REMOTE_ADDR=f"10.0.{number % 4}.1")
    assert AuditEntry.objects.filter(verb="failed sign-in").count() == 60


def test_a_name_that_is_an_address_is_refused_and_one_that_is_there_is_called_by_its_number(admin_client: Client):
    page = admin_client.post(reverse("admin:auth_user_add"), {**USER, "username": "mary@chamber.example"})
    assert "without “@”" in page.content.decode()
    mary = User.objects.create_user("mary@chamber.example")
    audit.record(mary.username, "test", mary)
    audit.record("nobody@chamber.example", "test", mary)
    assert list(AuditEntry.objects.order_by("pk").values_list("actor", flat=True)) == [f"user {mary.pk}", "[address]"]
    assert audit.times(mary.username, "test", within=timedelta(days=1)) == 1


def test_an_account_is_neither_renamed_nor_deleted(admin_client: Client):
    john = User.objects.create_user("john")
    admin_client.post(reverse("admin:auth_user_change", args=[john.pk]), {"username": "jack", "is_active": "on"})
    assert admin_client.post(reverse("admin:auth_user_delete", args=[john.pk]), {"post": "yes"}).status_code == 403
    john.refresh_from_db()
    assert john.username == "john"


def entry(**columns: str) -> AuditEntry:
    return AuditEntry.objects.create(**{"actor": "mary", "verb": "test", "subject": "post 1", **columns})


REWRITES = {
    "update": "UPDATE chamberlist_auditentry SET actor = 'john'",
    "delete": "DELETE FROM chamberlist_auditentry",
    "truncate": "TRUNCATE chamberlist_auditentry",
}


@pytest.mark.parametrize("statement", REWRITES.values(), ids=REWRITES)
def test_the_database_keeps_the_trail_as_it_is(statement: str):
    entry()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE chamberlist_auditentry ENABLE TRIGGER keep_all")  # Off elsewhere: tests empty the database.
    with pytest.raises(DatabaseError, match="chamberlist_auditentry"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEntry.objects.get().actor == "mary"
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE chamberlist_auditentry DISABLE TRIGGER keep_all")


def test_neither_the_program_nor_the_admin_changes_an_entry(admin_client: Client):
    made = entry()
    made.actor = "john"
    for change in (made.save, made.delete, AuditEntry.objects.all().delete, lambda: AuditEntry.objects.update(verb="x")):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    row = reverse("admin:chamberlist_auditentry_change", args=[made.pk])
    assert admin_client.post(row, {"actor": "john"}).status_code == 403
    assert admin_client.post(reverse("admin:chamberlist_auditentry_delete", args=[made.pk]), {"post": "yes"}).status_code == 403
    assert admin_client.post(reverse("admin:chamberlist_auditentry_add"), {"actor": "john"}).status_code == 403
    assert AuditEntry.objects.get().actor == "mary"


def test_what_is_older_than_24_months_may_be_forgotten():
    made = entry()
    at = "UPDATE chamberlist_auditentry SET at = at - interval %s"
    builders.rewrite_append_only("chamberlist_auditentry", at, "729 days")
    with pytest.raises(DatabaseError), transaction.atomic():
        made.delete()
    builders.rewrite_append_only("chamberlist_auditentry", at, "3 days")
    assert AuditEntry.objects.all().delete()[0] == 1


def test_the_trail_is_browsed_by_who_what_day_and_thing_page_by_page(admin_client: Client):
    member = builders.a_member(builders.a_list())
    audit.record("mary", "unsubscribe", member, reason="On the telephone")
    entry(actor="john", verb="halt", subject="halt 1")
    for number in range(60):
        entry(subject=f"subscription {member.pk + 1 + number}", verb="nothing")
    page = admin_client.get(reverse(TRAIL)).content.decode()
    assert page.count('<th class="field-when') == 50 and "?p=2" in page and 'class="xfull"' not in page
    for query, shown in (("actor=mary&verb=unsubscribe", True), ("actor=john", False), ("at__year=2000", False)):
        page = admin_client.get(f"{reverse(TRAIL)}?{query}").content.decode()
        assert ("On the telephone" in page) is shown, query
    history = admin_client.get(reverse("admin:subscriptions_subscription_history", args=[member.pk]), follow=True)
    page = history.content.decode()
    assert page.count('<th class="field-when') == 1 and "On the telephone" in page
    row = reverse("admin:subscriptions_subscription_change", args=[member.pk])
    assert f'<a href="{row}">subscription {member.pk}</a>' in page
    gone = admin_client.get(f"{reverse(TRAIL)}?subject=subscription+{member.pk + 1}").content.decode()
    assert f"subscription {member.pk + 1}" in gone
    assert reverse("admin:subscriptions_subscription_change", args=[member.pk + 1]) not in gone


CHANGES_NOTHING = {  # Or nothing of what staff are answerable for.
    "doctor": "looks",
    "poststatus": "looks",
    "migrate": "the program's own, at an upgrade; what it arms is on record",
    "loaddemo": "invents a Chamber, in the demo alone",
    "receivemail": "takes mail from others; what comes of it stands in its row",
}


def a_file(tmp_path: Path) -> str:
    (tmp_path / "members.csv").write_text("email\nanne@bakery.example\n")
    return str(tmp_path / "members.csv")


def commands(tmp_path: Path) -> dict[str, Callable[[], list[str]]]:
    return {
        "createlist": lambda: ["news", "--name", "News"],
        "importsubscribers": lambda: [builders.a_list().slug, a_file(tmp_path), "--evidence", "As bob@butcher.example has it"],
        "addsender": lambda: [builders.a_list().slug, "joe@bloggs.example", "--name", "Bloggs"],
        "submitpost": lambda: [joe().lists.get().slug, "--from", "joe@bloggs.example"],
        "acceptpost": lambda: [str(VERBS["post", "accept"]().pk)],
        "rejectpost": lambda: [str(VERBS["post", "reject"]().pk), "--reason", "x"],
        "recallpost": lambda: [str(undoable().pk)],
        "resolvedoubt": lambda: [str(under_way().pk), "--leave"],
        "halt": lambda: ["--reason", "x"],
        "resume": lambda: [str(halted().pk)][1:],
        "arm": lambda: ["--yes"],
        "rotatekeys": lambda: [str(builders.a_member(builders.a_list()).pk)][1:],
        "createsuperuser": lambda: ["--noinput", "--username", "mary"],
    }


OURS = sorted(name for name, app in get_commands().items() if app in ("chamberlist", "subscriptions", "posting"))


@pytest.mark.real_fence
@pytest.mark.parametrize("name", OURS)
def test_each_command_that_changes_something_leaves_an_entry(name: str, tmp_path: Path, monkeypatch, settings):
    if name in CHANGES_NOTHING:
        return
    known = commands(tmp_path)
    assert name in known, "Say here how it is called: what is changed stands in the audit trail."
    settings.STATE_DIR = tmp_path
    arguments = known[name]()
    if name == "submitpost":
        monkeypatch.setitem(os.environ, "POSTING_PASSWORD", next(reversed(builders.PASSWORDS.values())))
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Subject: Offers\n\nTwo for one\n")))
    if name == "rotatekeys":
        settings.ADDRESS_KEYS = keys.KeyRing(keys.parse("ADDRESS_KEYS", keys.fresh("new")).keys | settings.ADDRESS_KEYS.keys)
    before = set(AuditEntry.objects.values_list("pk", flat=True))
    call_command(name, *arguments, stdout=io.StringIO())
    entries = list(AuditEntry.objects.exclude(pk__in=before))
    assert entries and {each.actor for each in entries} == {"command line"}
    assert not any("@" in each.reason for each in entries)
    assert name != "importsubscribers" or "1 addresses, subscribed with evidence: As [address]" in entries[0].reason


def test_no_model_tells_an_address_when_it_is_printed():
    anne = builders.a_member(builders.a_list(), "anne@bakery.example")
    bloggs = joe_at("joe@bloggs.example", anne.mailing_list)
    letter = mail(InboundMail.State.KEPT)
    for row in (anne, bloggs, letter, builders.a_held_post(bloggs), MailingList.objects.get()):
        assert "@" not in f"{row} {row!r}"
    assert "anne" not in repr(addresses.parse("anne@bakery.example"))


def joe_at(address: str, mailing_list: MailingList) -> Any:
    return builders.a_sender(mailing_list, address=address)

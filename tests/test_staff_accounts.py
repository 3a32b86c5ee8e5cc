"""Accounts of staff: nobody gives themselves more than they have, and none holds an address."""

import os
from io import StringIO

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from chamberlist import audit, fence, halt
from chamberlist.models import AuditEntry, Fence, Halt
from posting.models import Post
from posting.moderation import moderation
from tests import builders
from tests.test_reveal import somebody

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
NEW = {"password1": "a quite new one", "password2": "a quite new one"}


@pytest.fixture
def office() -> Client:
    """Somebody who looks after accounts, and is no superuser."""
    return somebody("hr", "view_user", "add_user", "change_user", "view_group", "add_group", "change_group", "delete_group")


def row(user: User) -> str:
    return reverse("admin:auth_user_change", args=[user.pk])


def test_who_may_change_accounts_gives_nobody_a_permission(office: Client):
    reveal = Permission.objects.get(codename="reveal_address")
    group = Group.objects.create(name="Everything")
    everything = {"is_superuser": "on", "groups": [group.pk], "user_permissions": [reveal.pk]}
    for user in (User.objects.get(username="hr"), User.objects.create_user("john")):
        assert office.post(row(user), {"is_active": "on", "is_staff": "on", **everything}).status_code == 302
        user.refresh_from_db()
        assert user.is_staff and not user.is_superuser and not user.groups.exists()
        assert reveal not in user.user_permissions.all()


def test_nor_to_a_group(office: Client):
    group = Group.objects.create(name="Everything")
    assert office.post(reverse("admin:auth_group_change", args=[group.pk]), {"name": "Mine"}).status_code == 403
    assert office.post(reverse("admin:auth_group_add"), {"name": "Mine"}).status_code == 403
    assert office.post(reverse("admin:auth_group_delete", args=[group.pk]), {"post": "yes"}).status_code == 403
    assert office.get(reverse("admin:auth_group_change", args=[group.pk])).status_code == 200


@pytest.mark.parametrize("might", ["superuser", "one permission more", "a group", "more, but switched off"])
def test_nor_sets_the_password_of_who_may_do_more(office: Client, might: str):
    other = User.objects.create_user("boss", is_superuser=might == "superuser", is_active="switched off" not in might)
    reveal = Permission.objects.get(codename="reveal_address")
    if might == "a group":
        group = Group.objects.create(name="Everything")
        group.permissions.add(reveal)
        other.groups.add(group)
    elif might != "superuser":
        other.user_permissions.add(reveal)
    before = other.password
    assert office.post(reverse("admin:auth_user_password_change", args=[other.pk]), NEW).status_code == 403
    assert office.post(row(other), {"is_active": "on", "is_staff": "on"}).status_code == 403
    assert User.objects.get(pk=other.pk).password == before
    equal = User.objects.create_user("jill", is_staff=True)
    assert office.post(reverse("admin:auth_user_password_change", args=[equal.pk]), NEW).status_code == 302


def test_no_form_offers_a_mail_address_and_a_new_name_is_explained(admin_client: Client):
    john = User.objects.create_user("john")
    add = admin_client.get(reverse("admin:auth_user_add")).content.decode()
    assert "no “@”" in add and "LDAP" not in add
    for page in (add, admin_client.get(row(john)).content.decode()):
        assert 'name="email"' not in page and 'name="username"' in add


def test_createsuperuser_takes_no_mail_address(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a quite long password")
    monkeypatch.setenv("DJANGO_SUPERUSER_EMAIL", "mary@chamber.example")
    with pytest.raises(CommandError, match="without “@”"):
        call_command("createsuperuser", interactive=False, username="mary@chamber.example", stdout=StringIO())
    call_command("createsuperuser", interactive=False, username="mary", stdout=StringIO())
    mary = User.objects.get()
    assert (mary.username, mary.email, mary.is_superuser) == ("mary", "", True)
    assert mary.check_password(os.environ["DJANGO_SUPERUSER_PASSWORD"])


def test_what_names_who_did_it_names_no_address_of_an_older_account():
    name = "mary@chamber.example"
    known = f"user {User.objects.create_user(name).pk}"
    post = builders.a_held_post(builders.a_sender(builders.a_list()))
    assert moderation.accept(post, content_hash=post.content_hash, by=name) == ""
    halt.halt(by=name, reason="A test")
    fence.arm(by=name)
    assert Post.objects.get().accepted_by == Halt.objects.get(pk=Halt.BY_PEOPLE).halted_by == Fence.objects.get().armed_by == known


def test_the_trail_s_page_counts_entries_and_shows_24_hours(admin_client: Client):
    audit.record("mary", "test", "post 1")
    audit.record("mary", "test", "post 1")
    page = admin_client.get(reverse("admin:chamberlist_auditentry_changelist")).content.decode()
    assert "2 entries" in page and "2 audit trail" not in page and ">When<" in page
    assert "a.m." not in page and "p.m." not in page
    assert AuditEntry.objects.count() == 2

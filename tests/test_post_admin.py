"""Senders and posts in the admin: verbs by POST, for those who may, and nothing edits a state or a text."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core import serializers
from django.test import Client
from django.urls import reverse

from chamberlist.models import AuditEntry
from posting.delivery import audience, closing
from posting.models import Post, Sender
from posting.moderation import moderation
from posting.submission import senders, submission
from subscriptions.models import MailingList
from tests import builders

pytestmark = pytest.mark.django_db
State = Post.State
VERBS = ("accept", "reject", "discard", "undo", "hurry", "recall", "thaw")


def staff(*permissions: str) -> Client:
    """A browser of a member of staff who has these permissions."""
    user = get_user_model().objects.create_user(f"ann-{len(permissions)}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def joe() -> Sender:
    promotions = builders.a_list(undo_seconds=300)
    builders.members(promotions, "anne@bakery.example", "bob@cafe.example")
    return builders.a_sender(promotions)


@pytest.fixture
def ann() -> Client:
    """May do all that a moderator and an issuer of passwords does."""
    permissions = ("view_post", "change_post", "view_sender", "add_sender", "change_sender")
    client = staff(*permissions)
    get_user_model().objects.update(username="ann")
    return client


def change(post: Post) -> str:
    return reverse("admin:posting_post_change", args=[post.pk])


def do(row: Post | Sender, verb: str) -> str:
    return reverse(f"admin:posting_{row._meta.model_name}_do", args=[row.pk, verb])


def act(client: Client, row: Post | Sender, verb: str, **data: Any) -> str:
    """The page after a verb."""
    response = client.post(do(row, verb), data, follow=True)
    assert response.status_code == 200
    row.refresh_from_db()
    return response.content.decode()


# Posts


def a_post(sender: Sender, state: str) -> Post:
    post = builders.a_held_post(sender)
    if state == State.HELD:
        return post
    if state == State.REJECTED:
        moderation.reject(post, reason="The price is missing.", by="bob")
    elif state == State.DISCARDED:
        moderation.discard(post, by="bob")
    else:
        moderation.accept(post, content_hash=post.content_hash, by="bob", now=state != State.ACCEPTED)
        if state != State.ACCEPTED:
            audience.expand(post.pk)
    post.refresh_from_db()
    if state == State.FROZEN:
        closing.freeze(post.pk, "A copy looked odd.")
    elif state in (State.RECALLED, State.EXPIRED):
        closing.end(post, state)
    elif state == State.DONE:
        post.advance(State.DONE)
    post.refresh_from_db()
    assert post.state == state
    return post


OFFERED = {
    State.HELD: {"accept", "reject", "discard"},
    State.ACCEPTED: {"undo", "hurry", "recall"},
    State.SENDING: {"recall"},
    State.FROZEN: {"thaw", "recall"},
}


@pytest.mark.parametrize("state", [state for state in State if state not in (State.DRAFT, State.WITHDRAWN)])
def test_a_posts_page_offers_what_its_state_allows(state: str, joe: Sender, ann: Client):
    post = a_post(joe, state)
    shown = ann.get(change(post)).content.decode()
    assert set(re.findall(rf"/admin/posting/post/{post.pk}/do/(\w+)/", shown)) == OFFERED.get(State(state), set())
    assert State(state).label in shown
    assert "Two loaves for one." in shown
    assert "Bloggs Ltd via Ambridge Chamber of Commerce" in shown
    assert ("The price is missing." in shown) is (state == State.REJECTED)
    assert ("A copy looked odd." in shown) is (state == State.FROZEN)
    assert ("Copies, 2 in all" in shown) is (post.audience is not None)
    assert "bakery.example" not in shown


def test_the_list_of_posts_shows_what_was_submitted_and_no_drafts(joe: Sender, ann: Client):
    builders.a_held_post(joe, subject="For you")
    draft, withdrawn = builders.a_draft(joe, subject="A draft"), builders.a_draft(joe, subject="Taken back")
    submission.withdraw(withdrawn)
    shown = ann.get("/admin/posting/post/").content.decode()
    assert "For you" in shown and "Bloggs Ltd" in shown
    assert "A draft" not in shown and "Taken back" not in shown
    for post in (draft, withdrawn):
        assert ann.get(change(post)).status_code == 302


def test_a_post_that_there_is_not_leads_back(ann: Client):
    assert ann.get("/admin/posting/post/4711/change/").status_code == 302
    assert ann.post("/admin/posting/post/4711/do/accept/").status_code == 404


def test_text_of_a_post_is_shown_as_text(joe: Sender, ann: Client):
    post = builders.a_held_post(joe, subject="<i>x</i>", body="<script>alert(1)</script>\n\nhttps://bloggs.example/a")
    shown = ann.get(change(post)).content.decode()
    assert "<script>alert" not in shown and "<i>x" not in shown
    assert 'href="https://bloggs.example/a"' in shown


def test_staff_accept_take_back_hurry_and_recall(joe: Sender, ann: Client):
    post = builders.a_held_post(joe)
    found = re.search(r'name="content_hash" value="(\w+)"', ann.get(change(post)).content.decode())
    assert found is not None
    steps: tuple[tuple[str, dict[str, str], str], ...] = (
        ("accept", {"content_hash": found[1]}, State.ACCEPTED),
        ("undo", {}, State.HELD),
        ("accept", {"content_hash": found[1]}, State.ACCEPTED),
        ("hurry", {}, State.ACCEPTED),
        ("recall", {"reason": "Wrong price."}, State.RECALLED),
    )
    for verb, data, state in steps:
        assert "messagelist" in (shown := act(ann, post, verb, **data)) and 'class="success"' in shown
        assert post.state == state
    entries = AuditEntry.objects.filter(subject=f"post {post.pk}").order_by("pk")
    assert [entry.verb for entry in entries] == ["accept", "undo", "accept", "send now", "recall"]
    assert {entry.actor for entry in entries} == {"ann"}
    assert entries.last().reason == "Wrong price."  # type: ignore[union-attr]


def test_staff_reject_with_a_reason_discard_and_let_go_on(joe: Sender, ann: Client):
    rejected, discarded, frozen = builders.a_held_post(joe), builders.a_held_post(joe), a_post(joe, State.FROZEN)
    assert "Please write a reason" in act(ann, rejected, "reject", reason=" ")
    assert rejected.state == State.HELD
    act(ann, rejected, "reject", reason="The price is missing.")
    assert (rejected.state, rejected.reject_reason) == (State.REJECTED, "The price is missing.")
    act(ann, discarded, "discard")
    assert discarded.state == State.DISCARDED
    assert "why it may go on" in act(ann, frozen, "thaw")
    act(ann, frozen, "thaw", reason="It was a test.")
    assert (frozen.state, frozen.frozen_reason) == (State.SENDING, "")


def test_addresses_in_the_text_are_ticked_by_name(joe: Sender, ann: Client):
    post = builders.a_held_post(joe, body="Ask anne@bakery.example or bob@cafe.example")
    shown = ann.get(change(post)).content.decode()
    assert re.findall(r'name="allow" value="([^"]+)"', shown) == ["anne@bakery.example", "bob@cafe.example"]
    assert "did not allow" in act(ann, post, "accept", content_hash=post.content_hash, allow=["anne@bakery.example"])
    assert post.state == State.HELD
    act(ann, post, "accept", content_hash=post.content_hash, allow=["anne@bakery.example", "bob@cafe.example"])
    assert post.state == State.ACCEPTED
    act(ann, post, "undo")
    shown = ann.get(change(post)).content.decode()
    assert re.findall(r'name="allow" value="([^"]+)"', shown) == ["anne@bakery.example", "bob@cafe.example"], "asked again"


def test_a_page_that_is_out_of_date_changes_nothing_and_says_so(joe: Sender, ann: Client):
    post = builders.a_held_post(joe)
    assert "has changed since you read it" in act(ann, post, "accept", content_hash="0" * 64)
    assert "has changed since you read it" in act(ann, post, "accept")
    act(ann, post, "discard")
    for verb in VERBS:
        assert "by now" in act(ann, post, verb, content_hash=post.content_hash, reason="x")
    assert post.state == State.DISCARDED


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_works_on_get_or_for_whoever_may_only_look(verb: str, joe: Sender, ann: Client):
    post = builders.a_held_post(joe)
    before = Post.objects.values().get()
    assert ann.get(do(post, verb)).status_code == 302
    looking = staff("view_post")
    assert "/do/" not in looking.get(change(post)).content.decode()
    assert looking.post(do(post, verb), {"content_hash": post.content_hash, "reason": "x"}).status_code == 403
    stranger = Client().post(do(post, verb))
    assert (stranger.status_code, "/admin/login/" in stranger["Location"]) == (302, True)
    assert Post.objects.values().get() == before


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", [State.DRAFT, State.WITHDRAWN])
def test_no_verb_touches_what_is_the_authors_alone(verb: str, state: str, joe: Sender, ann: Client):
    post = builders.a_draft(joe)
    if state == State.WITHDRAWN:
        submission.withdraw(post)
    before = Post.objects.values().get()
    ann.post(do(post, verb), {"content_hash": post.content_hash, "reason": "x"})
    assert Post.objects.values().get() == before


def test_there_are_no_other_verbs(joe: Sender, ann: Client):
    post = builders.a_held_post(joe)
    for verb in ("delete", "change_view", "may", "do"):
        assert ann.post(do(post, verb)).status_code == 404


def test_whoever_may_not_even_look_gets_403(joe: Sender):
    post = builders.a_held_post(joe)
    nobody = staff()
    assert nobody.get("/admin/posting/post/").status_code == 403
    assert nobody.get(change(post)).status_code == 403
    assert nobody.get("/admin/posting/sender/").status_code == 403


def test_nothing_in_the_admin_edits_or_deletes_a_post(joe: Sender):
    post = builders.a_held_post(joe)
    boss = Client()
    boss.force_login(get_user_model().objects.create_superuser("boss"))
    before = Post.objects.values().get()
    data = {"state": "accepted", "subject": "x", "body": "x"}
    assert boss.post(change(post), data).status_code == 403
    assert boss.get("/admin/posting/post/add/").status_code == 403
    assert boss.post("/admin/posting/post/add/", data).status_code == 403
    assert boss.post(f"/admin/posting/post/{post.pk}/delete/", {"post": "yes"}).status_code == 403
    boss.post("/admin/posting/post/", {"action": "delete_selected", "_selected_action": [post.pk], "post": "yes"})
    assert Post.objects.values().get() == before
    assert not re.findall(r'name="(?:subject|body|state)"', boss.get(change(post)).content.decode())


# Senders


def everything_kept() -> str:
    """All rows of all tables, the sessions opened, as text."""
    found = "".join(serializers.serialize("json", model._default_manager.all()) for model in apps.get_models())
    sessions = apps.get_model("sessions", "Session").objects.all()
    return found + json.dumps([session.get_decoded() for session in sessions])


def password_on(shown: str) -> str:
    (password,) = re.findall(r'<code id="password">([a-z2-9-]+)</code>', shown)
    return str(password)


def form(**changes: Any) -> dict[str, Any]:
    lists = [row.pk for row in MailingList.objects.all()]
    return {
        "name": "Ann's Bakery",
        "contact": "Ann@Bakery.example",
        "lists": lists,
        "posts_a_day": 2,
        "posts_a_month": 3,
        **changes,
    }


def test_staff_add_a_sender_whose_password_is_shown_once_and_kept_nowhere(joe: Sender, ann: Client):
    assert ann.get("/admin/posting/sender/add/").status_code == 200
    response = ann.post("/admin/posting/sender/add/", form())
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    password = password_on(response.content.decode())
    assert password not in everything_kept(), "between the answer and the next page, too"

    sender = Sender.objects.get(name="Ann's Bakery")
    assert senders.authenticate("ann@bakery.example", password) == sender
    assert (sender.posts_a_day, sender.posts_a_month, list(sender.lists.all())) == (2, 3, [joe.lists.get()])
    assert AuditEntry.objects.filter(actor="ann", verb="approve", subject=f"sender {sender.pk}").count() == 1
    for url in (reverse("admin:posting_sender_change", args=[sender.pk]), "/admin/posting/sender/", "/admin/"):
        assert password not in ann.get(url).content.decode()


def test_staff_issue_a_new_password_which_is_shown_once_and_kept_nowhere(joe: Sender, ann: Client):
    response = ann.post(do(joe, "issue"))
    password = password_on(response.content.decode())
    assert joe.lists.get().address in response.content.decode()  # How to post by mail with it.
    assert password not in everything_kept()
    assert senders.authenticate("joe@bloggs.example", builders.PASSWORDS[joe.pk]) is None
    assert senders.authenticate("joe@bloggs.example", password) == joe
    assert AuditEntry.objects.filter(actor="ann", verb="issue password", subject=f"sender {joe.pk}").count() == 1
    assert password not in ann.get(reverse("admin:posting_sender_change", args=[joe.pk])).content.decode()


def test_staff_revoke_a_sender_and_let_it_back_in(joe: Sender, ann: Client):
    page = reverse("admin:posting_sender_change", args=[joe.pk])
    assert "/do/revoke/" in ann.get(page).content.decode()
    assert "can post no longer" in act(ann, joe, "revoke")
    assert (joe.revoked_at is not None, joe.password) == (True, "")
    assert AuditEntry.objects.filter(actor="ann", verb="revoke").count() == 1
    assert "/do/revoke/" not in ann.get(page).content.decode()
    shown = ann.get("/admin/posting/sender/").content.decode()
    assert "icon-no" in shown
    ann.post(do(joe, "issue"))
    assert "icon-yes" in ann.get("/admin/posting/sender/").content.decode()


@pytest.mark.parametrize("verb", ["issue", "revoke"])
def test_a_senders_verbs_refuse_get_and_whoever_may_only_look(verb: str, joe: Sender, ann: Client):
    before = Sender.objects.values().get()
    assert ann.get(do(joe, verb)).status_code == 302
    looking = staff("view_sender")
    assert looking.get(reverse("admin:posting_sender_change", args=[joe.pk])).status_code == 200
    assert looking.post(do(joe, verb)).status_code == 403
    assert looking.get("/admin/posting/sender/add/").status_code == 403
    assert ann.post(f"/admin/posting/sender/4711/do/{verb}/").status_code == 404
    assert Sender.objects.values().get() == before


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"contact": "no address"}, "This is not a complete mail address."),
        ({"contact": "JOE@bloggs.example"}, "There is a sender with this contact address."),
        ({"name": ""}, "This field is required."),
        ({"posts_a_month": -1}, "greater than or equal to 0"),
    ],
)
def test_a_sender_that_cannot_be_is_refused(changes: dict[str, Any], why: str, joe: Sender, ann: Client):
    response = ann.post("/admin/posting/sender/add/", form(**changes))
    assert why in response.content.decode()
    assert Sender.objects.count() == 1


def test_changing_a_sender_changes_name_lists_and_limit_and_nothing_else(joe: Sender, ann: Client):
    builders.a_list("events")
    page = reverse("admin:posting_sender_change", args=[joe.pk])
    assert "joe@bloggs.example" in ann.get(page).content.decode()
    before = Sender.objects.values("password", "sealed_address", "address_hash", "revoked_at", "password_issued_at").get()
    data = form(name="Bloggs & Co", password="x", address_hash="x", revoked_at="2026-01-01")
    assert ann.post(page, data).status_code == 302
    joe.refresh_from_db()
    assert (joe.name, joe.posts_a_month, joe.lists.count()) == ("Bloggs & Co", 3, 2)
    assert Sender.objects.values(*before).get() == before


def test_saving_a_sender_brings_no_old_password_back(joe: Sender, ann: Client, monkeypatch: pytest.MonkeyPatch):
    clean = Sender.full_clean

    def meanwhile(self: Sender, *args: Any, **kwargs: Any) -> None:
        clean(self, *args, **kwargs)
        senders.revoke(Sender.objects.get(pk=joe.pk), by="bob")

    monkeypatch.setattr(Sender, "full_clean", meanwhile)
    ann.post(reverse("admin:posting_sender_change", args=[joe.pk]), form(name="Bloggs & Co"))
    joe.refresh_from_db()
    assert (joe.name, joe.password, joe.revoked_at is not None) == ("Bloggs & Co", "", True)


def test_nobody_deletes_a_sender(joe: Sender):
    boss = Client()
    boss.force_login(get_user_model().objects.create_superuser("boss"))
    assert boss.post(f"/admin/posting/sender/{joe.pk}/delete/", {"post": "yes"}).status_code == 403
    builders.set_clock_back(joe, "created_at", timedelta(days=1))
    assert Sender.objects.count() == 1

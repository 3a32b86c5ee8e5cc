"""The commands about lists, senders and posts: what they print, and one sentence and no change where they refuse."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, models

from chamberlist.models import AuditEntry, SystemMail
from posting.delivery import audience
from posting.models import Delivery, Post, Sender
from posting.submission import senders
from subscriptions.models import MailingList, Subscription
from tests import builders

pytestmark = pytest.mark.django_db
State = Post.State
ROOT = Path(__file__).resolve().parent.parent
MESSAGE = b"From: joe@bloggs.example\r\nSubject: Spring offers\r\nMessage-ID: <1@bloggs.example>\r\n\r\nTwo loaves for one.\r\n"


def run(name: str, *arguments: object) -> str:
    """What a command prints."""
    out = io.StringIO()
    call_command(name, *(str(argument) for argument in arguments), stdout=out)
    return out.getvalue()


def everything() -> list[list[dict[str, Any]]]:
    kept: tuple[type[models.Model], ...] = (MailingList, Sender, Sender.lists.through, Post, SystemMail, AuditEntry, Subscription)
    return [[dict(row) for row in model._default_manager.order_by("pk").values()] for model in kept]


def refused(name: str, *arguments: object) -> str:
    """The one sentence of a command that refuses, which changes nothing."""
    before = everything()
    with pytest.raises(CommandError) as caught:
        run(name, *arguments)
    assert caught.value.returncode == 1
    assert "\n" not in str(caught.value)
    assert "@" not in str(caught.value).replace("name@business.example", "")
    assert everything() == before
    return str(caught.value)


def given(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))


@pytest.fixture
def joe() -> Sender:
    promotions = builders.a_list(undo_seconds=300)
    builders.members(promotions, "anne@bakery.example", "bob@cafe.example")
    return builders.a_sender(promotions)


# createlist


def test_createlist_makes_a_list_that_staff_moderate():
    assert "/lists/promotions/" in run("createlist", "promotions", "--name", "Promotions")
    made = MailingList.objects.get()
    assert (made.slug, made.name, made.moderation, made.replies) == ("promotions", "Promotions", "all", "opaque")


@pytest.mark.parametrize("moderation", ["all", "first", "none"])
def test_createlist_takes_a_policy(moderation: str):
    run("createlist", "events", "--name", "Events", "--moderation", moderation, "--replies", "chamber")
    assert MailingList.objects.values_list("moderation", "replies").get() == (moderation, "chamber")


@pytest.mark.parametrize(
    ("slug", "name"),
    [
        ("Promotions", "x"),
        ("pro motions", "x"),
        ("", "x"),
        ("-x", "x"),
        ("x" * 41, "x"),
        ("taken", "x"),
        ("new", ""),
        ("new", "x" * 81),
    ],
)
def test_createlist_refuses_what_cannot_be_a_list(slug: str, name: str):
    builders.a_list("taken")
    assert refused("createlist", f"--name={name}", "--", slug).startswith("The list was not created: ")


# addsender


def test_addsender_prints_the_password_alone_on_its_line(joe: Sender):
    printed = run("addsender", "promotions", "ann@bakery.example", "--name", "Ann's Bakery")
    password = printed.removesuffix("\n")
    assert "\n" not in password
    sender = senders.authenticate("ann@bakery.example", password)
    assert sender is not None
    assert (sender.name, list(sender.lists.all())) == ("Ann's Bakery", [joe.lists.get()])


def test_addsender_reads_the_address_from_standard_input(joe: Sender, monkeypatch: pytest.MonkeyPatch):
    given(monkeypatch, b"ann@bakery.example\nignored@x.example\n")
    password = run("addsender", "promotions", "-", "--name", "Ann's Bakery").strip()
    assert senders.authenticate("ann@bakery.example", password) is not None


@pytest.mark.parametrize(
    ("slug", "address", "name", "why"),
    [
        ("nowhere", "ann@bakery.example", "x", "There is no list 'nowhere'"),
        ("promotions", "no address", "x", "not a complete mail address"),
        ("promotions", "JOE@bloggs.example", "x", "There is a sender with this contact address"),
        ("promotions", "ann@bakery.example", "  ", "cannot be blank"),
        ("promotions", "ann@bakery.example", "x" * 81, "at most 80 characters"),
    ],
)
def test_addsender_refuses_in_one_sentence(slug: str, address: str, name: str, why: str, joe: Sender):
    assert why in refused("addsender", slug, address, f"--name={name}")


# submitpost


@pytest.fixture
def password(joe: Sender, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("POSTING_PASSWORD", builders.PASSWORDS[joe.pk])
    given(monkeypatch, MESSAGE)
    return builders.PASSWORDS[joe.pk]


def test_submitpost_prints_the_number_of_the_post(joe: Sender, password: str):
    number = int(run("submitpost", "promotions", "--from", "joe@bloggs.example"))
    post = joe.posts.get()
    assert post.pk == number
    assert (post.state, post.subject, post.body) == (State.HELD, "Spring offers", "Two loaves for one.")


def test_submitpost_with_the_same_message_again_is_the_same_post(joe: Sender, password: str, monkeypatch: pytest.MonkeyPatch):
    first = run("submitpost", "promotions", "--from", "joe@bloggs.example")
    given(monkeypatch, MESSAGE)
    assert run("submitpost", "promotions", "--from", "joe@bloggs.example") == first
    assert joe.posts.count() == 1


def test_submitpost_takes_the_password_out_of_the_message(joe: Sender, password: str, monkeypatch: pytest.MonkeyPatch):
    given(monkeypatch, MESSAGE.replace(b"Two loaves", f"Password: {password}\r\n\r\nTwo loaves".encode()))
    run("submitpost", "promotions", "--from", "joe@bloggs.example")
    assert joe.posts.get().body == "Two loaves for one."


def test_submitpost_refuses_a_message_that_says_the_password_elsewhere(joe: Sender, password: str, monkeypatch: pytest.MonkeyPatch):
    given(monkeypatch, MESSAGE + password.encode())
    said = refused("submitpost", "promotions", "--from", "joe@bloggs.example")
    assert "password stands in the message" in said
    assert password not in said
    assert not joe.posts.exists()


def test_submitpost_refuses_a_list_that_there_is_not(password: str):
    assert "There is no list" in refused("submitpost", "nowhere", "--from", "joe@bloggs.example")


def test_submitpost_refuses_without_a_password(password: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("POSTING_PASSWORD")
    assert "POSTING_PASSWORD" in refused("submitpost", "promotions", "--from", "joe@bloggs.example")


@pytest.mark.parametrize("address", ["joe@bloggs.example", "eve@bloggs.example", "no address"])
def test_submitpost_says_the_same_of_a_wrong_password_and_of_a_stranger(
    address: str, password: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("POSTING_PASSWORD", "wrong")
    said = refused("submitpost", "promotions", "--from", address)
    assert said == "Address and password do not belong together. Nothing was submitted."


def test_submitpost_refuses_what_cannot_be_read(password: str, monkeypatch: pytest.MonkeyPatch):
    given(monkeypatch, b"From: joe@bloggs.example\r\n\r\nTwo loaves for one.\r\n")
    assert "no subject" in refused("submitpost", "promotions", "--from", "joe@bloggs.example")


def test_submitpost_keeps_no_draft_that_it_could_not_submit(joe: Sender, password: str):
    builders.a_list("events")
    assert "You may not post to this list" in refused("submitpost", "events", "--from", "joe@bloggs.example")


def test_submitpost_keeps_to_the_monthly_limit(joe: Sender, password: str):
    Sender.objects.update(posts_a_month=0)
    said = refused("submitpost", "promotions", "--from", "joe@bloggs.example")
    assert "Your limit is 0" in said and said.endswith("Nothing was submitted.")


# acceptpost, rejectpost, recallpost


def test_acceptpost_accepts_and_leaves_time_to_undo(joe: Sender):
    post = builders.a_held_post(joe)
    assert run("acceptpost", post.pk) == f"post {post.pk}: accepted\n"
    post.refresh_from_db()
    assert post.accepted_at is not None and post.starts_at is not None
    assert 299 < (post.starts_at - post.accepted_at).total_seconds() < 301
    assert AuditEntry.objects.get(verb="accept").actor == "command line"


def test_acceptpost_now_does_not_wait(joe: Sender):
    post = builders.a_held_post(joe)
    run("acceptpost", post.pk, "--now")
    assert audience.due() == [post.pk]


def test_acceptpost_takes_the_addresses_that_may_stand_in_the_text(joe: Sender):
    post = builders.a_held_post(joe, body="Ask anne@bakery.example or bob@cafe.example")

    def said(*allow: str) -> str:
        with pytest.raises(CommandError) as caught:  # It alone names them: whoever accepts a post reads it.
            call_command("acceptpost", str(post.pk), *(f"--allow={address}" for address in allow))
        return str(caught.value)

    assert "did not allow" in said() and said().endswith("Left to allow: anne@bakery.example, bob@cafe.example")
    assert said("anne@bakery.example").endswith("Left to allow: bob@cafe.example")
    both = ("Anne@BAKERY.example", "bob@cafe.example")
    assert "do not stand in it" in said(*both, "eve@evil.example")
    assert "accepted" in run("acceptpost", post.pk, *(f"--allow={address}" for address in both))
    assert AuditEntry.objects.get(verb="accept").reason == "2 mail address(es) allowed by name"


def test_rejectpost_keeps_the_reason_for_the_author(joe: Sender):
    post = builders.a_held_post(joe)
    assert "write a reason" in refused("rejectpost", post.pk, "--reason", " ")
    assert run("rejectpost", post.pk, "--reason", "The price is missing.") == f"post {post.pk}: rejected\n"
    post.refresh_from_db()
    assert post.reject_reason == "The price is missing."
    assert SystemMail.objects.filter(purpose="post_rejected", object_id=post.pk).count() == 1


def test_recallpost_cancels_the_copies_that_wait(joe: Sender):
    MailingList.objects.update(undo_seconds=0)
    post = builders.a_sending_post(joe)
    assert run("recallpost", post.pk, "--reason", "Wrong price.") == f"post {post.pk}: recalled\n"
    assert json.loads(run("poststatus", post.pk, "--json"))["cancelled"] == 2
    assert AuditEntry.objects.get(verb="recall").reason == "Wrong price."


@pytest.mark.parametrize(
    ("name", "options"),
    [("acceptpost", []), ("rejectpost", ["--reason", "x"]), ("recallpost", []), ("poststatus", []), ("poststatus", ["--json"])],
)
def test_a_post_that_there_is_not_gets_one_sentence(name: str, options: list[str]):
    for number in ("4711", "99999999999999999999"):
        assert refused(name, number, *options) == f"There is no post {number}. Nothing was changed."


@pytest.mark.parametrize(("name", "options"), [("acceptpost", []), ("rejectpost", ["--reason", "x"]), ("recallpost", [])])
def test_a_post_that_has_moved_on_gets_one_sentence(name: str, options: list[str], joe: Sender):
    post = builders.a_draft(joe)
    assert "it is “Draft” by now. Nothing was changed." in refused(name, post.pk, *options)


# poststatus


def test_poststatus_counts_sum_to_the_audience(joe: Sender):
    MailingList.objects.update(undo_seconds=0)
    post = builders.a_sending_post(joe)
    Delivery.objects.filter(pk=post.deliveries.earliest("pk").pk).update(state=Delivery.State.SENT)
    status = json.loads(run("poststatus", post.pk, "--json"))
    assert {name: status.pop(name) for name in ("id", "state", "audience")} == {"id": post.pk, "state": "sending", "audience": 2}
    assert set(status) == set(Delivery.State.values)
    assert (status["queued"], status["sent"], sum(status.values())) == (1, 1, 2)
    shown = run("poststatus", post.pk)
    assert shown.split() == ["post", f"{post.pk}:", "sending,", "audience", "2", "1", "queued", "1", "sent"]


def test_poststatus_of_a_post_without_copies_sums_to_nothing(joe: Sender):
    post = builders.a_held_post(joe)
    status = json.loads(run("poststatus", post.pk, "--json"))
    assert (status["state"], status["audience"]) == ("held", 0)
    assert sum(status[state] for state in Delivery.State.values) == 0


# loaddemo


def test_loaddemo_refuses_outside_the_demo():
    assert "make demo" in refused("loaddemo")


def test_loaddemo_loads_630_members_once(settings: Any):
    settings.DEMO_MAIL = "mail.sqlite3"
    printed = run("loaddemo")
    assert Subscription.objects.filter(state="active").count() == 630
    lines = [line.split() for line in printed.splitlines()]
    assert [line[0] for line in lines] == ["Sender", "Sender", "Staff"]
    for _, address, password, *_ in lines[:2]:
        assert senders.authenticate(address, password) is not None
    assert run("loaddemo") == ""
    assert (Subscription.objects.count(), Sender.objects.count()) == (630, 2)


# A real process


def manage(*arguments: str, given: bytes = b"", **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """``manage.py`` in a process of its own, on this test's database."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    changed = {**os.environ, **environment, "DATABASE_URL": url}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=changed, input=given, capture_output=True, timeout=60
    )


@pytest.mark.django_db(transaction=True)
def test_in_a_real_process_a_post_is_submitted_and_what_is_refused_says_one_line_and_exits_1(joe: Sender):
    options = ("submitpost", "promotions", "--from", "joe@bloggs.example")
    done = manage(*options, given=MESSAGE, POSTING_PASSWORD=builders.PASSWORDS[joe.pk])
    assert (done.returncode, done.stderr) == (0, b"")
    assert int(done.stdout) == joe.posts.get().pk

    wrong = manage(*options, given=MESSAGE, POSTING_PASSWORD="wrong")
    assert (wrong.returncode, wrong.stdout) == (1, b"")
    assert wrong.stderr.splitlines() == [b"CommandError: Address and password do not belong together. Nothing was submitted."]
    assert joe.posts.count() == 1

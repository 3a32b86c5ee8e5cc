"""A post that shows what is a member's own, as a forwarded copy does, is held, cannot be accepted, and does not pass the gate."""

import re
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from chamberlist import tokens
from posting.delivery import copies, gate, memberlinks, searching
from posting.delivery.mime import Attachment
from posting.models import Post, Sender
from posting.moderation import moderation, rules
from tests import builders

pytestmark = pytest.mark.django_db
OTHER = uuid.UUID(int=7)
LEAVE = tokens.make("leave", OTHER)
LINK = f"https://news.chamber.example/lists/promotions/leave/{LEAVE}/"
REPOSITORY = Path(__file__).resolve().parent.parent
NOT_MAILED = {"boundary", "picture"}


@pytest.fixture
def sender() -> Sender:
    promotions = builders.a_list()
    builders.a_member(promotions)
    return builders.a_sender(promotions)


SHOWN = {
    "a link": LINK,
    "a link in large letters": LINK.upper(),
    "a bare token": LEAVE,
    "a token behind a word": f"link{LEAVE}",
    "a token before a word": f"{LEAVE}link",
    "percent": quote(LINK).replace(LEAVE[:3], f"%{ord(LEAVE[0]):02x}{LEAVE[1]}%{ord(LEAVE[2]):02X}"),
    "entities": LINK.replace(LEAVE[:3], f"{LEAVE[0]}&#{ord(LEAVE[1])};{LEAVE[2]}"),
    "wide letters": "".join(chr(ord(letter) + 0xFEE0) for letter in LEAVE),
    "letters without width": "\u200b".join(LEAVE),
    "a soft line break": LINK[:-20] + "=\r\n" + LINK[-20:],
    "a quoted line break": "> " + LINK[:-20] + "\n> " + LINK[-20:],
    "a mail address to leave": f"leave-{LEAVE}@lists.chamber.example",
    **{purpose: f"see {tokens.make(purpose, OTHER)} there" for purpose in memberlinks.PURPOSES},
    "a link with a time": f"/settings/{tokens.make('manage', OTHER, lifetime=timedelta(hours=1))}/",
    "a link whose time is over": f"/settings/{tokens.make('manage', OTHER, lifetime=timedelta(hours=-1)).upper()}/",
}


@pytest.mark.parametrize("form", SHOWN)
def test_a_members_link_is_found_in_each_form(form: str, sender: Sender):
    post = builders.a_draft(sender, body=f"Hello\n\n{SHOWN[form]}\n\nBye")
    assert searching.member_link_in(post) == ""
    assert rules.reasons(post).count(gate.MEMBERS_LINK) == 1


PLACES: dict[str, tuple[dict[str, Any], str]] = {
    "the subject": ({"subject": LEAVE}, "in the text"),
    "a file": ({"files": [Attachment("note.txt", "text/plain", f"a copy:\r\n{LINK}\r\n".encode())]}, "in the file note.txt"),
    "a file's name": ({"files": [Attachment(f"{LEAVE}.txt", "text/plain", b"x")]}, "in the file"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_post_with_a_members_link_is_held_is_not_accepted_and_does_not_leave(place: str, sender: Sender):
    words, where = PLACES[place]
    post = builders.a_held_post(sender, **words)
    assert gate.MEMBERS_LINK in post.reasons
    assert moderation.accept(post, content_hash=post.content_hash, by="a test").startswith(gate.MEMBERS_LINK)
    post.refresh_from_db()
    assert post.state == Post.State.HELD
    accepted = builders.a_sending_post(sender)
    Post.objects.filter(pk=post.pk).update(accepted_hash=post.content_hash, accepted_at=accepted.accepted_at)
    refusal = gate.check_post(copies.compile_post(Post.objects.get(pk=post.pk)))
    assert refusal == gate.MEMBERS_LINK and refusal.shown.startswith(where) and LEAVE[:8] not in refusal.shown


ORDINARY = (
    "Two loaves for one, all week long.",
    "https://shop.example/" + "abcdefgh234567" * 4 + "/",
    "A" * 52,
    "a" * 60,
    tokens.make("boundary", OTHER),
    LEAVE[:-1],
    LEAVE[:20] + "-" + LEAVE[20:],
)


@pytest.mark.parametrize("text", ORDINARY)
def test_other_long_words_hold_nothing(text: str):
    assert not memberlinks.stands_in(text)


def test_every_purpose_of_a_token_that_is_mailed_is_known():
    made = set()
    for file in (path for app in ("chamberlist", "posting", "subscriptions") for path in (REPOSITORY / app).rglob("*.py")):
        made |= set(re.findall(r"tokens\.make\(\"(\w+)\"", file.read_text()))
    assert made - NOT_MAILED <= set(memberlinks.PURPOSES) and set(copies.PURPOSES) <= set(memberlinks.PURPOSES)


@pytest.mark.parametrize("text", [" " * 500_000, "\n" * 500_000, "=\n" * 300_000, "a" * 500_000, ("b" * 53 + "\n") * 10_000])
def test_a_hostile_text_costs_little(text: str, sender: Sender):
    post = builders.a_draft(sender)
    post.body = "".join(f"{text}{number}" for number in range(2))
    start = time.process_time()
    assert searching.member_link_in(post) is None
    assert time.process_time() - start < 3

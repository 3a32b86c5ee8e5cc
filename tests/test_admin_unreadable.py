"""With a key of ADDRESS_KEYS missing, the pages of staff still open, and say which key it is."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chamberlist import doctor, keys, rotation
from posting.models import Post
from subscriptions.models import Subscription
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]


@pytest.fixture
def post() -> Post:
    promotions = builders.a_list()
    builders.a_member(promotions, "anne@bakery.example")
    return builders.a_held_post(builders.a_sender(promotions), body="Ask bob@garage.example")


@pytest.fixture
def lost(post: Post, settings: Any) -> str:
    """The id of the key that everything is sealed under, and that is gone."""
    key_id: str = settings.ADDRESS_KEYS.first[0]
    settings.ADDRESS_KEYS = keys.parse("ADDRESS_KEYS", keys.fresh("other"))
    return key_id


def test_every_page_opens_and_says_which_key_is_missing(admin_client: Client, post: Post, lost: str):
    pages = {
        name: admin_client.get(reverse(f"admin:{name}", args=args)).content.decode()
        for name, args in (
            ("index", []),
            ("posting_post_changelist", []),
            ("posting_post_change", [post.pk]),
            ("posting_sender_changelist", []),
            ("posting_sender_change", [post.sender_id]),
            ("subscriptions_subscription_changelist", []),
            ("subscriptions_subscription_change", [Subscription.objects.get().pk]),
            ("chamberlist_halt_changelist", []),
        )
    }
    assert f"ADDRESS_KEYS lacks the key {lost}: put it back into the list" in pages["index"]
    assert f"Waits for you: post {post.pk}, which cannot be opened" in pages["index"]
    assert "Stop all sending now" in pages["chamberlist_halt_changelist"]
    for name, page in pages.items():
        assert "cannot be opened" in page or name == "chamberlist_halt_changelist", name
    assert "Accept and send" not in pages["posting_post_change"] and ">Discard<" in pages["posting_post_change"]


@pytest.mark.parametrize("verb", ["accept", "reject", "discard"])
def test_no_verb_on_such_a_post_is_a_fault(admin_client: Client, post: Post, lost: str, verb: str):
    address = reverse("admin:posting_post_do", args=[post.pk, verb])
    assert admin_client.post(address, {"content_hash": "x", "reason": "No."}).status_code == 302
    post.refresh_from_db()
    assert post.state != Post.State.ACCEPTED


def test_nobody_is_alarmed_while_everything_opens(admin_client: Client, post: Post):
    assert rotation.troubles() == [] and doctor.keys().verdict == "ok"
    assert "ADDRESS_KEYS" not in admin_client.get(reverse("admin:index")).content.decode()


def test_other_bytes_under_the_same_id_are_another_key(admin_client: Client, post: Post, settings: Any):
    key_id = settings.ADDRESS_KEYS.first[0]
    settings.ADDRESS_KEYS = keys.parse("ADDRESS_KEYS", keys.fresh(key_id))
    finding = doctor.keys()
    assert finding.verdict == "fail" and f"sealed with the key {key_id} cannot be opened" in finding.text
    assert f"sealed with the key {key_id}" in admin_client.get(reverse("admin:index")).content.decode()

"""Why a post is held: each rule alone, on rows that are not saved where it reads none."""

import pytest

from posting.delivery import audience
from posting.models import Post
from posting.moderation import moderation, rules
from subscriptions.models import MailingList
from tests import builders

pytestmark = pytest.mark.django_db
Moderation = MailingList.Moderation


@pytest.mark.parametrize(("policy", "is_held"), [(Moderation.ALL, True), (Moderation.FIRST, False), (Moderation.NONE, False)])
def test_a_list_whose_posts_are_all_read_holds_every_post(policy: Moderation, is_held: bool):
    post = Post(mailing_list=MailingList(moderation=policy))
    assert bool(rules.everything_is_moderated(post)) is is_held


@pytest.mark.parametrize("policy", [Moderation.ALL, Moderation.NONE])
def test_only_lists_that_ask_for_it_hold_a_senders_first_post(policy: Moderation):
    post = builders.a_draft(builders.a_sender(builders.a_list(moderation=policy)))
    assert rules.first_by_sender(post) == ""


def test_a_senders_first_post_is_held_until_one_was_accepted_by_staff_and_went_out():
    sender = builders.a_sender(builders.a_list(moderation=Moderation.FIRST))
    first = builders.a_held_post(sender)
    assert first.state == Post.State.HELD
    second = builders.a_draft(sender)
    assert rules.first_by_sender(second) == "The Chamber reads a sender's first message."
    assert moderation.accept(first, content_hash=first.content_hash, by="ann", now=True) == ""
    assert rules.first_by_sender(second), "it may still be taken back"
    audience.expand(first.pk)
    assert rules.first_by_sender(second) == ""


def test_a_post_that_no_person_read_does_not_count_as_the_first():
    sender = builders.a_sender(builders.a_list("free", moderation=Moderation.NONE))
    builders.a_sending_post(sender)
    careful = builders.a_list("careful", moderation=Moderation.FIRST)
    sender.lists.add(careful)
    assert rules.first_by_sender(builders.a_draft(sender, careful))


def test_another_senders_accepted_post_does_not_count():
    promotions = builders.a_list(moderation=Moderation.FIRST)
    builders.a_sending_post(builders.a_sender(promotions))
    assert rules.first_by_sender(builders.a_draft(builders.a_sender(promotions, address="ann@other.example")))


@pytest.mark.parametrize(
    ("words", "is_held"),
    [
        ({"body": "Write to anne@bakery.example"}, True),
        ({"subject": "For anne@bakery.example"}, True),
        ({"body": "Write to <ANNE@bakery.example>."}, True),
        ({"body": "Write to joe@bloggs.example, JOE@Bloggs.example or office@chamber.example"}, False),
        ({"body": "Write to promotions@lists.chamber.example"}, False),
        ({"body": "Two for £1 @ the bakery"}, False),
    ],
)
def test_an_address_that_is_neither_the_senders_nor_the_chambers_holds_a_post(words: dict[str, str], is_held: bool):
    post = Post(**{"subject": "x", "body": "x", **words}, sender=builders.a_sender(), mailing_list=builders.a_list())
    assert bool(rules.names_an_address(post)) is is_held


def test_the_reason_is_the_same_for_a_subscriber_and_a_stranger():
    promotions = builders.a_list(moderation=Moderation.NONE)
    builders.a_member(promotions, "anne@bakery.example")
    sender = builders.a_sender(promotions)
    found = [rules.reasons(builders.a_draft(sender, body=f"Ask {who}@bakery.example")) for who in ("anne", "nobody")]
    assert found[0] == found[1] == ["It names a mail address that is neither the sender's nor the Chamber's."]


def test_every_reason_is_given_in_the_order_of_the_policy():
    post = builders.a_draft(builders.a_sender(builders.a_list()), body="Ask anne@bakery.example")
    assert rules.reasons(post) == [rules.everything_is_moderated(post), rules.names_an_address(post)]


def test_where_no_rule_holds_a_post_it_is_accepted_by_the_rules():
    post = builders.a_held_post(builders.a_sender(builders.a_list(moderation=Moderation.NONE)))
    assert (post.state, post.accepted_by, post.reasons) == (Post.State.ACCEPTED, rules.BY_RULES, [])

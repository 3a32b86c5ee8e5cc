"""Why a post is held. A rule is a function that gives a reason or ""; the policy is a tuple."""

from collections.abc import Callable

from posting.delivery import gate, searching
from posting.models import Post
from subscriptions.models import MailingList

Rule = Callable[[Post], str]
BY_RULES = "the rules"  # Who accepted what no rule held.


def everything_is_moderated(post: Post) -> str:
    """The list's own policy."""
    if post.mailing_list.moderation == MailingList.Moderation.ALL:
        return "The Chamber reads every message to this list first."
    return ""


def first_by_sender(post: Post) -> str:
    """A sender whom staff have never accepted, on lists that ask for that."""
    if post.mailing_list.moderation != MailingList.Moderation.FIRST:
        return ""
    accepted = post.sender.posts.filter(state__in=(Post.State.SENDING, Post.State.DONE)).exclude(accepted_by=BY_RULES)
    if accepted.exists():
        return ""
    return "The Chamber reads a sender's first message."


def names_an_address(post: Post) -> str:
    """An address in the text, a member's or not: the reason tells nothing about who subscribes."""
    if gate.strangers(post):
        return "It names a mail address that is neither the sender's nor the Chamber's."
    return ""


def has_a_sealed_file(post: Post) -> str:
    """What cannot be looked into does not pass the gate either."""
    return gate.SEALED if post.pk and searching.sealed_in(post) else ""


def shows_a_password(post: Post) -> str:
    """The sender's own, or what has the form of an issued one: its readers could post. It does not pass the gate either."""
    return gate.GIVES_AWAY if searching.password_in(post) is not None else ""


def shows_a_members_link(post: Post) -> str:
    """Whoever opens it can end that member's subscription. It does not pass the gate either."""
    return gate.MEMBERS_LINK if searching.member_link_in(post) is not None else ""


HOLD_RULES: tuple[Rule, ...] = (
    everything_is_moderated,
    first_by_sender,
    names_an_address,
    has_a_sealed_file,
    shows_a_password,
    shows_a_members_link,
)


def reasons(post: Post) -> list[str]:
    """Each reason to hold the post, as a sentence."""
    return [reason for rule in HOLD_RULES if (reason := rule(post))]

"""The words that a member agrees to, and the record of what became of each consent."""

from dataclasses import dataclass

from django.conf import settings

from chamberlist.redaction import redact
from subscriptions.models import ConsentEvent, MailingList, Subscription

VERSION = "1"  # Raise it with every change of the words below: old records keep naming the old ones.

REPLIES = {
    MailingList.Replies.OPAQUE: "No business sees it either: if you answer a message, we pass your answer on without it.",
    MailingList.Replies.SENDER: "If you answer a message, the business that wrote it gets your answer and sees your address.",
    MailingList.Replies.CHAMBER: "No business sees it either: if you answer a message, the Chamber's office gets your answer.",
}


@dataclass(frozen=True)
class Wording:
    """What a person is shown before they agree."""

    version: str
    paragraphs: tuple[str, ...]


def wording(mailing_list: MailingList) -> Wording:
    """The words in force for a list."""
    what = (
        f"You agree to get messages by e-mail from businesses that {settings.CHAMBER.name} has approved, through the list "
        f"“{mailing_list.name}”. They are promotional messages of other members, not only the Chamber's own."
    )
    alone = "Each message comes to you alone. No other member sees your address."
    leave = "You can leave at any time, without signing in: the link is in every message."
    return Wording(
        f"{VERSION}/{mailing_list.replies}", (what, f"{alone} {REPLIES[MailingList.Replies(mailing_list.replies)]}", leave)
    )


def record(subscription: Subscription, kind: ConsentEvent.Kind, *, how: str, evidence: str = "") -> None:
    """Add an event to the record of a consent, in the transaction of the change."""
    ConsentEvent.objects.create(
        mailing_list=subscription.mailing_list,
        address_hash=subscription.address_hash,
        kind=kind,
        how=how,
        wording=wording(subscription.mailing_list).version,
        evidence=redact(evidence)[:500],
    )


# The same for the row in ``moved``, as part of the statement that moved it. The version is the one that ``wording`` gives.
RECORD_MOVED = """
    INSERT INTO subscriptions_consentevent (mailing_list_id, address_hash, kind, how, wording, evidence)
    SELECT moved.mailing_list_id, moved.address_hash, %(kind)s, %(how)s, %(version)s || '/' || list.replies, ''
    FROM moved JOIN subscriptions_mailinglist list ON list.id = moved.mailing_list_id
"""

"""Plain builders of rows, through the product's own verbs where there is one."""

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F

from chamberlist import sealed
from chamberlist.clock import Now
from posting.delivery import audience
from posting.delivery.ledger import Marked, Place
from posting.models import Delivery, InboundMail, Post, Sender
from posting.moderation import moderation
from posting.submission import senders, submission
from subscriptions import addresses, importing
from subscriptions.models import MailingList, Subscription

PASSWORDS: dict[int, str] = {}  # Of the senders that a test made, by number: the product keeps none.


def a_list(slug: str = "promotions", **options: Any) -> MailingList:
    options = {"name": slug.capitalize(), "undo_seconds": 0, **options}
    return MailingList.objects.create(slug=slug, **options)


def a_member(mailing_list: MailingList, address: str = "anne@bakery.example") -> Subscription:
    """A subscribed member."""
    return members(mailing_list, address)[0]


def members(mailing_list: MailingList, *texts: str) -> list[Subscription]:
    """Subscribed members, in the order given."""
    people = [addresses.parse(text) for text in texts]
    importing.with_evidence(mailing_list, importing.Rows(people, 0, []), evidence="a test")
    found = {bytes(row.address_hash): row for row in mailing_list.subscriptions.all()}
    return [found[person.hash] for person in people]


def many_members(mailing_list: MailingList, number: int) -> list[str]:
    """So many subscribed members; their addresses."""
    texts = [f"member{n}@shop{n % 40}.example" for n in range(number)]
    members(mailing_list, *texts)
    return texts


def a_sender(*lists: MailingList, address: str = "joe@bloggs.example", name: str = "Bloggs Ltd") -> Sender:
    """An approved sender; its password is in ``PASSWORDS``."""
    sender, password = senders.approve(addresses.parse(address), name=name, lists=list(lists), by="a test")
    PASSWORDS[sender.pk] = password
    return sender


def a_draft(sender: Sender, mailing_list: MailingList | None = None, **words: Any) -> Post:
    words = {"subject": "Spring offers", "body": "Two loaves for one.\n\nSee https://bloggs.example/offers", **words}
    return submission.write(sender, mailing_list or sender.lists.get(), key=uuid.uuid4(), **words)


def a_held_post(sender: Sender, mailing_list: MailingList | None = None, **words: Any) -> Post:
    post = a_draft(sender, mailing_list, **words)
    assert submission.submit(post, content_hash=post.content_hash) == ""
    post.refresh_from_db()
    return post


def an_accepted_post(sender: Sender, mailing_list: MailingList | None = None, **words: Any) -> Post:
    post = a_held_post(sender, mailing_list, **words)
    if post.state == Post.State.HELD:
        assert moderation.accept(post, content_hash=post.content_hash, by="a test", now=True) == ""
    post.refresh_from_db()
    return post


def a_sending_post(sender: Sender, mailing_list: MailingList | None = None, **words: Any) -> Post:
    """Accepted and expanded: its copies wait in the ledger."""
    post = an_accepted_post(sender, mailing_list, **words)
    assert audience.expand(post.pk)
    post.refresh_from_db()
    return post


def a_post_to(address: str, mailing_list: MailingList | None = None, *, sender: str = "Bloggs Ltd", **words: Any) -> Post:
    """A post whose one copy waits in the ledger."""
    promotions = mailing_list or a_list()
    a_member(promotions, address)
    return a_sending_post(a_sender(promotions, name=sender), promotions, **words)


def first_turns(post: Post) -> Place:
    """Where its copies wait that no lane has had in hand."""
    return Place(post.pk, post.last_copy)


def a_mark(post: Post) -> Marked:
    """The one copy of a post, as a lane sees it once it is marked."""
    copy = post.deliveries.select_related("subscription").get()
    member = copy.subscription
    assert member is not None
    return Marked(copy.pk, post.pk, copy.handle.bytes, member.handle.bytes, member.address, 1)


def a_delivery(post: Post, member: Subscription) -> Delivery:
    return post.deliveries.get(subscription=member)


def a_mail(raw: bytes = b"Subject: Buns\n\nTwo for one", *, to: str = "postmaster", **columns: Any) -> InboundMail:
    """A message from Anne to an address of ours, that waits to be read."""
    mail = InboundMail(via="lmtp", **{"size": len(raw), "digest": hashlib.sha256(to.encode() + raw).digest()} | columns)
    mail.envelope_sender, mail.recipient, mail.content = "anne@bakery.example", f"{to}@{settings.LIST_DOMAIN}", raw
    mail.save()
    return mail


def overwrite(row: Any, **values: Any) -> None:
    """Write into the row's sealed columns past every check, as if somebody with the keys had changed the database."""
    type(row)._default_manager.filter(pk=row.pk).update(**sealed.columns(row, **values))


def later(row: Any, column: str, passed: timedelta) -> None:
    """As if ``passed`` had gone by since the time in ``column``: the clock is the database's and cannot be frozen."""
    type(row)._default_manager.filter(pk=row.pk).update(**{column: F(column) - passed})
    row.refresh_from_db()


def set_clock_back(row: Any, column: str, ago: timedelta) -> None:
    """Set the time in ``column`` to so long ago."""
    type(row)._default_manager.filter(pk=row.pk).update(**{column: Now() - ago})
    row.refresh_from_db()


def rewrite_append_only(table: str, statement: str, *values: int | str) -> None:
    """Change a row that the database protects, to let time pass in it."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # A table with checks still to come cannot be altered.
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        cursor.execute(statement, values)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER append_only")

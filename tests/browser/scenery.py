"""What the accessibility tests look at: one of everything, made in the demo's own database by ``manage.py shell``."""

import json
import uuid
from datetime import timedelta

from django.db import transaction
from django.urls import reverse

from chamberlist import tokens
from chamberlist.clock import Now
from posting.delivery import closing
from posting.models import Delivery, InboundMail, Post, Sender
from posting.moderation import moderation
from subscriptions import addresses, lifecycle, mails
from subscriptions.models import MailingList, Subscription
from tests import builders

WORDS = "Dear neighbours,\n\nour bakery opens on Saturday: https://bloggs.example/offers/spring\n\nJo Bloggs"


@transaction.atomic
def build() -> None:
    """Make it, and print where each thing is, as one line of JSON: nothing is sent before all of it is there."""
    fairs = builders.a_list("fairs", name="Fairs and markets", description="Where our members sell.", undo_seconds=3600)
    busy = builders.a_sender(fairs, address="jo@fair.example", name="Fair & Square Ltd")
    idle = builders.a_sender(fairs, address="new@fair.example", name="Newcomer & Daughters")
    Sender.objects.filter(pk=busy.pk).update(posts_a_day=50, posts_a_month=50)
    busy.refresh_from_db()
    paths = {f"sender_{name}": builders.PASSWORDS[sender.pk] for name, sender in (("busy", busy), ("idle", idle))}
    paths |= {name: reverse("sender_post", args=[post.pk]) for name, post in posts(busy, fairs).items()}
    paths |= member_pages(fairs)
    held = Post.objects.get(sender=busy, state=Post.State.HELD)
    done = Post.objects.get(sender=busy, state=Post.State.DONE)
    paths |= {
        "admin_held": reverse("admin:posting_post_change", args=[held.pk]),
        "admin_done": reverse("admin:posting_post_change", args=[done.pk]),
        "admin_sender": reverse("admin:posting_sender_change", args=[busy.pk]),
        "admin_pending": reverse("admin:subscriptions_subscription_change", args=[pending(fairs, "asked").pk]),
        "admin_subscription": reverse(
            "admin:subscriptions_subscription_change", args=[fairs.subscriptions.filter(state="active").latest("pk").pk]
        ),
    }
    paths |= letters()
    print(json.dumps(paths))


def letters() -> dict[str, str]:
    """What came by mail and waits for a person."""
    text = f"From: Anne Baker <anne@bakery.example>\nSubject: Your spring offers\nDate: Mon, 4 May 2026 10:00:00 +0100\n\n{WORDS}\n"
    ends = {
        "owner": (InboundMail.State.KEPT, "rest", "A letter to a list's owner."),
        "abuse": (InboundMail.State.QUARANTINED, "", "Reading it takes more than 2 seconds of work."),
    }
    paths = {}
    for place, (state, kind, words) in ends.items():
        mail = builders.a_mail(text.encode(), to="fairs-owner" if place == "owner" else place)
        mail.advance(InboundMail.State.READING)
        mail.advance(state, kind=kind, outcome=words, ended_at=Now())
        paths[f"admin_mail_{place}"] = reverse("admin:posting_inboundmail_change", args=[mail.pk])
    return paths


def posts(sender: Sender, mailing_list: MailingList) -> dict[str, Post]:
    """A post in each state that its author can find it in."""
    builders.members(mailing_list, *(f"visitor{number}@market.example" for number in range(6)))
    made = {"draft": builders.a_draft(sender, body=WORDS, subject="Crumpets and muffins")}
    made["held"] = builders.a_held_post(sender, subject="A stall to share", body=f"{WORDS}\n\nOr ask anne@stalls.example")
    made["withdrawn"] = builders.a_draft(sender, subject="Not quite right yet")
    made["withdrawn"].advance(Post.State.WITHDRAWN, ended_at=Now())
    made["rejected"] = builders.a_held_post(sender, subject="Everything must go!!!")
    moderation.reject(made["rejected"], reason="Please say until when the offer holds.\n\nThe rest is fine.", by="a test")
    made["accepted"] = builders.a_held_post(sender, subject="Harvest supper")
    moderation.accept(made["accepted"], content_hash=made["accepted"].content_hash, by="a test")
    for name in ("sending", "frozen", "done", "recalled"):
        made[name] = builders.a_sending_post(sender, subject=f"The {name} market of the year, with a longer subject than most")
    waiting = Delivery.objects.filter(post=made["sending"])
    waiting.update(next_attempt_at=Now() + timedelta(days=2))  # The demo's worker lets it wait.
    closing.freeze(made["frozen"].pk, "Three recipients in a row were refused with the same reply.")
    moderation.recall(made["recalled"], by="a test", reason="on the telephone")
    copies = list(made["done"].deliveries.values_list("pk", flat=True))
    Delivery.advance_many(copies[:2], Delivery.State.FAILED, status="550 no such mailbox", ended_at=Now())
    Delivery.advance_many(copies[2:], Delivery.State.EXPIRED, status="its time was over", ended_at=Now())
    made["done"].advance(Post.State.DONE, ended_at=Now())
    return made


def pending(mailing_list: MailingList, name: str) -> Subscription:
    """Somebody who was asked, and has not answered."""
    address = addresses.parse(f"{name}@pages.example")
    assert lifecycle.sign_up(mailing_list, address, how="form")
    return mailing_list.subscriptions.get(address_hash=address.hash)


def member_pages(mailing_list: MailingList) -> dict[str, str]:
    """Each page of a member, of a member whom no other page is about."""

    def page(view: str, handle: uuid.UUID, **lifetime: timedelta) -> str:
        return reverse(view, args=[mailing_list.slug, tokens.make(view, handle, **lifetime)])

    def question(name: str) -> str:
        confirmation = pending(mailing_list, name).confirmation
        assert confirmation is not None
        return page("confirm", confirmation)

    names = ("leave", "left", "undo", "choose", "to_pause", "to_look", "active", "paused", "suspended", "gone")
    people = dict(zip(names, builders.members(mailing_list, *(f"{name}@pages.example" for name in names)), strict=True))
    lifecycle.pause(people["paused"].handle, days=14)
    lifecycle.suspend(people["suspended"].handle, how="bounce")
    lifecycle.unsubscribe(people["gone"].handle, how="page")
    mailed = {name: page("manage", people[name].handle, lifetime=mails.MANAGE_LIFETIME) for name in names[-4:]}
    return {
        "confirm": question("confirm"),
        "confirmed": question("confirmed"),
        "disowned": question("disowned"),
        "stale_question": page("confirm", uuid.uuid4(), lifetime=timedelta(seconds=-2)),
        "stale": page("manage", people["active"].handle, lifetime=timedelta(seconds=-2)),
        "leave": page("leave", people["leave"].handle),
        "left": page("leave", people["left"].handle),
        "undo": page("leave", people["undo"].handle),
        **{name: page("choose", people[name].handle) for name in ("choose", "to_pause", "to_look")},
        **{f"manage_{name}": path for name, path in mailed.items()},
    }

"""The whole way by mail: swaks posts through a Postfix, copies leave through another, and what it bounces comes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chamberlist.embedded import watchdog
from chamberlist.relay import Relay
from posting.models import Delivery, InboundMail, Post
from subscriptions.models import Subscription
from tests import builders, postfix, workers
from tests.postfix import Postfix
from tests.rawclient import LIST
from tests.smtpserver import SmtpServer
from tests.test_real_postfix import Front, a_front, folder
from tests.workers import Stack

__all__ = ["folder"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("whole")]

FRONT = "mail.chamber.example"  # Where OpenDKIM and OpenDMARC would look at signatures.
RELAY = """\
compatibility_level = 3.6
myhostname = mail.relay.example
mydestination =
mynetworks = 127.0.0.0/8
transport_maps = inline:{{ {{ lists.chamber.example = smtp:[127.0.0.1]:{port} }} }}
"""
SMTP = "smtp unix - - n - - smtp\n"
LETTER = f"""\
Authentication-Results: {FRONT}; dkim=pass header.d=bloggs.example; dmarc=pass (p=none) header.from=bloggs.example
From: Joe Bloggs <joe@bloggs.example>
To: {LIST}
Subject: Spring offers
Message-ID: <1@bloggs.example>

Password: {{password}}

Two loaves for one.
"""


@pytest.fixture
def front(folder: Path) -> Iterator[Front]:
    """Where the mail of the lists' domain comes in."""
    with a_front(folder, docker=False) as started:
        yield started


@pytest.fixture
def relay(front: Front, smtp: SmtpServer, settings) -> Iterator[Postfix]:
    """What our mail leaves through: members' mail goes to ``smtp``, the lists' own to the front."""
    main = RELAY.format(port=front.server.port)
    with postfix.running(main, SMTP, transport=f"smtp:[127.0.0.1]:{smtp.port}") as server:
        settings.RELAY = Relay("127.0.0.1", server.port, "none")
        yield server


@pytest.fixture
def stack(relay: Postfix, tmp_path: Path, transactional_db: None) -> Iterator[Stack]:
    with workers.stack(tmp_path) as started:
        started.environment["AUTHSERV_ID"] = FRONT
        yield started


def test_a_post_by_mail_reaches_each_member_and_a_bounce_suspends_the_one_who_is_gone(
    front: Front, relay: Postfix, smtp: SmtpServer, stack: Stack
):
    promotions = builders.a_list(moderation="none")
    *_, leaver = builders.members(promotions, "anne@bakery.example", "bob@butcher.example", "gone@bakery.example")
    sender = builders.a_sender(promotions)
    smtp.at_recipient = lambda to: "550 5.1.1 User unknown" if to == "gone@bakery.example" else None
    stack.start_worker()
    with front.door(REDIS_URL=stack.broker.url):
        said = front.send(LIST, body=LETTER.format(password=builders.PASSWORDS[sender.pk]))
        assert "250 2.0.0 Ok" in said, said
        suspended = Subscription.objects.filter(pk=leaver.pk, state=Subscription.State.SUSPENDED)
        is_suspended = watchdog.wait_until(suspended.exists, 90)
        assert is_suspended, list(InboundMail.objects.values_list("kind", "state", "outcome"))

    assert Post.objects.get().subject == "Spring offers"
    assert sorted(mail.recipients for mail in smtp.received) == [
        ("anne@bakery.example",),
        ("bob@butcher.example",),
        ("joe@bloggs.example",),  # The receipt.
    ]
    everything = b"".join(mail.content for mail in smtp.received)
    assert builders.PASSWORDS[sender.pk].encode() not in everything
    [anne] = smtp.to("anne@bakery.example")
    assert "Two loaves for one." in anne.text and b"bob" not in anne.content and b"gone" not in anne.content
    states = dict(Delivery.objects.values_list("subscription__state", "state"))
    assert states == {"active": "sent", "suspended": "bounced"}
    assert set(InboundMail.objects.values_list("kind", "state")) == {("post", "done"), ("bounce", "done")}

"""Ten thousand hostile messages (HOSTILE=10000; fewer without) through the whole door, many of them with a right password."""

import os
import resource
import time
import unicodedata
from collections import Counter
from email import policy
from email.parser import BytesParser

import pytest

from chamberlist import systemmail, tokens
from chamberlist.models import Alert, SystemMail
from posting.delivery import copies, gate
from posting.inbound import attending, receiving
from posting.models import InboundMail, Post, Sender
from posting.moderation import moderation
from tests import builders, hostile
from tests.arriving import LIST
from tests.smtpserver import Received, SmtpServer

pytestmark = pytest.mark.django_db

NUMBER = int(os.environ.get("HOSTILE", "600"))
DOMAIN = "lists.chamber.example"
OURS = "mx.chamber.example"
ANNE, BOB, OFFICE = "anne@bakery.example", "bob@butcher.example", "office@chamber.example"  # Anne is the sender in the messages.
UNFIT = {"Cc", "Cs", "Zl", "Zp"}  # Controls, surrogates, and what ends a line.
MEGABYTES = 300  # That this process may grow by: what is costly happens in the sandbox.
HEADERS = {
    "from", "to", "reply-to", "subject", "date", "message-id", "mime-version", "content-type", "content-transfer-encoding",
    "auto-submitted", "x-auto-response-suppress",
}  # fmt: skip


@pytest.fixture
def post(settings):
    settings.AUTHSERV_ID = OURS
    settings.COPIES_AN_HOUR = 10_000_000
    promotions = builders.a_list()
    builders.a_member(promotions, BOB)
    sender = builders.a_sender(promotions, address=ANNE, name="Anne's Bakery")
    Sender.objects.update(posts_a_day=30_000, posts_a_month=30_000)
    return builders.a_sending_post(sender, promotions)


def test_the_door_stands_whatever_comes(post: Post, smtp: SmtpServer, capsys):
    copy = post.deliveries.get()
    member = copy.subscription
    assert member is not None
    places = (
        LIST,
        f"r-{tokens.make('reply', copy.handle)}@{DOMAIN}",
        LIST,
        f"b-{tokens.make('bounce', copy.handle)}@{DOMAIN}",
        f"promotions-request@{DOMAIN}",
        LIST,
        f"postmaster@{DOMAIN}",
        f"leave-{tokens.make('leave', member.handle)}@{DOMAIN}",
    )
    approved = (
        f"Authentication-Results: {OURS}; dkim=pass header.d=bakery.example; dmarc=pass header.from=bakery.example\r\n"
        f"Approved: {builders.PASSWORDS[post.sender_id]}\r\n"
    ).encode()
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    kinds = Counter[str]()
    for number, (_, raw) in enumerate(hostile.messages(NUMBER, head=approved)):
        place = places[number % len(places)]
        letter = raw.replace(b"<1@bakery.example>", b"<%d@bakery.example>" % number, 1)
        letter = letter if place == LIST else letter.removeprefix(approved)
        fit = receiving.with_crlf(letter)
        if receiving.refusal(fit):
            kinds["refused in the session"] += 1
            continue
        receiving.take("" if number % 5 == 0 else "eve@evil.example", [place], fit, via="smtp")
        if number % 50 == 49:
            attending.attend(seconds=600)
    while attending.attend(seconds=600):
        pass
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    kinds += Counter(f"{kind or 'unread'}, {state}" for kind, state in InboundMail.objects.values_list("kind", "state"))
    with capsys.disabled():
        print(f"\n{NUMBER} hostile messages: {time.monotonic() - began:.0f} s, {grown:.0f} MB more; {dict(kinds.most_common())}")

    assert not InboundMail.objects.filter(state__in=InboundMail.OPEN).exists()
    assert not Alert.objects.filter(kind="reading mail failed").exists()  # None made our own code raise.
    assert grown < MEGABYTES
    assert_posts_can_be_sent(post)
    assert_nobody_was_written_to(smtp)


def assert_posts_can_be_sent(known: Post) -> None:
    """What became of them is plain text and checked HTML: no copy grows a header."""
    made = Post.objects.exclude(pk=known.pk)
    assert made.count() > NUMBER / 50
    for post in made.filter(state=Post.State.HELD)[:200]:
        assert not UNFIT.intersection(map(unicodedata.category, post.subject)) and "\r" not in post.body
        moderation.accept(post, content_hash=post.content_hash, by="a test", allow=gate.strangers(post))
        post.refresh_from_db()
        if post.state != Post.State.HELD:
            assert gate.check_post(copies.compile_post(post)) == ""


def assert_nobody_was_written_to(smtp: SmtpServer) -> None:
    """But the sender, who is proven, and the office."""
    queued = SystemMail.objects.filter(state=SystemMail.State.QUEUED)
    while queued.exists() and systemmail.send_due():
        pass
    assert {mail.recipients for mail in smtp.received} <= {(ANNE,), (OFFICE,)}
    for mail in smtp.received:
        assert_plain(mail)


def assert_plain(mail: Received) -> None:
    parsed = BytesParser(policy=policy.compat32).parsebytes(mail.content)
    names = [name.lower() for name in parsed]
    assert set(names) <= HEADERS and len(set(names)) == len(names), names
    assert BOB.encode() not in mail.content and b"evil.example" not in mail.content

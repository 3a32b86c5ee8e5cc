"""Who types an address learns nothing about it: the same bytes, status, headers, cookies and work, whoever has subscribed."""

import re
from collections.abc import Callable, Iterator
from email.header import decode_header, make_header
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chamberlist import systemmail, throttle
from chamberlist.models import Alert, SystemMail, ThrottleCounter
from subscriptions import addresses, caps, lifecycle, requests
from subscriptions.models import MailingList, Subscription, SubscriptionRequest, Suppression
from tests import builders, signingup
from tests.answers import headers, words
from tests.signingup import EMBED, SUBSCRIBE, token, work_for
from tests.smtpserver import SmtpServer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
ANNE = addresses.parse("anne@bakery.example")
BITS = 4
VALUE = re.compile(r"'(?:[^']|'')*'(?:::\w+)?|\bs\d+_x\d+\b|\b\d+\b")  # Of a statement; Django numbers its savepoints.


@pytest.fixture
def promotions() -> MailingList:
    return builders.a_list()


@pytest.fixture(autouse=True)
def framed(settings: Any) -> None:
    settings.EMBED_ORIGINS = (signingup.BUSINESS,)


def stranger(mailing_list: MailingList) -> None:
    """Nobody knows the address."""


def pending(mailing_list: MailingList) -> None:
    assert lifecycle.sign_up(mailing_list, ANNE, how="form")


def asked_too_often(mailing_list: MailingList) -> None:
    pending(mailing_list)
    assert not lifecycle.sign_up(mailing_list, ANNE, how="form")


def waiting(mailing_list: MailingList) -> None:
    """Typed a moment ago; no worker has read it."""
    requests.receive(mailing_list, ANNE)


def active(mailing_list: MailingList) -> Subscription:
    return builders.a_member(mailing_list)


def paused(mailing_list: MailingList) -> None:
    lifecycle.pause(active(mailing_list).handle, days=14)


def left(mailing_list: MailingList) -> None:
    assert lifecycle.unsubscribe(active(mailing_list).handle, how="page")


def suspended(mailing_list: MailingList) -> None:
    assert lifecycle.suspend(active(mailing_list).handle, how="bounces")


def complained(mailing_list: MailingList) -> None:
    assert lifecycle.complain(active(mailing_list).handle, how="report")


def suppressed(mailing_list: MailingList) -> None:
    lifecycle.suppress(ANNE.hash, None, Suppression.Reason.COMPLAINT)


def disowned(mailing_list: MailingList) -> None:
    pending(mailing_list)
    link = mailing_list.subscriptions.get().confirmation
    assert link is not None
    lifecycle.disown(link)


def of_another_list(mailing_list: MailingList) -> None:
    builders.a_member(builders.a_list("news"))


def a_sender(mailing_list: MailingList) -> None:
    builders.a_sender(mailing_list, address=ANNE.text)


PEOPLE: list[Callable[[MailingList], object]] = [
    *(pending, asked_too_often, waiting, active, paused, left, suspended, complained, suppressed, disowned),
    *(of_another_list, a_sender),
]


@pytest.fixture(params=["sends", "is down", "has no answer"])
def relay(request: pytest.FixtureRequest, smtp: SmtpServer, settings: Any) -> Iterator[SmtpServer]:
    """The mail relay, which no page asks for anything."""
    if request.param == "is down":
        settings.EMAIL_PORT = 1
    if request.param == "has no answer":
        settings.EMAIL_HOST = "192.0.2.1"
    yield smtp
    assert smtp.received == []


def told(response: Any, queries: CaptureQueriesContext) -> dict[str, Any]:
    """All that an answer shows, and the statements that it took, word for word but for the values."""
    cookies = {name: dict(cookie) for name, cookie in response.cookies.items()}
    statements = [VALUE.sub("?", query["sql"]) for query in queries.captured_queries]
    return {
        "status": response.status_code,
        "words": words(response),
        "bytes": len(response.content),
        "headers": headers(response),
        "cookies": cookies,
        "statements": statements,
        "number": len(statements),
    }


def answers_to(url: str, address: str = ANNE.text, **fields: str) -> list[dict[str, Any]]:
    """What somebody sees who types the address, looks at the page after it, types it again, and once more with a slip."""
    client = Client()
    seen = []

    def step(act: Callable[[], Any]) -> None:
        with CaptureQueriesContext(connection) as queries:
            response = act()
        seen.append(told(response, queries))

    for _ in range(2):
        given = token(client, url)
        step(partial(client.post, url, {"token": given, "email": address, **fields}))
        step(lambda: client.get(f"{url}sent/"))
    step(lambda: client.post(url, {"token": token(client, url), "email": address + " ", "work": "none"}))
    step(lambda: client.post(url, {"email": address}))
    return seen


def as_for_a_stranger(mailing_list: MailingList, url: str, who: Callable[[MailingList], object]) -> None:
    expected = answers_to(url)
    SubscriptionRequest.objects.all().delete()
    ThrottleCounter.objects.all().delete()
    who(mailing_list)
    assert answers_to(url) == expected
    assert [each["status"] for each in expected[:3]] == [302, 200, 302]


@pytest.mark.parametrize("url", [SUBSCRIBE, EMBED])
@pytest.mark.parametrize("who", PEOPLE, ids=lambda who: who.__name__)
def test_every_address_gets_the_same_answer_and_the_same_work(
    promotions: MailingList, url: str, who: Callable[[MailingList], object]
):
    as_for_a_stranger(promotions, url, who)


@pytest.mark.parametrize("who", [active, suppressed], ids=lambda who: who.__name__)
def test_the_mail_relay_plays_no_part_in_it(promotions: MailingList, relay: SmtpServer, who: Callable[[MailingList], object]):
    as_for_a_stranger(promotions, SUBSCRIBE, who)


@pytest.mark.parametrize("who", [pending, active, suppressed], ids=lambda who: who.__name__)
@pytest.mark.parametrize("cap", ["network", "all", "work"])
def test_a_cap_is_met_by_every_address_alike(
    promotions: MailingList, settings: Any, cap: str, who: Callable[[MailingList], object], monkeypatch: pytest.MonkeyPatch
):
    settings.CONFIRMATIONS_AN_HOUR = 2 if cap == "all" else 1000
    settings.SIGN_UP_WORK = 20 if cap == "work" else 0
    monkeypatch.setattr(caps, "REQUESTS_AN_HOUR", 1 if cap == "network" else 40)
    monkeypatch.setattr(caps, "WITHOUT_WORK_A_NETWORK", 1)

    def refused() -> list[dict[str, Any]]:
        client, seen = Client(), []
        for _ in range(3):
            given = token(client)
            with CaptureQueriesContext(connection) as queries:
                response = client.post(SUBSCRIBE, {"token": given, "email": ANNE.text})
            seen.append(told(response, queries))
        return seen

    monkeypatch.setattr(throttle, "minutes_left", lambda _: 17)
    expected = refused()
    assert [each["status"] for each in expected] == [302, 429, 429]
    for table in (SubscriptionRequest, ThrottleCounter, Alert, SystemMail):
        table.objects.all().delete()
    who(promotions)
    assert refused() == expected


def test_the_work_that_is_checked_is_that_of_the_form_whatever_was_typed(promotions: MailingList, settings: Any):
    settings.SIGN_UP_WORK = BITS
    client = Client()
    for address in ("anne@bakery.example", "bob@butcher.example"):
        given = token(client)
        done = work_for(given, bits=BITS)
        assert client.post(SUBSCRIBE, {"token": given, "email": address, "work": done}).status_code == 302


# What a visitor types, and what their browser says of itself, is told to nobody


NOISE = {
    "User-Agent": "BuyPills/1.0 (+https://pills.example)",
    "Referer": "https://referring.example/cheap-watches",
    "Accept-Language": "tlh-Klingon",
    "X-Forwarded-For": "198.51.100.66",
    "X-Forwarded-Host": "evil-host.example",
    "From": "header-from@evil.example",
}
FIELDS = {
    "name": "Dear_customer_you_have_won",
    "subject": "Urgent_lottery",
    "next": "https://next-field.example/",
    "mailing_list": "list_of_the_visitor",
    "link": "https://link-field.example/",
    "work": "123456789012345",
}
MARKS = re.compile(
    r"pills|referring\.example|watches|klingon|tlh|198\.51\.100|evil|customer|lottery|next-field|list_of|link-field|123456789012345|"
    r"query-words|203\.0\.113",
    re.IGNORECASE,
)
SPELLINGS = {
    "anne@bakery.example": "anne@bakery.example",
    "  ANNE.Won.A.Prize@BAKERY.Example \t": "ANNE.Won.A.Prize@bakery.example",
    "anne+visit-spam-shop@bakery.example": "anne+visit-spam-shop@bakery.example",
    "{{chamber.name}}@bakery.example": "{{chamber.name}}@bakery.example",
    "anne@bäckerei-gewinn.example": "anne@xn--bckerei-gewinn-5hb.example",
}


@pytest.mark.parametrize("typed", SPELLINGS)
def test_nothing_of_the_request_stands_in_the_mail_but_the_recipient_s_address_in_to(
    promotions: MailingList, smtp: SmtpServer, settings: Any, typed: str
):
    settings.PROXY_HOPS = 1
    client = Client(headers=NOISE, REMOTE_ADDR="203.0.113.9")
    url = f"{SUBSCRIBE}?text=query-words&{'email=evil@evil.example'}"
    response = client.post(url, {"token": token(client), "email": typed, **FIELDS})
    assert response.status_code == 302
    assert requests.take() == 1
    assert systemmail.send_due() == 1
    [received] = smtp.received
    message = received.message
    recipient = SPELLINGS[typed]
    assert received.recipients == (recipient,)
    assert str(message["To"]) == recipient
    text = [f"{name}: {make_header(decode_header(value))}" for name, value in message.raw_items() if name != "To"]
    text += [part.get_content() for part in message.walk() if not part.is_multipart()]
    everything = "\n".join([*text, received.sender])
    assert len(text) > 8
    assert MARKS.findall(everything) == []
    local, _, domain = recipient.partition("@")
    for word in (recipient, domain, local, typed.strip()):
        if word != "anne":  # Stands in no mail either, but is looked for as a whole below.
            assert word.lower() not in everything.lower()
    assert not re.search(r"\banne\b|won|prize|visit|gewinn", everything, re.IGNORECASE)

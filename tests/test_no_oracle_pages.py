"""No oracle: whoever has a link, in a copy that was passed on or in an old mail, learns nothing of the person it was for.

Each page that a link leads to gives the same bytes and does the same work, whatever became of the subscription.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chamberlist import tokens
from chamberlist.models import SystemMail
from subscriptions import addresses, lifecycle
from subscriptions.models import MailingList, Subscription, SubscriptionRequest, Suppression
from tests import builders
from tests.answers import headers, words
from tests.smtpserver import SmtpServer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
ANNE = addresses.parse("anne@bakery.example")


@dataclass
class Links:
    """What the links carry that a person was sent at some time, in copies and in the question."""

    handle: uuid.UUID
    confirmation: uuid.UUID


def asked(mailing_list: MailingList) -> Links:
    """Anne was asked, and has not answered."""
    assert lifecycle.sign_up(mailing_list, ANNE, how="form")
    row = mailing_list.subscriptions.get()
    assert row.confirmation is not None
    return Links(row.handle, row.confirmation)


def confirmed(mailing_list: MailingList) -> Links:
    links = asked(mailing_list)
    assert lifecycle.confirm(links.confirmation)
    return links


def unknown(mailing_list: MailingList) -> Links:
    """The row is gone, or never was."""
    return Links(uuid.uuid4(), uuid.uuid4())


def erased(mailing_list: MailingList) -> Links:
    links = confirmed(mailing_list)
    Subscription.objects.all().delete()
    lifecycle.suppress(ANNE.hash, None, Suppression.Reason.ERASURE)
    return links


def paused(mailing_list: MailingList) -> Links:
    links = confirmed(mailing_list)
    lifecycle.pause(links.handle, days=30)
    return links


def left(mailing_list: MailingList) -> Links:
    links = confirmed(mailing_list)
    assert lifecycle.unsubscribe(links.handle, how="page")
    return links


def asked_again(mailing_list: MailingList) -> Links:
    links = left(mailing_list)
    lifecycle.rejoin(links.handle)
    return Links(links.handle, asked_by(mailing_list))


def asked_by(mailing_list: MailingList) -> uuid.UUID:
    confirmation = mailing_list.subscriptions.get().confirmation
    assert confirmation is not None
    return confirmation


def suspended(mailing_list: MailingList) -> Links:
    links = confirmed(mailing_list)
    assert lifecycle.suspend(links.handle, how="bounce")
    return links


def suppressed(mailing_list: MailingList) -> Links:
    links = confirmed(mailing_list)
    lifecycle.suppress(ANNE.hash, None, Suppression.Reason.OBJECTION)
    return links


def complained(mailing_list: MailingList) -> Links:
    links = confirmed(mailing_list)
    assert lifecycle.complain(links.handle, how="complaint")
    return links


def disowned(mailing_list: MailingList) -> Links:
    links = asked(mailing_list)
    lifecycle.disown(links.confirmation)
    return links


def too_late(mailing_list: MailingList) -> Links:
    links = asked(mailing_list)
    Subscription.objects.update(asked_at="2020-01-01T00:00:00Z")
    return links


Become = Callable[[MailingList], Links]
PEOPLE: tuple[Become, ...] = (
    *(asked, confirmed, paused, left, asked_again, suspended, suppressed, complained, disowned, erased, too_late),
)
REQUESTS: dict[str, tuple[str, str, dict[str, str] | None]] = {  # Page, purpose of its token, and what is posted.
    "see the question": ("confirm", "confirm", None),
    "confirm": ("confirm", "confirm", {"answer": "confirm"}),
    "not me": ("confirm", "confirm", {"answer": "not_me"}),
    "see whether to leave": ("leave", "leave", None),
    "leave": ("leave", "leave", {}),
    "one click": ("leave", "leave", {"List-Unsubscribe": "One-Click"}),
    "see that one left": ("undo_leave", "undo", None),
    "left by mistake": ("undo_leave", "undo", {}),
    "see what to choose": ("choose", "choose", None),
    "choose nothing": ("choose", "choose", {}),
    "pause shortly": ("choose", "choose", {"pause": "14"}),
    "pause long": ("choose", "choose", {"pause": "90"}),
    "ask for what is set": ("choose", "choose", {"settings": "1"}),
}


@pytest.fixture
def promotions() -> MailingList:
    return builders.a_list()


def shapes(queries: CaptureQueriesContext) -> list[str]:
    """What was executed, less the values: numbers, strings and ids."""
    return [re.sub(r"'[^']*'|\b\d+\b", "?", re.sub(r'"s\d+_x\d+"', "SAVEPOINT", each["sql"])) for each in queries.captured_queries]


def answers_to(links: Links, mailing_list: MailingList, name: str) -> list[Any]:
    """All that can be seen from outside, twice in a row, and the work that was done; HEAD as well where it is a GET."""
    view, purpose, posted = REQUESTS[name]
    carried = links.confirmation if view == "confirm" else links.handle
    url = reverse(view, args=[mailing_list.slug, tokens.make(purpose, carried)])
    client, seen = Client(enforce_csrf_checks=True), []
    mailed = SystemMail.objects.count()
    sends = [lambda: client.post(url, posted)] if posted is not None else [lambda: client.get(url), lambda: client.head(url)]
    for send in sends * 2:
        with CaptureQueriesContext(connection) as queries:
            response = send()
        own = {tokens.make(other, links.handle) for other in ("leave", "undo", "choose")}
        page = words(response)
        for token in own:  # The links to other pages are the person's own, as this page's address is.
            page = page.replace(token, "TOKEN")
        assert response.status_code == 200
        assert not response.cookies
        seen.append((response.status_code, page, headers(response), shapes(queries)))
    assert SystemMail.objects.count() == mailed, "nothing is mailed by the request itself"
    return seen


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("who", PEOPLE, ids=lambda who: who.__name__)
def test_a_link_gets_the_same_answer_for_the_same_work_whatever_became_of_the_person(
    promotions: MailingList, name: str, who: Become, smtp: SmtpServer
):
    expected = answers_to(unknown(promotions), promotions, name)
    SubscriptionRequest.objects.all().delete()
    assert answers_to(who(promotions), promotions, name) == expected
    assert not smtp.received


@pytest.mark.parametrize("name", REQUESTS)
def test_a_mail_server_that_is_down_changes_nothing_of_it(promotions: MailingList, name: str, settings):
    expected = answers_to(unknown(promotions), promotions, name)
    SubscriptionRequest.objects.all().delete()
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert answers_to(confirmed(promotions), promotions, name) == expected


@pytest.mark.parametrize("name", [name for name, (_, _, posted) in REQUESTS.items() if posted is None])
def test_to_look_at_a_page_asks_the_database_for_the_list_alone(promotions: MailingList, name: str):
    for _, _, _, executed in answers_to(confirmed(promotions), promotions, name):
        assert len(executed) == 1 and "subscriptions_mailinglist" in executed[0] and "subscriptions_subscription" not in executed[0]


@pytest.mark.parametrize("who", PEOPLE, ids=lambda who: who.__name__)
def test_that_a_question_is_too_old_is_told_by_its_link_alone(promotions: MailingList, client: Client, who: Become):
    def told(links: Links) -> list[Any]:
        url = reverse("confirm", args=["promotions", tokens.make("confirm", links.confirmation, lifetime=timedelta(seconds=-2))])
        seen = []
        for send in (lambda: client.get(url), lambda: client.post(url, {"answer": "confirm"})):
            with CaptureQueriesContext(connection) as queries:
                response = send()
            seen.append((response.status_code, words(response), headers(response), shapes(queries)))
        assert [len(executed) for *_, executed in seen] == [1, 1], "the list, and no row of anybody"
        return seen

    expected = told(unknown(promotions))
    assert told(who(promotions)) == expected


@pytest.mark.parametrize("name", ["confirm", "leave", "one click", "pause shortly"])
def test_what_is_done_at_once_is_one_statement(promotions: MailingList, name: str):
    for _, _, _, executed in answers_to(confirmed(promotions), promotions, name):
        assert len(executed) == 2 and "subscriptions_mailinglist" in executed[0]
        assert "UPDATE subscriptions_subscription" in executed[1] and "INSERT INTO subscriptions_consentevent" in executed[1]


@pytest.mark.parametrize(
    ("view", "purpose"), [*sorted({(view, purpose) for view, purpose, _ in REQUESTS.values()}), ("manage", "manage")]
)
@pytest.mark.parametrize("who", [unknown, confirmed, left], ids=lambda who: who.__name__)
def test_a_forged_link_and_an_unknown_list_do_not_exist_for_anybody(
    promotions: MailingList, who: Become, view: str, purpose: str, client: Client
):
    links = who(promotions)
    right = tokens.make(purpose, links.confirmation if view == "confirm" else links.handle)
    forged = ("a" if right[-2] != "a" else "b").join((right[:-2], right[-1:]))
    before = list(Subscription.objects.values())
    for slug, token in (("promotions", forged), ("nowhere", right)):
        for send in (client.get, client.post):
            assert send(reverse(view, args=[slug, token])).status_code == 404
    assert list(Subscription.objects.values()) == before
    assert not SubscriptionRequest.objects.exists()

"""The members' pages: they work, they refuse, they tell a stranger nothing, and a GET is harmless."""

import re
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime

from chamberlist import keys, tokens
from chamberlist.models import SystemMail
from subscriptions import addresses, lifecycle, mails, requests
from subscriptions.models import ConsentEvent, MailingList, Subscription, SubscriptionRequest, Suppression
from tests import builders
from tests.answers import words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
State = Subscription.State
TOKEN_PAGES = ("confirm", "leave", "undo_leave", "choose", "manage")
PURPOSES = {"undo_leave": "undo"}
SUBSCRIBE = "/lists/promotions/"


@pytest.fixture
def promotions() -> MailingList:
    return builders.a_list()


@pytest.fixture
def anne(promotions: MailingList) -> Subscription:
    return builders.a_member(promotions)


def page_of(view: str, handle: uuid.UUID, **lifetime: timedelta) -> str:
    return reverse(view, args=["promotions", tokens.make(PURPOSES.get(view, view), handle, **lifetime)])


def token_in(url: str) -> str:
    return url.split("/")[4]


def everything() -> list[Any]:
    """All that a page could change, as values."""
    tables = (Subscription, SubscriptionRequest, Suppression, ConsentEvent, SystemMail, MailingList)
    return [list(table.objects.order_by("pk").values()) for table in tables]


def test_the_first_page_names_the_lists_and_their_pages(client: Client, promotions: MailingList):
    page = client.get("/")
    assert page.status_code == 200
    assert "Promotions" in words(page)
    assert f'href="{SUBSCRIBE}"' in words(page)


def pending(mailing_list: MailingList) -> None:
    assert lifecycle.sign_up(mailing_list, addresses.parse("anne@bakery.example"), how="form")


def active(mailing_list: MailingList) -> Subscription:
    return builders.a_member(mailing_list)


def paused(mailing_list: MailingList) -> None:
    lifecycle.pause(active(mailing_list).handle, days=14)


def left(mailing_list: MailingList) -> None:
    assert lifecycle.unsubscribe(active(mailing_list).handle, how="page")


def test_the_button_of_the_confirmation_page_subscribes(client: Client, promotions: MailingList):
    pending(promotions)
    row = promotions.subscriptions.get()
    assert row.confirmation is not None
    url = page_of("confirm", row.confirmation)
    assert "You agree to get messages" in words(client.get(url))
    assert client.post(url, {"answer": "confirm"}).status_code == 200
    row.refresh_from_db()
    assert row.state == State.ACTIVE
    assert ConsentEvent.objects.filter(kind="confirmed").count() == 1


def test_a_double_click_on_the_button_is_thanked_as_the_first_one_was(client: Client, promotions: MailingList):
    pending(promotions)
    row = promotions.subscriptions.get()
    assert row.confirmation is not None
    url = page_of("confirm", row.confirmation)
    first, second = (client.post(url, {"answer": "confirm"}) for _ in range(2))
    assert words(first) == words(second)
    assert "From now on Promotions comes to your address" in words(second)
    assert ConsentEvent.objects.filter(kind="confirmed").count() == 1


def test_not_me_on_the_confirmation_page_suppresses_the_address(client: Client, promotions: MailingList):
    pending(promotions)
    row = promotions.subscriptions.get()
    assert row.confirmation is not None
    response = client.post(page_of("confirm", row.confirmation), {"answer": "not_me"})
    assert response.status_code == 200
    assert requests.take() == 1
    assert not Subscription.objects.exists()
    assert Suppression.objects.get().reason == "objection"


def mailed_link(mailing_list: MailingList) -> str:
    """The path in the mail with the question, as it would leave now."""
    mail = mails.confirmation(mailing_list.subscriptions.get().pk)
    assert mail is not None
    found = re.search(r"/lists/promotions/confirm/\w+/", mail.text)
    assert found is not None
    return found[0]


def test_a_confirmation_that_came_too_late_changes_nothing_and_says_what_to_do_then(client: Client, promotions: MailingList):
    pending(promotions)
    row = promotions.subscriptions.get()
    assert row.confirmation is not None
    late = page_of("confirm", row.confirmation, lifetime=timedelta(seconds=-2))
    for response in (client.get(late), *(client.post(late, {"answer": answer}) for answer in ("confirm", "not_me"))):
        assert response.status_code == 200
        page = words(response)
        assert "It was good for 14 days" in page and "sign up again" in page and f'href="{SUBSCRIBE}"' in page
        assert "Thank you" not in page and "one hour" not in page
    row.refresh_from_db()
    assert row.state == State.PENDING
    assert not SubscriptionRequest.objects.exists()


def test_the_link_of_a_question_ends_with_the_question_however_late_its_mail_left(
    client: Client, promotions: MailingList, monkeypatch: pytest.MonkeyPatch
):
    pending(promotions)
    builders.later(promotions.subscriptions.get(), "asked_at", timedelta(days=13))
    link, clock = mailed_link(promotions), time.time
    for hours, is_open in ((23, True), (25, False)):
        with monkeypatch.context() as later:
            later.setattr(time, "time", lambda hours=hours: clock() + hours * 3600)
            assert ("Shall we send you" in words(client.get(link))) is is_open
    builders.later(promotions.subscriptions.get(), "asked_at", timedelta(days=1, seconds=1))
    assert mails.confirmation(promotions.subscriptions.get().pk) is None, "a question that is over is asked no more"


@pytest.mark.parametrize(("body", "how"), [({"List-Unsubscribe": "One-Click"}, "one-click"), ({}, "page")])
def test_leaving_takes_one_post_without_cookie_and_no_redirect(anne: Subscription, body: dict[str, str], how: str):
    response = Client(enforce_csrf_checks=True).post(page_of("leave", anne.handle), body)  # RFC 8058 section 3.1.
    assert response.status_code == 200
    anne.refresh_from_db()
    assert anne.state == State.UNSUBSCRIBED
    assert ConsentEvent.objects.get(kind="left").how == how


def test_the_one_click_post_of_a_mail_client_may_be_a_multipart_form(anne: Subscription):
    content = b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    response = Client(enforce_csrf_checks=True).post(
        page_of("leave", anne.handle), content, content_type="multipart/form-data; boundary=x"
    )
    assert response.status_code == 200
    assert ConsentEvent.objects.get(kind="left").how == "one-click"


def test_leaving_twice_says_the_same_and_happens_once(client: Client, anne: Subscription):
    first, second = (client.post(page_of("leave", anne.handle)) for _ in range(2))
    assert words(first) == words(second)
    assert ConsentEvent.objects.filter(kind="left").count() == 1


def test_the_link_of_a_copy_works_years_later_and_under_rotated_keys(client: Client, anne: Subscription, settings):
    url = page_of("leave", anne.handle)
    settings.TOKEN_KEYS = keys.KeyRing(keys.parse("TOKEN_KEYS", keys.fresh("new")).keys | settings.TOKEN_KEYS.keys)
    assert client.post(url).status_code == 200
    anne.refresh_from_db()
    assert anne.state == State.UNSUBSCRIBED


def test_who_left_by_mistake_gets_the_question_by_mail_and_is_not_back_before_the_answer(client: Client, anne: Subscription):
    page = words(client.post(page_of("leave", anne.handle)))
    found = re.search(r'action="(/lists/promotions/leave/\w+/mistake/)"', page)
    assert found
    shown = client.get(found[1])
    assert shown.status_code == 200
    assert not SystemMail.objects.exists()
    assert client.post(found[1]).status_code == 200
    anne.refresh_from_db()
    assert anne.state == State.UNSUBSCRIBED
    assert requests.take() == 1
    anne.refresh_from_db()
    assert anne.state == State.PENDING
    assert SystemMail.objects.get().purpose == "confirmation"


@pytest.mark.parametrize("days", [14, 30, 90])
def test_a_member_pauses_and_starts_again_by_the_link_that_is_mailed(client: Client, anne: Subscription, days: int):
    url = page_of("choose", anne.handle)
    assert f'value="{days}"' in words(client.get(url))
    response = client.post(url, {"pause": str(days)})
    assert response.status_code == 200
    anne.refresh_from_db()
    assert anne.state == State.PAUSED and anne.paused_until is not None
    assert f"before <strong>{date_format(localtime(anne.paused_until), 'j F Y')}</strong>" in words(response)
    assert client.post(url, {"settings": "1"}).status_code == 200
    assert not SystemMail.objects.exists()
    assert requests.take() == 1
    anne.refresh_from_db()
    assert anne.state == State.PAUSED  # A link in a copy can only reduce.
    assert SystemMail.objects.get().purpose == "manage"
    mailed = page_of("manage", anne.handle, lifetime=mails.MANAGE_LIFETIME)
    assert "paused until" in words(client.get(mailed))
    started = client.post(mailed, {"resume": "1"})
    assert (started.status_code, started["Location"]) == (302, mailed)
    anne.refresh_from_db()
    assert anne.state == State.ACTIVE
    assert "You are subscribed" in words(client.get(mailed))


def test_the_mailed_page_pauses_and_lets_leave(client: Client, anne: Subscription):
    mailed = page_of("manage", anne.handle, lifetime=mails.MANAGE_LIFETIME)
    assert client.post(mailed, {"pause": "30"}).status_code == 302
    anne.refresh_from_db()
    assert anne.state == State.PAUSED
    assert client.post(mailed, {"leave": "1"}).status_code == 302
    anne.refresh_from_db()
    assert anne.state == State.UNSUBSCRIBED
    assert ConsentEvent.objects.get(kind="left").how == "mailed link"
    page = words(client.get(mailed))
    assert "You are not subscribed" in page and f'href="{SUBSCRIBE}"' in page
    client.post(mailed, {"resume": "1"})
    anne.refresh_from_db()
    assert anne.state == State.UNSUBSCRIBED


def test_the_page_behind_the_link_of_a_copy_leads_to_leaving(client: Client, anne: Subscription):
    found = re.search(r'href="(/lists/promotions/leave/\w+/)"', words(client.get(page_of("choose", anne.handle))))
    assert found
    client.post(found[1])
    anne.refresh_from_db()
    assert anne.state == State.UNSUBSCRIBED


def test_the_link_of_one_list_does_nothing_under_the_name_of_another(client: Client, anne: Subscription):
    builders.a_list("news")
    before = everything()
    for view, posted in (("leave", {}), ("choose", {"pause": "14"}), ("manage", {"leave": "1"})):
        url = page_of(view, anne.handle).replace("/promotions/", "/news/")
        assert client.get(url).status_code == 200
        assert client.post(url, posted).status_code in (200, 302)
    assert everything() == before
    for view in TOKEN_PAGES:
        url = page_of(view, anne.handle).replace("/promotions/", "/nowhere/")
        assert client.get(url).status_code == client.post(url).status_code == 404
    assert everything() == before


@pytest.mark.parametrize("value", ["", "7", "-14", "14.0", "9" * 30, "x"])
def test_another_length_of_pause_is_not_taken(client: Client, anne: Subscription, value: str):
    assert client.post(page_of("choose", anne.handle), {"pause": value}).status_code == 200
    anne.refresh_from_db()
    assert anne.state == State.ACTIVE


def test_who_has_left_cannot_pause(client: Client, anne: Subscription):
    lifecycle.unsubscribe(anne.handle, how="page")
    assert client.post(page_of("choose", anne.handle), {"pause": "14"}).status_code == 200
    anne.refresh_from_db()
    assert anne.state == State.UNSUBSCRIBED


def test_the_mailed_link_ends_after_its_hour(client: Client, anne: Subscription):
    lifecycle.pause(anne.handle, days=14)
    late = page_of("manage", anne.handle, lifetime=timedelta(seconds=-2))
    for response in (client.get(late), client.post(late, {"resume": "1"})):
        assert response.status_code == 200
        assert "This link no longer works" in words(response)
    anne.refresh_from_db()
    assert anne.state == State.PAUSED


def test_the_link_of_a_copy_starts_nothing_again(client: Client, anne: Subscription):
    lifecycle.pause(anne.handle, days=14)
    for view in ("leave", "choose", "undo_leave"):
        url = reverse("manage", args=["promotions", token_in(page_of(view, anne.handle))])
        assert client.post(url, {"resume": "1"}).status_code == 404
    anne.refresh_from_db()
    assert anne.state == State.PAUSED


@pytest.mark.parametrize("view", TOKEN_PAGES)
def test_a_forged_token_and_one_of_another_page_do_not_exist(client: Client, anne: Subscription, view: str):
    before = everything()
    others = [token_in(page_of(other, anne.handle)) for other in TOKEN_PAGES if other != view]
    for token in ("x", "a" * 52, "é", *others):
        for send in (client.get, client.head, client.post):
            assert send(reverse(view, args=["promotions", token])).status_code == 404
    assert everything() == before


@pytest.mark.parametrize("view", TOKEN_PAGES)
@pytest.mark.parametrize("who", [active, paused, left, pending], ids=lambda who: who.__name__)
def test_a_get_and_a_head_change_nothing(client: Client, promotions: MailingList, view: str, who: Callable[[MailingList], object]):
    who(promotions)
    row = promotions.subscriptions.get()
    handle = row.confirmation if view == "confirm" and row.confirmation else row.handle
    url = page_of(view, handle)
    before = everything()
    asked = {"answer": "confirm", "pause": "14", "resume": "1", "leave": "1", "settings": "1", "List-Unsubscribe": "One-Click"}
    got = client.get(url, asked)
    head = client.head(url)
    assert got.status_code == head.status_code == 200
    assert head.content == b""
    assert everything() == before
    for method in (client.put, client.delete, client.patch):
        assert method(url).status_code == 405
    assert everything() == before


@pytest.mark.parametrize("view", TOKEN_PAGES)
def test_a_page_behind_a_token_is_not_cached_indexed_or_told_to_the_next_site(client: Client, anne: Subscription, view: str):
    for send in (client.get, client.post):
        response = send(page_of(view, anne.handle))
        assert response.status_code == (302 if view == "manage" and send == client.post else 200)
        assert not response.cookies, "and none is asked for: the form has no token of its own"
        assert "csrf" not in words(response)
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["X-Robots-Tag"] == "noindex"
        assert "no-store" in response["Cache-Control"]
        assert "private" in response["Cache-Control"]


@pytest.mark.parametrize("who", [active, paused, left, pending], ids=lambda who: who.__name__)
def test_no_page_shows_the_address(client: Client, promotions: MailingList, who: Callable[[MailingList], object]):
    who(promotions)
    row = promotions.subscriptions.get()
    for view in TOKEN_PAGES:
        handle = row.confirmation if view == "confirm" and row.confirmation else row.handle
        for send in (client.get, client.post):
            assert "bakery" not in words(send(page_of(view, handle)))


def test_every_page_has_a_strict_policy_and_no_script(client: Client, anne: Subscription):
    pages = ["/", SUBSCRIBE, "/lists/promotions/sent/", "/nothing/", *(page_of(view, anne.handle) for view in TOKEN_PAGES)]
    for page in pages:
        response = client.get(page)
        policy = response["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "<script" not in words(response)
        assert " style=" not in words(response)
        assert response["X-Frame-Options"] == "DENY"


def test_the_health_page_and_the_colour_answer_without_a_session(client: Client):
    health, colour = client.get("/healthz"), client.get("/brand.css")
    assert (health.status_code, health.content, health["Content-Type"]) == (200, b"ok", "text/plain")
    assert (colour.status_code, colour["Content-Type"]) == (200, "text/css")
    assert not health.cookies
    assert not colour.cookies
    assert client.post("/healthz").status_code == 405


@pytest.mark.parametrize(("path", "status"), [("/nothing/", 404), ("/lists/none/", 404)])
def test_an_error_page_wears_the_chamber_s_name(client: Client, path: str, status: int, settings):
    response = client.get(path)
    assert response.status_code == status
    assert settings.CHAMBER.name in words(response)


def test_a_request_for_another_host_is_refused_with_a_page(client: Client, settings):
    response = client.get("/", headers={"host": "evil.example"})
    assert response.status_code == 400
    assert settings.CHAMBER.name in words(response)

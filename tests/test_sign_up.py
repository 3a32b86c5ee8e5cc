"""The subscribe page: what is typed there is written down; robots, stale forms and crowds come no further."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.test import Client

from chamberlist import tasks, throttle
from chamberlist.models import Alert, SystemMail, ThrottleCounter
from subscriptions import caps, formtoken, requests, work
from subscriptions.models import MailingList, Subscription, SubscriptionRequest
from tests import builders, signingup
from tests.answers import words
from tests.signingup import EMBED, SUBSCRIBE, send, token, token_in, work_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
STALE = "We could not take that the first time. Press the button once more."
BITS = 6


@pytest.fixture
def promotions() -> MailingList:
    return builders.a_list()


@pytest.fixture(autouse=True)
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no hour ends in the middle of a test."""
    monkeypatch.setattr(caps, "HOUR", timedelta(days=1))


@pytest.fixture(params=[SUBSCRIBE, EMBED])
def url(request: pytest.FixtureRequest, settings: Any, promotions: MailingList) -> str:
    """The page of the form, and the frame."""
    settings.EMBED_ORIGINS = (signingup.BUSINESS,)
    return str(request.param)


def kept() -> int:
    return SubscriptionRequest.objects.count()


def somewhere(number: int) -> str:
    """An address of a network of its own."""
    return f"203.0.{number}.7"


# The page


def test_the_page_shows_what_one_agrees_to(client: Client, promotions: MailingList):
    page = client.get(SUBSCRIBE)
    assert page.status_code == 200
    assert "You agree to get messages" in words(page)
    assert client.get("/lists/none/").status_code == client.get("/lists/none/sent/").status_code == 404
    assert client.post("/lists/none/", {"email": "anne@bakery.example"}).status_code == 404
    assert client.delete(SUBSCRIBE).status_code == 405
    assert client.post("/").status_code == 405


def test_a_typed_address_is_written_down_and_read_by_a_worker(client: Client, url: str, rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        response = send(client, " Anne@Bakery.example", url=url)
    assert (response.status_code, response["Location"]) == (302, f"{url}sent/")
    assert rung == [("subscriptions.tasks.take_requests", ())]
    assert SubscriptionRequest.objects.get().address == "Anne@bakery.example"
    assert not Subscription.objects.exists()
    assert not SystemMail.objects.exists()
    sent = client.get(response["Location"])
    assert sent.status_code == 200
    assert "anne" not in words(sent).lower()


@pytest.mark.parametrize("typed", ["", "anne", "anne@", "a@b c.example", "x" * 400 + "@bakery.example"])
def test_what_is_no_address_is_said_beside_the_field_and_kept_there_with_the_token(client: Client, url: str, typed: str):
    given = token(client, url)
    response = client.post(url, {"token": given, "email": typed, "work": "17"})
    assert response.status_code == 422
    page = words(response)
    assert 'aria-invalid="true"' in page
    assert f'value="{typed}"' in page or not typed
    assert token_in(response) == given  # The work that a browser has done for it is not lost.
    assert not kept()


def test_no_page_sets_a_cookie_or_asks_for_one(client: Client, url: str):
    answers = [
        client.get(url),
        send(client, url=url),
        client.get(f"{url}sent/"),
        client.post(url, {"email": "anne"}),
        client.post(url, {"email": "anne@bakery.example"}),
    ]
    ThrottleCounter.objects.update(hits=10**6)
    answers.append(client.post(url, {"email": "anne@bakery.example"}))
    assert [answer.status_code for answer in answers] == [200, 302, 200, 422, 422, 429]
    assert not any(answer.cookies for answer in answers)
    assert not client.cookies


def test_no_browser_keeps_the_page_or_what_was_typed(client: Client, url: str):
    """At a stand on a fair one browser is used by many: nobody goes back to the address of who came before."""
    answers = [client.get(url), client.post(url, {"email": "anne@bakery"}), send(client, url=url), client.get(f"{url}sent/")]
    assert [answer.status_code for answer in answers] == [200, 422, 302, 200]
    assert {answer["Cache-Control"] for answer in answers} == {"no-store"}


def test_a_robot_is_thanked_and_nothing_is_kept(client: Client, url: str):
    person, robot = send(client, url=url), send(client, url=url, website="https://spam.example")
    assert (robot.status_code, robot.headers) == (person.status_code, person.headers)
    assert kept() == 1


def test_a_failure_has_a_page_that_needs_nothing(client: Client, promotions: MailingList, monkeypatch: pytest.MonkeyPatch):
    client.raise_request_exception = False

    def fail(*_: object) -> None:
        raise RuntimeError("anne@bakery.example")

    monkeypatch.setattr(requests, "receive", fail)
    response = send(client)
    assert response.status_code == 500
    assert "bakery" not in words(response)
    assert "RuntimeError" not in words(response)


# The token of the form


def shown_again(response: Any) -> bool:
    """Whether the form came back with what was typed, the sentence and a fresh token, and nothing else happened."""
    page = words(response)
    assert (response.status_code, kept()) == (422, 0)
    assert STALE in page
    assert 'value="anne@bakery.example"' in page
    again = Client().post(response.wsgi_request.path, {"token": token_in(response), "email": "anne@bakery.example"})
    return bool(again.status_code == 302)


def test_a_form_without_a_token_or_with_a_forged_one_is_shown_again(client: Client, url: str):
    given = token(client, url)
    for wrong in (
        "",
        "x",
        "::",
        given[:-1] + ("a" if given[-1] != "a" else "b"),
        "9" + given,
        given.replace(":", ";"),
        "é:1:2:3",
        "\0",
    ):
        assert shown_again(client.post(url, {"token": wrong, "email": "anne@bakery.example"}))
        SubscriptionRequest.objects.all().delete()


def test_a_form_of_another_list_or_under_another_salt_is_shown_again(client: Client, url: str, promotions: MailingList):
    builders.a_list("news")
    others = [token(client, "/lists/news/"), signing.TimestampSigner(salt="another").sign(f"{promotions.pk}:nonce")]
    for wrong in others:
        assert shown_again(client.post(url, {"token": wrong, "email": "anne@bakery.example"}))
        SubscriptionRequest.objects.all().delete()


def test_a_form_is_good_for_twelve_hours(client: Client, url: str, monkeypatch: pytest.MonkeyPatch):
    given = token(client, url)
    twelve_hours = formtoken.LIFETIME.total_seconds()
    assert twelve_hours == 12 * 60 * 60
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda now=time.time: now() + twelve_hours + 1)
        response = client.post(url, {"token": given, "email": "anne@bakery.example"})
    assert shown_again(response)
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda now=time.time: now() + twelve_hours - 60)
        assert client.post(url, {"token": given, "email": "anne@bakery.example"}).status_code == 302


def test_a_form_is_good_for_five_requests(client: Client, url: str):
    given = token(client, url)
    for _ in range(3):
        assert client.post(url, {"token": given, "email": "a slip"}).status_code == 422  # Counts for nothing.
    statuses = [client.post(url, {"token": given, "email": f"anne{n}@bakery.example"}).status_code for n in range(5)]
    assert statuses == [302] * 5
    SubscriptionRequest.objects.all().delete()
    assert shown_again(client.post(url, {"token": given, "email": "anne@bakery.example"}))


def test_the_uses_of_a_form_are_counted_for_as_long_as_it_is_good(client: Client, promotions: MailingList):
    """Not by the hour or the day: a new one would begin in the middle of its life."""
    given = token(client)
    found = formtoken.read(promotions, given)
    assert found is not None
    client.post(SUBSCRIBE, {"token": given, "email": "anne@bakery.example"})
    counter = ThrottleCounter.objects.get(window=found.made_at)
    tasks.prune()
    assert ThrottleCounter.objects.filter(pk=counter.pk).exists()


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
def test_the_browser_of_somebody_else_s_visitor_spends_no_token(client: Client, url: str, site: str):
    fields = {"token": token(client, url), "email": "anne@bakery.example"}
    assert shown_again(client.post(url, fields, headers={"Sec-Fetch-Site": site}))


@pytest.mark.parametrize("origin", [signingup.BUSINESS, "null", "http://localhost:8443", "https://localhost", "http://[", ""])
def test_nor_does_an_older_browser_that_names_the_origin_alone(client: Client, url: str, origin: str):
    fields = {"token": token(client, url), "email": "anne@bakery.example"}
    assert shown_again(client.post(url, fields, headers={"Origin": origin}))


@pytest.mark.parametrize("origin", ["http://localhost", "http://LOCALHOST:80"])
def test_of_our_own_pages_the_origin_is_ours_in_the_frame_as_well(client: Client, url: str, origin: str):
    fields = {"token": token(client, url), "email": "anne@bakery.example"}
    assert client.post(url, fields, headers={"Origin": origin}).status_code == 302


def test_another_site_cannot_use_up_the_network_of_its_visitors(client: Client, url: str):
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": signingup.BUSINESS}
    for typed in ("x", "anne@bakery.example"):
        for _ in range(caps.REQUESTS_AN_HOUR + 1):
            assert client.post(url, {"email": typed, "token": ""}, headers=elsewhere).status_code == 422
    assert not ThrottleCounter.objects.exists() and not Alert.objects.exists()
    assert send(client, url=url).status_code == 302


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_the_browser_of_our_own_visitor_does(client: Client, url: str, site: str):
    fields = {"token": token(client, url), "email": "anne@bakery.example"}
    assert client.post(url, fields, headers={"Sec-Fetch-Site": site}).status_code == 302


# The work


def test_without_the_setting_no_work_is_asked_for_and_no_script_sent(client: Client, url: str):
    page = words(client.get(url))
    assert "work.js" not in page
    assert "<script" not in page
    assert 'name="work"' not in page


def test_with_the_setting_the_page_asks_for_it_in_a_file_of_its_own(client: Client, url: str, settings):
    settings.SIGN_UP_WORK = 18
    response = client.get(url)
    page = words(response)
    assert 'data-work="18"' in page
    assert '<script src="/static/chamberlist/work.js" defer></script>' in page
    assert page.count("<script") == 1
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]


def test_the_work_is_for_one_token_and_so_many_bits(promotions: MailingList):
    given = formtoken.make(promotions)
    done = work_for(given, bits=BITS)
    assert work.is_done(given, done, bits=BITS)
    assert not any(work.is_done(given, done, bits=bits) for bits in (24, 255))
    others = [formtoken.make(promotions) for _ in range(20)]
    assert not all(work.is_done(other, done, bits=BITS) for other in others)


@pytest.mark.parametrize("counter", ["", "-1", "1.0", " 1", "1\n", "0x1", "١", "9" * 16, "x" * 10**6])
def test_what_is_no_counter_is_no_work(counter: str):
    assert not work.is_done("token", counter, bits=1)


def test_who_did_the_work_is_held_up_by_no_narrow_cap(client: Client, url: str, settings):
    settings.SIGN_UP_WORK = BITS
    for number in range(caps.WITHOUT_WORK_A_NETWORK + 3):
        given = token(client, url)
        fields = {"token": given, "email": f"anne{number}@bakery.example", "work": work_for(given, bits=BITS)}
        assert client.post(url, fields).status_code == 302


def test_one_piece_of_work_is_good_for_one_address_and_the_page_does_the_next(client: Client, url: str, settings):
    settings.SIGN_UP_WORK = BITS
    given = token(client, url)
    fields = {"token": given, "work": work_for(given, bits=BITS)}
    assert client.post(url, {**fields, "email": "anne@bakery.example"}).status_code == 302
    again = client.post(url, {**fields, "email": "bob@butcher.example"})
    assert (again.status_code, kept()) == (422, 1)
    assert STALE in words(again) and 'value="bob@butcher.example"' in words(again)
    fresh = token_in(again)
    assert fresh != given and f'data-work="{BITS}"' in words(again)
    fields = {"token": fresh, "work": work_for(fresh, bits=BITS)}
    assert client.post(url, {**fields, "email": "bob@butcher.example"}).status_code == 302


def test_who_did_none_is_taken_within_a_narrow_cap_and_told_what_to_do(client: Client, url: str, settings):
    settings.SIGN_UP_WORK = 20
    for number in range(caps.WITHOUT_WORK_A_NETWORK):
        assert send(client, f"anne{number}@bakery.example", url=url, work="0").status_code == 302
    refused = send(client, url=url)
    assert refused.status_code == 429
    assert "switch it on for this page" in words(refused) and "work.js" in words(refused)
    assert kept() == caps.WITHOUT_WORK_A_NETWORK
    assert client.post(url, {"token": token(client, url), "email": "b@c.example"}, REMOTE_ADDR=somewhere(1)).status_code == 302
    assert not Alert.objects.exists()


def test_all_networks_together_have_a_narrow_cap_for_those_who_did_none(client: Client, url: str, settings):
    settings.SIGN_UP_WORK = 20
    statuses = [
        client.post(url, {"token": token(client, url), "email": "a@b.example"}, REMOTE_ADDR=somewhere(number)).status_code
        for number in range(caps.WITHOUT_WORK_AN_HOUR + 2)
    ]
    assert statuses == [302] * caps.WITHOUT_WORK_AN_HOUR + [429] * 2
    assert [alert.headline for alert in Alert.objects.all()] == ["Many sign-ups come without the browser's work"]
    settings.SIGN_UP_WORK = BITS
    given = token(client, url)
    assert client.post(url, {"token": given, "email": "a@b.example", "work": work_for(given, bits=BITS)}).status_code == 302


# The caps


def test_one_network_signs_up_so_many_an_hour_and_staff_hear_of_it_once(client: Client, url: str):
    assert send(client, url=url).status_code == 302
    ThrottleCounter.objects.update(hits=caps.REQUESTS_AN_HOUR)
    for _ in range(3):
        refused = send(client, "bob@butcher.example", url=url)
        assert refused.status_code == 429
        assert "from your network" in words(refused)
    assert kept() == 1
    assert client.get(url).status_code == 200
    elsewhere = client.post(url, {"token": token(client, url), "email": "b@c.example"}, REMOTE_ADDR="203.0.113.7")
    assert elsewhere.status_code == 302
    assert [alert.headline for alert in Alert.objects.all()] == ["Many sign-ups come from one network"]


def test_a_block_of_networks_has_no_more_than_two_of_them(client: Client, url: str, settings):
    """Who rents a /48 of IPv6 has 256 networks."""
    fields = {"email": "anne@bakery.example"}
    statuses = []
    for number in range(caps.REQUESTS_AROUND + 2):
        answer = client.post(url, {**fields, "token": token(client, url)}, REMOTE_ADDR=f"2001:db8:1:{number:x}00::1")
        statuses.append(answer.status_code)
    assert statuses == [302] * caps.REQUESTS_AROUND + [429] * 2
    assert client.post(url, {**fields, "token": token(client, url)}, REMOTE_ADDR="2001:db8:2::1").status_code == 302
    assert [alert.headline for alert in Alert.objects.all()] == ["Many sign-ups come from one network"]


def test_nor_do_they_use_up_what_is_taken_without_the_work(client: Client, url: str, settings):
    settings.SIGN_UP_WORK = 20
    statuses = [
        client.post(url, {"token": token(client, url), "email": "a@b.example"}, REMOTE_ADDR=f"2001:db8:1:{n:x}00::1").status_code
        for n in range(caps.WITHOUT_WORK_AROUND + 1)
    ]
    assert statuses == [302] * caps.WITHOUT_WORK_AROUND + [429]


def test_what_was_typed_stays_on_the_page_that_asks_to_wait_and_is_sent_from_there(client: Client, url: str):
    send(client, url=url)
    ThrottleCounter.objects.update(hits=caps.REQUESTS_AN_HOUR)
    refused = send(client, "bob@butcher.example", url=url)
    assert refused.status_code == 429
    assert 'value="bob@butcher.example"' in words(refused) and "aria-invalid" not in words(refused)
    ThrottleCounter.objects.all().delete()
    assert client.post(url, {"token": token_in(refused), "email": "bob@butcher.example"}).status_code == 302


def test_all_pages_together_take_half_of_what_may_be_mailed_and_staff_hear_of_it_once(client: Client, url: str, settings):
    settings.CONFIRMATIONS_AN_HOUR = 8
    statuses, page = [], ""
    for number in range(7):
        fields = {"token": token(client, url), "email": f"anne{number}@bakery.example"}
        response = client.post(url, fields, REMOTE_ADDR=somewhere(number))
        statuses.append(response.status_code)
        page = words(response)
    assert statuses == [302] * 4 + [429] * 3
    assert "it takes no more for a while" in page
    assert kept() == 4
    assert [alert.headline for alert in Alert.objects.all()] == ["The subscribe pages take no more addresses this hour"]


@pytest.mark.parametrize(("mails", "requests"), [(1, 1), (2, 1), (1000, 500), (100_000, 50_000)])
def test_the_cap_on_all_pages_follows_the_one_on_mails(settings, mails: int, requests: int):
    settings.CONFIRMATIONS_AN_HOUR = mails
    assert caps.requests_an_hour() == requests


def test_a_robot_takes_nobody_s_place_and_meets_the_same_cap(client: Client, url: str, settings):
    settings.CONFIRMATIONS_AN_HOUR, settings.SIGN_UP_WORK = 4, 20
    for number in range(9):
        send(client, url=url, website=f"https://spam{number}.example")
    statuses = [send(client, url=url).status_code for _ in range(3)]
    assert statuses == [302, 302, 429]
    assert send(client, url=url, website="https://spam.example").status_code == 429
    assert Alert.objects.count() == 1


def test_the_wait_that_the_page_names_is_the_one_until_the_next_hour(client: Client, url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(caps, "REQUESTS_AN_HOUR", 0)
    monkeypatch.setattr(throttle, "minutes_left", lambda _: 17)
    refused = send(client, url=url)
    assert (refused.status_code, refused["Retry-After"]) == (429, "1020")
    assert "try again in 17 minutes" in words(refused)


@pytest.mark.parametrize("text", [caps.MANY_OF_ONE, caps.MANY_WITHOUT_WORK, caps.many(500)])
def test_an_alert_names_no_network_and_says_what_to_do(text: str):
    assert "203.0.113" not in text
    assert "SIGN_UP_WORK" in text
    assert "Nobody is subscribed who does not confirm" in text

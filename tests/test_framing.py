"""The form in a frame of another site's page: only the sites of EMBED_ORIGINS may show it, and no other page of ours."""

import re
from typing import Any

import pytest
from django.test import Client

from chamberlist.models import ThrottleCounter
from subscriptions.models import MailingList
from tests import builders
from tests.answers import words
from tests.signingup import EMBED, SUBSCRIBE, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
SITES = ("https://www.chamber.example", "https://bakery.example:8443")
FRAMES = (EMBED, f"{EMBED}sent/")


@pytest.fixture
def promotions() -> MailingList:
    return builders.a_list()


@pytest.fixture
def sites(settings: Any, promotions: MailingList) -> None:
    settings.EMBED_ORIGINS = SITES


def ancestors(response: Any) -> list[str]:
    """Who may show the page in a frame."""
    directives = (part.split() for part in response["Content-Security-Policy"].split(";"))
    return next(names for name, *names in directives if name == "frame-ancestors")


def rest_of_policy(response: Any) -> set[str]:
    return {part.strip() for part in response["Content-Security-Policy"].split(";") if "frame-ancestors" not in part}


def every_answer(client: Client) -> list[Any]:
    """Each answer that can stand in the frame: the form, its errors, the page after it, and the wait."""
    answers = [*(client.get(url) for url in FRAMES), send(client, "a slip", url=EMBED), send(client, url=EMBED, token="old")]
    answers.append(send(client, url=EMBED))
    ThrottleCounter.objects.update(hits=10**6)
    answers.append(client.post(EMBED, {"email": "anne@bakery.example"}))
    assert [answer.status_code for answer in answers] == [200, 200, 422, 422, 302, 429]
    return answers


@pytest.mark.usefixtures("promotions")
def test_without_the_setting_there_is_no_frame(client: Client):
    for response in (*(client.get(url) for url in FRAMES), client.post(EMBED, {"email": "anne@bakery.example"})):
        assert response.status_code == 404
        assert ancestors(response) == ["'none'"]
        assert response["X-Frame-Options"] == "DENY"


@pytest.mark.usefixtures("sites")
def test_exactly_those_sites_may_show_every_answer_of_the_frame(client: Client):
    plain = client.get(SUBSCRIBE)
    for response in every_answer(client):
        assert ancestors(response) == list(SITES)
        assert "X-Frame-Options" not in response.headers
        assert rest_of_policy(response) == rest_of_policy(plain)
        assert not response.cookies


@pytest.mark.usefixtures("sites")
@pytest.mark.parametrize(
    "url", ["/", SUBSCRIBE, f"{SUBSCRIBE}sent/", "/senders/sign-in/", "/admin/login/", "/lists/none/embed/", "/nothing/"]
)
def test_no_other_page_can_be_framed(client: Client, url: str):
    response = client.get(url)
    assert ancestors(response) == ["'none'"]
    assert response["X-Frame-Options"] == "DENY"


@pytest.mark.usefixtures("sites")
def test_the_frame_has_no_header_and_its_links_leave_it(client: Client):
    for response in every_answer(client):
        if response.status_code == 302:
            continue
        page = words(response)
        assert not re.search("<(header|nav|footer)", page)
        links = re.findall(r"<a [^>]*>", page)
        assert links
        inside = [link for link in links if 'target="_top"' not in link]
        assert all(f'href="{EMBED}"' in link or 'href="#' in link for link in inside)  # To the form itself.


@pytest.mark.usefixtures("sites")
def test_a_frame_of_no_list_does_not_exist_and_its_page_is_read_alone(client: Client):
    assert client.get("/lists/none/embed/").status_code == client.get("/lists/none/embed/sent/").status_code == 404
    assert client.delete(EMBED).status_code == client.post(f"{EMBED}sent/").status_code == 405

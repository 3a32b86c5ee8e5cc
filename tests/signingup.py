"""Signing up as a browser does it: the page is fetched, and its form sent back with the token that stands in it."""

import re
from typing import Any

from django.test import Client

from subscriptions import work

SUBSCRIBE = "/lists/promotions/"
EMBED = "/lists/promotions/embed/"
BUSINESS = "https://www.chamber.example"  # May show the form in a page of its own, where a test says so.


def token_in(page: Any) -> str:
    """The form's own token."""
    found = re.search(r'name="token" value="([\w:-]+)"', page.content.decode())
    assert found is not None
    return found[1]


def token(client: Client, url: str = SUBSCRIBE) -> str:
    """The token of a page that is fetched for it."""
    return token_in(client.get(url))


def send(client: Client, email: str = "anne@bakery.example", *, url: str = SUBSCRIBE, **fields: str) -> Any:
    """Fetch the page and send its form; ``fields`` are what else stands in it, or instead."""
    return client.post(url, {"token": token(client, url), "email": email, **fields})


def work_for(token: str, *, bits: int) -> str:
    """The first counter that will do, as the script on the page finds it."""
    counter = 0
    while not work.is_done(token, str(counter), bits=bits):
        counter += 1
    return str(counter)

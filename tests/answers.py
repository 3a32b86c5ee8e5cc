"""Answers of the site, less what differs each time whoever asks: for tests that compare what two people are told."""

import re
from typing import Any

FORMS_TOKEN = re.compile(r'(?:(?<=name="csrfmiddlewaretoken" value=")|(?<=name="token" value="))[\w:-]+')


def words(response: Any) -> str:
    """The page without the form's own token."""
    return FORMS_TOKEN.sub("", response.content.decode())


def headers(response: Any) -> dict[str, str]:
    """The headers without the second of the answer, which ``never_cache`` writes into ``Expires``."""
    return {name: "" if name == "Expires" else value for name, value in response.headers.items()}


def same_answer(one: Any, other: Any) -> bool:
    """Whether two answers tell the same: status, headers, names of cookies and words."""
    return _told(one) == _told(other)


def _told(response: Any) -> tuple[Any, ...]:
    return response.status_code, headers(response), set(response.cookies), words(response)

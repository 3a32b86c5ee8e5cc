"""Every address of the site, by name, each led to something that is there: for tests that no page may be forgotten by."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from chamberlist import tokens
from posting.models import Post
from subscriptions.models import MailingList, Subscription

PURPOSES = {"undo_leave": "undo"}  # Of the token in a page's address; else it is the page's name.


@dataclass(frozen=True)
class Address:
    """Of one page; ``name`` is "" where it has none."""

    name: str
    path: str


def addresses(post: Post, member: Subscription) -> list[Address]:
    """All there are: a page about a post is about ``post``, a member's page about ``member``."""
    found = _patterns(get_resolver(), "", "", ())
    return [Address(name, _path(name, route, set(wanted), post, member)) for name, route, wanted in found]


def _patterns(resolver: Any, namespace: str, prefix: str, wanted: tuple[str, ...]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for each in resolver.url_patterns:
        route = prefix + str(each.pattern)
        names = (*wanted, *each.pattern.regex.groupindex)
        if isinstance(each, URLResolver):
            yield from _patterns(each, f"{namespace}{each.namespace}:" if each.namespace else namespace, route, names)
        elif isinstance(each, URLPattern):
            yield f"{namespace}{each.name}" if each.name else "", route, names


def _path(name: str, route: str, wanted: set[str], post: Post, member: Subscription) -> str:
    if not name:
        return "/" + re.sub(r"<\w+:\w+>", "1", route) if "^" not in route else "/admin/nowhere/"
    values: dict[str, Any] = {"slug": MailingList.objects.earliest("pk").slug, "pk": post.pk, "position": 1, "verb": "nothing"}
    values |= {"app_label": "posting", "content_type_id": 1, "object_id": 1, "url": "nowhere/"}
    if "token" in wanted:
        handle = member.confirmation if name == "confirm" and member.confirmation else member.handle
        values["token"] = tokens.make(PURPOSES.get(name, name), handle)
    if name.startswith("admin:"):
        values |= _row(name.removeprefix("admin:"))
    return reverse(name, kwargs={key: values.get(key, 1) for key in wanted})


def _row(name: str) -> dict[str, Any]:
    """The first row of the model whose page of the admin it is."""
    app, _, rest = name.partition("_")
    for model in apps.get_models():
        if model._meta.app_label == app and rest.startswith(f"{model._meta.model_name}_"):
            row = model._default_manager.order_by("pk").first()
            return {"object_id": row.pk, "pk": row.pk, "id": row.pk} if row else {}
    return {}

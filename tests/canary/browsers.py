"""Browsers of strangers, senders and staff: each answer is kept whole, and each page noted."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.http import HttpResponseBase
from django.test import Client
from django.urls import NoReverseMatch, Resolver404, resolve, reverse

from tests.canary.haul import Haul, May, nothing
from tests.canary.registry import Exercised


class Browser:
    """One visitor of one role. ``may`` says which canaries may stand on what it is shown."""

    def __init__(self, role: str, haul: Haul, exercised: Exercised, may: May = nothing, **headers: str) -> None:
        self.role, self.haul, self.exercised, self.may = role, haul, exercised, may
        self.client = Client(raise_request_exception=False, headers=headers)

    def get(self, path: str, *, may: May | None = None) -> Any:
        return self._keep(path, self.client.get(path), may)

    def post(self, path: str, data: Any = None, *, may: May | None = None, **more: Any) -> Any:
        return self._keep(path, self.client.post(path, data or {}, **more), may)

    def _keep(self, path: str, response: Any, may: May | None) -> Any:
        self.haul.add(f"HTTP, {self.role}", as_octets(response), may or self.may)
        try:
            match = resolve(path.partition("?")[0])
        except Resolver404:
            return response
        self.exercised.note("page", match.view_name if match.url_name else match.route)
        if "verb" in match.kwargs and response.status_code in (200, 302) and "/login/" not in response.headers.get("Location", ""):
            self.exercised.note("verb", f"{str(match.url_name).split('_')[-2]}.{match.kwargs['verb']}")
        return response


def as_octets(response: HttpResponseBase) -> bytes:
    """Status line, headers, cookies and body."""
    body = b"".join(response) if response.streaming else getattr(response, "content", b"")
    head = f"HTTP/1.1 {response.status_code} {response.reason_phrase}\r\n".encode()
    return head + response.serialize_headers() + b"\r\n" + response.cookies.output().encode() + b"\r\n\r\n" + body


def staff(name: str, *codenames: str, is_superuser: bool = False) -> User:
    """A member of staff with these permissions; "view_" stands for all that begin so."""
    user = User.objects.create_user(name, is_staff=True, is_superuser=is_superuser)
    held = [
        each
        for each in Permission.objects.all()
        if each.codename in codenames or f"{each.codename.partition('_')[0]}_" in codenames
    ]
    user.user_permissions.set(held)
    return user


def every_admin_page(browser: Browser) -> None:
    """Each page of each kind of row that Django makes; verbs, and pages of our own, are exercised by hand."""
    for name in ("index", "password_change", "password_change_done", "jsi18n"):
        browser.get(reverse(f"admin:{name}"))
    for app in sorted({model._meta.app_label for model in admin.site._registry}):
        browser.get(reverse("admin:app_list", args=[app]))
    for model in admin.site._registry:
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for query in ("", "?q=bakery", "?o=1.2.3", "?nothing=x@y.example"):
            browser.get(reverse(f"{base}_changelist") + query)
        browser.get(reverse(f"{base}_add"))
        for row in model._default_manager.order_by("-pk")[:2]:
            for page in ("change", "history", "delete", "password_change"):
                try:
                    browser.get(reverse(f"{base}_{page}", args=[row.pk]))
                except NoReverseMatch:
                    continue

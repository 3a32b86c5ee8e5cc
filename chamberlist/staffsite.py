"""The admin as staff meet it: what needs them first, then the rows; and a throttled sign-in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.module_loading import import_string

from chamberlist import audit, passwords, throttle

TRIES, TRIES_OF_A_NETWORK, PER = 10, 30, timedelta(minutes=15)
DONE = 302  # What Django's views answer to a form that they took.
FAILURES_AN_HOUR = 60  # Entries in the audit trail, for all names together.


@dataclass(frozen=True)
class Notice:
    """One thing that staff should know, the page where they deal with it, and the permission that the page takes."""

    text: str
    url: str
    permission: str
    is_urgent: bool = False


class StaffBackend(ModelBackend):
    """Django's, with the same work for an unknown name, a wrong password, and who may not sign in."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        if username is None or password is None:
            return None
        user = User.objects.filter(username=username).first()
        is_right = passwords.is_right(password, user.password if user else "", User.objects.all())
        if user is None or not is_right or not self.user_can_authenticate(user):
            return None
        return user if not passwords.is_dated(user.password) or _renew(user, password) else None


def _renew(user: User, password: str) -> bool:
    """Keep the same password at today's cost; False where another was set meanwhile, which stays."""
    kept = User.objects.filter(pk=user.pk, password=user.password)
    user.password = make_password(password)
    return bool(kept.update(password=user.password))


class ThrottledAuthenticationForm(AdminAuthenticationForm):
    """Django's form, with thirty wrong tries a quarter of an hour for each network, ten of them with one name."""

    def clean(self) -> dict[str, Any]:
        assert self.request is not None
        network, name = throttle.network(self.request), self.cleaned_data.get("username", "")
        tries = (("staff sign-in/network", network, TRIES_OF_A_NETWORK), ("staff sign-in", f"{network} {name}", TRIES))
        # In this order, and no further: beyond its limit a network has no name looked at, whatever it types.
        if not all(throttle.hit(kind, key, limit=limit, per=PER) for kind, key, limit in tries):
            raise ValidationError("Too many tries. Wait a quarter of an hour, then try again.", code="throttled")
        try:
            cleaned = super().clean()
        except ValidationError:
            _record_failure(name)
            raise
        for kind, key, _ in tries:
            throttle.take_back(kind, key)
        return cleaned


def _record_failure(typed: str) -> None:
    """That somebody tried. What was typed is named only where it is an account: it may be an address, or the password itself."""
    user = User.objects.filter(username=typed).first()
    # One counter for all: with one for each account, an entry more or less would tell which names are accounts.
    if throttle.hit("failed staff sign-in", "", limit=FAILURES_AN_HOUR, per=timedelta(hours=1)):
        audit.record("somebody", "failed sign-in", f"user {user.pk}" if user else "no user")


class StaffSite(AdminSite):
    """Django's admin with notices on its first page; who signs in and out stands in the audit trail."""

    site_title = "Chamber staff"
    index_title = "Lists, senders and posts"
    login_form = ThrottledAuthenticationForm

    def get_urls(self) -> list[Any]:
        """Without the way to a row's page on the site: its address is made from the Host header."""
        return [each for each in super().get_urls() if getattr(each, "name", None) != "view_on_site"]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        sources: list[Callable[[], list[Notice]]] = [import_string(path) for path in settings.STAFF_NOTICES]
        notices = [notice for source in sources for notice in source() if request.user.has_perm(notice.permission)]
        return super().index(request, {**(extra_context or {}), "notices": notices})

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().login(request, extra_context)
        if request.method == "POST" and response.status_code == DONE:
            audit.record(request.user.get_username(), "sign in", _account(request))
        return response

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # type: ignore[override]
        if request.method == "POST" and request.user.is_authenticated:
            audit.record(request.user.get_username(), "sign out", _account(request))
        return super().logout(request, extra_context)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        response = super().password_change(request, extra_context)
        if request.method == "POST" and response.status_code == DONE:
            audit.record(request.user.get_username(), "change own password", _account(request))
        return response


def _account(request: HttpRequest) -> str:
    return f"user {request.user.pk}"

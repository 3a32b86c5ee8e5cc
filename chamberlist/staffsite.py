"""The admin as staff meet it: what needs them first, then the rows; and a throttled sign-in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.module_loading import import_string

from chamberlist import passwords, throttle

TRIES, PER = 10, timedelta(minutes=15)


@dataclass(frozen=True)
class Notice:
    """One thing that staff should know, and the page where they deal with it."""

    text: str
    url: str
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
        if passwords.is_dated(user.password):
            user.set_password(password)
            user.save(update_fields=["password"])
        return user


class ThrottledAuthenticationForm(AdminAuthenticationForm):
    """Django's form, with ten wrong tries a quarter of an hour for each network and name."""

    def clean(self) -> dict[str, Any]:
        assert self.request is not None
        who = f"{throttle.network(self.request)} {self.cleaned_data.get('username', '')}"
        if not throttle.hit("staff sign-in", who, limit=TRIES, per=PER):
            raise ValidationError("Too many tries. Wait a quarter of an hour, then try again.", code="throttled")
        cleaned = super().clean()
        throttle.take_back("staff sign-in", who)
        return cleaned


class StaffSite(AdminSite):
    """Django's admin with notices on its first page."""

    site_title = "Chamber staff"
    index_title = "Lists, senders and posts"
    login_form = ThrottledAuthenticationForm

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        sources: list[Callable[[], list[Notice]]] = [import_string(path) for path in settings.STAFF_NOTICES]
        notices = [notice for source in sources for notice in source()]
        return super().index(request, {**(extra_context or {}), "notices": notices})

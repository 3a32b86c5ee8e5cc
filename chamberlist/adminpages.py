"""Admin pages on which nothing is edited by hand: what staff do is a verb, posted to a page of its own."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.views.decorators.http import require_http_methods

from chamberlist import audit
from chamberlist.sealed import Unreadable

NUMBER = re.compile(r"[0-9]{1,9}")
NUMBERS = re.compile(r"[0-9]{1,9}(,[0-9]{1,9})*")
TEXT = re.compile(r"[^\0]*")  # Postgres knows no NUL.
TRUTH = re.compile(r"True|False|[01]")
DATE_PARTS = {"year": re.compile(r"[12][0-9]{3}"), "month": re.compile(r"[0-9]{1,2}"), "day": re.compile(r"[0-9]{1,2}")}
CANNOT_BE_OPENED = "cannot be opened"
SEALED = "What this row says cannot be opened: a key is missing. Nothing was changed. Please tell whoever runs the server."
SHOWN = (forms.BooleanField, forms.ChoiceField, forms.IntegerField)  # No text: people may write an address or a password.


class AuditedAdmin(admin.ModelAdmin[Any]):
    """What is added, changed or deleted here stands in the audit trail, and not in Django's own log.

    That one could be rewritten, and keeps what an object calls itself.
    """

    view_on_site = False  # Django's link to it goes by the Host header.

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """By number and by what the page's filters offer: nobody tries out by URL what a column holds that no page shows."""
        return any(lookup == name and form.fullmatch(value) for name, form in self.lookups(request))

    def lookups(self, request: HttpRequest) -> Iterator[tuple[str, re.Pattern[str]]]:
        """What the address of a list may ask for, each with the form of its value."""
        yield "pk__in", NUMBERS
        for each in self.get_list_filter(request):
            if not isinstance(each, str):
                yield getattr(each, "parameter_name", ""), TEXT
                continue
            form = NUMBER if self.opts.get_field(each).is_relation else TEXT
            yield from ((each, form), (f"{each}__exact", form), (f"{each}__id__exact", NUMBER), (f"{each}__isnull", TRUTH))
        if self.date_hierarchy:
            yield from ((f"{self.date_hierarchy}__{part}", form) for part, form in DATE_PARTS.items())

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        return changes(form)

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> None:  # type: ignore[override]
        audit.record(request.user.get_username(), "add", obj, reason=str(message))

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> None:  # type: ignore[override]
        audit.record(request.user.get_username(), "change", obj, reason=str(message))

    def log_deletions(self, request: HttpRequest, queryset: Iterable[models.Model]) -> None:  # type: ignore[override]
        for obj in queryset:
            audit.record(request.user.get_username(), "delete", obj)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """All that was done to one row, in the trail."""
        subject = {"subject": f"{self.opts.verbose_name} {object_id}"}
        return redirect(f"{reverse('admin:chamberlist_auditentry_changelist')}?{urlencode(subject)}")


class ReadOnlyAdmin(AuditedAdmin):
    """Rows to look at."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


def posted(view: Callable[..., HttpResponse], back: Callable[[int], HttpResponse]) -> Callable[..., HttpResponse]:
    """The view where its form was posted. Who comes by the address alone, for their sign-in ran out, is led ``back`` to the row."""

    @require_http_methods(["GET", "HEAD", "POST"])
    def either(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        return view(request, pk, verb) if request.method == "POST" else back(pk)

    return either


class VerbAdmin(ReadOnlyAdmin):
    """Rows with verbs: each name in ``verbs`` is a method ``NAME(request, row)`` that gives "" or why nothing was changed.

    Each name in ``answering`` is one that gives the page which answers: for what may be shown once and kept nowhere.
    """

    verbs: ClassVar[dict[str, str]] = {}  # Name of the method: what to say when it is done.
    answering: ClassVar[tuple[str, ...]] = ()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        return [
            path("<int:pk>/do/<slug:verb>/", self.admin_site.admin_view(posted(self.do, self.back_to)), name=name),
            *super().get_urls(),
        ]

    def may(self, request: HttpRequest) -> bool:
        """Whether this member of staff may use the verbs: the model's "change" permission."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def may_do(self, request: HttpRequest, verb: str) -> bool:
        """Whether they may use this one."""
        return self.may(request)

    def do(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """Call one verb, say how it went, and show the row again."""
        if not self.may_do(request, verb):
            raise PermissionDenied
        if verb not in self.verbs and verb not in self.answering:
            raise Http404
        row = get_object_or_404(self.get_queryset(request), pk=pk)
        if verb in self.answering:
            return self.answer(request, row, verb)
        try:
            problem = getattr(self, verb)(request, row)
        except Unreadable:
            problem = SEALED
        if problem:
            messages.error(request, problem)
        else:
            messages.success(request, self.verbs[verb])
        return self.back_to(row.pk)

    def answer(self, request: HttpRequest, row: models.Model, verb: str) -> HttpResponse:
        """The page that answers; or why there is none."""
        try:
            page: HttpResponse = getattr(self, verb)(request, row)
        except Unreadable:
            return self.refuse(request, row, SEALED)
        return page

    def refuse(self, request: HttpRequest, row: models.Model, problem: str) -> HttpResponse:
        """Say why there is no page to answer with."""
        messages.error(request, problem)
        return self.back_to(row.pk)

    def back_to(self, pk: int) -> HttpResponse:
        """Show the row again."""
        return redirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[pk]))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().change_view(request, object_id, form_url, {"may": self.may(request), **(extra_context or {})})


def opened(read: Callable[[], str]) -> str:
    """What ``read`` reads; where no key opens it, that, so that one row does not take the page with it."""
    try:
        return read()
    except Unreadable:
        return CANNOT_BE_OPENED


def time_of(moment: datetime | None) -> str:
    """To the minute, of 24 hours, and narrow; "" where it never came."""
    return date_format(localtime(moment), "j M Y, H:i") if moment else ""


def changes(form: Any) -> str:
    """Which fields of a form were changed, and to what where nobody can write a text of their own into them."""
    words = []
    for field_name in form.changed_data:
        field = form.fields.get(field_name)
        label = str(getattr(field, "label", None) or field_name).lower()
        words.append(label + _what(field, form.initial.get(field_name), form.cleaned_data.get(field_name)))
    return "; ".join(words)


def _what(field: Any, former: Any, new: Any) -> str:
    """What became of one field; rows that are chosen from others by their difference."""
    if isinstance(field, forms.ModelMultipleChoiceField):
        before, after = ({str(row) for row in rows or ()} for rows in (former, new))
        signs = [f"+{each}" for each in sorted(after - before)] + [f"-{each}" for each in sorted(before - after)]
        return f": {', '.join(signs)}"
    return f": {new}" if isinstance(field, SHOWN) else ""

"""The site's own rows in the admin, a throttled sign-in, and the button that stops everything."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from chamberlist import halt, throttle
from chamberlist.adminpages import ReadOnlyAdmin, VerbAdmin
from chamberlist.models import Alert, AuditEntry, Halt, SystemMail

TRIES, PER = 10, timedelta(minutes=15)


class ThrottledAuthenticationForm(AdminAuthenticationForm):
    """Django's form, with ten tries a quarter of an hour for each network and name."""

    def clean(self) -> dict[str, Any]:
        assert self.request is not None
        who = f"{throttle.network(self.request)} {self.cleaned_data.get('username', '')}"
        if not throttle.hit("staff sign-in", who, limit=TRIES, per=PER):
            raise ValidationError("Too many tries. Wait a quarter of an hour, then try again.", code="throttled")
        cleaned = super().clean()
        throttle.forget("staff sign-in", who)
        return cleaned


admin.site.login_form = ThrottledAuthenticationForm
admin.site.site_title = "Chamber staff"
admin.site.index_title = "Lists, senders and posts"


@admin.register(Halt)
class HaltAdmin(VerbAdmin):
    """The one row, with its two buttons."""

    change_form_template = "admin/chamberlist/halt/change_form.html"
    verbs = {"halt": "Sending is stopped.", "resume": "Sending goes on."}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        row, _ = Halt.objects.get_or_create(pk=1)
        return self.change_view(request, str(row.pk), extra_context={**(extra_context or {}), "may": self.may(request)})

    def halt(self, request: HttpRequest, row: Halt) -> str:
        """Stop all sending."""
        reason = request.POST.get("reason", "").strip()
        if not reason:
            return "Please write why: everybody who sees the stop will ask."
        halt.halt(by=request.user.get_username(), reason=reason)
        return ""

    def resume(self, request: HttpRequest, row: Halt) -> str:
        """Let it go on."""
        halt.resume(by=request.user.get_username(), reason=request.POST.get("reason", ""))
        return ""


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What staff were told."""

    list_display = ("created_at", "headline")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what."""

    list_display = ("at", "actor", "verb", "subject", "reason")
    list_filter = ("verb", "actor")


@admin.register(SystemMail)
class SystemMailAdmin(ReadOnlyAdmin):
    """The outbox, without addresses."""

    list_display = ("pk", "purpose", "state", "attempts", "created_at", "status")
    list_filter = ("state", "purpose")
    exclude = ("recipient_hash",)

"""The site's own rows in the admin, and the button that stops everything."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from chamberlist import halt
from chamberlist.adminpages import ReadOnlyAdmin, VerbAdmin
from chamberlist.models import Alert, AuditEntry, Halt, SystemMail


@admin.register(Halt)
class HaltAdmin(VerbAdmin):
    """People's own row, with its two buttons; the fence's is shown beside it."""

    change_form_template = "admin/chamberlist/halt/change_form.html"
    verbs = {"halt": "Sending is stopped.", "resume": "Sending goes on."}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        row, _ = Halt.objects.get_or_create(pk=Halt.BY_PEOPLE)
        fence = Halt.objects.filter(pk=Halt.FENCE).first()
        context = {**(extra_context or {}), "may": self.may(request), "fence": fence, "breaker": halt.BREAKER}
        return self.change_view(request, str(row.pk), extra_context=context)

    def halt(self, request: HttpRequest, row: Halt) -> str:
        """Stop all sending."""
        reason = request.POST.get("reason", "").strip()
        if not reason:
            return "Please write why: everybody who sees the stop will ask."
        halt.halt(by=request.user.get_username(), reason=reason)
        return ""

    def resume(self, request: HttpRequest, row: Halt) -> str:
        """Let it go on."""
        return halt.resume(by=request.user.get_username(), reason=request.POST.get("reason", ""))


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

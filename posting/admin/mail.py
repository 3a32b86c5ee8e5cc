"""What came by mail, in the admin: facts without addresses, and what it says only to those who say why they read it."""

from typing import Any

from django.contrib import admin
from django.db.models import Case, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from chamberlist.adminpages import VerbAdmin
from posting.inbound import keeping
from posting.models import InboundMail


@admin.register(InboundMail)
class InboundMailAdmin(VerbAdmin):
    """What waits for a person first; then the rest, newest first."""

    list_display = ("received_at", "taken_for", "state", "size", "outcome")
    list_display_links = ("received_at", "outcome")
    list_filter = ("state", "kind")
    list_select_related = ("sender", "post")
    ordering = (Case(When(state__in=keeping.FOR_STAFF, then=0), default=1), "-pk")
    change_form_template = "admin/posting/inboundmail/change_form.html"
    verbs = {
        "discard": "Discarded: what it said is gone.",
        "discard_all": "Discarded: what they said is gone.",
        "again": "It waits to be read once more.",
    }
    answering = ("read",)

    @admin.display(description="kind", ordering="kind")
    def taken_for(self, mail: InboundMail) -> str:
        """What the program took it for."""
        return mail.kind or "not known"

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundMail]:
        """Without what they say: a page of them could be a gigabyte."""
        return super().get_queryset(request).defer("sealed_content")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With a way to discard all, where exactly those that wait in one state are listed."""
        state, others = request.GET.get("state__exact"), request.GET.keys() - {"state__exact", "p", "o", "all"}
        context: dict[str, Any] = {**(extra_context or {})}
        if state in keeping.FOR_STAFF and not others and self.may(request):
            waiting = self.get_queryset(request).filter(state=state)
            context |= {"newest": waiting.order_by("-pk").first(), "number": waiting.count()}
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        mail = self.get_object(request, object_id)
        context: dict[str, Any] = {"may_read": self.may_do(request, "read"), **(extra_context or {})}
        if mail is not None:
            waits = mail.state in keeping.FOR_STAFF
            context |= {
                "waits": waits,
                "kept_until": mail.ended_at + keeping.KEPT if waits and mail.ended_at else None,
            }
        return super().change_view(request, object_id, form_url, context)

    def may_do(self, request: HttpRequest, verb: str) -> bool:
        """Who reads a letter sees whose it is, which may be a member's address."""
        return self.may(request) and (verb != "read" or request.user.has_perm("subscriptions.reveal_address"))

    def read(self, request: HttpRequest, mail: InboundMail) -> HttpResponse:
        """What it says, on the page that answers and nowhere else."""
        shown = keeping.read(mail, by=request.user.get_username(), reason=request.POST.get("reason", ""))
        if isinstance(shown, str):
            return self.refuse(request, mail, shown)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Message {mail.pk}",
            "opts": self.opts,
            "mail": mail,
            "shown": shown,
        }
        return TemplateResponse(request, "admin/posting/inboundmail/read.html", context)

    def discard(self, request: HttpRequest, mail: InboundMail) -> str:
        """For good."""
        return keeping.discard(mail, by=request.user.get_username())

    def discard_all(self, request: HttpRequest, mail: InboundMail) -> str:
        """This one and all of its kind that came before."""
        return keeping.discard_all(mail, by=request.user.get_username())

    def again(self, request: HttpRequest, mail: InboundMail) -> str:
        """By the program."""
        return keeping.read_once_more(mail, by=request.user.get_username())

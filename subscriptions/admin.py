"""Lists and subscriptions in the admin. Addresses are masked, and looked for in a POST form, so that no link or log holds one."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from chamberlist import audit
from chamberlist.adminpages import AuditedAdmin, ReadOnlyAdmin, VerbAdmin, opened, time_of
from subscriptions import addresses, disclosure, lifecycle
from subscriptions.addresses import BadAddress
from subscriptions.disclosure import Refused
from subscriptions.models import ConsentEvent, MailingList, Subscription, Suppression

MOST_LISTED = 100
NO_SUBSCRIPTION, NOBODY_THERE = "This address has no subscription.", "Nobody at this domain has a subscription."


@admin.register(MailingList)
class MailingListAdmin(AuditedAdmin):
    """What staff may set for a list."""

    list_display = ("name", "slug", "moderation", "replies", "subscribers")
    fields = (
        *("name", "slug", "description", "moderation", "replies", "undo_seconds"),
        *("suspend_after", "suspend_after_unproven", "suspend_after_transient", "suspend_days"),
    )
    prepopulated_fields = {"slug": ("name",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[MailingList]:
        active = Count("subscriptions", filter=Q(subscriptions__state=Subscription.State.ACTIVE))
        rows: QuerySet[MailingList] = super().get_queryset(request)
        return rows.annotate(active=active)

    @admin.display(description="subscribed")
    def subscribers(self, mailing_list: MailingList) -> int:
        """How many are subscribed."""
        number: int = mailing_list.active  # type: ignore[attr-defined]
        return number

    def get_readonly_fields(self, request: HttpRequest, obj: MailingList | None = None) -> tuple[str, ...]:
        """The address never changes; where answers go only while nobody has agreed to it."""
        if obj is None:
            return ()
        return ("slug", "replies") if obj.subscriptions.exists() else ("slug",)

    def get_prepopulated_fields(self, request: HttpRequest, obj: MailingList | None = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: MailingList | None = None) -> bool:
        return False


@admin.register(Subscription)
class SubscriptionAdmin(VerbAdmin):
    """Who is subscribed, masked."""

    list_display = ("masked", "mailing_list", "state", "confirmed", "left")
    list_filter = ("mailing_list", "state")
    list_select_related = ("mailing_list",)
    change_list_template = "admin/subscriptions/subscription/change_list.html"
    change_form_template = "admin/subscriptions/subscription/change_form.html"
    verbs = {
        "unsubscribe": "Unsubscribed: nothing is mailed to this person from the next copy on.",
        "ask": "The confirmation mail is on its way.",
    }
    answering = ("reveal",)
    ordering = ("-pk",)

    @admin.display(description="address")
    def masked(self, subscription: Subscription) -> str:
        """Enough to recognise it."""
        return opened(lambda: addresses.masked(subscription.address))

    @admin.display(description="confirmed", ordering="confirmed_at")
    def confirmed(self, subscription: Subscription) -> str:
        """When."""
        return time_of(subscription.confirmed_at)

    @admin.display(description="left", ordering="left_at")
    def left(self, subscription: Subscription) -> str:
        """When."""
        return time_of(subscription.left_at)

    def get_urls(self) -> list[URLPattern]:
        find = path("find/", self.admin_site.admin_view(require_POST(self.find)), name="subscriptions_subscription_find")
        return [find, *super().get_urls()]

    def find(self, request: HttpRequest) -> HttpResponse:
        """An exact address, or a domain, to its subscriptions, by number."""
        everybody = reverse("admin:subscriptions_subscription_changelist")
        if not self.has_view_permission(request):
            return redirect("admin:index")
        typed = request.POST.get("address", "")
        try:
            found = disclosure.look_up(typed, by=request.user.get_username())
        except (BadAddress, Refused) as error:
            messages.error(request, str(error))
            return redirect(everybody)
        if not found:
            nobody = (
                "Nobody at this domain has a subscription." if disclosure.is_domain(typed) else "This address has no subscription."
            )
            messages.warning(request, nobody)
            return redirect(everybody)
        if len(found) == 1:
            return redirect("admin:subscriptions_subscription_change", found[0])
        if len(found) > MOST_LISTED:
            messages.warning(request, f"{len(found)} were found. The first {MOST_LISTED} are shown.")
        return redirect(f"{everybody}?pk__in={','.join(map(str, found[:MOST_LISTED]))}")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"is_found": "pk__in" in request.GET, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        subscription = self.get_object(request, object_id)
        context: dict[str, Any] = {"may_reveal": self.may_do(request, "reveal"), **(extra_context or {})}
        if subscription is not None:
            context["masked"] = self.masked(subscription)
            context["events"] = ConsentEvent.objects.filter(
                address_hash=subscription.address_hash, mailing_list=subscription.mailing_list
            )
            context["may_ask"] = subscription.state in (Subscription.State.PENDING, Subscription.State.UNSUBSCRIBED)
            context["may_unsubscribe"] = subscription.state in Subscription.states_before(Subscription.State.UNSUBSCRIBED)
        return super().change_view(request, object_id, form_url, context)

    def may_do(self, request: HttpRequest, verb: str) -> bool:
        """To see a whole address takes a permission of its own."""
        return request.user.has_perm("subscriptions.reveal_address") if verb == "reveal" else self.may(request)

    def reveal(self, request: HttpRequest, subscription: Subscription) -> HttpResponse:
        """The whole address, on the page that answers and nowhere else: a redirect would keep it in the session."""
        by, reason = request.user.get_username(), request.POST.get("reason", "")
        if not self.has_view_permission(request, subscription):
            raise PermissionDenied
        try:
            address = disclosure.reveal(subscription, by=by, reason=reason)
        except Refused as error:
            return self.refuse(request, subscription, str(error))
        context = {
            **self.admin_site.each_context(request),
            "title": f"The address of subscription {subscription.pk}",
            "opts": self.opts,
            "subscription": subscription,
            "address": address,
        }
        return TemplateResponse(request, "admin/subscriptions/subscription/reveal.html", context)

    def ask(self, request: HttpRequest, subscription: Subscription) -> str:
        """The question once more."""
        return lifecycle.ask_once_more(subscription, by=request.user.get_username(), reason=request.POST.get("reason", ""))

    def unsubscribe(self, request: HttpRequest, subscription: Subscription) -> str:
        """On the person's word, by telephone or letter."""
        reason = request.POST.get("reason", "").strip()
        if not reason:
            return "Please write why: it is kept in the audit trail."
        with transaction.atomic():
            if not lifecycle.unsubscribe(subscription.handle, how="staff"):
                return "There was nothing to unsubscribe."
            audit.record(request.user.get_username(), "unsubscribe", subscription, reason=reason)
        return ""


@admin.register(Suppression)
class SuppressionAdmin(ReadOnlyAdmin):
    """Who must not be mailed, by number only."""

    list_display = ("pk", "mailing_list", "reason", "created_at")
    list_filter = ("reason", "mailing_list")
    exclude = ("address_hash",)

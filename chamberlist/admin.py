"""The site's own rows in the admin, the button that stops everything, the audit trail, and the accounts of staff."""

from collections import defaultdict
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import admin as auth  # Registers its own at import; ours come after.
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from chamberlist import audit, halt
from chamberlist.adminpages import AuditedAdmin, ReadOnlyAdmin, VerbAdmin, time_of
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


class SubjectFilter(admin.SimpleListFilter):
    """What was done to one thing. It is chosen by a link, not from a list: there may be a million of them."""

    title = "one thing"
    parameter_name = "subject"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        wanted = request.GET.get("subject", "")
        return [(wanted, wanted)] if wanted else []

    def has_output(self) -> bool:
        return bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(subject=self.value()) if self.value() else queryset


class Trail(ChangeList):
    """One page of the trail, whose entries know the page of what they are about, where there is one that this person may see."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        entries = list(self.result_list)
        pages = _pages({entry.subject for entry in entries}, request)
        for entry in entries:
            entry.page = pages.get(entry.subject, "")
        self.result_list = entries


def _pages(subjects: set[str], request: HttpRequest) -> dict[str, str]:
    """The address of each subject's page."""
    known = {str(model._meta.verbose_name): its for model, its in admin.site._registry.items()}
    numbers: dict[str, set[int]] = defaultdict(set)
    for subject in subjects:
        kind, _, number = subject.rpartition(" ")
        if kind in known and number.isdigit() and known[kind].has_view_permission(request):
            numbers[kind].add(int(number))
    pages = {}
    for kind, wanted in numbers.items():
        opts = known[kind].opts
        for number in known[kind].get_queryset(request).filter(pk__in=wanted).values_list("pk", flat=True):
            pages[f"{kind} {number}"] = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[number])
    return pages


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what: by whom, what, on which day, and all that was done to one thing."""

    list_display = ("when", "actor", "verb", "about", "reason", "more")
    list_filter = (SubjectFilter, "verb", "actor")
    date_hierarchy = "at"
    list_per_page = 50

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Trail

    @admin.display(description="when", ordering="at")
    def when(self, entry: AuditEntry) -> str:
        """To the minute."""
        return time_of(entry.at)

    @admin.display(description="what it was done to", ordering="subject")
    def about(self, entry: AuditEntry) -> str:
        """The thing, with a link to it where there is one."""
        page: str = getattr(entry, "page", "")
        return format_html('<a href="{}">{}</a>', page, entry.subject) if page else entry.subject

    @admin.display(description="more")
    def more(self, entry: AuditEntry) -> str:
        """The way to all that was done to it."""
        return format_html('<a href="?{}" aria-label="All about {}">All</a>', urlencode({"subject": entry.subject}), entry.subject)


@admin.register(SystemMail)
class SystemMailAdmin(ReadOnlyAdmin):
    """The outbox, without addresses."""

    list_display = ("pk", "purpose", "state", "attempts", "created_at", "status")
    list_filter = ("state", "purpose")
    exclude = ("recipient_hash",)


class StaffUserCreationForm(UserCreationForm[User]):
    """A new account. Its name stands in the audit trail, which holds no address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = "At most 150 letters, digits, and . + - _; no “@”, for it stands in the audit trail."

    def clean_username(self) -> str:
        username: str = super().clean_username()
        if "@" in username:
            raise forms.ValidationError(audit.NO_ADDRESS)
        return username


POWERS = ("is_superuser", "groups", "user_permissions")  # A superuser's alone to give.


def _may_no_more(one: User, other: Any) -> bool:
    """Whether the one may do nothing that the other may not, were they let in."""
    granted = Permission.objects.filter(Q(user=one) | Q(group__user=one))
    names = {f"{app}.{codename}" for app, codename in granted.values_list("content_type__app_label", "codename")}
    return not one.is_superuser and names <= other.get_all_permissions()


admin.site.unregister((User, Group))


@admin.register(User)
class UserAdmin(AuditedAdmin, auth.UserAdmin[User]):
    """Staff accounts. They are switched off, never deleted or renamed: a name in the audit trail is one person's for ever."""

    add_form = StaffUserCreationForm
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("What they may do", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("When", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "password1", "password2")}),)
    list_display = ("username", "is_active", "is_staff", "is_superuser", "last_login")
    search_fields = ()
    actions = None

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Who may only look finds no button to set a password."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        return ((None, {"fields": ("username",)}), *self.fieldsets[1:])

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        known = ("username", "last_login", "date_joined")
        return known if request.user.is_superuser else (*known, *POWERS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Not of who may do more: a new password would give it all to whoever set it."""
        may = super().has_change_permission(request, obj)
        return may and (obj is None or request.user.is_superuser or _may_no_more(obj, request.user))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False


@admin.register(Group)
class GroupAdmin(AuditedAdmin, auth.GroupAdmin):
    """What several accounts may do: a superuser's to say."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)

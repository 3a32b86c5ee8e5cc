"""Admin pages on which nothing is edited by hand: what staff do is a verb, posted to a page of its own."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Rows to look at."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class VerbAdmin(ReadOnlyAdmin):
    """Rows with verbs: each name in ``verbs`` is a method ``NAME(request, row)`` that gives "" or why nothing was changed."""

    verbs: ClassVar[dict[str, str]] = {}  # Name of the method: what to say when it is done.

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        return [
            path("<int:pk>/do/<slug:verb>/", self.admin_site.admin_view(require_POST(self.do)), name=name),
            *super().get_urls(),
        ]

    def may(self, request: HttpRequest) -> bool:
        """Whether this member of staff may use the verbs: the model's "change" permission."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def do(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """Call one verb, say how it went, and show the row again."""
        if not self.may(request):
            raise PermissionDenied
        if verb not in self.verbs:
            raise Http404
        problem = getattr(self, verb)(request, get_object_or_404(self.get_queryset(request), pk=pk))
        if problem:
            messages.error(request, problem)
        else:
            messages.success(request, self.verbs[verb])
        return redirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[pk]))

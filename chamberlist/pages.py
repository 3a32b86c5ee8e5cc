"""Pages that belong to no app: errors, the Chamber's colour, the health page."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from chamberlist import branding, fence


def chamber(request: HttpRequest) -> dict[str, object]:
    """Context processor: the Chamber, for every page."""
    return {"chamber": settings.CHAMBER}


@require_safe
@cache_control(max_age=3600, public=True)
def brand(request: HttpRequest) -> HttpResponse:
    """The Chamber's colour as a style sheet: a policy without inline styles needs a file of it."""
    return HttpResponse(branding.stylesheet(settings.CHAMBER.colour), content_type="text/css")


@require_safe
@cache_control(max_age=3600, public=True)
def favicon(request: HttpRequest) -> HttpResponse:
    """Where browsers look by themselves on pages that name no icon: the admin, plain text."""
    return redirect(static("chamberlist/icon.svg"))


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 when this process can reach Postgres; no session, no list, no count."""
    fence.heard()
    return HttpResponse("ok", content_type="text/plain")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    return render(request, "400.html", status=400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return render(request, "403.html", status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form that was open for too long, or not ours."""
    return render(request, "403.html", {"stale_form": True}, status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    return render(request, "404.html", status=404)


def too_many(request: HttpRequest, *, retry_minutes: int) -> HttpResponse:
    """429 (RFC 6585 section 4), with the time to wait."""
    response = render(request, "429.html", {"retry_minutes": retry_minutes}, status=429)
    response["Retry-After"] = str(retry_minutes * 60)
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """500. Without the request's context: a session, say, cannot be read where the database is what went wrong."""
    return HttpResponse(render_to_string("500.html", {"chamber": settings.CHAMBER}), status=500)

"""The demo's mail page: every mail that left, newest first, each with its headers, text, HTML and raw source.

It exists where DEMO_MAIL names the catcher's file, and is open to everybody who reaches the site: never in production.
"""

from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chamberlist.embedded import mailstore

# A mail's own page may style itself and do nothing else: no script, no form, nothing loaded from anywhere.
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'; base-uri 'none'"


def _file() -> Path:
    return Path(settings.DEMO_MAIL)


def _message(number: int) -> mailstore.Stored:
    found = mailstore.message(_file(), number)
    if found is None:
        raise Http404
    return found


@require_safe
@never_cache
def inbox(request: HttpRequest) -> HttpResponse:
    """All mail, or that to recipients whose address contains ``q``."""
    query = request.GET.get("q", "")
    number = request.GET.get("page", "1")
    page = mailstore.recent(_file(), query, int(number) if number.isascii() and number.isdigit() else 1)
    return render(request, "dev/inbox.html", {"page": page, "query": query})


@require_safe
def message(request: HttpRequest, number: int) -> HttpResponse:
    """One mail, its links to be followed."""
    stored = _message(number)
    context = {"mail": stored, "text": stored.body("plain"), "has_html": bool(stored.body("html"))}
    return render(request, "dev/message.html", context)


@require_safe
def html(request: HttpRequest, number: int) -> HttpResponse:
    """The HTML body as a mail client would show it, locked in."""
    body = _message(number).body("html")
    if not body:
        raise Http404
    return HttpResponse(body, headers={"Content-Security-Policy": SANDBOX})


@require_safe
def raw(request: HttpRequest, number: int) -> HttpResponse:
    """The bytes as they came."""
    return HttpResponse(_message(number).raw, content_type="text/plain; charset=utf-8")


urlpatterns = [
    path("", inbox, name="dev_inbox"),
    path("<int:number>/", message, name="dev_message"),
    path("<int:number>/html/", html, name="dev_message_html"),
    path("<int:number>/raw/", raw, name="dev_message_raw"),
]

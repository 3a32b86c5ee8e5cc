"""Addresses of pages that leak, for the audit to find; ``LEAKED`` holds what."""

import base64

from django.http import HttpRequest, HttpResponse
from django.urls import path

from chamberlist import pages

LEAKED: list[str] = []
handler500 = pages.server_error


def in_a_header(request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"Location": f"/?next={LEAKED[0].replace('@', '%40')}"})


def in_a_cookie(request: HttpRequest) -> HttpResponse:
    response = HttpResponse()
    response.set_cookie("last", base64.b64encode(LEAKED[0].encode()).decode())
    return response


def in_a_crash(request: HttpRequest) -> HttpResponse:
    """An error page with DEBUG on shows what local variables hold."""
    address = LEAKED[0]
    raise LookupError(len(address))


urlpatterns = [
    path("header/", in_a_header, name="planted_header"),
    path("cookie/", in_a_cookie, name="planted_cookie"),
    path("crash/", in_a_crash, name="planted_crash"),
]

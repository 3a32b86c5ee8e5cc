"""The subscribe page, and the same form in a frame of another site: anonymous, no cookie, one answer for every address."""

from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Protocol

from csp.decorators import csp_replace
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from chamberlist import throttle
from subscriptions import caps, consent, formtoken, requests, work
from subscriptions.forms import SubscribeForm
from subscriptions.models import MailingList


class View(Protocol):
    """A page of one list."""

    def __call__(self, request: HttpRequest, slug: str) -> HttpResponseBase: ...


@dataclass(frozen=True)
class Look:
    """The templates of one place where the form stands, and the name of the page that follows."""

    form: str
    sent: str
    full: str
    next: str


PAGE = Look("subscriptions/subscribe.html", "subscriptions/requested.html", "subscriptions/full.html", "requested")
FRAME = Look("subscriptions/embed.html", "subscriptions/embed_requested.html", "subscriptions/embed_full.html", "embed_requested")


def framed(view: View) -> View:
    """A page that the sites of EMBED_ORIGINS, and no other, may show inside one of theirs; without any it does not exist."""

    @xframe_options_exempt
    @wraps(view)
    def shown(request: HttpRequest, slug: str) -> HttpResponseBase:
        if not settings.EMBED_ORIGINS:
            raise Http404
        permitting = csp_replace({"frame-ancestors": list(settings.EMBED_ORIGINS)})
        return permitting(partial(view, slug=slug))(request)

    return shown


@csrf_exempt  # Who has no cookie has none to forge; the form's own token says that it is ours.
@require_http_methods(["GET", "HEAD", "POST"])
def subscribe(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask to be subscribed. The answer is the same whoever is subscribed already."""
    return _form(request, slug, PAGE)


@require_safe
def requested(request: HttpRequest, slug: str) -> HttpResponse:
    """What happens next, for every address."""
    return render(request, PAGE.sent, {"mailing_list": get_object_or_404(MailingList, slug=slug)})


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@framed
def embed(request: HttpRequest, slug: str) -> HttpResponse:
    """The same form for a frame in another site's page."""
    return _form(request, slug, FRAME)


@require_safe
@framed
def embed_requested(request: HttpRequest, slug: str) -> HttpResponse:
    """What happens next, in the frame."""
    return render(request, FRAME.sent, {"mailing_list": get_object_or_404(MailingList, slug=slug)})


def _form(request: HttpRequest, slug: str, look: Look) -> HttpResponse:
    mailing_list = get_object_or_404(MailingList, slug=slug)
    if request.method != "POST":
        return _show(request, mailing_list, look, SubscribeForm())
    form, given, done = SubscribeForm(request.POST), request.POST.get("token", ""), request.POST.get("work", "")
    if not formtoken.is_from_our_page(request):  # Counts for nothing: else another site could use up its visitors' networks.
        return _show(request, mailing_list, look, form, is_stale=form.is_valid())
    network = throttle.network(request)
    if full := caps.of_network(network):
        return _wait(request, mailing_list, look, full)
    token = formtoken.read(mailing_list, given)
    if not form.is_valid():
        return _show(request, mailing_list, look, form, token=given if token else "", done=done)
    if token is None or not formtoken.use(token):
        return _show(request, mailing_list, look, form, is_stale=True)
    is_worked_for = not settings.SIGN_UP_WORK or work.is_done(given, done, bits=settings.SIGN_UP_WORK)
    if settings.SIGN_UP_WORK and is_worked_for and not formtoken.spend_work(token):
        return _show(request, mailing_list, look, form, is_stale=True)  # With a fresh token, for which the browser works anew.
    if full := caps.of_request(network, is_worked_for=is_worked_for, is_from_a_robot=form.is_from_a_robot):
        return _wait(request, mailing_list, look, full)
    if not form.is_from_a_robot:
        requests.receive(mailing_list, form.cleaned_data["email"])
    return redirect(look.next, slug=slug)


def _show(
    request: HttpRequest,
    mailing_list: MailingList,
    look: Look,
    form: SubscribeForm,
    *,
    token: str = "",
    done: str = "",
    is_stale: bool = False,
) -> HttpResponse:
    """The form, with the token that it came with and the work done for it, or with a fresh one."""
    context = _context(mailing_list, form, token=token, done=done) | {"is_stale": is_stale}
    return render(request, look.form, context, status=422 if form.errors or is_stale else 200)


def _wait(request: HttpRequest, mailing_list: MailingList, look: Look, full: caps.Full) -> HttpResponse:
    """429 (RFC 6585 section 4), with the time to wait, what else can be done, and the form, ready to be sent again."""
    minutes = throttle.minutes_left(caps.HOUR)
    form = SubscribeForm(initial={"email": request.POST.get("email", "")})
    context = _context(mailing_list, form) | {"full": full, "minutes": minutes}
    response = render(request, look.full, context, status=429)
    response["Retry-After"] = str(minutes * 60)
    return response


def _context(mailing_list: MailingList, form: SubscribeForm, *, token: str = "", done: str = "") -> dict[str, Any]:
    """What the form shows."""
    return {
        "mailing_list": mailing_list,
        "form": form,
        "wording": consent.wording(mailing_list).paragraphs,
        "token": token or formtoken.make(mailing_list),
        "bits": settings.SIGN_UP_WORK,
        "done": done if token else "",
    }

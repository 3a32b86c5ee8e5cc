"""The members' pages. A GET changes nothing; every address gets the same answer; no page needs JavaScript."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from chamberlist import pages, throttle, tokens
from subscriptions import consent, lifecycle, requests
from subscriptions.forms import SubscribeForm
from subscriptions.mails import leave_link
from subscriptions.models import MailingList, Subscription

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]

REQUESTS_AN_HOUR = 40  # From one network: a Chamber's office signs members up at a fair.
PAUSES = ((14, "two weeks"), (30, "a month"), (90, "three months"))
STATE_WORDS = {
    Subscription.State.ACTIVE: "active",
    Subscription.State.PAUSED: "paused",
    Subscription.State.SUSPENDED: "suspended",
}


def token_page(view: View[P]) -> View[P]:
    """A page whose address is the permission: no cookie guards it, no cache keeps it.

    RFC 8058 section 3.1: the mail client posts without cookie or session. Nobody can guess the token, so no other site can post it.
    """

    @csrf_exempt
    @require_http_methods(["GET", "HEAD", "POST"])
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex"
        add_never_cache_headers(response)
        return response

    return guarded


@require_safe
def lists(request: HttpRequest) -> HttpResponse:
    """The lists of this Chamber."""
    return render(request, "subscriptions/lists.html", {"lists": MailingList.objects.all()})


@require_http_methods(["GET", "HEAD", "POST"])
def subscribe(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask to be subscribed. The answer is the same whoever is subscribed already."""
    mailing_list = get_object_or_404(MailingList, slug=slug)
    form = SubscribeForm(request.POST or None)
    if request.method == "POST":
        if not throttle.hit("subscribe", throttle.network(request), limit=REQUESTS_AN_HOUR, per=timedelta(hours=1)):
            return pages.too_many(request, retry_minutes=60)
        if form.is_valid():
            if not form.is_from_a_robot:
                requests.receive(mailing_list, form.cleaned_data["email"])
            return redirect("requested", slug=slug)
    context = {"mailing_list": mailing_list, "form": form, "wording": consent.wording(mailing_list).paragraphs}
    return render(request, "subscriptions/subscribe.html", context, status=422 if form.errors else 200)


@require_safe
def requested(request: HttpRequest, slug: str) -> HttpResponse:
    """What happens next, for every address."""
    return render(request, "subscriptions/requested.html", {"mailing_list": get_object_or_404(MailingList, slug=slug)})


@token_page
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind the link in the confirmation mail. Mail scanners follow links, so only the button confirms."""
    confirmation = tokens.read("confirm", token)
    subscription = lifecycle.asked(confirmation)
    if subscription is None:
        return render(request, "subscriptions/stale_link.html", {"mailing_list": None})
    context: dict[str, object] = {"mailing_list": subscription.mailing_list}
    if request.method != "POST":
        context["wording"] = consent.wording(subscription.mailing_list).paragraphs
        return render(request, "subscriptions/confirm.html", context)
    if request.POST.get("answer") == "not_me":
        lifecycle.disown(confirmation)
        return render(request, "subscriptions/disowned.html", context)
    confirmed = lifecycle.confirm(confirmation)
    return render(request, "subscriptions/confirmed.html" if confirmed else "subscriptions/stale_link.html", context)


@token_page
def leave(request: HttpRequest, token: str) -> HttpResponse:
    """Leave with one click: a person's, or a mail client's (RFC 8058)."""
    handle = tokens.read("leave", token)  # Forged: 404. Erased since: the same pages, nothing to do.
    context: dict[str, object] = {"mailing_list": _list_of(handle)}
    if request.method != "POST":
        return render(request, "subscriptions/leave.html", context)
    one_click = request.POST.get("List-Unsubscribe") == "One-Click"
    lifecycle.unsubscribe(handle, how="one-click" if one_click else "page")
    context["undo_token"] = tokens.make("undo", handle)  # For as long as the page is open: it only mails the question.
    return render(request, "subscriptions/left.html", context)  # 200: RFC 8058 section 3.1 forbids a redirect.


@token_page
def undo_leave(request: HttpRequest, token: str) -> HttpResponse:
    """ "I left by mistake": mails the question again, since a copy may have been forwarded with its link."""
    handle = tokens.read("undo", token)
    if request.method != "POST":
        return render(request, "subscriptions/left.html", {"mailing_list": _list_of(handle), "undo_token": token})
    lifecycle.rejoin(handle)
    return render(request, "subscriptions/undo_sent.html", {"mailing_list": _list_of(handle)})


@token_page
def choose(request: HttpRequest, token: str) -> HttpResponse:
    """Pause or leave. To start again takes a link mailed to the address."""
    handle = tokens.read("choose", token)
    if request.POST.get("resume"):
        lifecycle.ask_to_resume(handle)
        return render(request, "subscriptions/resume_sent.html", {"mailing_list": _list_of(handle)})
    days = request.POST.get("pause", "")
    if days in {str(number) for number, _ in PAUSES}:
        paused = lifecycle.pause(handle, days=int(days))
        if paused is not None:
            return render(
                request,
                "subscriptions/paused.html",
                {"mailing_list": paused.mailing_list, "paused_until": paused.paused_until},
            )
    subscription = Subscription.objects.select_related("mailing_list").filter(handle=handle).first()
    context = {
        "mailing_list": subscription and subscription.mailing_list,
        "leave_url": subscription and leave_link(subscription),
        "state": STATE_WORDS.get(Subscription.State(subscription.state), "left") if subscription else "left",
        "paused_until": subscription and subscription.paused_until,
        "pauses": PAUSES,
    }
    return render(request, "subscriptions/choose.html", context)


@token_page
def resume(request: HttpRequest, token: str) -> HttpResponse:
    """End a pause, from the one-hour link."""
    try:
        handle = tokens.read("resume", token)
    except tokens.Expired:
        return render(request, "subscriptions/stale_link.html", {"mailing_list": None})
    context = {"mailing_list": _list_of(handle)}
    if request.method != "POST":
        return render(request, "subscriptions/resume.html", context)
    lifecycle.resume(handle, how="mailed link")
    return render(request, "subscriptions/resumed.html", context)


def _list_of(handle: UUID) -> MailingList | None:
    return MailingList.objects.filter(subscriptions__handle=handle).first()

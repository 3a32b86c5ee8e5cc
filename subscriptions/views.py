"""The members' pages. A GET changes nothing; every address, and every link of ours, gets the same answer; none needs JavaScript."""

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from chamberlist import tokens
from subscriptions import consent, lifecycle, requests
from subscriptions.models import MailingList, Subscription
from subscriptions.requests import Wish

Page = Callable[[HttpRequest, MailingList, UUID], HttpResponse]

PAUSES = ((14, "two weeks"), (30, "a month"), (90, "three months"))
STATE_WORDS = {
    Subscription.State.ACTIVE: "active",
    Subscription.State.PAUSED: "paused",
    Subscription.State.SUSPENDED: "suspended",
}


def token_page(purpose: str) -> Callable[[Page], Callable[[HttpRequest, str, str], HttpResponse]]:
    """A page whose address is the permission: no cookie guards it, none is set, no cache keeps it (``chamberlist.headers``).

    The page is given the list that its address names, and what the token carries: a forged token and an unknown list do not exist
    (404) for anybody. A token works whether or not its row is still there, and no page but the one that is mailed to the address
    (``manage``) reads that row: who was forwarded a copy learns from its links nothing of the person that it was for.

    RFC 8058 section 3.1: the mail client posts without cookie or session. Nobody can guess the token, so no other site can post it:
    the forms need no CSRF token.
    """

    def with_token(page: Page) -> Callable[[HttpRequest, str, str], HttpResponse]:
        @csrf_exempt
        @require_http_methods(["GET", "HEAD", "POST"])
        @wraps(page)
        def guarded(request: HttpRequest, slug: str, token: str) -> HttpResponse:
            mailing_list = get_object_or_404(MailingList, slug=slug)
            try:
                response = page(request, mailing_list, tokens.read(purpose, token))
            except tokens.Expired:
                context = {"mailing_list": mailing_list, "purpose": purpose, "days": lifecycle.CONFIRMATION_DAYS}
                response = render(request, "subscriptions/stale_link.html", context)
            add_never_cache_headers(response)
            return response

        return guarded

    return with_token


@require_safe
def lists(request: HttpRequest) -> HttpResponse:
    """The lists of this Chamber."""
    return render(request, "subscriptions/lists.html", {"lists": MailingList.objects.all()})


@token_page("confirm")
def confirm(request: HttpRequest, mailing_list: MailingList, confirmation: UUID) -> HttpResponse:
    """The page behind the link in the confirmation mail. Mail scanners follow links, so only the button confirms."""
    context: dict[str, object] = {"mailing_list": mailing_list}
    if request.method != "POST":
        context["wording"] = consent.wording(mailing_list).paragraphs
        return render(request, "subscriptions/confirm.html", context)
    if request.POST.get("answer") == "not_me":
        requests.wish(mailing_list, Wish.DISOWN, confirmation)
        return render(request, "subscriptions/disowned.html", context)
    lifecycle.confirm(confirmation, on=mailing_list)
    return render(request, "subscriptions/confirmed.html", context)


@token_page("leave")
def leave(request: HttpRequest, mailing_list: MailingList, handle: UUID) -> HttpResponse:
    """Leave with one click: a person's, or a mail client's (RFC 8058)."""
    if request.method != "POST":
        return render(request, "subscriptions/leave.html", {"mailing_list": mailing_list})
    one_click = request.POST.get("List-Unsubscribe") == "One-Click"
    lifecycle.unsubscribe(handle, how="one-click" if one_click else "page", on=mailing_list)
    return _left(request, mailing_list, handle)  # 200: RFC 8058 section 3.1 forbids a redirect.


@token_page("undo")
def undo_leave(request: HttpRequest, mailing_list: MailingList, handle: UUID) -> HttpResponse:
    """ "I left by mistake": mails the question again, since a copy may have been forwarded with its link."""
    if request.method != "POST":
        return _left(request, mailing_list, handle)
    requests.wish(mailing_list, Wish.REJOIN, handle)
    return render(request, "subscriptions/undo_sent.html", {"mailing_list": mailing_list})


def _left(request: HttpRequest, mailing_list: MailingList, handle: UUID) -> HttpResponse:
    undo_token = tokens.make("undo", handle)  # It only mails the question.
    return render(request, "subscriptions/left.html", {"mailing_list": mailing_list, "undo_token": undo_token})


@token_page("choose")
def choose(request: HttpRequest, mailing_list: MailingList, handle: UUID) -> HttpResponse:
    """Pause or leave, from the link in a copy. What is set now, and to start again, takes a link mailed to the address."""
    days = _days_of_pause(request)
    if days is not None:
        until = lifecycle.pause(handle, days=days, on=mailing_list)
        return render(request, "subscriptions/paused.html", {"mailing_list": mailing_list, "until": until})
    if request.POST.get("settings"):
        requests.wish(mailing_list, Wish.MANAGE, handle)
        return render(request, "subscriptions/manage_sent.html", {"mailing_list": mailing_list})
    context = {"mailing_list": mailing_list, "pauses": PAUSES, "leave_token": tokens.make("leave", handle)}
    return render(request, "subscriptions/choose.html", context)


@token_page("manage")
def manage(request: HttpRequest, mailing_list: MailingList, handle: UUID) -> HttpResponse:
    """What is set, and all that can be changed: behind the one-hour link that was mailed to the address."""
    if request.method == "POST":
        _change(request, mailing_list, handle)
        return redirect(request.path)
    subscription = mailing_list.subscriptions.filter(handle=handle).first()
    context = {
        "mailing_list": mailing_list,
        "state": STATE_WORDS.get(Subscription.State(subscription.state), "left") if subscription else "left",
        "paused_until": subscription and subscription.paused_until,
        "pauses": PAUSES,
    }
    return render(request, "subscriptions/manage.html", context)


def _change(request: HttpRequest, mailing_list: MailingList, handle: UUID) -> None:
    days = _days_of_pause(request)
    if days is not None:
        lifecycle.pause(handle, days=days, on=mailing_list)
    elif request.POST.get("resume"):
        lifecycle.resume(handle, how="mailed link", on=mailing_list)
    elif request.POST.get("leave"):
        lifecycle.unsubscribe(handle, how="mailed link", on=mailing_list)


def _days_of_pause(request: HttpRequest) -> int | None:
    asked = request.POST.get("pause", "")
    return next((days for days, _ in PAUSES if str(days) == asked), None)

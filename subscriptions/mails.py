"""The mails to one member about their own subscription, rendered when they are sent."""

from datetime import timedelta

from django.conf import settings
from django.urls import reverse

from chamberlist import tokens
from chamberlist.systemmail import Mail, render
from subscriptions.lifecycle import CONFIRMATION_DAYS
from subscriptions.models import Subscription

RESUME_LIFETIME = timedelta(hours=1)
State = Subscription.State


def link(view: str, token: str) -> str:
    """The full address of a page for one token. SITE_URL shapes it, never the request."""
    return f"{settings.SITE_URL}{reverse(view, args=[token])}"


def leave_link(subscription: Subscription) -> str:
    """The one-click address (RFC 8058), which is also the page to leave."""
    return link("leave", tokens.make("leave", subscription.handle))


def choose_link(subscription: Subscription) -> str:
    """The page to pause or leave."""
    return link("choose", tokens.make("choose", subscription.handle))


def confirmation(subscription_id: int) -> Mail | None:
    """The question. None where it is answered or forgotten by now."""
    subscription = _in_state(subscription_id, State.PENDING)
    if subscription is None or subscription.confirmation is None:
        return None
    page = link("confirm", tokens.make("confirm", subscription.confirmation))
    context = {"mailing_list": subscription.mailing_list, "link": page, "days": CONFIRMATION_DAYS}
    return render("confirmation", subscription.address, context)


def already(subscription_id: int) -> Mail | None:
    """To a member who asked again: you are subscribed, and here is where to change that."""
    subscription = _in_state(subscription_id, State.ACTIVE, State.PAUSED)
    if subscription is None:
        return None
    context = {
        "subscription": subscription,
        "mailing_list": subscription.mailing_list,
        "link": choose_link(subscription),
    }
    return render("already", subscription.address, context)


def resume(subscription_id: int) -> Mail | None:
    """The one-hour link that ends a pause."""
    subscription = _in_state(subscription_id, State.PAUSED)
    if subscription is None:
        return None
    page = link("resume", tokens.make("resume", subscription.handle, lifetime=RESUME_LIFETIME))
    return render("resume", subscription.address, {"mailing_list": subscription.mailing_list, "link": page, "hours": 1})


def leave_by_link(subscription_id: int) -> Mail | None:
    """To a member who wrote to us to leave, from an address that nothing proves: the link with which they can."""
    subscription = _in_state(subscription_id, State.ACTIVE, State.PAUSED)
    if subscription is None:
        return None
    context = {"mailing_list": subscription.mailing_list, "link": leave_link(subscription)}
    return render("leave_link", subscription.address, context, written="auto-replied")


def _in_state(subscription_id: int, *states: str) -> Subscription | None:
    return Subscription.objects.select_related("mailing_list").filter(pk=subscription_id, state__in=states).first()

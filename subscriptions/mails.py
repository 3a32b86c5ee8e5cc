"""The mails to one member about their own subscription, rendered when they are sent."""

from datetime import timedelta

from django.conf import settings
from django.urls import reverse

from chamberlist import tokens
from chamberlist.clock import now
from chamberlist.systemmail import Mail, render
from subscriptions.lifecycle import CHANGEABLE, CONFIRMATION_DAYS
from subscriptions.models import MailingList, Subscription

MANAGE_LIFETIME = timedelta(hours=1)
State = Subscription.State


def link(view: str, mailing_list: MailingList, token: str) -> str:
    """The full address of a page for one token. SITE_URL shapes it, never the request.

    It names the list, so that the page can do so without looking at whose link it is.
    """
    return f"{settings.SITE_URL}{reverse(view, args=[mailing_list.slug, token])}"


def leave_link(subscription: Subscription) -> str:
    """The one-click address (RFC 8058), which is also the page to leave."""
    return link("leave", subscription.mailing_list, tokens.make("leave", subscription.handle))


def choose_link(subscription: Subscription) -> str:
    """The page to pause or leave."""
    return link("choose", subscription.mailing_list, tokens.make("choose", subscription.handle))


def confirmation(subscription_id: int) -> Mail | None:
    """The question. None where it is answered, forgotten or too old by now.

    The link ends with the question: that it is too old is told by the link alone, to everybody alike.
    """
    subscription = _in_state(subscription_id, State.PENDING)
    if subscription is None or subscription.confirmation is None or subscription.asked_at is None:
        return None
    open_for = subscription.asked_at + timedelta(days=CONFIRMATION_DAYS) - now()
    if open_for <= timedelta():
        return None
    token = tokens.make("confirm", subscription.confirmation, lifetime=open_for)
    page = link("confirm", subscription.mailing_list, token)
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


def manage(subscription_id: int) -> Mail | None:
    """The one-hour link to the page that shows what is set. None where there is nothing to see any more."""
    subscription = _in_state(subscription_id, *CHANGEABLE)
    if subscription is None:
        return None
    token = tokens.make("manage", subscription.handle, lifetime=MANAGE_LIFETIME)
    page = link("manage", subscription.mailing_list, token)
    return render("manage", subscription.address, {"mailing_list": subscription.mailing_list, "link": page})


def leave_by_link(subscription_id: int) -> Mail | None:
    """To a member who wrote to us to leave, from an address that nothing proves: the link with which they can."""
    subscription = _in_state(subscription_id, State.ACTIVE, State.PAUSED)
    if subscription is None:
        return None
    context = {"mailing_list": subscription.mailing_list, "link": leave_link(subscription)}
    return render("leave_link", subscription.address, context, written="auto-replied")


def _in_state(subscription_id: int, *states: str) -> Subscription | None:
    return Subscription.objects.select_related("mailing_list").filter(pk=subscription_id, state__in=states).first()

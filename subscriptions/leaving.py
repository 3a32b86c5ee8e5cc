"""Leaving by a mail that carries no token: at once where the address is proven, else by a link that only that address gets."""

from datetime import timedelta

from django.db import transaction

from chamberlist import autoreply, throttle
from subscriptions import lifecycle
from subscriptions.addresses import Address
from subscriptions.models import MailingList, Subscription

LINKS_AN_HOUR = 20  # In all: whoever forges requests makes us send no more.
SUBSCRIBED = (Subscription.State.ACTIVE, Subscription.State.PAUSED)


def leave_verified(mailing_list: MailingList, address: Address) -> bool:
    """The mail is proven to come from ``address`` (an aligned DKIM signature, RFC 9989 section 4.4): it leaves at once.

    False where there was nothing to leave.
    """
    subscription = Subscription.objects.filter(mailing_list=mailing_list, address_hash=address.hash).first()
    return subscription is not None and lifecycle.unsubscribe(subscription.handle, how="mail")


@transaction.atomic
def offer_leave_link(mailing_list: MailingList, address: Address) -> None:
    """Anybody may have written it: mail the link to ``address``, if it is subscribed, once a day, and so many an hour in all.

    It says nothing, so that the caller can tell nobody.
    """
    subscription = Subscription.objects.filter(mailing_list=mailing_list, address_hash=address.hash).first()
    is_suppressed = lifecycle.is_suppressed(address.hash, mailing_list)
    if subscription is None or subscription.state not in SUBSCRIBED or is_suppressed:
        return
    is_queued = autoreply.reply("leave_link", subscription.pk, recipient_hash=address.hash)
    if is_queued and not throttle.hit("leave link", "", limit=LINKS_AN_HOUR, per=timedelta(hours=1)):
        transaction.set_rollback(True)

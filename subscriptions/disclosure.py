"""What staff may learn of who subscribes: a whole address, or whether one is there. Each time is on record, and counted."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction

from chamberlist import audit, systemmail
from subscriptions import addresses
from subscriptions.models import Subscription

# By one member of staff: enough for a day at the telephone, too little to carry a list away, or to try one out.
REVEALS_A_DAY = 20
REVEALS_A_MONTH = 100
LOOK_UPS_AN_HOUR = 30
REVEAL, LOOK_UP = "reveal address", "look up"
DAY, MONTH, HOUR = timedelta(days=1), timedelta(days=30), timedelta(hours=1)

NO_REASON = "Please write why you need the address: it is kept in the audit trail."
ENOUGH_SHOWN = (
    f"You have been shown as many addresses as one account may see: {REVEALS_A_DAY} in 24 hours, {REVEALS_A_MONTH} in 30 days. "
    "Everything else works as ever; whoever runs the server has been told."
)
ENOUGH_LOOKED_UP = f"You have looked up {LOOK_UPS_AN_HOUR} times within an hour, which is as often as one account may. Please wait."
IF_STOLEN = (
    "Ask them. If it was not they, switch the account off in the admin, under Users: that ends its sessions at once. "
    "What was looked at stands in the audit trail."
)


class Refused(Exception):
    """Staff are told nothing; the message says why."""


@transaction.atomic
def reveal(subscription: Subscription, *, by: str, reason: str) -> str:
    """The whole address, once it is on record who sees it and why; raises ``Refused``."""
    if not reason.strip():
        raise Refused(NO_REASON)
    today, month = (audit.times(by, REVEAL, within=within) for within in (DAY, MONTH))
    if today >= REVEALS_A_DAY or month >= REVEALS_A_MONTH:
        raise Refused(ENOUGH_SHOWN)
    audit.record(by, REVEAL, subscription, reason=reason)
    if today + 1 == REVEALS_A_DAY or month + 1 == REVEALS_A_MONTH:
        tell("reveals", by, f"has been shown {today + 1} addresses in a day, {month + 1} in a month. It is shown no more for now.")
    return subscription.address


def is_domain(typed: str) -> bool:
    """Whether it is taken for a domain, not for an address."""
    return "@" not in typed.strip().removeprefix("@") and "." in typed


@transaction.atomic
def look_up(typed: str, *, by: str) -> list[int]:
    """The numbers of the subscriptions of one exact address, or of a domain; raises ``BadAddress`` or ``Refused``."""
    by_domain = is_domain(typed)
    by_hash = {"domain_hash": addresses.domain_hash(typed)} if by_domain else {"address_hash": addresses.parse(typed).hash}
    before = audit.times(by, LOOK_UP, within=HOUR)
    if before >= LOOK_UPS_AN_HOUR:
        raise Refused(ENOUGH_LOOKED_UP)
    found = list(Subscription.objects.filter(**by_hash).order_by("pk").values_list("pk", flat=True))
    audit.record(by, LOOK_UP, "subscriptions", reason=f"{len(found)} found by {'a domain' if by_domain else 'an address'}.")
    if before + 1 == LOOK_UPS_AN_HOUR:
        tell("look-ups", by, f"has looked up {LOOK_UPS_AN_HOUR} addresses within an hour. It finds no more for now.")
    return found


def tell(what: str, by: str, words: str, *, headline: str = "A staff account looks at many addresses") -> None:
    """An alert about one account, of a kind of its own, so that what it does elsewhere does not silence it."""
    user = User.objects.filter(username=by).first()
    name = audit.without_address(by)
    systemmail.alert(f"{what}/{user.pk if user else name}"[:40], headline, f"The account {name} {words} {IF_STOLEN}")

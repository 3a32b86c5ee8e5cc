"""What can happen to a consent: asked, confirmed, disowned, paused, resumed, left, suspended, lapsed. One transaction each."""

import uuid
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from chamberlist import audit, systemmail
from chamberlist.clock import Now
from chamberlist.models import SystemMail
from subscriptions import consent, statements
from subscriptions.addresses import Address
from subscriptions.models import ConsentEvent, MailingList, Subscription, Suppression

State = Subscription.State
Kind = ConsentEvent.Kind

CONFIRMATION_DAYS = 14
MAILS_A_DAY, MAILS_IN_30_DAYS = 1, 3
BY_STAFF = "staff"
ASKING = ("confirmation", "already")  # The mails that a stranger can cause by typing an address.
CHANGEABLE = (State.ACTIVE, State.PAUSED, State.SUSPENDED)  # Where there is something to see or to change.

# What a link causes takes the list that the link names (``on``): of another list it changes nothing.


@transaction.atomic
def sign_up(mailing_list: MailingList, address: Address, *, how: str, evidence: str = "") -> bool:
    """Somebody asked for ``address`` to be subscribed: mail that address the question, or that it is subscribed already.

    An address is mailed at most once a day and three times in 30 days without an answer, whoever asks how often; after
    "this was not me" once in 30 days. False where it was mailed enough: then nothing is kept of the request.
    """
    _alone_with(address.hash)
    subscription, is_new = _found_or_new(mailing_list, address)
    if not _may_ask(subscription):
        if is_new:
            subscription.delete()
        return False
    if subscription.state in (State.ACTIVE, State.PAUSED):
        systemmail.queue("already", subscription.pk, recipient_hash=address.hash)
    else:
        _ask(subscription, how=how, evidence=evidence)
    return True


@transaction.atomic
def rejoin(handle: UUID, *, on: MailingList | None = None) -> None:
    """Who has left by mistake gets the question again: only the person at that address can join again."""
    _alone_with_holder(handle)
    subscription = _locked(Q(handle=handle, state=State.UNSUBSCRIBED) & _of(on))
    if subscription is None or is_suppressed(bytes(subscription.address_hash), subscription.mailing_list):
        return  # Whoever said "this was not me" is asked again only if they sign up.
    if _may_ask(subscription):
        _ask(subscription, how="left by mistake")


@transaction.atomic
def ask_once_more(subscription: Subscription, *, by: str, reason: str) -> str:
    """Mail the question again on the word of staff, however often it was mailed. "" or why nothing was changed.

    Once in 30 days without an answer, to one address, over all lists.

    Whose address must not be mailed (they said "this was not me", objected, or mail came back) is asked only when they sign up.
    """
    if not reason.strip():
        return "Please write why: it is kept in the audit trail."
    _alone_with(bytes(subscription.address_hash))
    locked = _locked(Q(pk=subscription.pk))
    if locked is None or locked.state not in (State.PENDING, State.UNSUBSCRIBED):
        return "There is no question to ask: it is neither waiting for an answer nor left. Nothing was changed."
    if is_suppressed(bytes(locked.address_hash), locked.mailing_list):
        return (
            "This address must not be mailed. It is asked again when the person signs up on the list’s page. Nothing was changed."
        )
    events = ConsentEvent.objects.filter(address_hash=locked.address_hash)
    answer = events.filter(kind__in=(Kind.CONFIRMED, Kind.DISOWNED)).order_by("-at").first()
    lately = events.filter(how=BY_STAFF, kind=Kind.REQUESTED, at__gt=Now() - timedelta(days=30))
    if (lately.filter(at__gt=answer.at) if answer else lately).exists():
        return "Staff had this address asked within the last 30 days. Tell the person to look into the spam folder, or to sign up."
    _ask(locked, how=BY_STAFF)
    audit.record(by, "ask once more", locked, reason=reason)
    return ""


def confirm(confirmation: UUID, *, how: str = "confirmation link", on: MailingList | None = None) -> bool:
    """The person pressed the button: subscribed from now on, and suppressions lifted. False where the link is used or too old.

    The same work for every link.
    """
    values = {"confirmation": confirmation, "days": CONFIRMATION_DAYS}
    return bool(statements.run(statements.CONFIRM, kind=Kind.CONFIRMED, how=how, list=on and on.pk, **values))


@transaction.atomic
def disown(confirmation: UUID, *, on: MailingList | None = None) -> None:
    """The person said "this was not me": never mailed on this list, unless they ask and confirm themselves one day.

    The link of any mail that asked will do, until one of them is answered: they carry the same.
    """
    subscription = _locked(Q(confirmation=confirmation) & _of(on))
    if subscription is None or not subscription.advance(State.UNSUBSCRIBED, confirmation=None, left_at=Now()):
        return
    suppress(bytes(subscription.address_hash), subscription.mailing_list, Suppression.Reason.OBJECTION)
    consent.record(subscription, Kind.DISOWNED, how="confirmation link")
    if subscription.confirmed_at is None:
        subscription.delete()  # A stranger typed it: the hash of the suppression is all that we may keep.


def unsubscribe(handle: UUID, *, how: str, on: MailingList | None = None) -> bool:
    """Leave, from the next copy on. False where there was nothing to leave (left before, erased). The same work for every link."""
    return bool(statements.run(statements.LEAVE, kind=Kind.LEFT, how=how, list=on and on.pk, handle=handle))


def pause(handle: UUID, *, days: int, on: MailingList | None = None) -> datetime:
    """Send nothing for ``days`` days, then go on by itself, at the beginning of a day, which is given back.

    Whoever is paused already is paused until the later day; whoever left or was erased, nothing becomes of it. The same work for
    every link.
    """
    values = {"days": days, "zone": settings.TIME_ZONE, "handle": handle}
    until: datetime = statements.run(statements.PAUSE, kind=Kind.PAUSED, how="page", list=on and on.pk, **values)
    return until


@transaction.atomic
def ask_to_manage(handle: UUID, *, on: MailingList | None = None) -> None:
    """Mail a one-hour link to the page that shows what is set: the link in a copy may be forwarded, so it can only reduce.

    Not to who left, whom nothing is sent to, nor to who has not answered yet, in whose mailbox the question is. Mail that came back
    is no reason to be silent for ever; any other suppression is. Once a day over all lists, and no less often than that: whoever
    holds a forwarded copy could else use up the mails of its member for a month.
    """
    _alone_with_holder(handle)
    subscription = _locked(Q(handle=handle, state__in=CHANGEABLE) & _of(on))
    if subscription is None or _suppressions(subscription).exclude(reason=Suppression.Reason.BOUNCE).exists():
        return
    mailed = SystemMail.objects.filter(recipient_hash=bytes(subscription.address_hash), purpose="manage")
    if not mailed.filter(created_at__gt=Now() - timedelta(days=1)).exists():
        systemmail.queue("manage", subscription.pk, recipient_hash=bytes(subscription.address_hash))


@transaction.atomic
def resume(handle: UUID, *, how: str, on: MailingList | None = None) -> bool:
    """End a pause. Nothing else: who has left and was asked again becomes a subscriber by the confirmation alone."""
    subscription = _locked(Q(handle=handle, state=State.PAUSED) & _of(on))
    if subscription is None or not subscription.advance(State.ACTIVE, paused_until=None):
        return False
    consent.record(subscription, Kind.RESUMED, how=how)
    return True


@transaction.atomic
def suspend(handle: UUID, *, how: str) -> bool:
    """Mail to the address comes back: nothing more until the person signs up and confirms. False unless it is subscribed now."""
    subscription = _locked(Q(handle=handle))
    if subscription is None or not subscription.advance(State.SUSPENDED):
        return False
    suppress(bytes(subscription.address_hash), subscription.mailing_list, Suppression.Reason.BOUNCE)
    consent.record(subscription, Kind.SUSPENDED, how=how)
    return True


@transaction.atomic
def complain(handle: UUID, *, how: str) -> bool:
    """The person reported a message as unwanted: left, and not to be mailed again. False where they had left before."""
    subscription = _locked(Q(handle=handle))
    if subscription is None:
        return False
    suppress(bytes(subscription.address_hash), subscription.mailing_list, Suppression.Reason.COMPLAINT)
    if not subscription.advance(State.UNSUBSCRIBED, confirmation=None, paused_until=None, left_at=Now()):
        return False
    consent.record(subscription, Kind.COMPLAINED, how=how)
    return True


def suppress(address_hash: bytes, mailing_list: MailingList | None, reason: Suppression.Reason) -> None:
    """Never mail this address again, on one list or on all."""
    Suppression.objects.get_or_create(address_hash=address_hash, mailing_list=mailing_list, defaults={"reason": reason})


def is_suppressed(address_hash: bytes, mailing_list: MailingList) -> bool:
    """Whether an address must not be mailed on a list."""
    return Suppression.objects.filter(_reaching(mailing_list), address_hash=address_hash).exists()


def sweep() -> None:
    """Delete what was not confirmed in 14 days, its link with it, and end the pauses that are over."""
    lapsed = Subscription.objects.filter(~_open_question(), state=State.PENDING)
    for subscription_id in lapsed.values_list("pk", flat=True):
        lapse(subscription_id)
    for handle in Subscription.objects.filter(state=State.PAUSED, paused_until__lt=Now()).values_list("handle", flat=True):
        resume(handle, how="time")


@transaction.atomic
def lapse(subscription_id: int) -> None:
    """Nobody confirmed in time: a new address is forgotten; one that was subscribed before has left, as it had."""
    subscription = _locked(~_open_question() & Q(pk=subscription_id, state=State.PENDING))
    if subscription is None:  # Confirmed, or asked again, a moment ago.
        return
    if subscription.confirmed_at is not None:
        subscription.advance(State.UNSUBSCRIBED, confirmation=None)
        consent.record(subscription, Kind.LAPSED, how="time")
        return
    ConsentEvent.objects.filter(
        mailing_list=subscription.mailing_list, address_hash=subscription.address_hash, kind=Kind.REQUESTED
    ).delete()
    subscription.delete()


def _alone_with(address_hash: bytes) -> None:
    """Until the transaction ends, nobody else asks this address on any list: what is counted is what was written."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(address_hash[:8], "big", signed=True)])


def _alone_with_holder(handle: UUID) -> None:
    """The same for the address of a row. Before any row is locked, as who signs up does: else two could wait for one another."""
    for address_hash in Subscription.objects.filter(handle=handle).values_list("address_hash", flat=True):
        _alone_with(bytes(address_hash))


def _found_or_new(mailing_list: MailingList, address: Address) -> tuple[Subscription, bool]:
    known = Q(mailing_list=mailing_list, address_hash=address.hash)
    found = _locked(known)
    if found is not None:
        return found, False
    new = Subscription(mailing_list=mailing_list, address_hash=address.hash, domain_hash=address.domain_hash)
    new.address = address.text
    new.confirmation = uuid.uuid4()
    new.asked_at = Now()
    try:
        with transaction.atomic():
            new.save()
    except IntegrityError:  # Somebody asked for the same address at the same moment.
        return Subscription.objects.select_for_update().get(known), False
    return new, True


def _ask(subscription: Subscription, *, how: str, evidence: str = "") -> None:
    """Ask, or ask again: until it is answered it is one question, and each mail that asks it can be answered.

    Else who opens the first of two mails would confirm nothing, and their "this was not me" would find nobody.
    """
    if subscription.state == State.PENDING:
        Subscription.objects.filter(pk=subscription.pk, state=State.PENDING).update(asked_at=Now())
    else:
        subscription.advance(State.PENDING, confirmation=uuid.uuid4(), asked_at=Now())
    consent.record(subscription, Kind.REQUESTED, how=how, evidence=evidence)
    systemmail.queue("confirmation", subscription.pk, recipient_hash=bytes(subscription.address_hash))


def _may_ask(subscription: Subscription) -> bool:
    address_hash = bytes(subscription.address_hash)
    mails = SystemMail.objects.filter(recipient_hash=address_hash, purpose__in=ASKING)
    events = ConsentEvent.objects.filter(address_hash=address_hash)
    disowned = events.filter(kind=Kind.DISOWNED, at__gt=Now() - timedelta(days=30)).order_by("-at").first()
    if disowned is not None and mails.filter(created_at__gt=disowned.at).exists():
        return False
    answer = events.filter(kind__in=(Kind.CONFIRMED, Kind.DISOWNED)).order_by("-at").first()
    unanswered = mails.filter(created_at__gt=answer.at) if answer else mails
    today = unanswered.filter(created_at__gt=Now() - timedelta(days=1)).count()
    month = unanswered.filter(created_at__gt=Now() - timedelta(days=30)).count()
    return today < MAILS_A_DAY and month < MAILS_IN_30_DAYS


def _suppressions(subscription: Subscription) -> QuerySet[Suppression]:
    return Suppression.objects.filter(_reaching(subscription.mailing_list), address_hash=subscription.address_hash)


def _reaching(mailing_list: MailingList) -> Q:
    return Q(mailing_list=mailing_list) | Q(mailing_list=None)


def _of(mailing_list: MailingList | None) -> Q:
    return Q() if mailing_list is None else Q(mailing_list=mailing_list)


def _open_question() -> Q:
    return Q(asked_at__gt=Now() - timedelta(days=CONFIRMATION_DAYS))


def _locked(wanted: Q) -> Subscription | None:
    # Not the lock of a deletion: it would wait for each post that is being expanded, whose copies point to this row.
    locked = Subscription.objects.select_for_update(of=("self",), no_key=True)
    return locked.select_related("mailing_list").filter(wanted).first()

"""Returns: what a delivery report or a complaint that came by mail (RFC 3464, RFC 5965) does to the copy that it is about."""

import hashlib
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from chamberlist.redaction import redact
from posting.delivery.replies import plain
from posting.feedback import events
from posting.feedback.events import Report
from posting.models import Delivery, DeliveryEvent
from subscriptions import addresses
from subscriptions.addresses import BadAddress

Kind, Cause, Proof = DeliveryEvent.Kind, DeliveryEvent.Cause, DeliveryEvent.Proof


class Told(Protocol):
    """What a report says of one recipient: the fields of RFC 3464 section 2.3, and our word for the cause."""

    @property
    def recipient(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def diagnostic(self) -> str: ...
    @property
    def cause(self) -> str: ...


# From the mildest: of several recipients behind one address, the copy has reached somebody as soon as it has reached one.
KINDS: dict[str, str] = {
    "delivered": Kind.DELIVERED,
    "relayed": Kind.SENT,
    "expanded": Kind.SENT,
    "delayed": Kind.DEFERRED,
    "failed": Kind.BOUNCED,
}
MILDEST = (Cause.POLICY, Cause.CONTENT, Cause.UNKNOWN, Cause.TRANSIENT, Cause.MAILBOX)
WORDS: dict[str, str] = {
    Kind.DELIVERED: "it was delivered",
    Kind.SENT: "it was passed on",
    Kind.DEFERRED: "it waits at the member's mail server",
    Kind.BOUNCED: "it came back",
    Kind.COMPLAINED: "it was reported as unwanted",
}
GONE = "It was about a copy that is no longer kept, so nothing was done."


def settle(handle: UUID, failures: Sequence[Told], *, proof: str) -> str:
    """Write down what a delivery report says of the copy with that handle; what was done, as a sentence without addresses.

    ``proof`` is a word of ``DeliveryEvent.Proof``. A report that names another address than the copy's own is about this copy all
    the same: the address forwards, and what is behind it fails. Reports of the same failure count once.
    """
    delivery = _found(handle)
    if delivery is None:
        return GONE
    told = _telling(delivery, failures)
    if told is None:
        return f"{_name(delivery)}: the report says nothing that can be used, so nothing was done."
    kind = KINDS[told.action]
    cause = told.cause if kind == Kind.BOUNCED else ""
    said = redact(plain(told.diagnostic))
    mark = hashlib.sha256(f"{told.action}/{told.status}/{cause}/{proof}".encode()).hexdigest()
    is_new = events.record(delivery.pk, Report(kind, f"dsn/{mark[:40]}", said, status=told.status, cause=cause, proof=proof))
    return _sentence(delivery, kind, cause, is_new=is_new)


def complaint(handle: UUID, *, proof: str) -> str:
    """The same for a complaint: the member leaves, and is not mailed again. One copy is complained about once."""
    delivery = _found(handle)
    if delivery is None:
        return GONE
    is_new = events.record(delivery.pk, Report(Kind.COMPLAINED, "complaint", proof=proof))
    return _sentence(delivery, Kind.COMPLAINED, "", is_new=is_new)


def _found(handle: UUID) -> Delivery | None:
    return Delivery.objects.select_related("subscription").filter(handle=handle).first()


def _telling(delivery: Delivery, failures: Sequence[Told]) -> Told | None:
    """What the report says of the copy's own address; where it is not named, the mildest that it says at all."""
    known = [told for told in failures if told.action in KINDS]
    own = [told for told in known if _is_own(delivery, told.recipient)]
    order = list(KINDS)
    return min(own or known, key=lambda told: (order.index(told.action), _severity(told.cause)), default=None)


def _is_own(delivery: Delivery, recipient: str) -> bool:
    try:
        return delivery.address_hash is not None and addresses.parse(recipient).hash == bytes(delivery.address_hash)
    except BadAddress:
        return False


def _severity(cause: str) -> int:
    return MILDEST.index(Cause(cause)) if cause in MILDEST else MILDEST.index(Cause.UNKNOWN)


def _sentence(delivery: Delivery, kind: str, cause: str, *, is_new: bool) -> str:
    words = WORDS[kind] + (f" ({Cause(cause).label})" if cause in Cause.values else "")
    return f"{_name(delivery)}: {words}." if is_new else f"{_name(delivery)}: {words}, which was known."


def _name(delivery: Delivery) -> str:
    return f"Copy {delivery.pk} of post {delivery.post_id}"

"""Events: what mail servers and providers report of a copy. A report may come twice, late, or in any order; each counts once."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Coalesce

from chamberlist.clock import Now
from chamberlist.redaction import redact
from posting.delivery import breaker
from posting.delivery.ledger import receipt_key
from posting.delivery.replies import plain, status_in
from posting.feedback import causes, effects
from posting.models import Delivery, DeliveryEvent

State, Kind = Delivery.State, DeliveryEvent.Kind
Cause, Proof = DeliveryEvent.Cause, DeliveryEvent.Proof

KINDS: dict[str, str] = {  # What is not here says nothing of a copy's way: we track nobody.
    EventType.QUEUED: Kind.SENT,
    EventType.SENT: Kind.SENT,
    EventType.DEFERRED: Kind.DEFERRED,
    EventType.DELIVERED: Kind.DELIVERED,
    EventType.REJECTED: Kind.REJECTED,
    EventType.FAILED: Kind.FAILED,
    EventType.BOUNCED: Kind.BOUNCED,
    EventType.COMPLAINED: Kind.COMPLAINED,
}
# Where a report leads, in this order as far as the ledger's own table allows; nothing undoes what is final. A report of the way
# proves that the provider took the copy, also where no answer of its interface was read.
PATHS: dict[str, tuple[str, ...]] = {
    Kind.SENT: (State.SENT,),
    Kind.DEFERRED: (State.SENT,),
    Kind.DELIVERED: (State.SENT, State.DELIVERED),
    Kind.REJECTED: (State.FAILED, State.BOUNCED),  # What was taken, and then not sent on, came back.
    Kind.FAILED: (State.FAILED, State.BOUNCED),
    Kind.BOUNCED: (State.SENT, State.BOUNCED),
    Kind.COMPLAINED: (State.SENT, State.COMPLAINED),
}
# What a provider's own word for a refusal means, where no server said more.
REASONS: dict[str, str] = {
    RejectReason.INVALID: Cause.MAILBOX,
    RejectReason.BOUNCED: Cause.MAILBOX,
    RejectReason.TIMED_OUT: Cause.TRANSIENT,
    RejectReason.BLOCKED: Cause.POLICY,
    RejectReason.SPAM: Cause.POLICY,
}
OURS = re.compile(r"<?([0-9a-f]{32})@([^>]+)>?")


@dataclass(frozen=True)
class Report:
    """One report: ``key`` names it, ``said`` is what a mail server or the provider said, as it came.

    ``cause`` says whose fault a failure is, and ``proof`` what shows that the report is about this copy.
    """

    kind: str
    key: str
    said: str = ""
    status: str = ""  # Where it does not stand in what was said.
    cause: str = ""
    proof: str = ""


def receive(sender: object, event: AnymailTrackingEvent, esp_name: str, **_: Any) -> None:
    """Take a report that django-anymail has read and found to be the provider's. One about nothing of ours is nobody's business."""
    kind = KINDS.get(event.event_type)
    delivery_id = _find(event.metadata or {}, event.message_id or "")
    if kind is None or delivery_id is None:
        return
    moment = event.timestamp.isoformat() if event.timestamp else redact(str(event.event_id or ""))
    said = plain(" ".join(str(words) for words in (event.mta_response, event.description, event.reject_reason) if words))
    cause = _cause(said, event.reject_reason or "") if kind in effects.CAME_BACK else ""
    key = f"{esp_name}/{event.event_type}/{moment}"[:80]
    record(delivery_id, Report(kind, key, said, cause=cause, proof=Proof.PROVIDER))


@transaction.atomic
def record(delivery_id: int, report: Report) -> bool:
    """Write a report down, and move its copy along; False where it was known, or the copy is gone.

    What follows for the member comes behind the move, once a report.
    """
    delivery = Delivery.objects.select_for_update().filter(pk=delivery_id).first()
    if delivery is None:
        return False
    status, said = report.status or status_in(report.said), redact(report.said)
    told = {"kind": report.kind, "status": status[:12], "text": said[:300], "cause": report.cause, "proof": report.proof}
    if delivery.events.filter(key=report.key).exists():  # Under the copy's lock: nobody else writes it meanwhile.
        return False
    event = DeliveryEvent.objects.create(delivery=delivery, key=report.key, **told)
    was_in_doubt = delivery.state == State.IN_DOUBT
    if delivery.state not in Delivery.WAITING:  # One that waits again is a person's decision.
        for state in PATHS[report.kind]:
            if delivery.state not in Delivery.states_before(state):
                continue
            # When a copy in doubt was taken, nobody knows: only its end is now.
            ended = {} if was_in_doubt and state == State.SENT else {"ended_at": Coalesce("ended_at", Now())}
            delivery.advance(state, status=_status(status, said), **ended)
        if delivery.state in (State.FAILED, State.BOUNCED) and not status.startswith("4."):
            breaker.look(delivery.post_id)
    effects.of(delivery, event)
    return True


def handle_in(message_id: str) -> UUID | None:
    """Which copy a Message-ID of ours names."""
    found = OURS.fullmatch(message_id.strip().lower())
    return UUID(found[1]) if found and found[2] == settings.LIST_DOMAIN else None


def _find(metadata: dict[str, Any], message_id: str) -> int | None:
    """The copy by what we told the provider, by our own Message-ID, or by what the provider called it."""
    deliveries = Delivery.objects.values_list("pk", flat=True)
    told = metadata.get("delivery")
    handle = handle_in(message_id) if told is None else UUID(told) if _is_handle(told) else None
    if told is not None or handle is not None:
        return deliveries.filter(handle=handle).first() if handle else None
    if metadata or not message_id:
        return None  # A mail of ours that is no copy.
    receipts = DeliveryEvent.objects.filter(kind=Kind.SENT, key=receipt_key(message_id))
    return receipts.values_list("delivery_id", flat=True).first()


def _cause(said: str, reason: str) -> str:
    found = causes.cause(status_in(said), said)
    return REASONS.get(reason, found) if found == "unknown" else found


def _status(status: str, said: str) -> str:
    """As a lane writes it: the code first, where the breaker looks for it."""
    return f"{status} {said}".strip()[:200]


def _is_handle(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[0-9a-f]{32}", text) is not None

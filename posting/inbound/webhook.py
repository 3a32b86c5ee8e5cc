"""Mail that a provider took for us, and hands over by its webhook."""

import logging
from email.errors import MessageError
from email.utils import getaddresses
from typing import Any

from anymail.inbound import AnymailInboundMessage
from anymail.signals import AnymailInboundEvent

from posting.inbound import destinations, envelope, receiving

# Where a provider does not say to whom it was brought: what the message itself says.
NAMING = ("Delivered-To", "X-Original-To", "To", "Cc", "Bcc")

log = logging.getLogger(__name__)


def receive(sender: object, event: AnymailInboundEvent, esp_name: str, **_: Any) -> None:
    """Take a mail that django-anymail has read and found to be the provider's. What is not for us is nobody's business.

    Where the database cannot be asked this raises, and the provider tries again.
    """
    if event.message is None:
        return
    recipients = [address for address in _named(event.message) if destinations.find(address) is not None]
    if not recipients:
        return
    raw = _octets(event.message)
    if refused := receiving.refusal(raw) if raw else "550 5.6.0 It has a form that no mail program writes":
        log.warning("A mail that came through %s was not taken: %s", esp_name, refused)
        return
    envelope_sender = envelope.sender(event.message.envelope_sender or "") or ""
    receiving.take(envelope_sender, recipients[: receiving.MOST_RECIPIENTS], raw, via="webhook")


def _named(message: AnymailInboundMessage) -> list[str]:
    """To whom it was brought, each address once."""
    said = [message.envelope_recipient or ""]
    if not message.envelope_recipient:
        said = [str(value) for name in NAMING for value in message.get_all(name, [])]
    return list(dict.fromkeys(destinations.complete(address) for _, address in getaddresses(said) if address))


def _octets(message: AnymailInboundMessage) -> bytes:
    """The message as it came, as far as the library still has it; b"" where it cannot be written."""
    try:
        octets: bytes = message.as_bytes(policy=message.policy.clone(refold_source="none", linesep="\r\n"))
    except (MessageError, LookupError, ValueError, TypeError, AttributeError, RecursionError):
        return b""
    return receiving.with_crlf(octets)

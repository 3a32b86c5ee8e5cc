"""Mail that a provider took for us, and hands over by its webhook."""

import logging
from email.errors import MessageError
from email.utils import getaddresses
from typing import Any

from anymail.inbound import AnymailInboundMessage
from anymail.signals import AnymailInboundEvent

from chamberlist import parsing
from posting.inbound import destinations, envelope, receiving, room

# Where a provider does not say to whom it was brought, or who sent it: what the message itself says.
NAMING = ("Delivered-To", "X-Original-To", "To", "Cc", "Bcc")
SENDING = ("Return-Path", "From")

log = logging.getLogger(__name__)


def receive(sender: object, event: AnymailInboundEvent, esp_name: str, **_: Any) -> None:
    """Take a mail that django-anymail has read and found to be the provider's. What is not for us is nobody's business.

    Where the database cannot be asked, or there is no room, this raises, and the provider tries again.
    """
    message = event.message
    recipients = [address for address in _recipients(message) if destinations.find(address) is not None] if message else []
    if not recipients:
        return
    raw = _octets(message)
    refused = receiving.refusal(raw) if raw else "It has a form that no mail program writes"
    if refused:
        log.warning("A mail that came through %s was not taken: %s.", esp_name, refused)
        return
    recipients = recipients[: receiving.MOST_RECIPIENTS]
    room.ensure(*recipients)
    receiving.take(_sender(message), recipients, raw, via="webhook")


def _recipients(message: AnymailInboundMessage) -> list[str]:
    """To whom it was brought, each address once."""
    said = message.envelope_recipient
    found = getaddresses([said]) if said else _addresses(message, *NAMING)
    return list(dict.fromkeys(destinations.complete(address) for _, address in found if address))


def _sender(message: AnymailInboundMessage) -> str:
    """The envelope sender; "" stands for the null sender, so that it is no word for one that the provider does not tell."""
    told = message.envelope_sender
    if told is None:
        told = next((address for _, address in _addresses(message, *SENDING)), "")
    return envelope.sender(told) or ""


def _addresses(message: AnymailInboundMessage, *names: str) -> list[tuple[str, str]]:
    return getaddresses([value for name in names for value in parsing.headers(message, name)])


def _octets(message: AnymailInboundMessage) -> bytes:
    """The message as it came, as far as the library still has it; b"" where it cannot be written."""
    try:
        octets: bytes = message.as_bytes(policy=message.policy.clone(refold_source="none", linesep="\r\n"))
    except (MessageError, LookupError, ValueError, TypeError, AttributeError, RecursionError):
        return b""
    return receiving.with_crlf(octets)

"""Verdicts: what a provider's response means for one copy. What is neither a clear yes nor a clear no leaves it in doubt."""

import json
import logging

import requests

from chamberlist.redaction import redact
from posting.delivery.messages import Message
from posting.delivery.replies import KEPT, RelayRefused, Reply, Verdict, plain, status_in

log = logging.getLogger(__name__)

# Not let in, not paid, no such place, too many: a refusal of us, made before the copy was looked at (RFC 9110 section 15.5).
ABOUT_US = {401, 402, 403, 404, 405, 407, 408, 429}
UNAVAILABLE = 503
TOLD_IN = ("Message", "message", "error", "errors", "detail", "reason")
# The words of RFC 5321 for what a provider says in its own: the ledger knows one language.
TAKEN, RECIPIENT_REFUSED, CONTENT_REFUSED = 250, 550, 554


def on_status(message: Message, response: requests.Response | None) -> Verdict:
    """The verdict on a message that django-anymail has handed over, by the status that it found for the one recipient."""
    found = list(message.anymail_status.recipients.values())  # type: ignore[attr-defined]
    status = found[0].status if len(found) == 1 else None
    if status in ("sent", "queued"):
        return Verdict("content", Reply(TAKEN, "", status), receipt=str(found[0].message_id or ""))
    said = f"{status}: {words(response)}"
    if status in ("rejected", "invalid"):
        return Verdict("recipient", Reply(RECIPIENT_REFUSED, status_in(said), said))
    if status == "failed":
        return Verdict("content", Reply(CONTENT_REFUSED, status_in(said), said))
    return unclear(said)


def on_response(response: requests.Response) -> Verdict:
    """The verdict by the bare response; raises ``RelayRefused`` where it is about us and the copy was not taken."""
    code, said = response.status_code, f"HTTP {response.status_code}: {words(response)}"
    # 503 alone may also be a proxy's word for a connection that broke after the request had gone through it.
    is_put_off = code == UNAVAILABLE and "Retry-After" in response.headers
    if 300 <= code < 400 or code in ABOUT_US or is_put_off:
        raise RelayRefused(said)
    if 400 <= code < 500:
        return Verdict("content", Reply(CONTENT_REFUSED, status_in(said), said))
    return unclear(said)


def unclear(said: str) -> Verdict:
    """Neither taken nor refused: nobody knows."""
    log.warning("The provider's answer leaves a copy in doubt: %s", said)
    return Verdict("unclear")


def words(response: requests.Response | None) -> str:
    """What a provider said, without addresses and without what surrounds it: equal words are to be found equal."""
    try:
        text = response.text if response is not None else ""
    except (requests.RequestException, RuntimeError):  # The rest of it did not come.
        return ""
    try:
        told = json.loads(text)
    except ValueError:
        told = text
    if isinstance(told, dict):
        told = next((told[name] for name in TOLD_IN if name in told), told)
    return redact(plain(told if isinstance(told, str) else json.dumps(told)))[:KEPT]

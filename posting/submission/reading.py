"""A small RFC 5322 message read into what a post is made of: subject and plain text. Its headers are never passed on."""

from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID, uuid5

NAMESPACE = UUID("5f0c1c5e-0d4b-4f0e-8d0b-6a4f7f1a2c11")
MAX_SUBJECT = 200
MAX_BODY = 50_000
# Postgres takes no NUL, UTF-8 no surrogate, and nobody reads the rest.
UNPRINTABLE = {*range(32), *range(127, 160), *range(0xD800, 0xE000)} - {ord("\n"), ord("\t")}


class BadMessage(ValueError):
    """The message cannot become a post; the sentence says why and what to do."""


@dataclass(frozen=True)
class Written:
    """What was read. ``key`` is the same for the same message (its Message-ID, else its bytes)."""

    subject: str
    body: str = field(repr=False)
    key: UUID


def read(raw: bytes) -> Written:
    """Read one message; raises ``BadMessage``."""
    if not raw.strip():
        raise BadMessage("The message is empty. Nothing was submitted.")
    try:
        message = message_from_bytes(raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        subject = _cleaned(" ".join(str(message["Subject"] or "").split()))
        part = message.get_body(preferencelist=("plain",))
        body = _cleaned(part.get_content()).strip() if part is not None else ""
        identity = str(message["Message-ID"] or "").strip()
    except (LookupError, ValueError, RecursionError):
        raise BadMessage("The message cannot be read. Send it as plain text in UTF-8. Nothing was submitted.") from None
    if not subject:
        raise BadMessage("The message has no subject. Write one and send it again. Nothing was submitted.")
    if len(subject) > MAX_SUBJECT:
        raise BadMessage(
            f"The subject is longer than {MAX_SUBJECT} characters. Shorten it and send it again. Nothing was submitted."
        )
    if not body:
        raise BadMessage("The message has no plain text. Write it as plain text and send it again. Nothing was submitted.")
    if len(body) > MAX_BODY:
        raise BadMessage(f"The text is longer than {MAX_BODY:,} characters. Shorten it and send it again. Nothing was submitted.")
    return Written(subject, body, uuid5(NAMESPACE, identity or raw.decode("latin-1")))


def _cleaned(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(dict.fromkeys(UNPRINTABLE))

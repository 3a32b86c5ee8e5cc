"""Messages: one copy as a provider's interface takes it, an ``EmailMessage`` of Django's with what django-anymail adds."""

from email.encoders import encode_base64
from email.mime.base import MIMEBase
from typing import Any

from anymail.exceptions import AnymailInvalidAddress
from anymail.utils import parse_address_list
from django.core.mail import EmailMultiAlternatives

from chamberlist import providers
from posting.delivery import copies, mime
from posting.delivery.copies import Compiled
from posting.delivery.ledger import Marked

# What the interfaces have fields of their own for, or write themselves.
FIELDS = ("From", "To", "Reply-To", "Subject", "Date")
OPENING, BROKEN = "=?", "=\u200b?"


class Message(EmailMultiAlternatives):
    """A copy; ``metadata`` comes back with every report about it."""

    metadata: dict[str, str]


def build(compiled: Compiled, marked: Marked, backend: str) -> Message:
    """The copy for one delivery, for one recipient alone, without tracking wherever ``backend`` can do without."""
    assert marked.post_id == compiled.post.pk
    post = compiled.post
    own = {name: value.decode() for name, value in copies.values_for(marked).items()}
    text, html = copies.texts(post, leave=own["leave"], choose=own["choose"])
    headers = copies.headers(post, own)
    message = Message(
        subject=words(headers["Subject"]),
        body=lines(text),
        from_email=author(headers["From"]),
        to=[marked.recipient],
        reply_to=[headers["Reply-To"]],
        headers={name: value for name, value in headers.items() if name not in FIELDS},
    )
    message.attach_alternative(lines(html), "text/html")
    for file in compiled.files:
        message.attach(part(file))
    message.metadata = metadata(marked)
    providers.switch_tracking_off(message, backend)
    return message


def part(file: mime.Attachment) -> MIMEBase:
    """A file as django-anymail takes one, a picture of the HTML as one that stands in it."""
    made = MIMEBase(*file.kind.split("/", 1))
    if mime.charset(file):
        made.set_param("charset", mime.charset(file))
    made.set_payload(file.content)
    encode_base64(made)
    name = file.name if file.name.isascii() else ("utf-8", "", file.name)
    made.add_header("Content-Disposition", "inline" if file.content_id else "attachment", filename=name)
    if file.content_id:
        made["Content-ID"] = f"<{file.content_id}>"
    return made


def metadata(marked: Marked) -> dict[str, str]:
    """What the provider keeps with a copy and tells us again: an opaque handle, and nothing else."""
    return {"delivery": marked.handle.hex()}


def can_take(recipient: str) -> bool:
    """Whether an address means the same to the interfaces as to us: what they read must be this one address, in ASCII."""
    if not recipient.isascii():
        return False  # They know no SMTPUTF8 (RFC 6531).
    try:
        return [found.addr_spec for found in parse_address_list([recipient])] == [recipient]
    except AnymailInvalidAddress:
        return False


def words(text: str) -> str:
    """A person's words for a header that the provider writes.

    What looks like an encoded word (RFC 2047) is broken by a character of no width: whoever decodes it could find line breaks in
    it, and with them headers.
    """
    return text.replace(OPENING, BROKEN)


def author(header: str) -> str:
    """``Name <address>`` with the name, a person's words, quoted."""
    name, _, address = header.rpartition(" ")
    quoted = words(name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" {address}'


def lines(text: str) -> str:
    """The text with plain line ends, the last one included, as it stands in a copy that is built whole."""
    return b"".join(line + b"\n" for line in text.encode().splitlines()).decode()


def extras(message: Message) -> dict[str, Any]:
    """What a message says to django-anymail beside what Django itself lets a message say."""
    return {name: value for name, value in vars(message).items() if name not in vars(EmailMultiAlternatives())}

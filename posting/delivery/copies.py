"""Copies: the bytes for one subscriber. A post is built once, by the ``email`` package; a copy is filling in what is its own.

What differs from copy to copy has the same length and needs no encoding (the recipient aside, who has a line of their own), so that
a copy has the bytes that the package would give it.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import compat32
from email.utils import format_datetime
from functools import cached_property
from typing import NamedTuple

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.html import linebreaks, urlize
from django.utils.safestring import SafeString, mark_safe

from chamberlist import tokens
from posting.delivery import formatted, mime, parts
from posting.delivery.ledger import Marked
from posting.delivery.mime import Attachment
from posting.delivery.signing import Signing
from posting.delivery.template import Template
from posting.models import Attachment as AttachmentRow
from posting.models import Post
from subscriptions.mails import link
from subscriptions.models import MailingList

ENCODED = ("From", "To", "Subject", "Date", "MIME-Version", "Content-Type")  # The rest of a copy's headers are verbatim.


PURPOSES = ("reply", "leave", "choose", "bounce")  # Of its tokens.
END_OF_HEAD = b"\r\n\r\n"
Values = Mapping[str, bytes]  # What a copy has of its own, by the names of the slots.


class Copy(NamedTuple):
    """What is handed over for one delivery: the envelope (RFC 5321) and the message (RFC 5322), with CRLF line ends."""

    delivery_id: int
    post_id: int
    envelope_sender: str
    recipient: str
    data: bytes  # As it stands between DATA and the final dot (RFC 5321 section 4.5.2).

    def __repr__(self) -> str:
        """Without what is for its recipient alone."""
        return f"Copy(delivery_id={self.delivery_id}, post_id={self.post_id})"

    @property
    def message(self) -> bytes:
        """The message as its recipient reads it."""
        return self.data[self.data.startswith(b"..") :].replace(b"\r\n..", b"\r\n.")


@dataclass(frozen=True)
class Compiled:
    """A post built once. What it has attached is in memory once: ``data`` and ``signing`` share the pieces of ``whole``."""

    post: Post
    own: Mapping[str, bytes] = field(repr=False)  # The specimen's values.
    whole: Template
    data: Template  # The same as it stands between DATA and the final dot.
    signing: Signing

    @property
    def specimen(self) -> bytes:
        """A whole copy for nobody, for the gate to read."""
        return self.whole.fill(self.own)

    @cached_property
    def files(self) -> list[Attachment]:
        """What the specimen has attached, for a provider's interface."""
        parsed = BytesParser(policy=compat32).parsebytes(self.specimen)
        return [file for file in parts.files(parsed) if file is not None]

    @cached_property
    def fields(self) -> dict[str, Template]:
        """What the specimen says, with slots: its verbatim headers by their names, and its texts as ``text`` and ``text/html``."""
        parsed = BytesParser(policy=compat32).parsebytes(self.specimen)
        said = {name.lower(): value.encode() for name, value in parsed.items() if name not in ENCODED}
        for part in parts.texts(parsed):
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            name = "text" if part.get_content_subtype() == "plain" else part.get_content_type()
            said[name] = content.replace(b"\r\n", b"\n")
        return {name: Template.cut(value, self.own) for name, value in said.items()}


def compile_post(post: Post) -> Compiled:
    """Build what all copies of a post share."""
    return compile_with(post, attached(post))


def compile_with(post: Post, attachments: Sequence[Attachment]) -> Compiled:
    """The same with these files."""
    specimen = _specimen()
    built = message(post, specimen, attachments)
    whole, head = Template.cut(built, specimen), built[: built.index(END_OF_HEAD)]
    signing = Signing(settings.DKIM, settings.LIST_DOMAIN, head, whole.after(END_OF_HEAD), specimen)
    return Compiled(post, specimen, whole, whole.dot_stuffed(), signing)


def attached(post: Post) -> list[Attachment]:
    """The files of a post, in order. Its pictures have ids at our domain (RFC 2392)."""
    return [_attachment(row) for row in post.attachments.order_by("position")]


def _attachment(row: AttachmentRow) -> Attachment:
    return Attachment(row.name, row.kind, row.content, row.content_id and picture_id(row.content_id))


def picture_id(content_id: str) -> str:
    """What a picture is called in a message."""
    return f"{content_id}@{settings.LIST_DOMAIN}"


def picture_in_mail(content_id: str) -> str:
    """Where the HTML of a copy finds a picture."""
    return f"cid:{picture_id(content_id)}"


def build(compiled: Compiled, marked: Marked, own: Values | None = None) -> Copy:
    """The copy for one delivery. Its ``own`` values are derived, unless they were before, together with others."""
    assert marked.post_id == compiled.post.id
    values = own or values_for(marked)
    data = compiled.signing.sign(values) + compiled.data.fill(values)
    return Copy(marked.id, marked.post_id, envelope_sender(values), marked.recipient, data)


def values_for(marked: Marked) -> Values:
    """What a copy has of its own, by the names of the slots; ``bounce`` is for its envelope."""
    return values_for_all([marked])[0]


def values_for_all(group: Sequence[Marked]) -> list[Values]:
    """The same for each of a group, in half the time."""
    copies, members = [marked.handle for marked in group], [marked.subscription for marked in group]
    handles = {"reply": copies, "leave": members, "choose": members, "bounce": copies}
    made = tokens.make_all({purpose: handles[purpose] for purpose in PURPOSES})
    names = ("recipient", "delivery", *made)
    recipients = [marked.recipient.encode() for marked in group]
    return [dict(zip(names, row, strict=True)) for row in zip(recipients, map(_digits, copies), *made.values(), strict=True)]


def _digits(handle: bytes) -> bytes:
    return handle.hex().encode()


def envelope_sender(values: Mapping[str, bytes]) -> str:
    """The address that bounces of this copy come to: opaque, with a MAC, the same over retries (VERP)."""
    return f"b-{values['bounce'].decode()}@{settings.LIST_DOMAIN}"


def message(post: Post, values: Mapping[str, bytes], attachments: Sequence[Attachment]) -> bytes:
    """One copy, built whole, with the files of the post."""
    own = {name: value.decode() for name, value in values.items()}
    text, html = texts(post, leave=own["leave"], choose=own["choose"])
    return mime.build(headers(post, own), text=text, html=html, boundary=boundary(post), attachments=attachments)


def boundary(post: Post) -> str:
    """What stands between the parts: of the post, and nothing that its words could hold."""
    return f"=_{tokens.make('boundary', post.submission_key)}"


def texts(post: Post, *, leave: str, choose: str, picture: formatted.Picture = picture_in_mail) -> tuple[str, str]:
    """The texts, plain and HTML, with the links that these tokens make."""
    context = {
        "post": post,
        "sender": post.sender,
        "mailing_list": post.mailing_list,
        "chamber": settings.CHAMBER,
        "leave_url": link("leave", post.mailing_list, leave),
        "choose_url": link("choose", post.mailing_list, choose),
        "body_html": formatted.in_mail(post.html, picture) if post.html else paragraphs(post.body),
    }
    return render_to_string("mail/copy.txt", context), render_to_string("mail/copy.html", context)


def paragraphs(text: str) -> SafeString:
    """Plain text as HTML: paragraphs, and links where it names a web address."""
    return mark_safe(linebreaks(urlize(text, autoescape=True), autoescape=False))  # noqa: S308 (urlize escaped it)


def headers(post: Post, own: Mapping[str, str]) -> dict[str, str]:
    """The headers of one copy, as its recipient reads them, with these values of its own."""
    mailing_list, domain = post.mailing_list, settings.LIST_DOMAIN
    assert post.accepted_at is not None
    return {
        "From": f"{author_name(post)} <{mailing_list.slug}@{domain}>",
        "To": own["recipient"],
        "Reply-To": _reply_to(post, own["reply"]),
        "Subject": post.subject,
        "Date": format_datetime(post.accepted_at),
        "Message-ID": f"<{own['delivery']}@{domain}>",
        "List-Id": f"<{mailing_list.list_id}>",
        "List-Unsubscribe": f"<{link('leave', mailing_list, own['leave'])}>, <mailto:leave-{own['leave']}@{domain}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Help": f"<{settings.SITE_URL}{mailing_list.get_absolute_url()}>",
        "List-Owner": f"<mailto:{settings.CHAMBER.contact}>",
        "List-Post": "NO",
        "Precedence": "list",
        "X-Auto-Response-Suppress": "DR, RN, NRN, OOF, AutoReply",
        "Feedback-ID": f"{post.pk}:{mailing_list.slug}:post:{domain}",
    }


def author_name(post: Post) -> str:
    """Who a copy says it is from: the business, through the Chamber, at the Chamber's own domain (DMARC, RFC 9989)."""
    return f"{post.sender.name} via {settings.CHAMBER.name}"


def _specimen() -> Values:
    """Values that stand nowhere else, as long as the real ones."""
    marked = Marked(0, 0, secrets.token_bytes(16), secrets.token_bytes(16), secrets.token_hex(16), 0)
    return values_for(marked)


def _reply_to(post: Post, token: str) -> str:
    if post.mailing_list.replies == MailingList.Replies.OPAQUE:
        return f"r-{token}@{settings.LIST_DOMAIN}"
    if post.mailing_list.replies == MailingList.Replies.SENDER and post.sender.address.isascii():
        return post.sender.address
    return settings.CHAMBER.contact  # Also where the sender's own address would make every copy 8-bit.

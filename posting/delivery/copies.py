"""Copies: the bytes for one subscriber. What all copies of a post share is rendered once; a copy fills in what is its own."""

import secrets
from dataclasses import dataclass, field
from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy, Policy
from email.utils import format_datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.html import linebreaks, urlize
from django.utils.safestring import SafeString, mark_safe

from chamberlist import tokens
from posting.delivery.ledger import Marked
from posting.models import Post
from subscriptions.mails import choose_link, leave_link
from subscriptions.models import MailingList, Subscription


class Verbatim(UnstructuredHeader, BaseHeader):
    """A header that is written as it is given, on one line.

    The library would wrap a long link into encoded words, and would decode encoded words in a text: CRLF that hides in them
    would then grow headers (as in CVE-2024-6923).
    """

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Nothing is read into the value."""
        kwds["parse_tree"] = cls.value_parser("")
        kwds["decoded"] = value

    def fold(self, *, policy: Policy) -> str:
        """Name and value on one line."""
        assert "\n" not in self and "\r" not in self
        return f"{self.name}: {self}{policy.linesep}"


class Text(Verbatim):
    """A header of a person's words: encoded (RFC 2047) unless it is plain ASCII that cannot be taken for an encoded word."""

    def fold(self, *, policy: Policy) -> str:
        """Name and value, on as many lines as it takes."""
        return f"{self.name}: {encoded(str(self), self.name, policy.linesep)}{policy.linesep}"


class Author(Verbatim):
    """``Name <address>``, the name being a person's words."""

    def fold(self, *, policy: Policy) -> str:
        """The name quoted or encoded, the address as it is."""
        name, _, address = str(self).rpartition(" ")
        if is_plain(name):
            quoted = name.replace("\\", "\\\\").replace('"', '\\"')
            return f'{self.name}: "{quoted}"{policy.linesep} {address}{policy.linesep}'
        words = encoded(name, self.name, policy.linesep)
        return f"{self.name}: {words}{policy.linesep} {address}{policy.linesep}"


def is_plain(text: str) -> bool:
    """Whether a text can stand in a header as it is."""
    return text.isascii() and text.isprintable() and "=?" not in text


def encoded(text: str, name: str, linesep: str) -> str:
    """The text as it stands in the header ``name``."""
    header = Header(text, "us-ascii" if is_plain(text) else "utf-8", header_name=name)
    return header.encode(linesep=linesep)


VERBATIM = (
    "To", "Date", "Message-ID", "Reply-To",
    "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Help", "List-Owner", "List-Post",
    "Feedback-ID", "Precedence", "X-Auto-Response-Suppress",
)  # fmt: skip


def _policy(*, utf8: bool) -> "EmailPolicy[EmailMessage]":
    classes = HeaderRegistry()
    for name in VERBATIM:
        classes.map_to_type(name, Verbatim)
    classes.map_to_type("Subject", Text)
    classes.map_to_type("From", Author)
    return SMTP.clone(header_factory=classes, cte_type="8bit" if utf8 else "7bit", utf8=utf8)


ASCII_POLICY, UTF8_POLICY = _policy(utf8=False), _policy(utf8=True)


@dataclass(frozen=True)
class Copy:
    """What is handed over for one delivery: the envelope (RFC 5321) and the message (RFC 5322), with CRLF line ends."""

    delivery_id: int
    post_id: int
    envelope_sender: str = field(repr=False)
    recipient: str = field(repr=False)
    data: bytes = field(repr=False)

    @property
    def message(self) -> bytes:
        """The message as its recipient reads it."""
        return self.data[self.data.startswith(b"..") :].replace(b"\r\n..", b"\r\n.")


@dataclass(frozen=True)
class Compiled:
    """A post rendered once: the texts hold random marks where a copy's own links belong."""

    post: Post
    text: str
    html: str
    leave_mark: str
    choose_mark: str


def compile_post(post: Post) -> Compiled:
    """Render what all copies of a post share."""
    leave_mark, choose_mark = (f"{settings.SITE_URL}/{secrets.token_hex(16)}" for _ in range(2))
    context = {
        "post": post,
        "sender": post.sender,
        "mailing_list": post.mailing_list,
        "chamber": settings.CHAMBER,
        "leave_url": leave_mark,
        "choose_url": choose_mark,
        "body_html": paragraphs(post.body),
    }
    text = render_to_string("mail/copy.txt", context)
    html = render_to_string("mail/copy.html", context)
    return Compiled(post, text, html, leave_mark, choose_mark)


def paragraphs(text: str) -> SafeString:
    """Plain text as HTML: paragraphs, and links where it names a web address."""
    return mark_safe(linebreaks(urlize(text, autoescape=True), autoescape=False))  # noqa: S308 (urlize escaped it)


def author_name(post: Post) -> str:
    """Who a copy says it is from: the business, through the Chamber, at the Chamber's own domain (DMARC, RFC 9989)."""
    return f"{post.sender.name} via {settings.CHAMBER.name}"


def envelope_sender(handle: UUID) -> str:
    """The address that bounces of this copy come to: opaque, with a MAC, the same over retries (VERP)."""
    return f"b-{tokens.make('bounce', handle)}@{settings.LIST_DOMAIN}"


def dot_stuffed(copy: bytes) -> bytes:
    """The copy as it stands between DATA and the final dot (RFC 5321 section 4.5.2), ended by CRLF."""
    stuffed = copy.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"


def build(compiled: Compiled, marked: Marked) -> Copy:
    """The copy for one delivery, built by the ``email`` package."""
    subscription, post = Subscription(handle=marked.subscription), compiled.post
    assert marked.post_id == post.pk
    recipient = marked.recipient
    text, html = bodies(compiled, subscription)
    message = EmailMessage(policy=ASCII_POLICY if recipient.isascii() else UTF8_POLICY)
    for name, value in _headers(post, marked, subscription, recipient).items():
        message[name] = value
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    message.set_boundary(f"=_{tokens.make('boundary', marked.handle)}")
    return Copy(marked.id, post.pk, envelope_sender(marked.handle), recipient, dot_stuffed(message.as_bytes()))


def bodies(compiled: Compiled, subscription: Subscription) -> tuple[str, str]:
    """The texts for one subscription, plain and HTML, with its own links."""
    own = {compiled.leave_mark: leave_link(subscription), compiled.choose_mark: choose_link(subscription)}
    return _filled(compiled.text, own), _filled(compiled.html, own)


def _headers(post: Post, delivery: Marked, subscription: Subscription, recipient: str) -> dict[str, Any]:
    mailing_list, domain = post.mailing_list, settings.LIST_DOMAIN
    leave_by_mail = f"leave-{tokens.make('leave', subscription.handle)}@{domain}"
    assert post.accepted_at is not None
    return {
        "From": f"{author_name(post)} <{mailing_list.slug}@{domain}>",
        "To": recipient,
        "Reply-To": _reply_to(post, mailing_list, delivery),
        "Subject": post.subject,
        "Date": format_datetime(post.accepted_at),
        "Message-ID": f"<{delivery.handle.hex}@{domain}>",
        "List-Id": f"<{mailing_list.list_id}>",
        "List-Unsubscribe": f"<{leave_link(subscription)}>, <mailto:{leave_by_mail}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Help": f"<{settings.SITE_URL}{mailing_list.get_absolute_url()}>",
        "List-Owner": f"<mailto:{settings.CHAMBER.contact}>",
        "List-Post": "NO",
        "Precedence": "list",
        "X-Auto-Response-Suppress": "DR, RN, NRN, OOF, AutoReply",
        "Feedback-ID": f"{post.pk}:{mailing_list.slug}:post:{domain}",
    }


def _reply_to(post: Post, mailing_list: MailingList, delivery: Marked) -> str:
    if mailing_list.replies == MailingList.Replies.SENDER:
        return post.sender.address
    if mailing_list.replies == MailingList.Replies.CHAMBER:
        return settings.CHAMBER.contact
    return f"r-{tokens.make('reply', delivery.handle)}@{settings.LIST_DOMAIN}"


def _filled(text: str, own: dict[str, str]) -> str:
    for mark, value in own.items():
        text = text.replace(mark, value)
    return text

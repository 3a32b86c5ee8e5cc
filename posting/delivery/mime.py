"""One message in the form of RFC 5322, built by the ``email`` package with headers that grow nothing."""

from collections.abc import Mapping, Sequence
from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage, Message
from email.policy import SMTP, EmailPolicy, Policy
from typing import Any, NamedTuple


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


class Recipient(Verbatim):
    """One address, as it is. Beyond ASCII it is written as UTF-8 (RFC 6532), which no other header ever is."""

    def fold(self, *, policy: Policy) -> str:
        """Name and value on one line; the library writes such a text as the bytes that it stands for."""
        return super().fold(policy=policy).encode().decode("ascii", "surrogateescape")


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


class Attachment(NamedTuple):
    """A file that goes with a message; ``kind`` is its media type, ``image/png``.

    With a ``content_id`` it is a picture that the HTML text shows (``cid:``, RFC 2392).
    """

    name: str
    kind: str
    content: bytes
    content_id: str = ""


CONTAINERS = ("multipart/alternative", "multipart/related", "multipart/mixed")


def is_plain(text: str) -> bool:
    """Whether a text can stand in a header as it is."""
    return text.isascii() and text.isprintable() and "=?" not in text


def encoded(text: str, name: str, linesep: str) -> str:
    """The text as it stands in the header ``name``."""
    header = Header(text, "us-ascii" if is_plain(text) else "utf-8", header_name=name)
    return header.encode(linesep=linesep)


def _policy() -> "EmailPolicy[EmailMessage]":
    classes = HeaderRegistry(default_class=Verbatim)
    for name in ("Reply-To", "Date", "Message-ID"):  # The library has classes of its own for them.
        classes.map_to_type(name, Verbatim)
    classes.map_to_type("To", Recipient)
    classes.map_to_type("Subject", Text)
    classes.map_to_type("From", Author)
    return SMTP.clone(header_factory=classes, cte_type="7bit")


POLICY = _policy()


def build(headers: Mapping[str, str], *, text: str, html: str, boundary: str, attachments: Sequence[Attachment] = ()) -> bytes:
    """The message with CRLF line ends: both texts quoted-printable, what is attached base64, so that no line is long or 8-bit.

    Pictures belong to the HTML (RFC 2387). No ``boundary`` is the beginning of another one (RFC 2046 section 5.1.1).
    """
    message = EmailMessage(policy=POLICY)
    for name, value in headers.items():
        message[name] = value
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    message.set_boundary(boundary)
    pictures = [file for file in attachments if file.content_id]
    if pictures:
        *_, page = message.iter_parts()
        assert isinstance(page, EmailMessage)
        page.make_related(boundary=f"related.{boundary}")
        for file in pictures:
            page.add_related(file.content, **_described(file), disposition="inline", cid=f"<{file.content_id}>")
    if len(pictures) < len(attachments):
        message.make_mixed(boundary=f"mixed.{boundary}")
        for file in in_order(attachments)[len(pictures) :]:
            message.add_attachment(file.content, **_described(file))
    return message.as_bytes()


def in_order(attachments: Sequence[Attachment]) -> list[Attachment]:
    """As they stand in a message: pictures first."""
    return sorted(attachments, key=lambda file: not file.content_id)


def charset(file: Attachment) -> str:
    """What letters the file is in; "" where it is no text."""
    if not file.kind.startswith("text/"):
        return ""
    try:
        file.content.decode("utf-8")
    except UnicodeDecodeError:
        return "iso-8859-1"
    return "utf-8"


def read(part: "Message[str, str]") -> Attachment | None:
    """The file that a part is; None where the part says more or less than that."""
    kind, name, content = part.get_content_type(), part.get_filename(), part.get_payload(decode=True)
    content_id = str(part.get("Content-ID", ""))
    if name is None or not isinstance(content, bytes):
        return None
    file = Attachment(name, kind, content, content_id.removeprefix("<").removesuffix(">"))
    headers = {"content-type", "content-transfer-encoding", "content-disposition", *(["content-id"] if content_id else [])}
    described = {kind: "", "charset": charset(file)} if charset(file) else {kind: ""}
    disposition = "inline" if content_id else "attachment"
    is_plain_file = (
        {header.lower() for header in part} - {"mime-version"} == headers
        and dict(part.get_params([])) == described
        and [word for word, _ in part.get_params([], header="content-disposition")] == [disposition, "filename"]
        and content_id in ("", f"<{file.content_id}>")
    )
    return file if is_plain_file else None


def _described(file: Attachment) -> dict[str, Any]:
    main, _, sub = file.kind.partition("/")
    params = {"charset": charset(file)} if charset(file) else {}
    return {"maintype": main, "subtype": sub, "filename": file.name, "params": params}

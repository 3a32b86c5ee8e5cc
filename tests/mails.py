"""Mails as strangers' programs write them: built octet by octet where the library would not write such a thing."""

import base64
from collections.abc import Sequence
from email.message import EmailMessage

from chamberlist import parsing
from posting.submission import reading
from posting.submission.reading import Letter

PASSWORD = "abcde-fghjk-mnpqr-stuvw"
LINE = f"Password: {PASSWORD}"
HEAD = "From: joe@bloggs.example\r\nTo: offers@list.example\r\nSubject: Spring offers\r\nMIME-Version: 1.0\r\n"
WORDS = "Two loaves for one."


def letter(raw: bytes, **options: str) -> Letter:
    return reading.read(parsing.parse(raw), raw, **options)


def part(content: bytes | str, kind: str = "text/plain; charset=utf-8", *, code: str = "", **headers: str) -> bytes:
    """One part: ``code`` is its transfer encoding, ``base64`` applied here, any other as the content is."""
    octets = content.encode() if isinstance(content, str) else content
    if code == "base64":
        octets = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    fields = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    if code:
        fields["Content-Transfer-Encoding"] = code
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode() + b"\r\n" + octets


def mail(
    *parts: bytes, kind: str = "mixed", head: str = HEAD, before: str = "", after: str = "", boundary: str = "frontier"
) -> bytes:
    """A mail of those parts; a single one is the whole."""
    if len(parts) == 1 and not before and not after:
        return head.encode() + parts[0]
    return head.encode() + multipart(parts, kind, before, after, boundary)


def multipart(parts: Sequence[bytes], kind: str = "mixed", before: str = "", after: str = "", boundary: str = "frontier") -> bytes:
    opening = f"--{boundary}\r\n".encode()
    inside = b"".join(opening + each + b"\r\n" for each in parts)
    header = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n{before}\r\n'.encode()
    return header + inside + f"--{boundary}--\r\n{after}".encode()


def file(content: bytes, kind: str = "application/pdf", name: str = "offer.pdf", **headers: str) -> bytes:
    return part(content, kind, code="base64", Content_Disposition=f'attachment; filename="{name}"', **headers)


def with_file(content: bytes, kind: str = "application/pdf", name: str = "offer.pdf", **headers: str) -> bytes:
    return mail(part(f"{LINE}\r\n\r\n{WORDS}\r\n"), file(content, kind, name, **headers))


def both(plain: str, html: str) -> bytes:
    return mail(part(plain), part(html, "text/html; charset=utf-8"), kind="alternative")


def simple(text: str, **headers: str) -> bytes:
    message = EmailMessage()
    message["Subject"] = "Spring offers"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes()

"""The mail server that takes our mail: ``SMTP_URL`` read into its parts."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal, cast
from urllib.parse import parse_qs, unquote, urlsplit

Tls = Literal["starttls", "implicit", "none"]
FORM = "smtp://user:password@host:587/?tls=starttls"


class BadRelay(ValueError):
    """The URL is not usable; the message says why and what to write, and never quotes the password."""


@dataclass(frozen=True)
class Relay:
    """Where mail is handed over (RFC 5321), and as whom (RFC 4954)."""

    host: str
    port: int
    tls: Tls
    username: str = ""
    password: str = field(default="", repr=False)


def is_loopback(host: str) -> bool:
    """Whether the host name or address can only mean this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse(url: str) -> Relay:
    """Read ``SMTP_URL``; raises ``BadRelay``. Plain text is for this machine alone."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadRelay(f"SMTP_URL has a port that is not a number; write {FORM}.") from error
    options = parse_qs(parts.query)
    tls = options.pop("tls", ["starttls"])[-1]
    if parts.scheme != "smtp" or not parts.hostname or options or parts.path not in ("", "/"):
        raise BadRelay(f"SMTP_URL is not of the form {FORM}.")
    if tls not in ("starttls", "implicit", "none"):
        raise BadRelay("SMTP_URL: tls= takes starttls (the default), implicit or none.")
    if tls == "none" and not is_loopback(parts.hostname):
        raise BadRelay("SMTP_URL: tls=none is for a server on this machine; write tls=starttls for any other.")
    if parts.username and not parts.password and not is_loopback(parts.hostname):
        raise BadRelay(f"SMTP_URL names a user and no password; write {FORM}, or leave the user out where the relay asks for none.")
    return Relay(
        host=parts.hostname,
        port=port or (465 if tls == "implicit" else 587),
        tls=cast("Tls", tls),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )

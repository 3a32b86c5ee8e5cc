"""Envelopes: what MAIL and RCPT say (RFC 5321 section 4.1.2). A form that two servers may read in two ways is refused."""

import re
from dataclasses import dataclass, field

LONGEST = 254  # Octets of an address (RFC 5321 section 4.5.3.1.3, less the angle brackets).

ATOMS = r'[^\s"<>@,:;()\[\]\\]+'
ADDRESS = rf'(?:"(?:[^"\\]|\\.)*"|{ATOMS})@(?:{ATOMS}|\[[^\s"<>@,;()\[\]\\]+\])'
SENDER = re.compile(ADDRESS)
MAIL = re.compile(rf"FROM: ?<({ADDRESS}|)>((?: [!-~]+)*)", re.IGNORECASE)
RCPT = re.compile(r"TO: ?<([^\s<>]+)>((?: [!-~]+)*)", re.IGNORECASE)


@dataclass(frozen=True)
class Said:
    """An address, and the parameters behind it."""

    address: str = field(repr=False)
    parameters: tuple[str, ...]


def mail(argument: str | None) -> Said | None:
    """Who sends, "" for the null sender; None where it is no such line. Source routes are none of ours to follow."""
    return _read(MAIL, argument)


def rcpt(argument: str | None) -> Said | None:
    """To whom, as it was written: whether it is ours, and in which forms, others decide."""
    return _read(RCPT, argument)


def sender(text: str) -> str | None:
    """The envelope sender as a mail server hands it to a program; None where it is no address."""
    if text in ("", "<>", "MAILER-DAEMON"):  # Postfix's name for the null sender.
        return ""
    return text if _is_plain(text) and SENDER.fullmatch(text) else None


def _read(pattern: re.Pattern[str], argument: str | None) -> Said | None:
    found = pattern.fullmatch(argument or "")
    if found is None or not _is_plain(found[0]) or len(found[1].encode()) > LONGEST:
        return None
    return Said(found[1], tuple(found[2].upper().split()))


def _is_plain(text: str) -> bool:
    """Without control characters, and without octets that are no UTF-8 (which stand as surrogates in it)."""
    return text.isprintable()

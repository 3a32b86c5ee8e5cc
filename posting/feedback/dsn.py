"""Bounces: what a message says of a copy of ours that came back, in the form of RFC 3464 or in any of the older ones."""

import re
from dataclasses import dataclass, field

from chamberlist import parsing
from chamberlist.parsing import Parsed
from chamberlist.redaction import redact
from posting.delivery.replies import plain, status_in
from posting.feedback import arf, causes, natures, notices, searching, statusfields, traces
from posting.feedback.causes import Cause
from posting.feedback.notices import Notice
from posting.feedback.searching import Named
from posting.feedback.statusfields import Status

KEPT = 300
# What went well in a transcript, and our side's greeting: neither is a reason.
WENT_WELL = re.compile(r"^\W{0,8}(?:[23]\d\d[- ]|(?:EHLO|HELO|AUTH|QUIT|RSET|DATA|STARTTLS)\b)[^\n]*$", re.MULTILINE)
FAILED = re.compile("[45]")  # What else looks like a status in free text is the number of some version.
VAGUE = (".0.0", ".1.0", ".2.0", ".3.0", ".4.0", ".5.0", ".7.0")  # Endings of a status that says "something" (RFC 3463).


@dataclass(frozen=True)
class Failure:
    """One recipient of a report: ``action`` is of RFC 3464 section 2.3.3, ``status`` of RFC 3463 or "".

    ``recipient`` is as it stands there, or "". ``diagnostic`` is on one line, without addresses.
    """

    recipient: str = field(repr=False)
    action: str
    status: str
    diagnostic: str
    cause: Cause

    @property
    def is_permanent(self) -> bool:
        """Refused for good; whether that counts against the member is said by ``cause``: only ``mailbox`` does."""
        return causes.is_permanent(self.status, self.cause, action=self.action)


@dataclass(frozen=True)
class Bounce:
    """A report: its recipients, and which of our copies the message that it returns shows."""

    failures: tuple[Failure, ...]
    handles: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()


def read(message: Parsed, *, domain: str) -> Bounce | None:
    """What a message of unknown kind reports; None where it is no bounce. ``domain`` is ours: its addresses are no recipients."""
    notice = notices.read(message)
    is_bounce = natures.is_report(message, notice) and arf.kind(message, notice) is None
    return _bounce(message, notice, domain) if is_bounce else None


def read_known(message: Parsed, *, domain: str) -> Bounce | None:
    """The same of what came to the address of one copy (VERP): it has one failure at least, also in a form that nobody knows.

    None only for what is plainly something else: a vacation reply, a receipt, a complaint, a challenge.
    """
    notice = notices.read(message)
    is_other = natures.is_something_else(message, notice) or arf.kind(message, notice) is not None
    return None if is_other else _bounce(message, notice, domain)


def _bounce(message: Parsed, notice: Notice, domain: str) -> Bounce:
    statuses = [status for text in notice.fields for status in statusfields.read(text)]
    found = traces.find(notice.returned, domain)
    known = (*_failed_recipients(message), *_returned_recipients(notice))
    named = searching.recipients(notice.said, domain=domain, known=known, message=message)
    if statuses:
        failures = [_by_fields(status, notice, named) for status in statuses]
    else:
        failures = _by_text(message, notice, named or [Named(address, notice.said) for address in known[:1]])
    return Bounce(tuple(failures), found.handles, found.tokens)


def _by_fields(status: Status, notice: Notice, named: list[Named]) -> Failure:
    """RFC 3464. The text for people decides where the fields say too little."""
    near = next((each.near for each in named if each.recipient.lower() == status.recipient.lower()), "")
    recipient = status.recipient or next((each.recipient for each in named), "")
    near = near or (named[0].near if named else notice.said)
    action = status.action or "failed"
    cause = causes.cause(status.status, status.diagnostic, action=action)
    is_vague = not status.diagnostic or cause == "unknown"
    if is_vague and action in ("failed", "delayed"):
        for text in (near, notice.said):
            said = _cause(status.status, text, action)
            if said != "unknown":
                cause = said
                break
    shown = status.diagnostic or near
    own = status.status if not status.status.endswith(VAGUE) else status_in(status.diagnostic) or status.status
    return Failure(recipient, action, own, _kept(shown), cause)


def _by_text(message: Parsed, notice: Notice, named: list[Named]) -> list[Failure]:
    action = natures.action(message, notice)
    failures = []
    for recipient, near in named or [Named("", notice.said)]:
        status = next(filter(FAILED.match, (status_in(near), status_in(notice.said))), "")
        cause = _cause(status, near, action)
        if cause == "unknown":
            cause = _cause(status, notice.said, action)
        if cause == "unknown":
            cause = causes.cause("", parsing.header(message, "Subject"), action=action)
        failures.append(Failure(recipient, action, status, _kept(near), cause))
    return failures


def _failed_recipients(message: Parsed) -> list[str]:
    """Exim's and Gmail's own header."""
    values = " ".join(parsing.headers(message, "X-Failed-Recipients"))
    return [found[0] for found in statusfields.ADDRESS.finditer(values)]


def _returned_recipients(notice: Notice) -> list[str]:
    """To whom the returned message was written."""
    for text in notice.returned:
        for line in text.splitlines()[:200]:
            if line[:3].lower() == "to:":
                return [found[0] for found in statusfields.ADDRESS.finditer(line[:1_000])]
    return []


def _kept(said: str) -> str:
    return redact(plain(said[: KEPT * 4]))[:KEPT]


def _cause(status: str, text: str, action: str) -> Cause:
    return causes.cause(status, WENT_WELL.sub("", text[: causes.READ * 2]), action=action)

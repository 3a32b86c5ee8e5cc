"""Complaints: a member called a copy of ours unwanted, and a provider tells us so (RFC 5965, and what older feedback loops send)."""

import re
from dataclasses import dataclass
from typing import Literal, cast

from chamberlist import parsing
from chamberlist.parsing import Parsed
from posting.feedback import notices, traces
from posting.feedback.notices import Notice

Kind = Literal["abuse", "fraud", "virus", "other"]  # RFC 5965 section 7.3.

NO_COMPLAINTS = ("not-spam", "auth-failure", "opt-out-list", "dmarc")  # RFC 6430, RFC 6591.
KINDS = {
    "abuse": "abuse",
    "spam": "abuse",
    "complaint": "abuse",
    "opt-out": "abuse",
    "miscategorized": "abuse",
    "fraud": "fraud",
    "phishing": "fraud",
    "virus": "virus",
    "malware": "virus",
}
TYPE = re.compile(r"^feedback-type[ \t]*:[ \t]*([\w-]{1,40})", re.IGNORECASE | re.MULTILINE)
XARF = re.compile(r"^\W?report-?type\"?[ \t]*:[ \t]*\"?([\w-]{1,40})", re.IGNORECASE | re.MULTILINE)
# Senders of reports that have no fields: AOL, Outlook's JMRP, Comcast, SpamCop, Abusix.
REPORTERS = re.compile(
    r"scomp@|staff@hotmail\.com|feedback-?loop|fbl[@.-]|\bfbl\b|jmrp|@reports\.spamcop\.net|spamcop|abuse[-_.]?report|complaints?@|feedbackloop@|abusix|netabuse|returnpath|validity",
    re.IGNORECASE,
)
SUBJECTS = re.compile(
    r"complaint about message from|feedback loop|\bfbl\b|abuse report|spam (?:report|complaint)|e-?mail (?:feedback|abuse) report|client tos notification|\[spamcop|abuse complaint|fw: (?:spam|junk)|junk ?mail report",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Complaint:
    """``handles`` and ``tokens`` show which of our copies it is about (``feedback.traces``); nothing of them is proven."""

    kind: Kind
    handles: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()


def read(message: Parsed, *, domain: str) -> Complaint | None:
    """The complaint that a message is, or None. A report of what is no spam, or of a failed signature, is none."""
    notice = notices.read(message)
    complained_of = kind(message, notice)
    if complained_of is None:
        return None
    found = traces.find((*_fields(message), *notice.returned, notice.said), domain)
    return Complaint(complained_of, found.handles, found.tokens)


def kind(message: Parsed, notice: Notice) -> Kind | None:
    """What is complained of, or None."""
    fields = "\n".join(_fields(message))
    stated = TYPE.search(fields) or (XARF.search(fields + notice.said) if parsing.header(message, "X-XARF") else None)
    if stated:
        word = stated[1].lower()
        return None if word in NO_COMPLAINTS else cast("Kind", KINDS.get(word, "other"))
    if {"message/feedback-report", "feedback-report"} & notice.kinds:
        return "abuse"
    if notice.fields or not notice.returned:
        return None
    is_reporter = REPORTERS.search(parsing.header(message, "From")) or parsing.header(message, "X-HmXmrOriginalRecipient")
    if is_reporter or (SUBJECTS.search(parsing.header(message, "Subject")) and "message/rfc822" in notice.kinds):
        return "abuse"
    return None


def _fields(message: Parsed) -> list[str]:
    """The parts for programs, and those that are labelled as text but read like them."""
    found = []
    for part in parsing.leaves(message)[: notices.MOST_PARTS]:
        is_meant = part.get_content_type() in ("message/feedback-report", "application/json")
        text = notices.text_of(part) if is_meant or part.get_content_maintype() == "text" else ""
        if is_meant or TYPE.search(text):
            found.append(text)
    return found

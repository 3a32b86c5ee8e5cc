"""Examining: all that is learnt from the bytes of one message. It runs in the sandbox (``inbound.sandbox``): a process with neither
secrets nor database, and with little time and memory. What it gives is plain and bounded.
"""

from dataclasses import dataclass, field, replace
from email.message import Message
from uuid import UUID

from chamberlist import parsing
from posting.delivery import fingerprints
from posting.delivery.mime import Attachment
from posting.feedback import arf, dsn
from posting.inbound import authors, recognition
from posting.inbound.recognition import Facts
from posting.submission import reading, spotting
from posting.submission.reading import Letter

LONGEST_TEXT = 100_000  # Characters of the text that are looked at.
LONGEST_LINE = 200
READ_BY_PEOPLE = ("reply", "talk", "request", "owner", "role")
NOTHING, NOBODY = Facts("", ""), UUID(int=0)


@dataclass(frozen=True)
class Arrived:
    """A message as it came: ``place`` is the kind of the address of ours that it came to (``inbound.destinations``)."""

    envelope_sender: str = field(repr=False)
    place: str
    raw: bytes = field(repr=False)
    domain: str


@dataclass(frozen=True)
class Words:
    """What a person wrote in an answer; ``left_out`` names the files that cannot be passed on."""

    text: str = field(repr=False)
    files: tuple[Attachment, ...] = field(repr=False)
    left_out: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Examined:
    """What was learnt; ``problem`` says why it could not be read, or "". ``key`` is the same for the same message."""

    problem: str = ""
    facts: Facts = NOTHING
    key: UUID = NOBODY
    fingerprint: str = ""
    bounce: dsn.Bounce | None = None
    complaint: arf.Complaint | None = None
    letter: Letter | None = None  # Of what came to a list.
    words: Words | None = None  # Of what answers a copy.
    has_password: bool = False  # In what would be passed on, or kept for staff.


def examine(arrived: Arrived) -> Examined:
    """Read one message."""
    try:
        message = parsing.parse(arrived.raw)
    except parsing.Unreadable as error:
        return Examined(problem=str(error))
    text = _text(message)
    facts = Facts(
        place=arrived.place,
        domain=arrived.domain,
        envelope_sender=arrived.envelope_sender,
        author=authors.only(authors.text(value) for name, value in message.raw_items() if name.lower() == "from"),
        subject=parsing.header(message, "Subject"),
        first_line=_first_line(text),
        message_id=parsing.header(message, "Message-ID"),
        headers={name: parsing.header(message, name)[:LONGEST_LINE] for name in recognition.ASKED_FOR if message[name] is not None},
        hops=len(message.get_all("Received", [])),
        report=str(message.get_param("report-type", "") or "other").lower() if _is_report(message) else "",
    )
    letter = reading.read(message, arrived.raw) if arrived.place == "list" else None
    bounce = _bounce(message, facts)
    complaint = arf.read(message, domain=arrived.domain) if recognition.may_be_a_complaint(facts) else None
    facts = replace(
        facts, is_bounce=bounce is not None, is_complaint=complaint is not None, has_password=bool(letter and letter.password)
    )
    return Examined(
        facts=facts,
        key=reading.key_of(message, arrived.raw),
        fingerprint=fingerprints.of(facts.subject, text),
        bounce=bounce,
        complaint=complaint,
        letter=letter,
        words=Words(*reading.own_words(message)) if arrived.place in ("reply", "talk") else None,
        has_password=arrived.place in READ_BY_PEOPLE and spotting.holds_password(message),
    )


def _bounce(message: "Message[str, str]", facts: Facts) -> dsn.Bounce | None:
    """What a server sends to the address of one copy is a bounce in whatever form; what a person sends there need not be one."""
    if facts.place == "bounce" and (not facts.envelope_sender or facts.report):
        return dsn.read_known(message, domain=facts.domain)
    return dsn.read(message, domain=facts.domain) if recognition.may_be_a_bounce(facts) else None


def _is_report(message: "Message[str, str]") -> bool:
    return message.get_content_type() == "multipart/report"


def _text(message: "Message[str, str]") -> str:
    """The first text of the message, as it stands."""
    plain = (part for part in parsing.leaves(message) if part.get_content_type() == "text/plain")
    part = next(plain, None)
    return parsing.text(part)[:LONGEST_TEXT] if part is not None else ""


def _first_line(text: str) -> str:
    return next((line.strip()[:LONGEST_LINE] for line in text.splitlines() if line.strip()), "")

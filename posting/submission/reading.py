"""A mail read into what a post is made of. Its headers are never passed on, and of what is, the password is proven absent. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from chamberlist import parsing
from chamberlist.parsing import Parsed
from posting.delivery.mime import Attachment
from posting.submission import files, naming, stripping, wording
from posting.submission.files import Kept
from posting.submission.parts import taken_apart
from posting.submission.proving import Needles
from posting.submission.richtext import TooMuch
from posting.submission.wording import Wording

NAMESPACE = UUID("5f0c1c5e-0d4b-4f0e-8d0b-6a4f7f1a2c11")
MAX_SUBJECT = 200
MAX_BODY = 50_000
IN_SUBJECT = "The password stands in the subject. Put it alone on the first line of the text and send it again."
STILL_THERE = (
    "The password stands in the message, or in a file, elsewhere than alone on the first line of the text. "
    "Take it out and send it again, or use the form on the web site."
)


class BadMessage(ValueError):
    """The message cannot become a post; the sentence says why and what to do."""


@dataclass(frozen=True)
class Letter:
    """What was read.

    ``password``: what the sender gave as one, or "". ``problem``: why it cannot become a post and what to do, for the sender, or
    ""; with one, nothing is kept but password and key. ``addressed`` are the addresses in To and Cc. ``key`` is the same for the
    same message (its Message-ID, else its octets).
    """

    key: UUID
    subject: str = field(default="", repr=False)
    body: str = field(default="", repr=False)
    html: str = field(default="", repr=False)
    files: tuple[Attachment, ...] = field(default=(), repr=False)
    password: str = field(default="", repr=False)
    problem: str = ""
    addressed: tuple[str, ...] = field(default=(), repr=False)


def read(message: "Parsed[str, str]", raw: bytes, *, secret: str = "") -> Letter:
    """Read a message, parsed of ``raw``; raises nothing. ``secret``: a password known from elsewhere, which must not be in it."""
    subject = parsing.header(message, "Subject")
    parts = taken_apart(message)
    try:
        words = wording.worded(parts)
    except TooMuch:
        words = Wording("")
        parts.problems.append(wording.TOO_MUCH)
    headers = [stripping.typed(value) for name in stripping.HEADERS for value in parsing.headers(message, name)]
    given = [password for password in (*headers, *words.passwords, stripping.in_subject(subject)) if password]
    key, password = key_of(message, raw), given[0] if given else ""
    sorted_files = files.sort(parts.pieces, shown=words.pictures)
    problems = (_subject_problem(subject), *parts.problems, _text_problem(words.text), *sorted_files.problems)
    problem = next(filter(None, problems), "")
    addressed = naming.few(naming.in_texts(value for name in ("To", "Cc") for value in parsing.headers(message, name)))
    if _is_there(Needles([*given, secret]), [problem or subject, *addressed], words, () if problem else sorted_files.kept):
        problem = STILL_THERE
    if problem:
        return Letter(key, password=password, problem=f"{problem} Nothing was submitted.")
    kept = tuple(each.file for each in sorted_files.kept)
    return Letter(key, subject, words.text, words.html, kept, password, addressed=addressed)


def read_octets(raw: bytes, *, secret: str = "") -> Letter:
    """Read one message as it came; raises ``BadMessage``, also for a letter with a problem."""
    if not raw.strip():
        raise BadMessage("The message is empty. Nothing was submitted.")
    try:
        letter = read(parsing.parse(raw), raw, secret=secret)
    except parsing.Unreadable as error:
        raise BadMessage(f"The message cannot be read. {error} Nothing was submitted.") from None
    if letter.problem:
        raise BadMessage(letter.problem)
    return letter


def own_words(message: "Parsed[str, str]") -> tuple[str, tuple[Attachment, ...], tuple[str, ...]]:
    """What a person wrote as plain text, the files of allowed kinds, and the names of those that were left out."""
    parts = taken_apart(message)
    found = files.sort(parts.pieces, shown={})
    return wording.written(parts)[:MAX_BODY], tuple(each.file for each in found.kept), found.left_out


def key_of(message: "Parsed[str, str]", raw: bytes) -> UUID:
    """The same for the same message: its Message-ID, else its octets."""
    identity = parsing.header(message, "Message-ID")
    return uuid5(NAMESPACE, identity or raw.decode("latin-1"))


def _subject_problem(subject: str) -> str:
    if not subject:
        return "The message has no subject. Write one and send it again."
    if len(subject) > MAX_SUBJECT:
        return f"The subject is longer than {MAX_SUBJECT} characters. Shorten it and send it again."
    return IN_SUBJECT if stripping.in_subject(subject) else ""


def _text_problem(text: str) -> str:
    if not stripping.is_visible(text):
        return "The message has no text. Write some and send it again."
    if len(text) > MAX_BODY:
        return f"The text is longer than {MAX_BODY:,} characters. Shorten it and send it again."
    return ""


def _is_there(needles: Needles, texts: Iterable[str], words: Wording, kept: Iterable[Kept]) -> bool:
    """Whether a password is anywhere in what would be kept, or said to the sender."""
    if any(needles.are_in_text(text) for text in (*texts, words.text, words.html, *_texts_of(kept))):
        return True
    return any(needles.are_in_octets(layer) for each in kept for layer in each.seen.layers)


def _texts_of(kept: Iterable[Kept]) -> list[str]:
    """The files' names, and what those say that are texts."""
    texts = [each.file.name for each in kept]
    return texts + [each.file.content.decode() for each in kept if each.is_text]

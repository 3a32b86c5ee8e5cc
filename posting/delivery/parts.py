"""The parts of a message that was built: two texts, the pictures of the HTML, the files, and nothing else in any place."""

from collections.abc import Iterator, Sequence
from email.message import Message
from itertools import zip_longest

from posting.delivery import evidence, mime
from posting.delivery.evidence import NONE, Refusal, masked
from posting.delivery.mime import Attachment

HEADERS = {"content-type", "content-transfer-encoding", "content-disposition", "content-id", "mime-version"}
TEXTS = ["text/plain", "text/html"]
PREFIXES = ("mixed.", "related.")  # Before the boundary.
NO_FILE = Attachment("", "", b"")
# Kinds that are messages of their own, or that a program may run: no file of a post is one.
ACTIVE = ("multipart/", "message/", "text/html", "text/javascript", "image/svg", "application/xhtml", "application/javascript")


def texts(message: "Message[str, str]") -> "list[Message[str, str]]":
    """The plain text and the HTML."""
    return leaves(message)[: len(TEXTS)]


def files(message: "Message[str, str]") -> list[Attachment | None]:
    """What is attached, pictures of the HTML first; None for a part that is no file as we attach one."""
    return [mime.read(part) for part in leaves(message)[len(TEXTS) :]]


def leaves(message: "Message[str, str]") -> "list[Message[str, str]]":
    """The parts without parts."""
    return [part for part in message.walk() if not part.is_multipart()]


def problem(message: "Message[str, str]", attached: Sequence[Attachment], boundary: str) -> Refusal:
    """Why these are not exactly the parts of a copy with these files and this ``boundary`` between them, or ""."""
    for number, part in enumerate(message.walk()):
        where = f"part {number} ({masked(part.get_content_type())})"
        if part.defects:
            defects = ", ".join(dict.fromkeys(type(defect).__name__ for defect in part.defects))
            return _refused("A rendered copy is so built that mail programs may read it in several ways.", f"{where}: {defects}")
        names = [name.lower() for name in part]
        if part is not message and (len(set(names)) != len(names) or not HEADERS.issuperset(names)):
            shown = f"{where}: {evidence.names(names, HEADERS.intersection(names))}"
            return _refused("A part of a rendered copy has a header that does not belong into it.", shown)
        if part.is_multipart() and not _is_container(part, boundary):
            return _refused("A rendered copy has something between its parts.", *_around(where, part, boundary))
    found = texts(message)
    if [part.get_content_type() for part in found] != TEXTS or not all(map(_is_text, found)):
        return _refused("A rendered copy lacks one of its texts.", *_described_texts(found))
    if files(message) != mime.in_order(attached):
        return _refused("A rendered copy has a file that was not accepted, or lacks one.", *_other_files(message, attached))
    if active := [file for file in attached if file.kind.lower().startswith(ACTIVE)]:
        return _refused("It has a file of a kind that could do something by itself.", *map(_described, active))
    return NONE


def file_difference(place: int, known: Attachment | None, found: Attachment | None) -> str:
    """What differs between a file as it was accepted and as it is attached, on a line; "" where nothing does."""
    if known == found:
        return ""
    expected, there = _described(known), _described(found)
    alike = ", with other octets" if expected == there and known and found and known.content != found.content else ""
    return f"file {place}: expected {expected}, found {there}{alike}"


def _refused(reason: str, *shown: str) -> Refusal:
    return Refusal(reason, "post", evidence.joined(list(shown)))


def _described(file: Attachment | None) -> str:
    if file is None:
        return "what is no file as we attach one"
    if file == NO_FILE:
        return evidence.NOTHING
    shown_as = f", shown as {masked(file.content_id)}" if file.content_id else ""
    return f"{masked(file.name)} ({masked(file.kind)}{shown_as}), {len(file.content)} octets"


def _around(where: str, part: "Message[str, str]", boundary: str) -> Iterator[str]:
    between = str(part.get_boundary())
    prefix = next((prefix for prefix in PREFIXES if between.startswith(prefix)), "")
    yield evidence.compared(f"{where}, boundary", f"{prefix}{boundary}", between)
    yield from (evidence.compared(f"{where}, {place}", None, getattr(part, place) or None) for place in ("preamble", "epilogue"))
    names = [name for name, _ in part.get_params([])]
    yield evidence.names(names[1:], ["boundary"]) and f"{where}, parameters: {evidence.names(names[1:], ['boundary'])}"


def _described_texts(found: "Sequence[Message[str, str]]") -> Iterator[str]:
    for place, (kind, part) in enumerate(zip_longest(TEXTS, found), 1):
        wanted = {"content-type": f'{kind}; charset="utf-8"', "content-transfer-encoding": "quoted-printable"}
        there = {name.lower(): str(value) for name, value in part.items()} if part else {}
        names = [*wanted, "content-disposition", "content-id"]
        yield from (evidence.compared(f"text {place}, header {name}", wanted.get(name), there.get(name)) for name in names)


def _other_files(message: "Message[str, str]", attached: Sequence[Attachment]) -> Iterator[str]:
    """What differs; of a part that is no file as we attach one, also how it describes itself."""
    parts = leaves(message)[len(TEXTS) :]
    for place, (known, part) in enumerate(zip_longest(mime.in_order(attached), parts), 1):
        found = NO_FILE if part is None else mime.read(part)
        yield file_difference(place, known or NO_FILE, found)
        if part is not None and found is None:
            yield from (f"file {place}, header {masked(name.lower())}: {masked(str(value))[:100]}" for name, value in part.items())


def _is_text(part: "Message[str, str]") -> bool:
    """Whether a text is described as ours are, in no word more."""
    described = [(part.get_content_type(), ""), ("charset", "utf-8")]
    encoded = str(part.get("Content-Transfer-Encoding", "")) == "quoted-printable"
    return (
        part.get_params([]) == described and encoded and not {"content-disposition", "content-id"} & {*map(str.lower, part.keys())}
    )


def _is_container(part: "Message[str, str]", boundary: str) -> bool:
    """Whether it is a multipart of ours, with no words that only some mail programs would show."""
    around = f"{part.preamble or ''}{part.epilogue or ''}"
    kind = part.get_content_type()
    names = [name for name, _ in part.get_params([])]
    between = str(part.get_boundary()).removeprefix("mixed.").removeprefix("related.")
    return not around.strip() and kind in mime.CONTAINERS and names == [kind, "boundary"] and between == boundary

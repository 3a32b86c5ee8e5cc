"""The parts of a message that was built: two texts, the pictures of the HTML, the files, and nothing else in any place."""

from collections.abc import Sequence
from email.message import Message

from posting.delivery import mime
from posting.delivery.mime import Attachment

HEADERS = {"content-type", "content-transfer-encoding", "content-disposition", "content-id", "mime-version"}
TEXTS = ["text/plain", "text/html"]
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


def problem(message: "Message[str, str]", attached: Sequence[Attachment], boundary: str) -> str:
    """Why these are not exactly the parts of a copy with these files and this ``boundary`` between them, or ""."""
    for part in message.walk():
        if part.defects:
            return "A rendered copy is so built that mail programs may read it in several ways."
        names = [name.lower() for name in part]
        if part is not message and (len(set(names)) != len(names) or not HEADERS.issuperset(names)):
            return "A part of a rendered copy has a header that does not belong into it."
        if part.is_multipart() and not _is_container(part, boundary):
            return "A rendered copy has something between its parts."
    found = texts(message)
    if [part.get_content_type() for part in found] != TEXTS or not all(map(_is_text, found)):
        return "A rendered copy lacks one of its texts."
    if files(message) != mime.in_order(attached):
        return "A rendered copy has a file that was not accepted, or lacks one."
    if any(file.kind.lower().startswith(ACTIVE) for file in attached):
        return "It has a file of a kind that could do something by itself."
    return ""


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

"""Where a post can name somebody: its words, its HTML as it is written and as it is read, the names of its files, and the files."""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote

from posting.delivery import looking
from posting.delivery.unfolding import Sealed
from posting.models import Post
from subscriptions import addresses

INLINE = {"a", "b", "strong", "em", "i", "u", "code", "img"}  # The words on both sides of such a tag are read as one.
PARAGRAPH = re.compile(r"</(?:\w+:)?(?:p|h|div|li|tr|td|th|row|si)>|<br ?/?>")
TAG = re.compile(r"<[^<>]*>")


def addresses_in(text: str) -> Iterator[str]:
    """The mail addresses in a text: as it stands, and as it is read without what has no width and in its plain letters."""
    yield from addresses.each_found_in(text)
    if not text.isascii():
        yield from addresses.each_found_in(_as_read(text))


def addresses_in_html(html: str) -> Iterator[str]:
    """The same in HTML: in its words and its attributes, encoded or not, with tags in between or not."""
    yield from addresses_in(unquote(unescape(html)))
    yield from addresses_in(_Words.of(html))


def addresses_in_file(content: bytes, kind: str) -> Iterator[str]:
    """The same in a file of this media type; raises ``Sealed``."""
    for text in texts_in_file(content, kind):
        yield from addresses_in(text)


def texts_in_file(content: bytes, kind: str) -> Iterator[str]:
    """What a file says; where that has tags, or characters that are encoded, with these read as well. Raises ``Sealed``."""
    for text in looking.texts_in(looking.look(kind, content)):
        yield text
        if "&" in text or "%" in text:
            yield unquote(unescape(text))
        if "<" in text:
            yield unescape(TAG.sub("", PARAGRAPH.sub("\n", text)))


def sealed_in(post: Post) -> list[str]:
    """The names of its files that cannot be looked into."""
    return [file.name for file in post.attachments.order_by("position") if _is_sealed(file.content, file.kind)]


def named_in(post: Post) -> Iterator[tuple[str, str]]:
    """Each address that a post names, with the name of the file in which it stands; "" is the text. Some come more than once."""
    yield from ((written, "") for written in addresses_in(f"{post.subject}\n{post.body}"))
    if not post.pk:
        return
    yield from ((written, "") for written in addresses_in_html(post.html))
    for file in post.attachments.order_by("position"):
        yield from ((written, file.name) for written in addresses_in(unquote(file.name)))
        with suppress(Sealed):  # Those hold the post by themselves.
            yield from ((written, file.name) for written in addresses_in_file(file.content, file.kind))


def _is_sealed(content: bytes, kind: str) -> bool:
    try:
        looking.look(kind, content)
    except Sealed:
        return True
    return False


def _as_read(text: str) -> str:
    bare = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFKC", bare)


class _Words(HTMLParser):
    """What a reader sees of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    @classmethod
    def of(cls, html: str) -> str:
        parser = cls()
        parser.feed(html)
        parser.close()
        return "".join(parser.seen)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in INLINE:
            self.seen.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.handle_starttag(tag, [])

    def handle_data(self, data: str) -> None:
        self.seen.append(data)

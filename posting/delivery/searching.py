"""Where a post can name somebody: its words, its HTML as it is written and as it is read, the names of its files, and the files."""

import re
import unicodedata
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote

from posting.delivery.octets import texts_in
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
    """The same in a file of this media type, which may hold a text with tags, or with characters that are encoded."""
    for text in texts_in(content, kind):
        yield from addresses_in(text)
        if "&" in text or "%" in text:
            yield from addresses_in(unquote(unescape(text)))
        if "<" in text:
            yield from addresses_in(unescape(TAG.sub("", PARAGRAPH.sub("\n", text))))


def named_in(post: Post) -> Iterator[tuple[str, str]]:
    """Each address that a post names, with the name of the file in which it stands; "" is the text. Some come more than once."""
    yield from ((written, "") for written in addresses_in(f"{post.subject}\n{post.body}"))
    if not post.pk:
        return
    yield from ((written, "") for written in addresses_in_html(post.html))
    for file in post.attachments.order_by("position"):
        yield from ((written, file.name) for written in addresses_in(unquote(file.name)))
        yield from ((written, file.name) for written in addresses_in_file(bytes(file.content), file.kind))


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

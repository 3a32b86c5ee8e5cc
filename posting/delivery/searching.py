"""Where a post can name somebody: its words, its HTML as it is written and as it is read, the names of its files, and the files."""

import re
from collections.abc import Iterator
from contextlib import suppress
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote

from django.contrib.auth.hashers import check_password

from posting.delivery import disguises, issued, looking, memberlinks
from posting.delivery.unfolding import Sealed
from posting.models import Post
from subscriptions import addresses
from subscriptions.addresses import BadAddress

INLINE = {"a", "b", "strong", "em", "i", "u", "code", "img"}  # The words on both sides of such a tag are read as one.
PARAGRAPH = re.compile(r"</(?:\w+:)?(?:p|h|div|li|tr|td|th|row|si)>|<br ?/?>")
TAG = re.compile(r"<[^<>]*>")


def addresses_in(text: str) -> Iterator[str]:
    """The mail addresses in a text: as it stands, as a reader sees it, and in a disguise."""
    yield from addresses.each_found_in(text)
    read = disguises.as_read(text)
    if read is not text:
        yield from addresses.each_found_in(read)
    yield from filter(_is_address, (found.address for found in disguises.found_in(read)))


def addresses_in_html(html: str) -> Iterator[str]:
    """The same in HTML: in its words and its attributes, encoded or not, with tags in between or not."""
    for text in _texts_of_html(html):
        yield from addresses_in(text)


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
    for text, place in texts_in(post):
        yield from ((written, place) for written in addresses_in(text))


def password_in(post: Post) -> str | None:
    """Where a post shows its sender's password, or what has the form of one: the name of a file, "" for the text, or None."""
    tried: set[str] = set()
    for text, place in texts_in(post):
        if issued.stands_in(text):
            return place
        for meant in issued.meant_in(text):
            if len(tried) == issued.MOST_TRIED:
                break
            if meant not in tried and check_password(meant, post.sender.password):
                return place
            tried.add(meant)
    return None


def member_link_in(post: Post) -> str | None:
    """Where a post shows a link, or an address with a token, that is a member's own: in the same words."""
    tried: set[str] = set()
    for text, place in texts_in(post):
        for meant in memberlinks.meant_in(text):
            if len(tried) == memberlinks.MOST_TRIED:
                return None
            if meant not in tried and memberlinks.is_ours(meant):
                return place
            tried.add(meant)
    return None


def texts_in(post: Post) -> Iterator[tuple[str, str]]:
    """All that a post says, each text with the name of the file in which it stands; "" is the text."""
    yield f"{post.subject}\n{post.body}", ""
    if not post.pk:
        return
    yield from ((text, "") for text in _texts_of_html(post.html))
    for file in post.attachments.order_by("position"):
        yield unquote(file.name), file.name
        with suppress(Sealed):  # Those hold the post by themselves.
            yield from ((text, file.name) for text in texts_in_file(file.content, file.kind))


def _texts_of_html(html: str) -> tuple[str, str]:
    return unquote(unescape(html)), _Words.of(html)


def _is_sealed(content: bytes, kind: str) -> bool:
    try:
        looking.look(kind, content)
    except Sealed:
        return True
    return False


def _is_address(text: str) -> bool:
    try:
        addresses.parse(text)
    except BadAddress:
        return False
    return True


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

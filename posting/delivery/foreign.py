"""What stands in a rendered copy's HTML that a mail of ours has no use for: scripts, forms, whatever a mail program would fetch."""

import re
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser

from posting.delivery.allowed import SCHEMES, TAGS

LAYOUT: Mapping[str, frozenset[str]] = {  # What our own template has beside the text.
    "html": frozenset({"lang"}),
    "head": frozenset(),
    "meta": frozenset({"charset", "name", "content"}),
    "title": frozenset(),
    "body": frozenset(),
    "div": frozenset(),
}
LINK = re.compile(rf"(?:{'|'.join(SCHEMES)}):", re.IGNORECASE)
FETCHED = re.compile(r"url\(|\\|@|expression", re.IGNORECASE)  # A backslash could spell any of them.


def found_in(html: str, pictures: Iterable[str]) -> str:
    """The first foreign thing, in a word, or "". ``pictures`` are the content ids of those in the message."""
    parser = _Foreign({f"cid:{content_id}" for content_id in pictures})
    parser.feed(html)
    parser.close()
    return parser.found[:40]


class _Foreign(HTMLParser):
    def __init__(self, pictures: set[str]) -> None:
        super().__init__()
        self.pictures = pictures
        self.found = ""

    def find(self, what: str) -> None:
        self.found = self.found or what or "nothing"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        allowed = TAGS.get(tag, LAYOUT.get(tag))
        if allowed is None or (tag == "img" and dict(attrs).get("src") not in self.pictures):
            self.find(tag)
            return
        for name, value in attrs:
            is_ours = name == "style" or (tag, name) == ("a", "rel")  # The layout's, and those of links that it made.
            is_link = name != "href" or LINK.match(value or "") is not None
            is_fetched = name == "style" and FETCHED.search(value or "") is not None
            if not (name in allowed or is_ours) or is_fetched or not is_link:
                self.find(name)

    def handle_comment(self, data: str) -> None:
        self.find("a comment")  # Some mail programs read HTML in it.

    def handle_pi(self, data: str) -> None:
        self.find("an instruction")

    def handle_decl(self, decl: str) -> None:
        if decl.lower() != "doctype html":
            self.find("a declaration")

    def unknown_decl(self, data: str) -> None:
        self.find("a declaration")

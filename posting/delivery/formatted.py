"""Formatted text: the HTML of a post in the one form in which it is kept, and as a mail and a page show it.

Whatever is not on the list of ``allowed`` vanishes each time: what was written into the database by another way is shown nowhere.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from urllib.parse import unquote

import nh3
from django.utils.safestring import SafeString, mark_safe

from posting.delivery.allowed import SCHEMES, TAGS

Picture = Callable[[str], str | None]  # Where the picture with this content id is; None where it is not shown.

RULE = "#8a8f93"  # As in the layout: it is seen on light ground and on dark.
STYLES = {
    "p": "margin:0 0 16px",
    "h1": "margin:28px 0 12px;font-size:26px;line-height:1.25",
    "h2": "margin:24px 0 10px;font-size:21px;line-height:1.3",
    "h3": "margin:20px 0 8px;font-size:18px;line-height:1.35",
    "ul": "margin:0 0 16px;padding:0 0 0 24px",
    "ol": "margin:0 0 16px;padding:0 0 0 28px",
    "li": "margin:0 0 6px",
    "blockquote": f"margin:0 0 16px;padding:0 0 0 14px;border-left:3px solid {RULE}",
    "img": "max-width:100%;height:auto;border:0",
    "table": "max-width:100%;margin:0 0 16px;border-collapse:collapse;font-size:inherit",
    "td": f"padding:6px 10px;border:1px solid {RULE};text-align:left;vertical-align:top",
    "th": f"padding:6px 10px;border:1px solid {RULE};text-align:left;vertical-align:top",
    "hr": f"margin:24px 0;border:0;border-top:1px solid {RULE}",
    "pre": "margin:0 0 16px;white-space:pre-wrap;font-size:15px",
    "a": "color:inherit",
}
NO_STYLES: Mapping[str, str] = {}
LINK = re.compile(rf"(?:{'|'.join(SCHEMES)}):", re.IGNORECASE)
IMAGE = re.compile(r"<img([^>]*)>")  # As the cleaner writes it: no ">" stands in a value.
ATTRIBUTE = re.compile(r' ([a-z]+)="([^"]*)"')
MOST_PASSES = 5


def clean(html: str) -> str:
    """The HTML in the form in which it is kept: cleaning it again changes nothing. "" where that cannot be reached."""
    for _ in range(MOST_PASSES):
        before, html = html, _written(html, lambda content_id: f"cid:{content_id}")
        if html == before:
            return html
    return ""


def renamed(html: str, names: Mapping[str, str]) -> str:
    """With other names for its pictures. One without a name becomes its alternative text."""
    return clean(_written(html, lambda content_id: f"cid:{names[content_id]}" if content_id in names else None))


def pictures_in(html: str) -> set[str]:
    """The content ids of the pictures that it shows."""
    found: set[str] = set()

    def note(content_id: str) -> None:
        found.add(content_id)

    _written(html, note)
    return found


def in_mail(html: str, picture: Picture) -> SafeString:
    """As it stands in a copy: its tags have a style each, since many mail programs read no style sheet."""
    return mark_safe(_written(html, picture, STYLES))  # noqa: S308 (cleaned)


def on_page(html: str, picture: Picture) -> SafeString:
    """As a page of ours shows it; the page's own style sheet dresses it."""
    return mark_safe(_written(html, picture, rel="nofollow noopener noreferrer"))  # noqa: S308 (cleaned)


def _written(html: str, picture: Picture, styles: Mapping[str, str] = NO_STYLES, rel: str | None = None) -> str:
    def kept(tag: str, name: str, value: str) -> str | None:
        if name == "src":
            scheme, _, content_id = value.partition(":")
            return picture(unquote(content_id)) if scheme.lower() == "cid" else None
        if name == "href":
            return value if LINK.match(value) else None
        return value

    cleaned = nh3.clean(
        html,
        tags=set(TAGS),
        attributes=_attributes(),
        attribute_filter=kept,
        url_schemes={*SCHEMES, "cid"},
        link_rel=rel,
        set_tag_attribute_values={tag: {"style": style} for tag, style in styles.items()},
    )
    return IMAGE.sub(_image_or_words, cleaned)


@cache
def _attributes() -> dict[str, set[str]]:
    return {tag: set(names) for tag, names in TAGS.items() if names}


def _image_or_words(found: re.Match[str]) -> str:
    """The picture; one that leads nowhere is its alternative text."""
    attributes = dict(ATTRIBUTE.findall(found[1]))
    return found[0] if attributes.get("src") else attributes.get("alt", "")

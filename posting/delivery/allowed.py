"""What the HTML of a post may be made of: whoever lets it in and whoever lets it out go by the same table. Pure."""

from collections.abc import Mapping

TAGS: Mapping[str, frozenset[str]] = {  # Each with its attributes.
    "p": frozenset(),
    "br": frozenset(),
    "strong": frozenset(),
    "b": frozenset(),
    "em": frozenset(),
    "i": frozenset(),
    "u": frozenset(),
    "h1": frozenset(),
    "h2": frozenset(),
    "h3": frozenset(),
    "ul": frozenset(),
    "ol": frozenset(),
    "li": frozenset(),
    "blockquote": frozenset(),
    "a": frozenset({"href"}),
    "img": frozenset({"src", "alt", "width", "height"}),
    "table": frozenset(),
    "thead": frozenset(),
    "tbody": frozenset(),
    "tr": frozenset(),
    "td": frozenset({"colspan", "rowspan"}),
    "th": frozenset({"colspan", "rowspan"}),
    "hr": frozenset(),
    "pre": frozenset(),
    "code": frozenset(),
}
SCHEMES = ("http", "https", "mailto")  # Of links; a picture's is "cid".

"""What the HTML of a post may hold: these tags with these attributes, and links of these schemes. All else is foreign."""

from collections.abc import Mapping

TAGS: Mapping[str, frozenset[str]] = {
    name: frozenset(attributes)
    for name, attributes in {
        "p": (),
        "br": (),
        "strong": (),
        "b": (),
        "em": (),
        "i": (),
        "u": (),
        "h1": (),
        "h2": (),
        "h3": (),
        "ul": (),
        "ol": (),
        "li": (),
        "blockquote": (),
        "a": ("href",),
        "img": ("src", "alt", "width", "height"),
        "table": (),
        "thead": (),
        "tbody": (),
        "tr": (),
        "td": ("colspan", "rowspan"),
        "th": ("colspan", "rowspan"),
        "hr": (),
        "pre": (),
        "code": (),
    }.items()
}
SCHEMES = ("http", "https", "mailto")

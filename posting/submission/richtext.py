"""The HTML of a mail, rebuilt from the few tags of ``posting.delivery.allowed``. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape, unescape
from urllib.parse import unquote

import nh3
from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml.etree import LxmlError

from chamberlist import parsing
from posting.delivery.allowed import SCHEMES, TAGS
from posting.submission.building import Builder

MOST_HTML = 1_000_000  # Characters, pictures written into the text apart.
MOST_TAGS = 16_000  # The parser takes the square of their number where they are nested.
MOST_ROWS, MOST_CELLS, LONGEST_CELL = 100, 10, 300  # Beyond these, and below two by two, a table is layout.
LONGEST_LINK = 2_000

LINES = {  # Each begins a line and ends it; beyond that they say nothing.
    "div", "center", "section", "article", "header", "footer", "main", "nav", "aside", "address", "dl", "dt", "dd", "figure",
    "figcaption", "caption", "form", "fieldset",
}  # fmt: skip
SMALL_HEADINGS = {"h4": "h3", "h5": "h3", "h6": "h3"}
INLINE = {"strong", "b", "em", "i", "u", "a", "code", "span"}
VOID = {"br", "hr", "img"}
HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
TABLE = {"table", "thead", "tbody", "tr", "td", "th"}
UNSEEN = {
    "script", "style", "title", "template", "noscript", "iframe", "object", "svg", "math", "xml", "select", "textarea", "noembed",
    "noframes", "video", "audio", "canvas",
}  # fmt: skip
WRITTEN_IN = re.compile(r"data:[^\s\"'<>]{100,}")
TOKEN = re.compile(r"<(/?)([a-z][a-z0-9]*)([^<>]*)>|([^<>]+)")
ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"')
WEB_LINK = re.compile(r"https?://[^\s/?#]")
LINK = re.compile(r'<a href="([^"]*)">(.*?)</a>', re.DOTALL)
PICTURE = re.compile(r"<img\b[^<>]*>")
ALT = re.compile(r' alt="([^"]+)"')
ANY_TAG = re.compile(r"<[^<>]*>")
INLINE_TAG = re.compile(rf"</?(?:{'|'.join(sorted(INLINE))})\b[^<>]*>")
PLAIN_TAG = re.compile(r"</?(?:p|br|a)\b[^<>]*>")
CONFIG = ParserConfig(css=CSS_PROFILES["strict"])


class TooMuch(ValueError):
    """The HTML is beyond the bounds."""


@dataclass
class Token:
    """A tag, or with ``tag`` "" a text."""

    tag: str
    is_end: bool = False
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""


def opened(html: str) -> list[Token]:
    """The HTML as well-formed tags and texts, sanitised; raises ``TooMuch``."""
    html = WRITTEN_IN.sub("", html)
    if len(html) > MOST_HTML or html.count("<") > MOST_TAGS:
        raise TooMuch
    clean = nh3.clean(
        html,
        tags={*TAGS, *LINES, *SMALL_HEADINGS, "span"},
        attributes={tag: set(attributes) for tag, attributes in TAGS.items() if attributes} | {"*": {"style", "hidden"}},
        attribute_filter=_filtered,
        clean_content_tags=UNSEEN,
        url_schemes={*SCHEMES, "cid"},
        link_rel=None,
    )
    return list(_shown(_token(*match.groups()) for match in TOKEN.finditer(clean)))


def lines(tokens: list[Token]) -> list[list[Token]]:
    """The texts, line by line as a reader sees them, whatever tags are inside the lines."""
    found: list[list[Token]] = [[]]
    for token in tokens:
        if not token.tag:
            found[-1].append(token)
        elif token.tag not in INLINE and found[-1]:
            found.append([])
    return found


def rebuilt(tokens: list[Token], pictures: Mapping[str, str] | None = None) -> str:
    """The HTML of allowed tags alone. ``pictures``: our names for the Content-IDs of those pictures that stay."""
    layout, pictures = _layout(tokens), pictures or {}
    builder = Builder()
    for place, token in enumerate(tokens):
        if not token.tag:
            builder.say(token.text)
        elif token.tag in LINES or place in layout:
            builder.end_line()
        elif token.tag == "br":
            builder.break_line()
        elif token.tag in ("img", "hr"):
            builder.put(token.tag, _attributes(token, pictures))
        elif token.is_end:
            builder.close()
        else:
            builder.open(token.tag, _attributes(token, pictures))
    return builder.finished()


def as_text(html: str) -> str:
    """What rebuilt HTML says, as plain text; a link's address stands behind its words."""
    html = PICTURE.sub(lambda match: "".join(f"[{alt}]" for alt in ALT.findall(match.group())), LINK.sub(_spelled_out, html))
    try:
        text = get_text(html, CONFIG) if html else ""
    except (LxmlError, RecursionError, ValueError, LookupError, AttributeError, TypeError):
        text = unescape(ANY_TAG.sub("\n", html))
    text = "\n".join(line.rstrip() for line in parsing.plain(text).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def from_text(text: str) -> str:
    """Plain text as paragraphs and line breaks."""
    paragraphs = [escape(paragraph, quote=False) for paragraph in re.split(r"\n\s*\n", text.strip()) if paragraph.strip()]
    return "".join(f"<p>{paragraph.replace(chr(10), '<br>')}</p>" for paragraph in paragraphs)


def says_no_more(html: str, text: str) -> bool:
    """Whether rebuilt HTML only has the words, line breaks and bare links of the plain text."""
    if ANY_TAG.search(PLAIN_TAG.sub("", html)) or any(_spelled_out(match) != match[2] for match in LINK.finditer(html)):
        return False
    return _letters(as_text(html)) == _letters(text)


def _filtered(tag: str, name: str, value: str) -> str | None:
    return value if name != "style" or HIDDEN.search(value) else None


def _shown(tokens: Iterable[Token]) -> Iterator[Token]:
    """Those that a reader sees: newsletters hide words for the list of mails in front of their text."""
    depth = 0  # Of tags, from a hidden one on.
    for token in tokens:
        is_hidden = depth > 0 or "style" in token.attributes or "hidden" in token.attributes
        if not is_hidden:
            yield token
        elif token.tag and token.tag not in VOID:
            depth += -1 if token.is_end else 1


def _token(end: str | None, tag: str | None, attributes: str | None, text: str | None) -> Token:
    if text is not None:
        return Token("", text=parsing.plain(unescape(text)))
    found = {name: parsing.plain(unescape(value)).strip() for name, value in ATTRIBUTE.findall(attributes or "")}
    return Token(SMALL_HEADINGS.get(tag or "", tag or ""), bool(end), found)


def _attributes(token: Token, pictures: Mapping[str, str]) -> dict[str, str] | None:
    """Those that may stay; None where the tag is nothing without one that may not."""
    given = token.attributes
    if token.tag == "span":
        return None
    if token.tag == "a":
        link = given.get("href", "").replace(" ", "%20")
        is_good = len(link) <= LONGEST_LINK and (WEB_LINK.match(link.lower()) or link.lower().startswith("mailto:"))
        return {"href": link} if is_good else None
    if token.tag == "img":
        identity = cid(given.get("src", ""))
        if identity not in pictures:
            return None
        sizes = {name: given[name] for name in ("width", "height") if re.fullmatch(r"[1-9][0-9]{0,3}", given.get(name, ""))}
        return {"src": f"cid:{pictures[identity]}", "alt": given.get("alt", "")[:200], **sizes}
    return {name: value for name, value in given.items() if re.fullmatch(r"[1-9][0-9]?", value)}  # colspan, rowspan


def cid(source: str) -> str:
    """The Content-ID that a picture's address names (RFC 2392), or ""."""
    return unquote(source[4:]) if source[:4].lower() == "cid:" else ""


@dataclass
class _Table:
    tokens: list[int] = field(default_factory=list)
    rows: int = 0
    cells: int = 0
    most_cells: int = 0
    length: int = 0
    is_layout: bool = False

    def note(self, place: int, token: Token) -> None:
        """Take one more of its tokens into account."""
        self.length += len(token.text)
        self.is_layout |= token.tag == "caption" or self.length > LONGEST_CELL
        if token.tag in TABLE:
            self.tokens.append(place)
        if token.tag == "tr" and not token.is_end:
            self.rows, self.cells = self.rows + 1, 0
        if token.tag in ("td", "th") and not token.is_end:
            self.cells, self.length = self.cells + 1, 0
            self.most_cells = max(self.most_cells, self.cells)

    @property
    def is_data(self) -> bool:
        return not self.is_layout and 2 <= self.rows <= MOST_ROWS and 2 <= self.most_cells <= MOST_CELLS


def _layout(tokens: list[Token]) -> set[int]:
    """The places of the tags of tables that only arrange what is in them."""
    open_tables: list[_Table] = []
    places: set[int] = set()
    for place, token in enumerate(tokens):
        if token.tag == "table" and not token.is_end:
            for outer in open_tables[-1:]:
                outer.is_layout = True
            open_tables.append(_Table())
        if not open_tables:
            places.update({place} if token.tag in TABLE else ())  # Without its table.
            continue
        open_tables[-1].note(place, token)
        if token.tag == "table" and token.is_end:
            table = open_tables.pop()
            places.update(() if table.is_data else table.tokens)
    return places


def _spelled_out(link: re.Match[str]) -> str:
    """A link's words, and its address unless they say it."""
    address = link[1].removeprefix("mailto:")
    words = ANY_TAG.sub("", link[2]).strip()
    bare = re.sub(r"^https?://(?:www\.)?", "", address).rstrip("/")
    is_said = re.sub(r"^(?:mailto:|https?://)?(?:www\.)?", "", words).rstrip("/") == bare
    return link[2] if is_said or not words else f"{link[2]} ({address})"


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)

"""The words of a mail, as text and as HTML, without the password's line. Pure."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from posting.submission import richtext, stripping
from posting.submission.parts import Parts, Section
from posting.submission.richtext import Token, TooMuch

TOO_MUCH = "Its formatting is too large. Send it as plain text, or use the form on the web site."


@dataclass(frozen=True)
class Wording:
    """``pictures``: our names for the Content-IDs of the pictures that the HTML shows; ``passwords``: those that were taken out."""

    text: str = field(repr=False)
    html: str = field(default="", repr=False)
    pictures: Mapping[str, str] = field(default_factory=dict, repr=False)
    passwords: tuple[str, ...] = field(default=(), repr=False)


def worded(parts: Parts) -> Wording:
    """The words of all sections; raises ``TooMuch``."""
    markup = [section.html or "" for section in parts.sections]
    if sum(html.count("<") for html in markup) > richtext.MOST_TAGS:
        raise TooMuch
    opened = [None if section.html is None else richtext.opened(section.html) for section in parts.sections]
    sections, passwords = _without_password(parts.sections, opened)
    names = {piece.content_id: f"picture{number}" for number, piece in enumerate(parts.pieces, 1) if piece.content_id}
    htmls = ["" if tokens is None else richtext.rebuilt(tokens, names) for tokens in opened]
    texts = [_text(plain, html) for plain, html in zip(sections, htmls, strict=True)]
    text = "\n\n".join(text.strip("\n").rstrip() for text in texts if text.strip()).strip()
    html = "".join(
        richtext.from_text(text) if tokens is None else html for tokens, html, text in zip(opened, htmls, texts, strict=True)
    )
    if all(tokens is None for tokens in opened) or richtext.says_no_more(html, text):
        html = ""
    return Wording(text, html, {cid: name for cid, name in names.items() if f'"cid:{name}"' in html}, passwords)


def written(parts: Parts) -> str:
    """The words of all sections as plain text, with all that is in them; HTML beyond the bounds is left out."""
    is_too_much = sum(section.html.count("<") for section in parts.sections if section.html) > richtext.MOST_TAGS
    texts = []
    for section in parts.sections:
        if section.plain is not None:
            texts.append(section.plain.strip())
        elif section.html is not None and not is_too_much:
            with suppress(TooMuch):
                texts.append(richtext.as_text(richtext.rebuilt(richtext.opened(section.html))))
    return "\n\n".join(filter(None, texts))


def _text(plain: str | None, html: str) -> str:
    """Some mail programs send an empty text with the HTML."""
    return plain if plain is not None and (stripping.is_visible(plain) or not html) else richtext.as_text(html)


def _without_password(sections: list[Section], opened: list[list[Token] | None]) -> tuple[list[str | None], tuple[str, ...]]:
    """The plain texts without the password's line, which the first section that shows anything has; out of tokens it is cut."""
    plains = [section.plain for section in sections]
    found: list[str] = []
    for number, (plain, tokens) in enumerate(zip(plains, opened, strict=True)):
        shows = plain is not None and stripping.is_visible(plain)
        if plain is not None:
            plains[number], password = stripping.cut(plain)
            found.append(password)
        if tokens is not None:
            shows |= any(stripping.is_visible(token.text) for token in tokens)
            found.append(_cut_out(tokens))
        if shows:
            break
    return plains, tuple(password for password in found if password)


def _cut_out(tokens: list[Token]) -> str:
    lines = richtext.lines(tokens)
    found = stripping.find(["".join(token.text for token in line).replace("\n", " ") for line in lines])
    if found is None:
        return ""
    for line in lines[: found.line]:
        for token in line:
            token.text = ""
    left = found.end
    for token in lines[found.line]:
        token.text, left = token.text[left:], max(left - len(token.text), 0)
    return found.password

"""Building HTML tag by tag: no empty wrappers, as many line breaks as a reader saw, and no deep nesting. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

DEEPEST = 40
BLOCKS = {
    "p", "h1", "h2", "h3", "ul", "ol", "li", "blockquote", "table", "thead", "tbody", "tr", "td", "th", "hr", "pre",
}  # fmt: skip
ROWS = {"table", "thead", "tbody", "tr", "ul", "ol"}  # In which no text stands.
CELLS = {"td", "th"}  # Without their empty ones, the others would move.
BREAK = "<br>"
SPACE = re.compile(r"[ \t\n]+")


@dataclass
class _Open:
    tag: str  # "" where the tag was left out.
    start: int
    was_fresh: bool
    has_content: bool = False


class Builder:
    """Takes well-formed tags in order."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._stack = [_Open("", 0, was_fresh=True)]
        self._is_fresh = True  # At the beginning of a block: nothing stands before, so no break is needed.
        self._is_due = False  # A line ended, and its break is to be written if anything follows.
        self._is_broken = False  # The last was a break of the author's.
        self._in_pre = 0

    def say(self, text: str) -> None:
        """A text."""
        text = text if self._in_pre else SPACE.sub(" ", text)
        if self._in_pre or text.strip(" \u00a0"):
            self._add(escape(text, quote=False))
        elif text and not (self._is_fresh or self._is_due or self._is_broken):
            self._out.append(" ")

    def put(self, tag: str, attributes: Mapping[str, str] | None) -> None:
        """A tag without content; None for ``attributes`` leaves it out."""
        if attributes is None:
            return
        if tag in BLOCKS:
            self._is_due = False
        self._add(_written(tag, attributes))
        self._is_fresh = tag in BLOCKS

    def break_line(self) -> None:
        """A line break of the author's."""
        if self._in_pre:
            self._out.append("\n")
        elif not self._is_fresh:
            self._out += [BREAK, BREAK] if self._is_due else [BREAK]
            self._is_due, self._is_broken = False, True

    def end_line(self) -> None:
        """A line ends here, if anything stands in it."""
        self._is_due = self._is_due or not (self._is_fresh or self._is_broken)

    def open(self, tag: str, attributes: Mapping[str, str] | None) -> None:
        """A tag begins; None for ``attributes`` leaves it out, and not what is in it."""
        if attributes is None or len(self._stack) > DEEPEST:
            self._stack.append(_Open("", len(self._out), self._is_fresh))
            return
        self._stack.append(_Open(tag, len(self._out), self._is_fresh and not self._is_due))
        self._out.append(_written(tag, attributes))
        self._in_pre += tag == "pre"
        if tag in BLOCKS:
            self._begin_block()

    def close(self) -> None:
        """The tag that was opened last ends."""
        if len(self._stack) == 1:
            return
        closed = self._stack.pop()
        self._in_pre -= closed.tag == "pre"
        self._stack[-1].has_content |= closed.has_content
        if closed.tag and not closed.has_content and closed.tag not in CELLS:
            self._take_back(closed)
        elif closed.tag in BLOCKS:
            self._trim()
            self._out.append(f"</{closed.tag}>")
            self._begin_block()
        elif closed.tag:
            self._out.append(f"</{closed.tag}>")

    def finished(self) -> str:
        """The whole."""
        while len(self._stack) > 1:
            self.close()
        self._trim()
        return "".join(self._out).strip()

    def _add(self, written: str) -> None:
        if self._stack[-1].tag in ROWS and not written.strip():
            return
        if self._is_due:
            self._out.append(BREAK)
        if self._is_fresh and not self._in_pre:
            written = written.lstrip(" ")
        self._out.append(written)
        self._stack[-1].has_content = True
        self._is_fresh = self._is_due = self._is_broken = False

    def _begin_block(self) -> None:
        self._is_fresh, self._is_due, self._is_broken = True, False, False

    def _take_back(self, empty: _Open) -> None:
        """An empty wrapper goes; around words, the space or the break in it stays."""
        inside = self._out[empty.start :]
        del self._out[empty.start :]
        if empty.tag not in BLOCKS:
            self._out += [each for each in inside if each in (" ", BREAK)]
            return
        self._is_fresh, self._is_due, self._is_broken = empty.was_fresh, not empty.was_fresh, False

    def _trim(self) -> None:
        while self._out and self._out[-1] in (BREAK, " "):
            self._out.pop()


def _written(tag: str, attributes: Mapping[str, str]) -> str:
    pairs = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f"<{tag}{pairs}>"

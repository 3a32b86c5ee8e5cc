"""Proving that a password is absent from what is kept: in any spelling that a mail program, a file or a person may give it. Pure.

Everything is compared squeezed: letters and digits alone, in lower case. What is compared is half of an issued password at least.
"""

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator
from html import unescape
from urllib.parse import unquote

from posting.submission.stripping import is_issued

SHORTEST = 8  # Squeezed characters. What is shorter is no password of ours, and stands in many texts.
HALF = 10
WIDE = ("utf-8", "utf-16-le", "utf-16-be")

OTHERS = bytes(octet for octet in range(256) if not chr(octet).isascii() or not chr(octet).isalnum())
LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
TAG = re.compile(r"<[^<>]*>")
ESCAPED = re.compile(r"=\r?\n|=([0-9A-Fa-f]{2})|\\x([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})")  # Quoted-printable; in programs.
UUENCODED = re.compile(r"^begin [0-7]{3,4} [^\n]*\n((?:[ -`]{1,62}\r?\n?)+)", re.MULTILINE)


class Needles:
    """What a password looks like, squeezed, in the ways in which it may be written."""

    def __init__(self, passwords: Iterable[str]) -> None:
        found: set[bytes] = set()
        for password in passwords:
            if len(squeezed(password)) >= SHORTEST:
                found.update(_spellings(password))
        self._found = tuple(found)

    def are_in_octets(self, octets: bytes) -> bool:
        """Whether one of them is in a file's octets, whatever the width of its characters."""
        if not self._found:
            return False
        haystack = octets.translate(LOWER, OTHERS)
        return any(needle in haystack for needle in self._found)

    def are_in_text(self, text: str) -> bool:
        """Whether one of them is in a text, or in what a program may make of it."""
        return bool(self._found) and any(self.are_in_octets(_ascii(form)) for form in _forms(text))


def squeezed(text: str) -> bytes:
    """Its letters and digits in lower case, those without accents and of one width."""
    return _ascii(text).translate(LOWER, OTHERS)


def _ascii(text: str) -> bytes:
    return (text if text.isascii() else unicodedata.normalize("NFKD", text)).encode("ascii", "ignore")


def _spellings(password: str) -> Iterator[bytes]:
    whole = squeezed(password)
    pieces = [whole[start : start + HALF] for start in range(len(whole) - HALF + 1)] if is_issued(password) else [whole]
    for piece in pieces if len(pieces) == 1 else (pieces[0], pieces[len(pieces) // 2], pieces[-1]):
        yield piece
        yield piece[::-1]
        yield codecs.encode(piece.decode(), "rot13").encode()
    for written in {password.strip(), whole.decode()}:
        for charset in WIDE:
            octets = written.encode(charset)
            yield octets.hex().strip("0").encode()
            yield from (_in_base64(octets, offset) for offset in range(3))


def _in_base64(octets: bytes, offset: int) -> bytes:
    """What is always the same where it stands at that offset, squeezed."""
    written = base64.b64encode(b"\0" * offset + octets)
    return written[-(-offset * 8 // 6) : (offset + len(octets)) * 8 // 6].translate(LOWER, OTHERS)


def _forms(text: str) -> Iterator[str]:
    """The text, and step by step what is left when entities, percent signs, escapes and tags are read."""
    text = text if text.isascii() else unicodedata.normalize("NFKD", text)
    seen = {text: None}
    for read in (unescape, unquote, _unescaped, _uudecoded, unescape):
        text = read(text)
        seen[text] = None
    for form in (*seen, ""):
        yield form
        if "<" in form:
            yield TAG.sub("", form)
            yield unescape(TAG.sub("", form))


def _unescaped(text: str) -> str:
    return ESCAPED.sub(lambda match: chr(int(match[1] or match[2] or match[3], 16)) if match.lastindex else "", text)


def _uudecoded(text: str) -> str:
    return UUENCODED.sub(lambda match: "".join(map(_uu_line, match[1].splitlines())), text)


def _uu_line(line: str) -> str:
    try:
        return binascii.a2b_uu(line).decode("latin-1")
    except ValueError:
        return ""

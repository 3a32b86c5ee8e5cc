"""Addresses in text: found, and taken out of what is kept or logged, for what servers answer and libraries log may quote them."""

import copy
import logging
import re
from collections.abc import Iterator

MASK = "[address]"
# Broad on purpose: a lost word in a log costs less than an address in it. Quoted local parts first, then atoms of any script.
# An atom is tried from its start alone: else a long word without "@" would take the square of its length.
ADDRESS = re.compile(r'"(?:[^"\\\r\n]|\\.){1,64}"@[^\s<>"\',;()]+|(?<![^\s<>"\',;:()\[\]=])[^\s<>"\',;:()\[\]=]+@[^\s<>"\',;()]+')
# Broader still, for what is taken out: "=" and "'" may stand in an atom, JSON puts a backslash before quotes, and programs have
# escapes for the "@". Where no local part can be told, the domain goes alone.
AT = r"(?:[@\uff20\ufe6b]|%(?:25)*40|&#0*64;|&#[xX]0*40;|&commat;|\\+u0040|\\+x40)"
NAMING = re.compile(AT)
REDACTED = re.compile(
    rf'\\*"(?:[^"\\\r\n]|\\.){{1,64}}?\\*"{AT}[^\s<>"\',;()]+'
    rf'|(?<![^\s<>",;:()\[\]])[^\s<>",;:()\[\]]+?{AT}[^\s<>"\',;()]+'
    rf'|{AT}[^\s<>"\',;()]+'
)
LONGEST = 1_000  # Characters of an address, generously: octets are counted by who reads it.
AROUND = ".,;:!?*_~`'()[]{}<>|/\\\u2018\u2019\u201c\u201d"
BETWEEN = re.compile(r"[?&=/#|]")
DOMAIN = re.compile(r"(?:[\w-]+\.)+[^\W\d][\w-]+|\[[0-9A-Fa-f.:]+\]")


def written_in(text: str) -> Iterator[str]:
    """What looks like a mail address, without what stands around it in a text or a link; some come more than once."""
    tried = set[str]()
    for match in ADDRESS.finditer(text):
        written = match.group()
        if written in tried:
            continue
        tried.add(written)
        # A link may name several: mailto:anne@bakery.example?cc=bob@bakery.example (RFC 6068).
        pieces = BETWEEN.split(written) if written.count("@") > 1 else [written]
        yield from filter(None, map(_trimmed, pieces))


def redact(text: str) -> str:
    """The text with each mail address replaced by ``[address]``."""
    return REDACTED.sub(MASK, text) if NAMING.search(text) else text


def _trimmed(written: str) -> str:
    """The address alone; "" where it is none."""
    local, _, domain = written.strip(AROUND).removeprefix("mailto:").rpartition("@")
    found, local = DOMAIN.match(domain), local.lstrip(AROUND)
    return f"{local}@{found.group()}" if found and local and len(written) <= LONGEST else ""


class RedactingFormatter(logging.Formatter):
    """Redacts the finished line, its arguments and traceback included, whoever logged it."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(_without_the_request(record)))


def _without_the_request(record: logging.LogRecord) -> logging.LogRecord:
    """Django quotes the host, path and origin that a visitor sent: half an address may stand there, and the tokens of links do."""
    if not record.name.startswith(("django.request", "django.security")):
        return record
    told, status = copy.copy(record), getattr(record, "status_code", None)
    page = getattr(getattr(record, "request", None), "resolver_match", None)
    told.msg, told.args = f"answered {status or 'without a status'}, at {page.view_name if page else 'no page'}", ()
    if not isinstance(status, int) or status < 500:  # What is wrong with the request is all that its traceback tells.
        told.exc_info, told.exc_text = None, None
    return told

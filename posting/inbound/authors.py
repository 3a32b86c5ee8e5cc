"""Authors: the one address in a message's From, read as it stands. What a name in it decodes to is no address. Pure."""

import re
from collections.abc import Iterable

import dns.exception
import dns.name

from posting.inbound import results, signatures

# What stands outside quoted strings and remarks: an address, brackets around it, a name that needs no quotes.
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
ADDRESS = re.compile(r"([^\s<>,;:@]+)@([^\s<>,;:@]+)")
PLACE = "\0"  # Where a quoted string stood: good in a name, and not in an address.


def only(values: Iterable[str]) -> str:
    """The one address in the one From (RFC 5322 section 3.6.2), its domain plain; "" where there is not exactly one.

    ``values`` are the fields of that name, undecoded.
    """
    fields = list(values)
    if len(fields) != 1 or len(fields[0]) > results.LONGEST or PLACE in fields[0]:
        return ""
    bare = "".join(text if kind != "remark" else " " for kind, text in _pieces(fields[0]))
    named, opened, rest = bare.partition("<")
    address, closed, after = rest.partition(">")
    if not opened:
        address, closed, after, named = bare.strip(), ">", "", ""
    found = ADDRESS.fullmatch(address.strip())
    if not found or not closed or after.strip() or PLACE in address or re.search("[<>,;:]", named):
        return ""
    domain = plain(found[2])
    return f"{found[1]}@{domain}" if domain else ""


def domain_of(address: str) -> str:
    """The domain of an address, plain."""
    return plain(address.rpartition("@")[2])


def plain(domain: str) -> str:
    """A domain in ASCII and lower case (IDNA 2008); "" for what is none."""
    try:
        found = dns.name.from_text(domain.lower(), idna_codec=dns.name.IDNA_2008_Practical).to_text(omit_final_dot=True)
    except (dns.exception.DNSException, UnicodeError):
        return ""
    return found if signatures.DOMAIN.fullmatch(found) else ""


def text(value: object) -> str:
    """A field's value, whose octets beyond ASCII the parser hides as surrogates."""
    return str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _pieces(value: str) -> list[tuple[str, str]]:
    """A From with its quoted strings emptied and its remarks apart; none where a quote never closes."""
    pieces, at = [], 0
    while at < len(value):
        if value[at] == "(":
            end = results.end_of_remark(value, at)
            pieces.append(("remark", value[at:end]))
            at = end
        elif found := QUOTED.match(value, at):
            pieces.append(("quoted", PLACE))
            at = found.end()
        elif value[at] == '"':
            return []
        else:
            pieces.append(("text", value[at]))
            at += 1
    return pieces

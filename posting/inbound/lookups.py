"""TXT records from the DNS, within bounds: a stranger's message decides what is asked, never how often or for how long."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from chamberlist.resolvers import place

MOST = 12  # Look-ups for one message.
LONGEST = 2.0  # Seconds for one of them,
ALTOGETHER = 3.0  # and for all: other mail waits meanwhile.


class Unanswered(Exception):
    """Nobody knows: the servers were silent or failed, or too much was asked."""


@dataclass(frozen=True)
class Found:
    """What a name has: whether it exists at all, and its texts."""

    exists: bool
    texts: tuple[bytes, ...] = ()


class Lookups:
    """The look-ups for one message; no name is asked for twice."""

    def __init__(self, resolvers: Sequence[str] = ()) -> None:
        """``resolvers`` are addresses of DNS servers (``chamberlist.resolvers``); without any, the machine's own are asked."""
        self.resolvers = resolvers
        self.known: dict[str, Found | None] = {}
        self.until = time.monotonic() + ALTOGETHER

    def texts(self, name: str) -> tuple[bytes, ...]:
        """The TXT records of a name, each in one piece; raises ``Unanswered``."""
        return self.ask(name).texts

    def ask(self, name: str) -> Found:
        """What a name has; raises ``Unanswered``."""
        if name not in self.known:
            if len(self.known) >= MOST:
                raise Unanswered
            self.known[name] = self._asked(name)
        found = self.known[name]
        if found is None:
            raise Unanswered
        return found

    def _asked(self, name: str) -> Found | None:
        left = min(LONGEST, self.until - time.monotonic())
        if left <= 0:
            return None
        try:
            wanted = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError):
            return Found(exists=False)  # No such name can exist.
        try:
            answer = self._resolver().resolve(wanted, "TXT", raise_on_no_answer=False, lifetime=left, search=False)
        except dns.resolver.NXDOMAIN:
            return Found(exists=False)
        except (dns.exception.DNSException, OSError):
            return None
        return Found(exists=True, texts=tuple(b"".join(record.strings) for record in answer.rrset or ()))

    def _resolver(self) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=not self.resolvers)
        resolver.use_edns(0, 0, 1232)  # A key of 2,048 bits fits into one answer.
        if self.resolvers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(*place(each)) for each in self.resolvers]
        return resolver

"""What left, by the place that it left by, and which canaries may stand there. Everything else is a leak."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.canary.canaries import Canary
from tests.canary.searching import Find, Searcher
from tests.providerserver import Request
from tests.smtpserver import Received

May = Callable[[Canary], bool]


def nothing(_: Canary) -> bool:
    """No canary may stand there."""
    return False


def kinds(letters: str, *own: Canary) -> May:
    """Canaries of these kinds, and these."""
    return lambda canary: canary.kind in letters or canary in own


# Where a canary may be. A page of a visitor shows what the same request typed; see ``Browser.post``.
SENDER_SEES = "sn"  # The own contact, and what the own posts name.
STAFF_SEE = "sno"  # The published contacts of senders, what posts name, and their own names.
READERS_SEE = "snio"  # Who says why reads what came by mail.


@dataclass(frozen=True)
class Caught:
    """Octets of one place. ``with_secrets``: the keys and passwords of the site may stand there."""

    place: str
    octets: bytes = field(repr=False)
    may: May
    with_secrets: bool = False


@dataclass
class Haul:
    """What left."""

    caught: list[Caught] = field(default_factory=list)
    sizes: Counter[str] = field(default_factory=Counter)

    def add(self, place: str, octets: bytes, may: May = nothing, *, with_secrets: bool = False) -> None:
        self.caught.append(Caught(place, octets, may, with_secrets))
        self.sizes[place] += len(octets)

    def add_requests(self, requests: Iterable[Request], may: May) -> None:
        """What a provider was sent, each with what stood before its body; its one recipient may stand in it."""
        for request in requests:
            to = request.recipient.lower()
            self.add(
                "a provider's requests",
                request.head + b"\r\n" + request.body,
                lambda canary, to=to: canary.serial in to or may(canary),  # type: ignore[misc]
            )

    def add_mails(self, mails: Iterable[Received], may: May) -> None:
        """Each with its envelope; its one recipient's address may stand in it, and what ``may`` says."""
        for mail in mails:
            to = mail.recipients[0] if len(mail.recipients) == 1 else ""
            head = f"{mail.sender} {' '.join(mail.recipients)}\r\n".encode()
            self.add("mails", head + mail.content, lambda canary, to=to: (bool(to) and canary.serial in to.lower()) or may(canary))  # type: ignore[misc]

    def leaks(self, searcher: Searcher) -> list[str]:
        """Each leak once, as place, kind and encoding: the report itself names nobody."""
        found = Counter[str]()
        for each in self.caught:
            shown = [find for find in searcher.search(each.octets) if not is_allowed(find, each)]
            plainest = {(find.canary, find.what): find for find in sorted(shown, key=lambda find: -len(find.encoding))}
            found.update(f"{each.place}: {find}" for find in plainest.values())  # One canary in one place is one leak.
        return [f"{leak} ({number}x)" for leak, number in sorted(found.items())]

    @property
    def summary(self) -> str:
        return "\n".join(f"{size:>12,} octets  {place}" for place, size in sorted(self.sizes.items()))


def is_allowed(find: Find, caught: Caught) -> bool:
    """A find that nobody can name is never allowed; a hash of an address never is either."""
    if find.is_secret:
        return caught.with_secrets
    return find.canary is not None and "hash" not in find.encoding and caught.may(find.canary)

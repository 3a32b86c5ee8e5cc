"""The checker: lays a mail server's own record beside the ledger. It knows nothing of how copies are handed over."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from posting.models import Delivery, Post

State = Delivery.State
NOT_SENT = {State.FAILED, State.CANCELLED, State.SUPPRESSED, State.EXPIRED, *Delivery.WAITING}
ACCEPTED = {State.SENT, State.IN_DOUBT}


@dataclass(frozen=True)
class Reckoning:
    """What came of a post: its copies by state, and how many of those in doubt had arrived."""

    states: Counter[str]
    arrived_in_doubt: int


class Taken(Protocol):
    """What was taken in one transaction."""

    @property
    def recipients(self) -> tuple[str, ...]: ...


class Server(Protocol):
    """Who takes copies, and keeps a record of them."""

    @property
    def received(self) -> Sequence[Taken]: ...


def reckon(post: Post, smtp: Server) -> Reckoning:
    """Fails where anybody was sent two copies, or the ledger says otherwise than the server, or the sums do not hold."""
    post.refresh_from_db()
    arrived = Counter(recipient for mail in smtp.received for recipient in mail.recipients)
    assert all(len(mail.recipients) == 1 for mail in smtp.received), "a copy went to several recipients"
    twice = [number for number in arrived.values() if number > 1]
    assert not twice, f"{len(twice)} recipients got more than one copy"
    copies = list(post.deliveries.select_related("subscription"))
    states: Counter[str] = Counter()
    arrived_in_doubt = 0
    for copy in copies:
        assert copy.subscription is not None
        states[copy.state] += 1
        if copy.subscription.address in arrived:
            assert copy.state in ACCEPTED, f"a copy that arrived is {copy.state}"
            arrived_in_doubt += copy.state == State.IN_DOUBT
        else:
            assert copy.state in NOT_SENT | {State.IN_DOUBT}, f"a copy that did not arrive is {copy.state}"
    assert sum(states.values()) == post.audience == len(copies), "the sums do not reconcile"
    return Reckoning(states, arrived_in_doubt)

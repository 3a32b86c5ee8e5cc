"""The sweep: what the broker lost is found again in Postgres. It may run anywhere, at any time, twice."""

from django.conf import settings

from posting.delivery import audience, breaker, closing, lanes, ledger, waking


def sweep() -> list[int]:
    """Expand what is due, recover what a dead lane left, end what has ended; the lanes for which there is work."""
    tell_of(ledger.recover())
    if not waking.may_send():
        return []
    for post_id in audience.due():
        audience.expand(post_id)
    closing.settle()
    closing.close_posts()
    return lanes.idle(settings.DELIVERY_LANES) if ledger.is_anything_due() else []


def reckon() -> None:
    """Once a minute, since it reads each ledger under way: whether they add up, and what no lane knows of."""
    breaker.reckon()
    tell_of(ledger.recover_strays())


def tell_of(doubts: int) -> None:
    """Tell staff, where there are any."""
    if doubts:
        closing.tell_of_doubts(doubts)

"""The sweep: what the broker lost is found again in Postgres. It may run anywhere, at any time, twice."""

from django.conf import settings

from posting.delivery import audience, closing, lanes, ledger, waking


def sweep() -> list[int]:
    """Expand what is due, recover what a dead lane left, end what has ended; the lanes for which there is work."""
    doubts = ledger.recover()
    if doubts:
        closing.tell_of_doubts(doubts)
    if not waking.may_send():
        return []
    for post_id in audience.due():
        audience.expand(post_id)
    closing.settle()
    closing.close_posts()
    return lanes.idle(settings.DELIVERY_LANES) if ledger.is_anything_due() else []

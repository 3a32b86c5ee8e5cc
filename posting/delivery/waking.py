"""Before anything is sent: is this the database that was armed here, and has nobody slept through the life of a post?"""

import logging

from django.db import transaction

from chamberlist import fence
from chamberlist.models import Fence
from posting.delivery import closing
from posting.models import Post

log = logging.getLogger(__name__)

SLEPT = "Nothing was heard of this site for hours, or its clock was set back. Look whether it still is wanted before it goes on."


def may_send() -> bool:
    """Whether copies may leave from here, asked anew. Posts that were under way when the site fell asleep stop for a check."""
    if fence.has_slept():
        _deal_with_the_sleep()
    return fence.check()


@transaction.atomic
def _deal_with_the_sleep() -> None:
    Fence.objects.select_for_update().first()
    if not fence.has_slept():  # Another process was quicker.
        return
    under_way = list(Post.objects.filter(state__in=(Post.State.ACCEPTED, Post.State.SENDING)).values_list("pk", flat=True))
    for post_id in under_way:
        closing.freeze(post_id, SLEPT)
    fence.wake()
    log.warning("Awake after a long silence, or a clock that was set back: %d posts stopped for a check.", len(under_way))

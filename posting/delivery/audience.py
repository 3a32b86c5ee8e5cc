"""The audience of a post: one row of the ledger for each member who is subscribed at that moment."""

from django.db import connection, transaction

from chamberlist import halt
from chamberlist.clock import Now
from posting.models import Delivery, Post
from subscriptions.models import Subscription

EXPAND = """
    WITH written AS (
    INSERT INTO posting_delivery (post_id, subscription_id, address_hash, state, next_attempt_at)
    SELECT %(post)s, s.id, s.address_hash, %(queued)s, NULL
    FROM subscriptions_subscription s
    WHERE s.mailing_list_id = %(list)s
      AND s.state = %(active)s
      AND NOT EXISTS (
          SELECT FROM subscriptions_suppression x
          WHERE x.address_hash = s.address_hash AND (x.mailing_list_id = s.mailing_list_id OR x.mailing_list_id IS NULL)
      )
    ORDER BY s.id
    RETURNING id
    )
    SELECT count(*), COALESCE(min(id) - 1, 0), COALESCE(max(id), 0) FROM written
"""


def due() -> list[int]:
    """The accepted posts whose time to undo is over."""
    posts = Post.objects.filter(state=Post.State.ACCEPTED, starts_at__lte=Now(), expires_at__gt=Now())
    return list(posts.order_by("starts_at").values_list("pk", flat=True))


@transaction.atomic
def expand(post_id: int) -> bool:
    """Write the ledger of an accepted post, once; False where it is not its time, or somebody else did."""
    # Whom another sweep is writing for is left to it: a worker that waits here is missed elsewhere.
    startable = Post.objects.select_for_update(skip_locked=True).filter(
        state=Post.State.ACCEPTED, starts_at__lte=Now(), expires_at__gt=Now()
    )
    post = startable.filter(pk=post_id).first()
    if post is None or halt.is_on():
        return False
    values: dict[str, int | str] = {
        "post": post.pk,
        "list": post.mailing_list_id,
        "queued": Delivery.State.QUEUED,
        "active": Subscription.State.ACTIVE,
    }
    with connection.cursor() as cursor:
        cursor.execute(EXPAND, values)
        audience, begun_to, last_copy = cursor.fetchone()
    return post.advance(Post.State.SENDING, audience=audience, begun_to=begun_to, last_copy=last_copy)

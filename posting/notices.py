"""What posts have to say to staff on the admin's first page."""

from django.urls import reverse

from chamberlist.staffsite import Notice
from posting.models import Post


def waiting() -> list[Notice]:
    """The posts that wait for a decision."""
    return [Notice(f"Waits for you: “{post.subject}”, from {post.sender.name}", _page(post)) for post in _in(Post.State.HELD)]


def frozen() -> list[Notice]:
    """The posts that were stopped for a check."""
    return [Notice(f"Stopped for a check: “{post.subject}”", _page(post), is_urgent=True) for post in _in(Post.State.FROZEN)]


def _in(state: str) -> list[Post]:
    return list(Post.objects.filter(state=state).select_related("sender").order_by("pk")[:20])


def _page(post: Post) -> str:
    return reverse("admin:posting_post_change", args=[post.pk])

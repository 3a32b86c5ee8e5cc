"""What the commands about one post share."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from chamberlist import audit
from posting.models import Post

BY = audit.COMMAND_LINE


class PostCommand(BaseCommand):
    """A command whose first argument is a post's number."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", type=int, help="the post's number")

    def post(self, number: int) -> Post:
        """The post, or one sentence."""
        post = Post.objects.select_related("mailing_list", "sender").filter(pk=number).first()
        if post is None:
            raise CommandError(f"There is no post {number}. Nothing was changed.")
        return post

    def answer(self, post: Post, problem: str) -> None:
        """The state that the post is in now, or why nothing was changed."""
        if problem:
            raise CommandError(f"Post {post.pk}: {problem}")
        post.refresh_from_db()
        self.stdout.write(f"post {post.pk}: {post.state}")

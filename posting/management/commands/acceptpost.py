"""Accept a post."""

from argparse import ArgumentParser

from posting.management.commands._posts import BY, PostCommand
from posting.models import Post
from posting.moderation import moderation


class Command(PostCommand):
    help = "Accept a held post: it goes out when the list's time to undo is over."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--now", action="store_true", help="do not wait for the time to undo")
        parser.add_argument(
            "--allow",
            action="append",
            default=[],
            metavar="ADDRESS",
            help="an address in the text that may stand there",
        )

    def handle(self, *, id: int, now: bool, allow: list[str], **options: object) -> None:  # noqa: A002
        post = self.post(id)
        problem = moderation.accept(post, content_hash=post.content_hash, by=BY, allow=allow, now=now)
        if problem and post.state == Post.State.HELD and (left := moderation.left_to_allow(post, allow)):
            problem = f"{problem} Left to allow: {', '.join(left)}"
        self.answer(post, problem)

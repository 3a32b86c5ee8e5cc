"""Reject a post."""

from argparse import ArgumentParser

from posting.management.commands._posts import BY, PostCommand
from posting.moderation import moderation


class Command(PostCommand):
    help = "Reject a held post; its author is told the reason by mail."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", required=True, help="what the author is told")

    def handle(self, *, id: int, reason: str, **options: object) -> None:  # noqa: A002
        post = self.post(id)
        self.answer(post, moderation.reject(post, reason=reason, by=BY))

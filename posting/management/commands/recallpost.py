"""Recall a post."""

from argparse import ArgumentParser

from posting.management.commands._posts import BY, PostCommand
from posting.moderation import moderation


class Command(PostCommand):
    help = "Stop an accepted post for good: copies that have not left never will."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", default="", help="kept in the audit trail")

    def handle(self, *, id: int, reason: str, **options: object) -> None:  # noqa: A002
        post = self.post(id)
        self.answer(post, moderation.recall(post, by=BY, reason=reason))

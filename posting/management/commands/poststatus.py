"""Show where a post is."""

import json
from argparse import ArgumentParser

from posting.delivery import ledger
from posting.management.commands._posts import PostCommand


class Command(PostCommand):
    help = "Show the state of a post and how many of its copies are in which state; the counts sum to the audience."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, id: int, json: bool, **options: object) -> None:  # noqa: A002
        post = self.post(id)
        status = {"id": post.pk, "state": post.state, "audience": post.audience or 0, **ledger.counts(post)}
        if json:
            self.stdout.write(as_json(status))
            return
        self.stdout.write(f"post {post.pk}: {post.state}, audience {status['audience']}")
        for state, number in ledger.counts(post).items():
            if number:
                self.stdout.write(f"  {number:>7} {state}")


def as_json(status: dict[str, object]) -> str:
    """One line."""
    return json.dumps(status)

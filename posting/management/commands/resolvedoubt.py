"""Decide about copies in doubt."""

from argparse import ArgumentParser

from posting.management.commands._posts import BY, PostCommand
from posting.moderation import moderation


class Command(PostCommand):
    help = (
        "Decide about the copies of a post of which nobody can say whether they arrived: leave them, or send them again, "
        "in which case some members may get the message twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        choice = parser.add_mutually_exclusive_group(required=True)
        choice.add_argument("--resend", action="store_true", help="send them again, while the post is not over")
        choice.add_argument("--leave", action="store_true", help="leave them as they are")
        parser.add_argument("--reason", default="", help="kept in the audit trail")

    def handle(self, *, id: int, resend: bool, reason: str, **options: object) -> None:  # noqa: A002
        post = self.post(id)
        verb = moderation.resend_doubts if resend else moderation.leave_doubts
        number, problem = verb(post, by=BY, reason=reason)
        self.answer(post, problem)
        self.stdout.write(f"{number} in doubt: {'they wait to be sent again' if resend else 'left as they are'}")

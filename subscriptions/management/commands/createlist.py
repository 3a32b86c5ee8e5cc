"""Create a list."""

from argparse import ArgumentParser

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from chamberlist import audit
from subscriptions.models import MailingList


class Command(BaseCommand):
    help = "Create a list; members then find it on the site's first page."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="part of the list's address and page, for example promotions")
        parser.add_argument("--name", required=True, help="the name that people read")
        parser.add_argument(
            "--moderation",
            choices=MailingList.Moderation.values,
            default=MailingList.Moderation.ALL,
            help="which posts staff must accept first: all (default), a sender's first, or none",
        )
        parser.add_argument(
            "--replies",
            choices=MailingList.Replies.values,
            default=MailingList.Replies.OPAQUE,
            help="where a member's answer goes: opaque (default: passed on without the member's address), sender or chamber",
        )

    def handle(self, *, slug: str, name: str, moderation: str, replies: str, **options: object) -> None:
        mailing_list = MailingList(slug=slug, name=name, moderation=moderation, replies=replies)
        try:
            mailing_list.full_clean()
        except ValidationError as error:
            raise CommandError(f"The list was not created: {' '.join(error.messages)}") from None
        with transaction.atomic():
            mailing_list.save()
            audit.record(audit.COMMAND_LINE, "add", mailing_list)
        self.stdout.write(f"{mailing_list.slug} created: members subscribe at {mailing_list.get_absolute_url()}")

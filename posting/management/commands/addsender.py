"""Approve a sender."""

import sys
from argparse import ArgumentParser

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from chamberlist import audit
from posting.models import Sender
from posting.submission import senders
from subscriptions import addresses
from subscriptions.addresses import BadAddress
from subscriptions.models import MailingList


class Command(BaseCommand):
    help = "Approve a business as a sender on a list; prints its password, once, alone on its line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the list")
        parser.add_argument("address", help="the contact address; - reads it from standard input")
        parser.add_argument("--name", required=True, help="the business's name as members read it")

    def handle(self, *, slug: str, address: str, name: str, **options: object) -> None:
        mailing_list = MailingList.objects.filter(slug=slug).first()
        if mailing_list is None:
            raise CommandError(f"There is no list {slug!r}; create it with `manage.py createlist`. Nothing was changed.")
        try:
            contact = addresses.parse(sys.stdin.readline() if address == "-" else address)
        except BadAddress as error:
            raise CommandError(f"{error} Nothing was changed.") from None
        if Sender.objects.filter(address_hash=contact.hash).exists():
            raise CommandError(
                "There is a sender with this contact address; change its lists or password in the admin. Nothing was changed."
            )
        try:
            _, password = senders.approve(contact, name=name, lists=[mailing_list], by=audit.COMMAND_LINE)
        except ValidationError as error:
            raise CommandError(f"{' '.join(error.messages)} Nothing was changed.") from None
        self.stdout.write(password)

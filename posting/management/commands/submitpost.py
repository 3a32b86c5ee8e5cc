"""Submit a post from standard input."""

import os
import sys
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from chamberlist import audit
from posting.submission import reading, senders, submission
from posting.submission.reading import BadMessage
from subscriptions.models import MailingList


class Command(BaseCommand):
    help = "Submit one message (RFC 5322) from standard input; the password stands in POSTING_PASSWORD; prints the post's number."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the list")
        parser.add_argument("--from", dest="address", required=True, help="the sender's contact address")

    @transaction.atomic  # A sentence takes the draft back: bad input changes nothing.
    def handle(self, *, slug: str, address: str, **options: object) -> None:
        mailing_list = MailingList.objects.filter(slug=slug).first()
        if mailing_list is None:
            raise CommandError(f"There is no list {slug!r}. Nothing was submitted.")
        password = os.environ.get("POSTING_PASSWORD", "")
        if not password:
            raise CommandError("Put the sender's password into the environment variable POSTING_PASSWORD. Nothing was submitted.")
        sender = senders.authenticate(address, password)
        if sender is None:
            raise CommandError("Address and password do not belong together. Nothing was submitted.")
        try:
            letter = reading.read_octets(sys.stdin.buffer.read(), secret=password)
        except BadMessage as error:
            raise CommandError(str(error)) from None
        post = submission.write(
            sender, mailing_list, subject=letter.subject, body=letter.body, html=letter.html, files=letter.files, key=letter.key
        )
        problem = submission.submit(post, content_hash=post.content_hash)
        if problem:
            raise CommandError(f"{problem} Nothing was submitted.")
        audit.record(audit.COMMAND_LINE, "submit", post)
        self.stdout.write(str(post.pk))

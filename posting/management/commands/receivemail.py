"""The door for mail."""

import asyncio
import os
import sys
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from posting.inbound import destinations, envelope, listening, receiving, room
from posting.inbound.listening import CannotListen
from posting.inbound.server import Door


class Command(BaseCommand):
    help = "Take mail: over LMTP from a mail server in front, over SMTP, or one message from standard input."
    requires_system_checks = ()  # No mail is put off for a setting that sending needs.

    def add_arguments(self, parser: ArgumentParser) -> None:
        ways = parser.add_mutually_exclusive_group(required=True)
        ways.add_argument("--lmtp", metavar="SOCKET|HOST:PORT", help="speak LMTP at this socket or port")
        ways.add_argument("--listen", metavar="HOST:PORT", help="speak SMTP at this port")
        ways.add_argument("--stdin", action="store_true", help="take one message from standard input")
        parser.add_argument("--sender", help="with --stdin: the envelope sender; else the variable SENDER has it")
        parser.add_argument(
            "--recipient", action="append", help="with --stdin, once for each recipient; else the variable RECIPIENT"
        )

    def handle(self, *, lmtp: str, listen: str, stdin: bool, sender: str, recipient: list[str], **options: object) -> None:
        if stdin:
            _take_one(sender, recipient)
        else:
            _stand(lmtp, listen)


def _stand(lmtp: str, listen: str) -> None:
    try:
        place = listening.socket_or_port(lmtp) if lmtp else listening.port(listen)
        asyncio.run(_open(place, "lmtp" if lmtp else "smtp"))
    except CannotListen as error:
        raise CommandError(str(error)) from None


async def _open(place: listening.Place, via: str) -> None:
    await listening.serve(Door(via, hostname=settings.LIST_DOMAIN), place)


def _take_one(sender: str | None, given: list[str] | None) -> None:
    """As a mail server's pipe; it knows by the exit code (sysexits.h) whether to try again."""
    recipients = given or [os.environ[name] for name in ("RECIPIENT", "ORIGINAL_RECIPIENT") if os.environ.get(name)]
    envelope_sender = envelope.sender(os.environ.get("SENDER", "") if sender is None else sender)
    raw = receiving.with_crlf(sys.stdin.buffer.read(receiving.LARGEST + 1))
    if not recipients:
        raise CommandError("Nobody is named who is to get it: use --recipient.", returncode=os.EX_USAGE)
    if envelope_sender is None:
        raise CommandError("The sender is no mail address.", returncode=os.EX_DATAERR)
    if refused := receiving.refusal(raw):
        raise CommandError(f"{refused}.", returncode=os.EX_DATAERR)
    try:
        ours = [recipient for recipient in recipients if not destinations.refusal(recipient)]
        if not ours or (given and len(ours) < len(given)):
            raise CommandError("There is no such address here.", returncode=os.EX_NOUSER)
        ours = ours if given else ours[:1]
        room.ensure(*ours)
        receiving.take(envelope_sender, ours, raw, via="stdin")
    except room.NoRoom:
        raise CommandError("There is no room for it at the moment.", returncode=os.EX_TEMPFAIL) from None
    except Error as error:
        raise CommandError(f"The database cannot be asked now ({type(error).__name__}).", returncode=os.EX_TEMPFAIL) from None

"""The audit's town: a broker, a worker, a mail server, 1,000 members with canaries; and what all parts of the audit share."""

import io
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils.module_loading import import_string

from posting.inbound import receiving
from posting.models import InboundMail, Sender
from subscriptions.models import MailingList
from tests import builders
from tests.canary.browsers import Browser
from tests.canary.canaries import Aviary
from tests.canary.haul import Haul, May, kinds, nothing
from tests.canary.registry import Exercised
from tests.smtpserver import SmtpServer
from tests.workers import Stack

FRONT = "mx.chamber.example"


@dataclass
class Scene:
    """Everything at hand."""

    stack: Stack
    smtp: SmtpServer
    folder: Path
    aviary: Aviary = field(default_factory=Aviary)
    haul: Haul = field(default_factory=Haul)
    exercised: Exercised = field(default_factory=Exercised)
    members: list[str] = field(default_factory=list)
    contact: str = ""
    sender: Sender = field(init=False)
    promotions: MailingList = field(init=False)
    events: MailingList = field(init=False)
    ends: ExitStack = field(default_factory=ExitStack)

    def browser(self, role: str, may: May = nothing) -> Browser:
        agent, referer = self.aviary.address("u"), self.aviary.address("u")
        return Browser(role, self.haul, self.exercised, may, **{"User-Agent": agent, "Referer": f"https://x.example/{referer}"})

    def command(self, name: str, *arguments: object, may: May = nothing) -> str:
        """In this process; what it prints, and what it refuses with, has left."""
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command(name, *map(str, arguments), stdout=out, stderr=err)
        except CommandError as error:
            err.write(str(error))
        self.exercised.note("command", name)
        self.haul.add("commands", f"{out.getvalue()}\n{err.getvalue()}".encode(), may)
        return out.getvalue().strip()

    def manage(self, *arguments: str, stdin: bytes = b"", may: May = nothing, **environment: str) -> str:
        """As an operator does it, in a process of its own."""
        done = self.stack.manage(*arguments, stdin=stdin, LOG_LEVEL="DEBUG", **environment)
        self.exercised.note("command", arguments[0])
        self.haul.add("commands", done.stdout + done.stderr, may)
        return done.stdout.decode().strip()

    def password(self, sender: Sender) -> str:
        return builders.PASSWORDS[sender.pk]

    def arrives(self, raw: bytes, *recipients: str, sender: str, via: str = "smtp") -> None:
        receiving.take(sender, recipients, raw, via=via)

    def settle(self) -> None:
        """Until the worker has read all that came, and handed over all mails of ours."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                DO $$ BEGIN
                    FOR i IN 1..400 LOOP
                        PERFORM FROM posting_inboundmail WHERE state IN ('waiting', 'reading')
                            UNION ALL SELECT FROM chamberlist_systemmail WHERE state IN ('queued', 'sending')
                            UNION ALL SELECT FROM subscriptions_subscriptionrequest;
                        EXIT WHEN NOT FOUND;
                        PERFORM pg_sleep(0.05);
                    END LOOP;
                END $$
                """
            )
        assert not InboundMail.objects.filter(state__in=InboundMail.OPEN).exists()
        self.exercised.note_rows()

    def look_at_notices(self) -> None:
        """Which notices have something to say now."""
        for path in settings.STAFF_NOTICES:
            if found := import_string(path)():
                self.exercised.note("notice", path)
                self.haul.add("metrics", repr(found).encode(), kinds("sno"))


def build(stack: Stack, smtp: SmtpServer, folder: Path, *, number: int) -> Scene:
    """With so many members on two lists, of whom each has an address of their own."""
    scene = Scene(stack, smtp, folder)
    scene.promotions = builders.a_list("promotions", undo_seconds=0)
    scene.events = builders.a_list("events", undo_seconds=3600)
    scene.contact = scene.aviary.address("s")
    scene.sender = builders.a_sender(scene.promotions, scene.events, address=scene.contact)
    Sender.objects.update(posts_a_day=50, posts_a_month=50)
    scene.members = scene.aviary.members(number)
    scene.aviary.secret("a sender's password", scene.password(scene.sender))
    for name in ("ADDRESS_KEYS", "INDEX_KEYS", "TOKEN_KEYS"):
        scene.aviary.secret(name, getattr(settings, name).first[1])
    scene.aviary.secret("SECRET_KEY", settings.SECRET_KEY)
    return scene


def letter(*, author: str, subject: str = "Buns", text: str = "Two for one.\r\n", **headers: str) -> bytes:
    """A mail as somebody out there writes it."""
    head: dict[str, Any] = {"From": author, "Subject": subject, "Message-ID": f"<{abs(hash((author, subject, text)))}@x.example>"}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in (head | headers).items()]
    return "\r\n".join([*lines, "", text]).encode()

"""The audit's town: a broker, a worker, a mail server, 1,000 members with canaries; and what all parts of the audit share."""

import hashlib
import io
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any
from unittest import mock

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.urls import Resolver404, resolve
from django.utils.module_loading import import_string

from chamberlist import keys
from chamberlist.models import AuditEntry
from posting.delivery.mime import Attachment
from posting.inbound import receiving
from posting.models import InboundMail, Sender
from subscriptions.models import MailingList
from tests import builders
from tests.canary.browsers import Browser
from tests.canary.canaries import Aviary, Canary
from tests.canary.haul import Haul, May, kinds, nothing
from tests.canary.registry import Exercised
from tests.smtpserver import SmtpServer
from tests.workers import Stack

FRONT = "mx.chamber.example"
NAMED = "nf"  # Of a post, in its text or in a file of it: its author sees them, and staff, who may allow them by name.


class Visitor(Browser):
    """A browser that notes what its pages did: which were shown, and which verbs and forms left an entry in the trail."""

    def __init__(self, record: Exercised, role: str, haul: Haul, may: May = nothing, **headers: str) -> None:
        super().__init__(role, haul, Exercised(), may, **headers)
        self.record = record

    def get(self, path: str, *, may: May | None = None) -> Any:
        return self._noted(path, super().get(path, may=may))

    def post(self, path: str, data: Any = None, *, may: May | None = None, **more: Any) -> Any:
        before = newest_entry()
        response = self._noted(path, super().post(path, data, may=may, **more))
        if newest_entry() != before:
            self._did(path, (data or {}).get("action", ""))
        return response

    def _noted(self, path: str, response: Any) -> Any:
        if match := _resolved(path):
            name = match.view_name if match.url_name else match.route
            self.record.note_answer(name, response.status_code, response.headers.get("Location", ""))
        return response

    def _did(self, path: str, action: str) -> None:
        match = _resolved(path)
        model, _, act = str(match and match.url_name).rpartition("_")
        model = model.rpartition("_")[2]
        if match and "verb" in match.kwargs:
            self.record.note("verb", f"{model}.{match.kwargs['verb']}")
        elif match and match.namespace == "admin":
            self.record.note(*(("action", f"{model}.{action}") if action else ("form", f"{model}.{act}")))


def _resolved(path: str) -> Any:
    try:
        return resolve(path.partition("?")[0])
    except Resolver404:
        return None


def newest_entry() -> int | None:
    """The number of the last thing that staff did."""
    return AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first()


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
    keys: str = ""  # Of addresses, with a new one first.
    allowed: list[Canary] = field(default_factory=list)  # Named by staff in an accepted post, so that its copies have them.
    seconds: dict[str, float] = field(default_factory=dict)

    def timed(self, step: Callable[..., None], *arguments: Any) -> None:
        """Take a step; how long it took is told at the end."""
        begun = time.monotonic()
        step(self, *arguments)
        name = f"{step.__module__.rpartition('.')[2]}.{step.__name__}"
        self.seconds[name] = time.monotonic() - begun

    def browser(self, role: str, may: May = nothing) -> Visitor:
        agent, referer = self.aviary.address("u"), self.aviary.address("u")
        headers = {"User-Agent": agent, "Referer": f"https://x.example/{referer}"}
        return Visitor(self.exercised, role, self.haul, may, **headers)

    def command(self, name: str, *arguments: object, stdin: bytes = b"", may: May = nothing, **environment: str) -> str:
        """In this process; what it prints, and what it refuses with, has left."""
        out, err = io.StringIO(), io.StringIO()
        given = io.TextIOWrapper(io.BytesIO(stdin))
        try:
            with mock.patch.object(sys, "stdin", given), mock.patch.dict(os.environ, environment):
                call_command(name, *map(str, arguments), stdout=out, stderr=err)
            self.exercised.note("command", name)
        except (CommandError, SystemExit) as error:
            err.write(str(error))
        self.haul.add("commands", f"{out.getvalue()}\n{err.getvalue()}".encode(), may)
        return out.getvalue().strip()

    def manage(self, *arguments: str, stdin: bytes = b"", may: May = nothing, **environment: str) -> str:
        """As an operator does it, in a process of its own."""
        done = self.stack.manage(*arguments, stdin=stdin, LOG_LEVEL="DEBUG", **environment)
        if done.returncode == 0:
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
                    FOR i IN 1..1200 LOOP
                        PERFORM FROM posting_inboundmail WHERE state IN ('waiting', 'reading')
                            UNION ALL SELECT FROM chamberlist_systemmail WHERE state IN ('queued', 'sending')
                            UNION ALL SELECT FROM posting_passwordrequest
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
                self.haul.add("metrics", repr(found).encode(), kinds("s"))


def build(stack: Stack, smtp: SmtpServer, folder: Path, *, number: int) -> Scene:
    """With so many members on two lists, of whom each has an address of their own."""
    scene = Scene(stack, smtp, folder)
    scene.promotions = builders.a_list("promotions", undo_seconds=0)
    scene.events = builders.a_list("events", undo_seconds=3600)
    scene.contact = scene.aviary.address("s")
    scene.sender = builders.a_sender(scene.promotions, scene.events, address=scene.contact)
    Sender.objects.update(posts_a_day=50, posts_a_month=50)
    scene.members = scene.aviary.members(number)
    builders.members(scene.promotions, *scene.members)
    builders.members(scene.events, *scene.members[:50])
    scene.aviary.secret("a sender's password", scene.password(scene.sender))
    _new_key(scene)
    for name in ("ADDRESS_KEYS", "INDEX_KEYS", "TOKEN_KEYS"):
        scene.aviary.secret(name, getattr(settings, name).first[1])
    scene.aviary.secret("SECRET_KEY", settings.SECRET_KEY)
    return scene


def _new_key(scene: Scene) -> None:
    """What ``makekeys`` prints is a secret by itself, so it is not kept; all processes know the key before it seals anything."""
    made = scene.stack.manage("makekeys", "--address-key")
    if made.returncode == 0:
        scene.exercised.note("command", "makekeys")
    new, old = made.stdout.decode().strip(), os.environ["ADDRESS_KEYS"]
    scene.keys, scene.stack.environment["ADDRESS_KEYS"] = f"{new},{old}", f"{old},{new}"
    scene.aviary.secret("a new key of ADDRESS_KEYS", keys.parse("ADDRESS_KEYS", new).first[1])


def letter(*, author: str, subject: str = "Buns", text: str = "Two for one.\r\n", **headers: str) -> bytes:
    """A mail as somebody out there writes it."""
    mark = hashlib.sha256(repr((author, subject, text)).encode()).hexdigest()[:16]
    head: dict[str, Any] = {"From": author, "Subject": subject, "Message-ID": f"<{mark}@x.example>"}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in (head | headers).items()]
    return "\r\n".join([*lines, "", text]).encode()


def rich_letter(*, author: str, text: str, html: str, picture: Attachment, files: list[Attachment], **headers: str) -> bytes:
    """The same with formatted text, a picture in it, and files."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["Message-ID"] = author, "<rich@x.example>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    formatted = message.get_payload(1)
    assert isinstance(formatted, EmailMessage)
    formatted.add_related(picture.content, *picture.kind.split("/"), cid=f"<{picture.content_id}>")
    for file in files:
        message.add_attachment(file.content, *file.kind.split("/"), filename=file.name)
    return message.as_bytes()

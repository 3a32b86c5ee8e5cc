"""Mail that comes in, and what was sent and stored because of it."""

from email.message import EmailMessage
from email.policy import SMTP

from django.apps import apps
from django.db import connection

from chamberlist import systemmail
from chamberlist.models import SystemMail
from posting.inbound import attending, receiving
from posting.models import InboundMail
from tests.smtpserver import Received, SmtpServer

LIST = "promotions@lists.chamber.example"
TEXT = "Two loaves for one.\n\nSee https://bloggs.example/offers\n"


def a_mail(
    *, author: str = "joe@bloggs.example", to: str = LIST, subject: str = "Spring offers", text: str = TEXT, **headers: str
) -> bytes:
    """A plain mail, as a mail program sends it; ``message_id=...`` is the header Message-ID."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = author, to, subject
    message["Message-ID"] = headers.pop("message_id", "<1@bloggs.example>")
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes()


def arrive(raw: bytes, *recipients: str, sender: str = "joe@bloggs.example") -> InboundMail:
    """Take it in, and read it; the row of the last recipient."""
    assert receiving.take(sender, recipients or (LIST,), raw, via="smtp") >= 0
    attending.attend()
    mail = InboundMail.objects.order_by("pk").last()
    assert mail is not None
    return mail


def sent_by(smtp: SmtpServer) -> list[Received]:
    """Hand over the mails of ours that wait; all that has left."""
    while systemmail.send_due():
        pass
    assert not SystemMail.objects.filter(state=SystemMail.State.QUEUED).exists()
    return list(smtp.received)


def everything_stored() -> bytes:
    """Each row of each table as text, and its binary columns as they are."""
    found = []
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(f"SELECT t::text FROM {table} t")  # noqa: S608 (names of our own tables)
            found += [row[0].encode() for row in cursor.fetchall()]
            for field in model._meta.concrete_fields:
                if field.get_internal_type() == "BinaryField":
                    cursor.execute(f"SELECT {connection.ops.quote_name(field.column)} FROM {table}")  # noqa: S608
                    found += [bytes(row[0]) for row in cursor.fetchall() if row[0] is not None]
    return b"\n".join(found)

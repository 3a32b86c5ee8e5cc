"""Mails of ours to one person: written to the outbox with the change that causes them, handed over by a worker."""

import logging
import smtplib
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.encoders import encode_base64
from email.mime.base import MIMEBase
from email.utils import make_msgid
from typing import Any, Literal

from anymail.exceptions import AnymailAPIError, AnymailError, AnymailRecipientsRefused
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import sanitize_address
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Case, F, Q, QuerySet, When
from django.template.loader import render_to_string
from django.utils.module_loading import import_string

from chamberlist import bell, halt, providers, smtp, throttle
from chamberlist.clock import Now
from chamberlist.models import SYSTEM_MAIL_LIFETIME, Alert, SystemMail
from chamberlist.redaction import redact

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=15)  # Longer than the relay may take for one mail; then the mail is tried again.
ALERTS_AN_HOUR = 10
# Told once each time that everything stops, or that an account has looked at much, and never again: others must not drown it.
ALWAYS_TOLD = ("breaker", "fence", "reveals", "look-ups", "letters")
HOUR = timedelta(hours=1)
ALERT = "alert"
BATCH = 100
ASKED = ("system mail", "asking")  # The counter of the mails that anybody can cause by typing an address.
KEPT = timedelta(days=35)  # Confirmations are counted over 30 days.

SUPPRESS = {"X-Auto-Response-Suppress": "DR, RN, NRN, OOF, AutoReply"}  # Microsoft's form: no machine should answer.

Written = Literal["auto-generated", "auto-replied", "no"]  # RFC 3834 section 5; "no": the words are a person's.
File = tuple[str, str, bytes, str]  # Name, media type, content, and the content id of a picture in the text, or "".


@dataclass(frozen=True)
class Mail:
    """A rendered mail to one person. Without an ``author`` it is from the Chamber.

    What answers a mail (``auto-replied``), and a person's words that we pass on (``no``), leave with the envelope sender ``<>``
    (RFC 3834 section 3.3): a vacation notice or a bounce that follows has nowhere to go. A provider names its own.
    """

    to: str
    subject: str
    text: str
    html: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    author: str = ""
    reply_to: str = ""
    files: Sequence[File] = ()
    written: Written = "auto-generated"


Renderer = Callable[[int], Mail | None]


def render(name: str, to: str, context: dict[str, object], **more: Any) -> Mail:
    """The mail of the templates ``mail/NAME.subject.txt``, ``.txt`` and ``.html``; ``more`` is what else a ``Mail`` has."""
    context = {"chamber": settings.CHAMBER, **context}
    subject = " ".join(render_to_string(f"mail/{name}.subject.txt", context).split())
    text, html = (render_to_string(f"mail/{name}.{kind}", context) for kind in ("txt", "html"))
    return Mail(to, subject, text, html, **more)


def queue(purpose: str, object_id: int, *, recipient_hash: bytes | None = None) -> None:
    """Write a mail to the outbox, in the caller's transaction, and ring the bell."""
    SystemMail.objects.create(
        purpose=purpose, object_id=object_id, recipient_hash=recipient_hash, expires_at=Now() + SYSTEM_MAIL_LIFETIME
    )
    bell.ring("chamberlist.tasks.send_system_mail")


def alert(kind: str, headline: str, text: str) -> None:
    """Tell staff; the same kind once an hour, and at most ten alerts an hour in all, ALWAYS_TOLD apart."""
    recent = Alert.objects.filter(created_at__gt=Now() - HOUR, created_at__lte=Now())
    is_one_too_many = recent.count() >= ALERTS_AN_HOUR and kind.partition("/")[0] not in ALWAYS_TOLD
    if is_one_too_many or recent.filter(kind=kind).exists():
        log.warning("Alert not mailed, enough for this hour: %s", headline)
        return
    log.warning("Alert: %s", headline)
    queue(ALERT, Alert.objects.create(kind=kind, headline=redact(headline)[:200], text=redact(text)).pk)


def render_alert(object_id: int) -> Mail | None:
    """An alert, to the address where staff read them."""
    found = Alert.objects.filter(pk=object_id).first()
    if found is None:
        return None
    link = f"{settings.SITE_URL}/admin/"
    return render("alert", settings.CHAMBER_ALERTS, {"headline": found.headline, "text": found.text, "link": link})


def prune() -> None:
    """Delete the rows that no cap counts any longer."""
    over = Now() - KEPT
    SystemMail.objects.filter(created_at__lt=over).delete()
    Alert.objects.filter(created_at__lt=over).delete()


def send_due(*, alerts_only: bool = False) -> int:
    """Hand over what is due, oldest first; how many were sent. A relay that refuses us stops the round, and fails nobody.

    What cannot be written (a key is missing, say) is tried again later, and holds up no other, however much there is of it.
    Under a halt, too, only alerts leave.
    """
    SystemMail.advance_many(_ended(SystemMail.State.SENDING, "next_attempt_at"), SystemMail.State.DEFERRED)
    SystemMail.advance_many(_ended(SystemMail.State.QUEUED, "expires_at"), SystemMail.State.EXPIRED)
    SystemMail.advance_many(_ended(SystemMail.State.DEFERRED, "expires_at"), SystemMail.State.EXPIRED)
    if not _due(alerts_only or halt.is_on()).exists():
        _tell_of_the_cap()
        return 0
    relay = get_connection()
    try:
        if not _is_open(relay):
            return 0
        return _send_round(relay, alerts_only)
    finally:
        relay.close()


def _is_open(relay: BaseEmailBackend) -> bool:
    try:
        relay.open()
    except (OSError, smtplib.SMTPException) as error:
        log.warning("The mail relay cannot be used, system mail waits: %s", redact(str(error)))
        return False
    return True


def _send_round(relay: BaseEmailBackend, alerts_only: bool) -> int:
    sent = handed = 0
    while handed < BATCH:
        mail = _claim(alerts_only or halt.is_on())
        if mail is None:
            break
        content = _written(mail)
        if content is None:
            continue
        handed += 1
        if mail.purpose in settings.ASKING_MAILS:
            throttle.hit(*ASKED, limit=settings.CONFIRMATIONS_AN_HOUR, per=HOUR)
        state, status = _hand_over(content, relay)
        mail.advance(state, status=status[:200], next_attempt_at=Now() + _back_off(mail.attempts))
        if state == SystemMail.State.DEFERRED and not status[:1].isdigit():
            break  # Not an answer about this mail: it is about the relay or us, and true of the next one as well.
        sent += state == SystemMail.State.SENT
    return sent


def _tell_of_the_cap() -> None:
    if not SystemMail.objects.filter(state=SystemMail.State.QUEUED, purpose__in=settings.ASKING_MAILS).exists():
        return
    if throttle.is_over(*ASKED, limit=settings.CONFIRMATIONS_AN_HOUR, per=HOUR):
        alert(
            "confirmations an hour",
            "The cap on confirmation mails is reached",
            f"{settings.CONFIRMATIONS_AN_HOUR} confirmations have left in this hour, and the setting CONFIRMATIONS_AN_HOUR allows "
            "no more. The others wait for the next hour, for a day at most. If no list is being imported now, somebody may be "
            "typing strangers' addresses into the subscribe page.",
        )


def _ended(state: str, column: str) -> QuerySet[SystemMail, int]:
    ended = SystemMail.objects.filter(Q(**{f"{column}__lte": Now()}), state=state)
    return ended.values_list("pk", flat=True)


def _due(alerts_only: bool) -> QuerySet[SystemMail]:
    waiting = SystemMail.states_before(SystemMail.State.SENDING)
    due = SystemMail.objects.filter(state__in=waiting, next_attempt_at__lte=Now(), expires_at__gt=Now())
    if alerts_only:
        return due.filter(purpose=ALERT)
    if throttle.is_over(*ASKED, limit=settings.CONFIRMATIONS_AN_HOUR, per=HOUR):
        return due.exclude(purpose__in=settings.ASKING_MAILS)
    return due


@transaction.atomic
def _claim(alerts_only: bool) -> SystemMail | None:
    first = Case(When(purpose=ALERT, then=0), default=1)
    mail = _due(alerts_only).select_for_update(skip_locked=True).order_by(first, "next_attempt_at", "pk").first()
    if mail is not None:
        mail.advance(SystemMail.State.SENDING, attempts=F("attempts") + 1, next_attempt_at=Now() + LEASE)
    return mail


def _written(mail: SystemMail) -> Mail | None:
    """What is to be handed over; None where that is nothing any more, or cannot be written now, which is noted."""
    try:
        renderer: Renderer = import_string(settings.SYSTEM_MAILS[mail.purpose])
        content = renderer(mail.object_id)
    except (OperationalError, InterfaceError):
        raise  # It is about the database.
    except Exception as error:  # noqa: BLE001  What it raised may quote an address.
        name, steps = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
        log.error("System mail %s could not be written: %s\n%s", mail.pk, name, steps)
    else:
        if content is None:
            mail.advance(SystemMail.State.CANCELLED, status="")
        return content
    waits = Now() + _back_off(mail.attempts)
    mail.advance(SystemMail.State.DEFERRED, status=f"could not be written: {name}", next_attempt_at=waits)
    alert(
        "system mail",
        "A mail of ours cannot be written",
        f"System mail {mail.pk} ({mail.purpose}) failed here ({name}): most often a key is missing in ADDRESS_KEYS. The others go "
        "on. It is tried again, in the end once an hour, and given up a day after it was asked for. The worker's log says where it "
        "failed.",
    )
    return None


def _hand_over(content: Mail, relay: BaseEmailBackend) -> tuple[str, str]:
    """The state that the mail ends this attempt in, and the reply without addresses."""
    message = _message(content, relay)
    assert message.recipients() == [content.to], "a mail of ours has one recipient"
    try:
        if sanitize_address(content.to, "utf-8") != content.to:  # Django would write to another address than the one on file.
            return SystemMail.State.FAILED, "5.6.7 an address of this form cannot be mailed yet"
        message.send()
    except ValueError:
        return SystemMail.State.FAILED, "5.6.7 the address or the text cannot stand in a mail"
    except smtplib.SMTPRecipientsRefused as error:
        code, reply = next(iter(error.recipients.values()))
        return _refused(code), _words(code, reply)
    except smtplib.SMTPSenderRefused as error:
        return SystemMail.State.DEFERRED, f"MAIL: {_words(error.smtp_code, error.smtp_error)}"  # About us, not about the person.
    except smtplib.SMTPResponseException as error:
        return _refused(error.smtp_code), _words(error.smtp_code, error.smtp_error)
    except AnymailRecipientsRefused as error:
        return SystemMail.State.FAILED, redact(str(error))
    except AnymailAPIError as error:
        return _refused_by_a_provider(error), redact(str(error))
    except (OSError, smtplib.SMTPException, AnymailError) as error:
        return SystemMail.State.DEFERRED, redact(str(error))
    return SystemMail.State.SENT, ""


def _message(content: Mail, relay: BaseEmailBackend) -> EmailMultiAlternatives:
    """The mail as the way out takes it."""
    author, is_ours = content.author or settings.DEFAULT_FROM_EMAIL, content.written == "auto-generated"
    headers = {"Message-ID": make_msgid(domain=settings.LIST_DOMAIN), **SUPPRESS, **content.headers}
    if content.written != "no":
        headers["Auto-Submitted"] = content.written
    subject = content.subject.replace("=?", "= ?")  # Else a person's words could be taken for an encoded word (RFC 2047).
    message = EmailMultiAlternatives(subject, content.text, author, [content.to], headers=headers, connection=relay)
    if content.reply_to:
        message.reply_to = [content.reply_to]
    if content.html:
        message.attach_alternative(content.html, "text/html")
    for file in content.files:
        message.attach(_part(*file))
    if isinstance(relay, smtp.EmailBackend):  # A provider takes a header of its own for a wish about the envelope.
        message.extra_headers["From"] = author
        message.from_email = settings.DEFAULT_FROM_EMAIL if is_ours else ""
    providers.switch_tracking_off(message, settings.EMAIL_BACKEND)
    providers.mark(message, {"mail": "system"})  # Its reports are told from those of copies.
    return message


def _part(name: str, kind: str, content: bytes, content_id: str) -> MIMEBase:
    """A file in base64."""
    main, _, sub = kind.partition("/")
    part = MIMEBase(main, sub)
    part.set_payload(content)
    encode_base64(part)
    part.add_header("Content-Disposition", "inline" if content_id else "attachment", filename=name)
    if content_id:
        part["Content-ID"] = f"<{content_id}>"
    return part


def _refused(code: int) -> str:
    return SystemMail.State.FAILED if code >= 500 else SystemMail.State.DEFERRED


def _refused_by_a_provider(error: AnymailAPIError) -> str:
    """Bad Request and Unprocessable Content (RFC 9110 sections 15.5.1, 15.5.21) are about this mail alone."""
    return SystemMail.State.FAILED if error.status_code in (400, 422) else SystemMail.State.DEFERRED


def _words(code: int, reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return f"{code} {redact(text)}"


def _back_off(attempts: int) -> timedelta:
    return timedelta(minutes=min(2**attempts, 60))

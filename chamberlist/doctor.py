"""The doctor: one look at everything that sending needs, each with a verdict and what to do about it."""

import logging
import smtplib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max
from django.utils.module_loading import import_string

from chamberlist import dkim, fence, providers, rotation
from chamberlist.clock import Now, now
from chamberlist.models import Alert, FenceHost, Halt
from chamberlist.redaction import redact

log = logging.getLogger(__name__)

Verdict = Literal["ok", "warning", "fail"]
PATIENCE = 10.0  # Seconds for an answer of the relay or the broker.
SILENCE = timedelta(minutes=5)
DRIFT = 2.0  # Seconds between this host's clock and the database's.


@dataclass(frozen=True)
class Finding:
    """What a check found: a verdict, and a sentence that says what to do where it is not "ok"."""

    check: str
    verdict: Verdict
    text: str


Check = Callable[[], Finding]


def examine() -> list[Finding]:
    """All checks of ``settings.DOCTOR_CHECKS``, in their order; one that cannot be made has failed."""
    return [_made(path) for path in settings.DOCTOR_CHECKS]


def _made(path: str) -> Finding:
    check: Check = import_string(path)
    try:
        return check()
    except Exception as error:
        log.debug("a check could not be made", exc_info=True)
        name = path.rpartition(".")[2].replace("_", " ")
        return Finding(name, "fail", f"This could not be looked at ({redact(str(error)).splitlines()[0][:200]}).")


def database() -> Finding:
    """Whether Postgres answers, and keeps what it has committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'")
        off = sorted(name for (name,) in cursor.fetchall())
    if off:
        return Finding("database", "fail", f"Postgres may lose what it has committed: switch on {', '.join(off)}.")
    return Finding("database", "ok", "Postgres answers, and commits durably.")


def migrations() -> Finding:
    """Whether the tables are those of this program."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return Finding("migrations", "fail", f"{len(missing)} steps are missing: run `manage.py migrate`.")
    return Finding("migrations", "ok", "The tables are up to date.")


def clock() -> Finding:
    """Whether this host and the database agree on the time."""
    drift = abs(now().timestamp() - time.time())
    if drift > DRIFT:
        text = f"This host and the database differ by {drift:.0f} seconds: let both keep time by NTP."
        return Finding("clock", "warning", text)
    return Finding("clock", "ok", "This host and the database agree on the time.")


def broker() -> Finding:
    """Whether Redis answers."""
    client = redis.Redis.from_url(settings.CELERY_BROKER_URL, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE)
    with client:
        client.ping()
    return Finding("broker", "ok", "Redis answers.")


def heartbeat() -> Finding:
    """Whether a worker that sends was heard of lately."""
    last = FenceHost.objects.aggregate(last=Max("beat_at"))["last"]
    if last is None or now() - last > SILENCE:
        since = f"since {last:%Y-%m-%d %H:%M} (UTC)" if last else "yet"
        return Finding("heartbeat", "fail", f"No worker was heard of {since}: start the worker and the beat.")
    return Finding("heartbeat", "ok", "A worker is alive.")


def relay() -> Finding:
    """Whether the relay lets us in, with its certificate checked; and what it offers."""
    if settings.EMAIL_PROVIDER:
        if problem := providers.problem(settings.EMAIL_PROVIDER, settings.ANYMAIL):
            return Finding("relay", "fail", problem)
        text = f"All mail goes through {settings.EMAIL_PROVIDER}; an interface cannot be tried without a mail."
        return Finding("relay", "ok", text)
    where, context = settings.RELAY, ssl.create_default_context()
    with (
        smtplib.SMTP_SSL(where.host, where.port, timeout=PATIENCE, context=context)
        if where.tls == "implicit"
        else smtplib.SMTP(where.host, where.port, timeout=PATIENCE)
    ) as server:
        if where.tls == "starttls":
            server.starttls(context=context)
        server.ehlo_or_helo_if_needed()
        if where.username:
            server.login(where.username, where.password)
        offers = {offer.upper() for offer in server.esmtp_features}
    text = "The relay lets us in."
    if "PIPELINING" not in offers:
        return Finding("relay", "warning", f"{text} It offers no PIPELINING: copies take several round trips each.")
    if "DELIVERBY" not in offers:
        text += " It knows no DELIVERBY: let its own queue give up after a day at most (Postfix: maximal_queue_lifetime = 1d)."
    return Finding("relay", "ok", text)


def state_folder() -> Finding:
    """Whether the fence's memory can be written."""
    fence.fingerprint()
    return Finding("state folder", "ok", "The state folder can be written.")


def armed() -> Finding:
    """Whether the fence is open."""
    closed = Halt.objects.filter(pk=Halt.FENCE, halted_at__isnull=False).first()
    if closed:
        return Finding("fence", "fail", closed.reason)
    if not fence.is_armed():
        return Finding("fence", "fail", f"{fence.NOT_ARMED}. {fence.ADVICE}")
    return Finding("fence", "ok", "The fence is armed and open.")


def sending() -> Finding:
    """Whether a person or the breaker stopped it."""
    stopped = Halt.objects.filter(pk=Halt.BY_PEOPLE, halted_at__isnull=False).first()
    if stopped:
        return Finding("sending", "warning", f"Sending is stopped: {stopped.reason} `manage.py resume` lets it go on.")
    return Finding("sending", "ok", "Nobody stopped it.")


def signatures() -> Finding:
    """Whether copies are signed."""
    if settings.EMAIL_PROVIDER:
        return Finding("DKIM", "ok", "The provider signs: let its pages say that LIST_DOMAIN is verified.")
    records = dkim.records(settings.DKIM, settings.LIST_DOMAIN)
    if not records:
        text = "Copies are not signed here: set DKIM_KEY, or make sure that the relay signs for LIST_DOMAIN."
        return Finding("DKIM", "warning", text)
    return Finding("DKIM", "ok", f"Copies are signed; the DNS must have {' and '.join(sorted({name for name, _ in records}))}.")


def keys() -> Finding:
    """Whether everything can be opened, as far as a sample tells, and whether an old key is still needed."""
    found, ring = rotation.sampled(), settings.ADDRESS_KEYS
    if lost := {key_id: number for key_id, number in found.items() if key_id not in ring.keys}:
        text = f"About {sum(lost.values())} sealed values cannot be opened: put the key back into ADDRESS_KEYS that has the id"
        return Finding("keys", "fail", f"{text} {', '.join(sorted(lost))}.")
    if troubles := rotation.troubles():
        return Finding("keys", "fail", " ".join(troubles))
    if old := sum(number for key_id, number in found.items() if key_id != ring.first[0]):
        text = f"About {old} values are sealed under an old key: run `manage.py rotatekeys`, and keep the old key until it is done."
        return Finding("keys", "warning", text)
    return Finding("keys", "ok", "Everything is sealed under the first key.")


def alerts() -> Finding:
    """Whether there is something that staff should have read."""
    recent = Alert.objects.filter(created_at__gt=Now() - timedelta(days=1))
    newest = recent.order_by("-pk").first()
    if newest is not None:
        return Finding("alerts", "warning", f"{recent.count()} in the last day; the newest: {newest.headline}.")
    return Finding("alerts", "ok", "None in the last day.")

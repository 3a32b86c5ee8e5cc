"""The fence: a database that was restored, copied, promoted or moved sends nothing until a person has armed it here.

Three things must fit together: the database itself (its cluster, its timeline, this very table of it); this place (the machine, and
the folder ``STATE_DIR`` on it); and a counter that whoever sends raises in the database and then, once committed, in ``STATE_DIR``.
A database that comes from the past has a lower counter than its place; a copy of both finds itself in another place.

What does not fit closes the fence: a row beside that of the halt, which every claim reads.
"""

import fcntl
import hashlib
import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Max

from chamberlist import audit, systemmail
from chamberlist.clock import Now, now
from chamberlist.models import Fence, FenceHost, Halt

log = logging.getLogger(__name__)

EVERY = 10.0  # Seconds between two beats of a process that sends.
LONGEST_SLEEP = timedelta(hours=6)
SETBACK = timedelta(minutes=10)  # How far the database's clock may go back.
RETIRED = 2**62  # The counter in the file of an earlier fence: higher than any database's.
MACHINE = Path("/etc/machine-id")

NOT_ARMED = "This database has never been armed for sending"
REPLACED = "This is not the database that was armed: it was restored, copied or made anew"
PROMOTED = "The database server was promoted or recovered to another timeline"
MOVED = "The database and its state folder were copied or moved to another place"
STATELESS = "The state folder is new here or has lost its memory of this database"
RESTORED = "The database is older than what was sent from here: it was restored from a backup"
ADVICE = "Nothing is sent. `manage.py arm` shows what would be."

_last: dict[str, float] = {}  # When this process looked last, and found the fence open.


def is_open() -> bool:
    """Whether copies may leave from here; looks at most every ten seconds. Asked before the first copy and while copies leave."""
    if time.monotonic() - _last.get("open", -EVERY) < EVERY:
        return True
    return check()


def check() -> bool:
    """Look now, and raise the counter; closes the fence where something does not fit."""
    _last.clear()
    try:
        why = _misfit()
    except OSError as error:
        systemmail.alert("state", "The state folder cannot be written", f"Nothing is sent until it can: {error.strerror}.")
        return False
    if why:
        close(why)
    if why or Halt.objects.filter(pk=Halt.FENCE, halted_at__isnull=False).exists():
        return False
    _last["open"] = time.monotonic()
    return True


def close(why: str) -> None:
    """Close the fence, and tell staff once."""
    Halt.objects.get_or_create(pk=Halt.FENCE)
    reason = f"{why}. {ADVICE}"
    if Halt.objects.filter(pk=Halt.FENCE, halted_at=None).update(halted_at=Now(), reason=reason):
        log.error("The fence is closed: %s", why)
        systemmail.alert("fence", "Nothing is sent: the fence is closed", reason)


@transaction.atomic
def arm(*, by: str, reason: str = "") -> None:
    """This database, sending from this place, is the one from now on."""
    former = Fence.objects.select_for_update().first()
    new = uuid.uuid4()
    identity, timeline = _database()
    Fence.objects.update_or_create(
        pk=1,
        defaults={
            "fence_id": new,
            "identity": identity,
            "timeline": timeline,
            "armed_at": Now(),
            "armed_by": audit.without_address(by),
        },
    )
    FenceHost.objects.all().delete()
    FenceHost.objects.create(fingerprint=fingerprint())
    Halt.objects.update_or_create(pk=Halt.FENCE, defaults={"halted_at": None, "reason": ""})
    audit.record(by, "arm", Halt(pk=Halt.FENCE), reason=reason)
    with _locked():
        if former is not None:
            _write(former.fence_id, RETIRED)
        _write(new, 0)
    _last.clear()


def is_armed() -> bool:
    """Whether anybody ever armed this database."""
    return Fence.objects.exists()


def heard() -> None:
    """The site is alive; told by the health check. It says nothing about the fence, and hides no sleep."""
    awake = {"beat_at__gt": Now() - LONGEST_SLEEP, "beat_at__lt": Now() - timedelta(seconds=EVERY)}
    FenceHost.objects.filter(**awake).update(beat_at=Now())


def has_slept() -> bool:
    """Whether nobody was heard of for six hours, or the clock was set back: what was under way then is not to go on by itself."""
    last = FenceHost.objects.aggregate(last=Max("beat_at"))["last"]
    return last is not None and not -SETBACK < now() - last < LONGEST_SLEEP


def wake() -> None:
    """The sleep was dealt with. In the transaction of what was done about it."""
    FenceHost.objects.update(beat_at=Now())


def fingerprint() -> str:
    """What tells this place from others: the machine's id, and a file in the state folder that a copy of it has not."""
    machine = ""
    with suppress(OSError):
        machine = MACHINE.read_text().strip()
    place = _folder() / "place"
    place.touch()
    return hashlib.sha256(f"{machine}/{place.stat().st_ino}".encode()).hexdigest()[:32]


def _misfit() -> str:
    """Why nothing may leave, or "". Raises ``OSError`` where the state folder cannot be used."""
    fence = Fence.objects.first()
    if fence is None:
        return NOT_ARMED
    identity, timeline = _database()
    if identity != fence.identity:
        return REPLACED
    if timeline != fence.timeline:
        return PROMOTED
    with _locked():
        known, host = _read(fence.fence_id), FenceHost.objects.filter(pk=fingerprint())
        if not host.exists():
            return STATELESS if known is None else MOVED
        if known is None:
            return STATELESS
        if has_slept():  # Not the fence's affair alone: who knows the posts deals with it, and wakes.
            host.update(counter=F("counter") + 1)
        else:
            host.update(counter=F("counter") + 1, beat_at=Now())
        counter = host.get().counter
        if known >= counter:
            return RESTORED
        _write(fence.fence_id, counter)
    return ""


def _database() -> tuple[str, int]:
    """This very database: its cluster, itself, and this table (a restored one is another); and its timeline."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT concat_ws('/', system_identifier, (SELECT oid FROM pg_database WHERE datname = current_database()),
                             'chamberlist_fence'::regclass::oid),
                   ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
            FROM pg_control_system()
            """
        )
        identity, timeline = cursor.fetchone()
    return identity, timeline


def _folder() -> Path:
    folder = settings.STATE_DIR / "fence"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _locked() -> Iterator[None]:
    """One process of this place at a time."""
    with (_folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(fence_id: uuid.UUID) -> int | None:
    with suppress(FileNotFoundError, ValueError):
        return int((_folder() / str(fence_id)).read_text())
    return None


def _write(fence_id: uuid.UUID, counter: int) -> None:
    """On disk before it replaces the last one: after a power cut there is the one or the other, never an empty file."""
    draft = _folder() / f"{fence_id}.new"
    with draft.open("w") as file:
        file.write(f"{counter}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(_folder() / str(fence_id))

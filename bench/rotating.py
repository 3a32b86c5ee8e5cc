"""Sealing everything anew while the site writes: how fast, in how much memory, against the same rows written by one statement."""

import os
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

from django.conf import settings
from django.db import connection

from bench import product
from bench.report import Report
from chamberlist import keys
from chamberlist.keys import KeyRing
from chamberlist.sealed import columns
from posting.models import Post
from subscriptions.models import MailingList, Subscription

TABLE = Subscription._meta.db_table
IN_MEMORY = 50_000
STILL_OLD = 1_000  # Writes, of a process that has not been restarted yet.


def run(report: Report) -> None:
    """Once: a run of a million takes minutes."""
    number = report.largest
    report.say(f"writing {number} members ...")
    mailing_list = product.a_list("rotate", number)
    alone = _in_memory()
    started = time.monotonic()
    _execute(f"UPDATE {TABLE} SET sealed_address = sealed_address || ''")  # noqa: S608
    plain = number / (time.monotonic() - started)
    report.tell("rotate: the same rows, one statement", [plain], "rows/s")
    report.tell("rotate: sealing alone, in memory", [alone], "values/s")
    _execute(f"VACUUM FULL ANALYZE {TABLE}")  # As it was before.
    is_over = threading.Event()
    writes = list[float]()
    ring = f"{keys.fresh()},{os.environ['ADDRESS_KEYS']}"
    writer = threading.Thread(target=_write, args=(mailing_list, keys.parse("ADDRESS_KEYS", ring), is_over, writes))
    started = time.monotonic()
    command = [sys.executable, "manage.py", "rotatekeys"]
    with subprocess.Popen(command, cwd=product.REPOSITORY, env=os.environ | {"ADDRESS_KEYS": ring}) as process:
        writer.start()
        peak = _peak(process)
    seconds = time.monotonic() - started
    is_over.set()
    writer.join()
    assert process.returncode == 0, "nothing is left"
    slowest = 1000 * sorted(writes)[int(len(writes) * 0.99)]
    more = {"seconds": round(seconds), "writes_meanwhile": len(writes), "write_p99_ms": round(slowest, 1)}
    report.tell(f"rotate, {number} rows", [number / seconds], "rows/s", yardstick=[plain], **more)
    report.tell(f"rotate, {number} rows: memory", [peak], "MB")
    _execute(f"TRUNCATE {TABLE}, {Post._meta.db_table} CASCADE")


def _in_memory() -> float:
    field = Subscription.address
    rows = [(handle, value) for handle, value in Subscription.objects.values_list("handle", "sealed_address")[:IN_MEMORY]]
    started = time.monotonic()
    for handle, value in rows:
        field.resealed(value, place=field.place(Subscription, handle))
    return len(rows) / (time.monotonic() - started)


def _peak(process: "subprocess.Popen[bytes]") -> float:
    """The largest resident set, MB, as the kernel keeps it."""
    peak = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        peak = max([peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))])
        time.sleep(0.2)
    process.wait()
    return peak / 1024


def _write(mailing_list: MailingList, ring: KeyRing, is_over: threading.Event, writes: list[float]) -> None:
    """What a busy site does: rows come, change and go, about a hundred times a second; the first ones still under the old key."""
    number, first = 0, Subscription.objects.order_by("pk").values_list("pk", flat=True)[0]
    while not is_over.wait(0.01):
        number += 1
        if number == STILL_OLD:
            settings.ADDRESS_KEYS = ring
        started = time.monotonic()
        if number % 3 == 0:
            row = Subscription(mailing_list=mailing_list, state="active", confirmed_at="2026-01-01T00:00Z")
            row.address, row.address_hash, row.domain_hash = f"late{number}@shop.example", uuid.uuid4().bytes, b"x"
            row.save()
        elif number % 3 == 1:
            Subscription.objects.filter(pk=first + 7 * number).delete()
        else:
            found = Subscription.objects.filter(pk=first + 7 * number + 1).first()
            if found is not None:
                changed = columns(found, address=f"moved{number}@shop.example")
                Subscription.objects.filter(pk=found.pk).update(**changed)
        writes.append(time.monotonic() - started)
    connection.close()


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)

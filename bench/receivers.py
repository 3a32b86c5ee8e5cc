"""Who takes the mail: Postfix's ``smtp-sink``, which throws it away, and a real Postfix, which writes it to its queue first."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.report import Missing
from chamberlist.embedded.processes import free_port
from tests import postfix as private

MAIN = """\
compatibility_level = 3.6
myhostname = mail.relay.example
mydestination =
local_recipient_maps =
mynetworks = 127.0.0.0/8
relay_transport = discard
"""


def program(name: str) -> str:
    """Its path; raises ``Missing``."""
    try:
        return private.program(name)
    except private.CannotStart as error:
        raise Missing(str(error)) from None


@contextmanager
def sink() -> Iterator[int]:
    """An ``smtp-sink``; its port."""
    port = free_port()
    as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([program("smtp-sink"), *as_user, f"127.0.0.1:{port}", "256"])
    try:
        if not private.answers(port):
            raise Missing("smtp-sink did not start")
        yield port
    finally:
        process.kill()
        process.wait()


def source(port: int, number: int, *, octets: int = 10240, sessions: int = 4) -> float:
    """Messages a second that ``smtp-source`` hands over: the yardstick."""
    command = [program("smtp-source"), "-d", "-s", str(sessions), "-m", str(number), "-l", str(octets)]
    started = time.monotonic()
    subprocess.run([*command, "-f", "b@lists.chamber.example", "-t", "anne@bakery.example", f"127.0.0.1:{port}"], check=True)
    return number / (time.monotonic() - started)


@contextmanager
def postfix() -> Iterator[int]:
    """A Postfix of its own, which takes a message once it is on disk, and discards it later; its port."""
    try:
        with private.running(MAIN) as started:
            yield started.port
    except private.CannotStart as error:
        raise Missing(str(error)) from None

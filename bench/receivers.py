"""Who takes the mail: Postfix's ``smtp-sink``, which throws it away, and a real Postfix, which writes it to its queue first."""

import grp
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.report import Missing
from chamberlist.embedded.processes import free_port

PATIENCE = 20.0


def program(name: str) -> str:
    """Its path; raises ``Missing``."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/lib/postfix/sbin")
    if found is None:
        raise Missing(f"{name} was not found: install Debian's package postfix (apt install postfix)")
    return found


@contextmanager
def sink() -> Iterator[int]:
    """An ``smtp-sink``; its port."""
    port = free_port()
    as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([program("smtp-sink"), *as_user, f"127.0.0.1:{port}", "256"])
    try:
        await_port(port)
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


MASTER = """\
127.0.0.1:{port} inet n - n - 100 smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n -  0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n -  - trivial-rewrite
bounce    unix  - - n -  0 bounce
defer     unix  - - n -  0 bounce
trace     unix  - - n -  0 bounce
retry     unix  - - n -  - error
error     unix  - - n -  - error
discard   unix  - - n -  - discard
proxymap  unix  - - n -  - proxymap
anvil     unix  - - n -  1 anvil
postlog   unix-dgram n - n - 1 postlogd
"""
MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
myhostname = mail.relay.example
mydestination =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
default_transport = discard
relay_transport = discard
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
maillog_file = {folder}/log/maillog
maillog_file_prefixes = {folder}
alias_maps =
alias_database =
"""


@contextmanager
def postfix() -> Iterator[int]:
    """A Postfix of its own, which takes a message once it is on disk, and discards it later; its port."""
    control = program("postfix")
    if os.geteuid() != 0:
        raise Missing("a Postfix of its own must be started as root; run this case as root")
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="chamberlist-postfix-"))
    folder.chmod(0o755)
    for name in ("etc", "queue", "data", "log"):
        (folder / name).mkdir()
    os.chown(folder / "data", pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postfix").gr_gid)
    (folder / "etc/master.cf").write_text(MASTER.format(port=port))
    (folder / "etc/main.cf").write_text(MAIN.format(folder=folder))
    command = [control, "-c", str(folder / "etc")]
    try:
        started = subprocess.run([*command, "start"], capture_output=True, text=True)
        try:
            await_port(port)
        except TimeoutError:
            raise Missing(f"Postfix did not start: {started.stderr.strip()[-200:]}") from None
        yield port
    finally:
        subprocess.run([*command, "stop"], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _await(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as client:
            client.recv(100)
            return
        time.sleep(0.05)
    raise TimeoutError

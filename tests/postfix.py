"""A real Postfix of a test's or a benchmark's own: private folders, a free port, and nothing of the machine's."""

import grp
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from chamberlist.embedded.processes import free_port

PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/lib/postfix/sbin"
PATIENCE = 20.0
MASTER = """\
127.0.0.1:{port} inet n - n - 100 smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n -  0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n -  - trivial-rewrite
bounce    unix  - - n -  0 bounce
defer     unix  - - n -  0 bounce
trace     unix  - - n -  0 bounce
verify    unix  - - n -  1 verify
flush     unix  n - n 1000? 0 flush
showq     unix  n - n -  - showq
retry     unix  - - n -  - error
error     unix  - - n -  - error
discard   unix  - - n -  - discard
proxymap  unix  - - n -  - proxymap
anvil     unix  - - n -  1 anvil
postlog   unix-dgram n - n - 1 postlogd
"""
HERE = """\
queue_directory = {folder}/queue
data_directory = {folder}/data
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
maillog_file = {folder}/log/maillog
maillog_file_prefixes = {folder}
alias_maps =
alias_database =
default_transport = {transport}
"""


class CannotStart(Exception):
    """The sentence says what is missing."""


@dataclass(frozen=True)
class Postfix:
    """One that runs."""

    port: int
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log" / "maillog").read_text()

    def waiting(self) -> list[dict[str, object]]:
        """The messages in its queue."""
        shown = self._queue("-j")
        return [json.loads(line) for line in shown.splitlines()]

    def flush(self) -> None:
        """Have it try everything again, now."""
        self._queue("-f")

    def _queue(self, option: str) -> str:
        command = [program("postqueue"), "-c", str(self.folder / "etc"), option]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def program(name: str) -> str:
    """Its path; raises ``CannotStart``."""
    found = shutil.which(name, path=PLACES)
    if found is None:
        raise CannotStart(f"{name} was not found: install Debian's package postfix (apt install postfix)")
    return found


@contextmanager
def running(main: str, master: str = "", *, transport: str = "discard") -> Iterator[Postfix]:
    """With these lines in ``main.cf`` and, beside the common ones, in ``master.cf``; raises ``CannotStart``.

    ``transport`` is where mail for everybody else goes.
    """
    control = program("postfix")
    if os.geteuid() != 0:
        raise CannotStart("a Postfix of its own must be started as root")
    started = Postfix(free_port(), Path(tempfile.mkdtemp(prefix="chamberlist-postfix-")))
    folder = started.folder
    folder.chmod(0o755)
    for name in ("etc", "queue", "data", "log"):
        (folder / name).mkdir()
    os.chown(folder / "data", pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postfix").gr_gid)
    (folder / "etc/master.cf").write_text(MASTER.format(port=started.port) + master)
    (folder / "etc/main.cf").write_text(main + HERE.format(folder=folder, transport=transport))
    command = [control, "-c", str(folder / "etc")]
    try:
        said = subprocess.run([*command, "start"], capture_output=True, text=True).stderr
        if not answers(started.port):
            raise CannotStart(f"Postfix did not start: {said.strip()[-200:]}")
        yield started
    finally:
        subprocess.run([*command, "stop"], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def answers(port: int) -> bool:
    """Whether a mail server says hello there, at last."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as client:
            client.recv(100)
            return True
        time.sleep(0.05)
    return False

"""One launcher at a time for one demo folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chamberlist.embedded import watchdog
from chamberlist.embedded.processes import CannotRun

AFTERMATH = 15.0  # Seconds that the watchdog of a killed launcher may take to clean up.


@contextmanager
def held(path: Path, port: int) -> Iterator[int]:
    """Hold the lock in the block, noting who has it; gives its descriptor, for a watchdog to hold on to.

    Raises ``CannotRun`` where a launcher that runs has it. It awaits
    the end of the watchdog of a launcher that was killed.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _taken(descriptor):
            holder = path.read_text().split()
            if len(holder) == 2 and watchdog.running(int(holder[0])):
                raise CannotRun(
                    f"This demo is running already, at http://localhost:{holder[1]}/ "
                    f"(process {holder[0]}): stop that one first, with Ctrl-C."
                )
            if not watchdog.wait_until(lambda: _taken(descriptor), AFTERMATH):
                raise CannotRun(f"An earlier demo in {path.parent} has not ended yet: try again in a moment.")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {port}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""``run``: one command on throw-away servers, which leave with it."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from chamberlist.embedded import environment, postgres, valkey, watchdog
from chamberlist.embedded.processes import CannotRun, Interrupted, Keeper, exit_code, interruptible

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def throw_away_folder() -> Iterator[tuple[Path, Keeper]]:
    """A private folder; whatever is started with the keeper's mark in its environment ends with it."""
    folder = Path(tempfile.mkdtemp(prefix="chamberlist-run-")).resolve()
    keeper = Keeper(str(folder))
    keeper.tell(f"remove {folder}")
    try:
        yield folder, keeper
    finally:
        keeper.close()


def run(command: Sequence[str], *, servers: bool, fast: bool) -> int:
    """Run the command in a whole environment of fresh values; returns its exit code. Raises ``CannotRun``.

    The command shares this process's group, so that Ctrl-C and the terminal are its own.
    """
    # From here on Ctrl-C is for the command to understand; this process follows it.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        with ExitStack() as stack:
            stack.enter_context(interruptible(*SIGNALS))
            folder, keeper = stack.enter_context(throw_away_folder())
            database, redis = "postgres:///none", "redis://127.0.0.1:1/0"
            if servers:
                database = os.environ.get(environment.DATABASE_OVERRIDE, "")
                if not database:
                    database = stack.enter_context(postgres.Server(folder, fast=fast, keeper=keeper)).url
                redis = stack.enter_context(valkey.Server(folder, keeper=keeper)).url
            state = folder / "state"
            (state / "static").mkdir(parents=True)
            settings = environment.for_tests(database=database, redis=redis, state=state)
            return _follow(command, environment.inherited() | settings, keeper)
    except Interrupted:
        return 128 + signal.SIGTERM
    finally:
        signal.signal(signal.SIGINT, before)


def _follow(command: Sequence[str], settings: dict[str, str], keeper: Keeper) -> int:
    try:
        process = subprocess.Popen(command, env=settings | {watchdog.MARK: keeper.mark})
    except OSError as error:
        raise CannotRun(f"The command {command[0]} cannot be run: {error.strerror}.") from None
    keeper.tell(f"watch {process.pid} {int(signal.SIGTERM)}")
    try:
        return exit_code(process.wait())
    except Interrupted:
        process.terminate()
        try:
            process.wait(watchdog.PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
    finally:
        keeper.tell(f"forget {process.pid}")
        for pid in watchdog.marked(keeper.mark):  # A browser, a worker of a test that was killed.
            watchdog.signal_process(pid, signal.SIGKILL)

"""What machines keep and pass on: the broker, the logs, the database's dump, files and their names, lists of processes."""

import subprocess
from pathlib import Path

import redis
from celery import Celery, current_app
from django.conf import settings

from chamberlist.embedded import postgres, watchdog
from tests.canary.registry import OURS
from tests.canary.scene import Scene
from tests.test_whole import Listener
from tests.workers import database_url


def every_task(scene: Scene) -> None:
    """Each of ours, once more by hand: some ring once in six hours."""
    ours = {name for name in current_app.tasks if name.partition(".")[0] in OURS}
    app = Celery(broker=scene.stack.broker.url, set_as_current=False)
    for name in sorted(ours):
        app.send_task(name, args=[1] if name.endswith(".deliver") else [])
    app.close()
    watchdog.wait_until(lambda: all(f"Task {name}[" in scene.stack.log.read_text() for name in ours), 20)


def collect(scene: Scene, listener: Listener) -> None:
    """Everything that they hold now; the worker has ended."""
    broker = redis.Redis.from_url(scene.stack.broker.url)
    for key in broker.scan_iter(count=1000):
        scene.haul.add("broker", key + b"\n" + (broker.dump(key) or b""))
    scene.haul.add("broker", "\n".join(listener.said).encode())
    log = scene.stack.log.read_bytes()
    scene.exercised.note_log(log.decode(errors="replace"))
    scene.haul.add("logs", log)
    for file in scene.folder.rglob("*"):
        scene.haul.add("file names", str(file.relative_to(scene.folder)).encode())
        if file.is_file() and file.suffix != ".csv":
            scene.haul.add("logs" if file.suffix == ".log" else "files", file.read_bytes())
    for file in Path(settings.STATE_DIR).rglob("*"):
        scene.haul.add("files", str(file).encode() + (file.read_bytes() if file.is_file() else b""))
    dump = subprocess.run([postgres.binaries()[0] / "pg_dump", database_url()], capture_output=True, check=True).stdout
    scene.haul.add("pg_dump", dump)

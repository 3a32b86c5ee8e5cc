"""The doctor: what it finds well, and what it says about what is not."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from chamberlist import doctor, fence, halt, systemmail
from chamberlist.clock import Now
from chamberlist.embedded import valkey
from chamberlist.models import Fence, FenceHost
from chamberlist.relay import Relay
from posting.delivery import closing
from posting.models import Delivery, Lane
from tests import builders
from tests.smtpserver import SmtpServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.real_fence]


@pytest.fixture
def patient(smtp: SmtpServer, settings: Any, tmp_path: Path) -> Any:
    """An installation that is well."""
    settings.STATE_DIR = tmp_path / "state"
    Fence.objects.all().delete()
    fence.arm(by="a test")
    with valkey.Server(tmp_path) as broker:
        settings.CELERY_BROKER_URL = broker.url
        yield settings
    fence._last.clear()


def verdicts() -> dict[str, str]:
    return {finding.check: finding.verdict for finding in doctor.examine()}


def found(check: str) -> doctor.Finding:
    return next(finding for finding in doctor.examine() if finding.check == check)


def test_an_installation_that_is_well(patient: Any):
    # The servers of tests forgo safety against power cuts, and nobody signs here.
    assert {check: verdict for check, verdict in verdicts().items() if verdict != "ok"} == {"database": "fail", "DKIM": "warning"}
    assert "fsync" in found("database").text


def stopped(settings: Any) -> None:
    halt.halt(by="a test", reason="a storm")


def closed(settings: Any) -> None:
    fence.close(fence.RESTORED)


def never_armed(settings: Any) -> None:
    Fence.objects.all().delete()


def silent(settings: Any) -> None:
    FenceHost.objects.update(beat_at=Now() - timedelta(minutes=6))


def no_broker(settings: Any) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"


def no_relay(settings: Any) -> None:
    settings.RELAY = Relay("127.0.0.1", 1, "none")


def wrong_password(settings: Any) -> None:
    settings.RELAY = Relay(settings.RELAY.host, settings.RELAY.port, "none", "joe", "wrong")


def no_encryption(settings: Any) -> None:
    settings.RELAY = Relay(settings.RELAY.host, settings.RELAY.port, "starttls")


def no_folder(settings: Any) -> None:
    shutil.rmtree(settings.STATE_DIR)
    settings.STATE_DIR.write_text("in the way")


def resting(settings: Any) -> None:
    Lane.objects.create(number=7, rests_until=Now() + timedelta(minutes=5))


def frozen(settings: Any) -> None:
    closing.freeze(builders.a_post_to("anne@bakery.example").pk, "It looks odd.")


def waiting(settings: Any) -> None:
    builders.a_post_to("anne@bakery.example").deliveries.update(next_attempt_at=Now() - timedelta(hours=2))


def doubtful(settings: Any) -> None:
    builders.a_post_to("anne@bakery.example").deliveries.update(state=Delivery.State.IN_DOUBT)


def alarmed(settings: Any) -> None:
    systemmail.alert("storm", "A storm", "It rains.")


def left_behind(settings: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM django_migrations WHERE app = 'posting')")


@pytest.mark.parametrize(
    ("happens", "check", "verdict", "says"),
    [
        (stopped, "sending", "warning", "a storm"),
        (closed, "fence", "fail", "manage.py arm"),
        (never_armed, "fence", "fail", "manage.py arm"),
        (silent, "heartbeat", "fail", "start the worker and the beat"),
        (no_broker, "broker", "fail", "Connection refused"),
        (no_relay, "relay", "fail", "Connection refused"),
        (wrong_password, "relay", "fail", ""),
        (no_encryption, "relay", "fail", "STARTTLS"),
        (no_folder, "state folder", "fail", ""),
        (resting, "lanes", "warning", "lane 7 rests"),
        (frozen, "posts", "warning", "1 stopped for a check"),
        (waiting, "waiting copies", "warning", "more than an hour"),
        (doubtful, "copies in doubt", "warning", "resolvedoubt"),
        (alarmed, "alerts", "warning", "A storm"),
    ],
)
def test_what_is_not_well_is_named_with_what_to_do(
    patient: Any, happens: Callable[[Any], None], check: str, verdict: str, says: str
):
    happens(patient)
    finding = found(check)
    assert finding.verdict == verdict
    assert says in finding.text


def test_tables_that_are_left_behind(patient: Any):
    left_behind(patient)
    try:
        assert "manage.py migrate" in found("migrations").text
    finally:
        call_command("migrate", "posting", fake=True, verbosity=0)


def test_the_command_says_it_to_people_and_to_programs(patient: Any, capsys: pytest.CaptureFixture[str]):
    no_broker(patient)
    with pytest.raises(CommandError, match="fail: database, broker"):
        call_command("doctor")
    said = capsys.readouterr().out
    assert "FAIL     broker" in said and "warning  DKIM" in said and "ok       clock" in said
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("doctor", json=True, stdout=out)
    told = json.loads(out.getvalue())
    assert told["ok"] is False
    assert {"check": "clock", "verdict": "ok", "text": "This host and the database agree on the time."} in told["checks"]

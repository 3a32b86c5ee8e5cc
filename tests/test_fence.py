"""The fence: what was restored, copied, moved or promoted sends nothing; and no false alarm."""

import shutil
import subprocess
import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F

from chamberlist import fence, halt, systemmail, tasks
from chamberlist.clock import Now
from chamberlist.embedded import postgres
from chamberlist.models import Alert, AuditEntry, Fence, FenceHost, Halt, SystemMail
from posting.delivery import dispatch, lanes, ledger, sweep, waking
from posting.models import Delivery, Lane, Post, Sender
from tests import builders
from tests.databases import elsewhere
from tests.smtpserver import SmtpServer
from tests.test_dispatch import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.real_fence]


@pytest.fixture(autouse=True)
def place(transactional_db: None, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder and a machine of the test's own, and a process that has looked at nothing yet."""
    Fence.objects.all().delete()  # The test database was armed when it was made.
    FenceHost.objects.all().delete()
    settings.STATE_DIR = tmp_path / "state"
    machine = tmp_path / "machine-id"
    machine.write_text("a machine\n")
    monkeypatch.setattr(fence, "MACHINE", machine)
    fence._last.clear()
    yield settings.STATE_DIR
    fence._last.clear()


@pytest.fixture
def armed() -> None:
    fence.arm(by="a test")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[postgres.Server]:
    with postgres.Server(tmp_path / "pg", fast=True) as started:
        yield started


def a_post(members: int = 3) -> Post:
    promotions = builders.a_list()
    builders.many_members(promotions, members)
    return builders.a_sending_post(builders.a_sender(promotions))


def why_closed() -> str:
    row = Halt.objects.filter(pk=Halt.FENCE).first()
    return row.reason if row else ""


def program(name: str, *arguments: str | Path) -> None:
    """One of Postgres's own."""
    done = subprocess.run([*postgres.as_nobody(), postgres.binaries()[0] / name, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def sends_nothing(smtp: SmtpServer, why: str) -> None:
    """Whoever tries here, in whatever way."""
    fence._last.clear()
    assert not waking.may_send()
    assert why in why_closed() and "arm" in why_closed()
    assert halt.is_on()
    Lane.objects.update(leased_until=None)
    before = len(smtp.received)
    sweep.sweep()
    dispatch.run_lane(1, seconds=60)
    assert len(smtp.received) == before
    assert Alert.objects.filter(kind="fence").count() == 1


def test_a_database_that_nobody_armed_sends_nothing(smtp: SmtpServer):
    a_post()
    sends_nothing(smtp, fence.NOT_ARMED)


def test_who_sends_raises_the_counter_in_the_database_and_then_outside(armed: None, place: Path):
    for number in (1, 2, 3):
        assert fence.check()
        assert FenceHost.objects.get().counter == number
        assert (place / "fence" / str(Fence.objects.get().fence_id)).read_text() == f"{number}\n"


def test_it_is_looked_at_every_ten_seconds_at_most(armed: None, monkeypatch: pytest.MonkeyPatch):
    assert fence.is_open() and fence.is_open()
    assert FenceHost.objects.get().counter == 1
    monkeypatch.setattr(fence, "EVERY", 0.0)
    assert fence.is_open()
    assert FenceHost.objects.get().counter == 2


def test_only_arming_opens_it_again(smtp: SmtpServer):
    post = a_post()
    sends_nothing(smtp, fence.NOT_ARMED)
    halt.resume(by="a test", reason="let us see")
    sends_nothing(smtp, fence.NOT_ARMED)
    fence.arm(by="joe", reason="first start")
    assert not halt.is_on()
    dispatch.run_lane(1, seconds=60)
    assert ledger.counts(post)["sent"] == 3
    assert AuditEntry.objects.filter(actor="joe", verb="arm", reason="first start").exists()


def test_arming_leaves_a_persons_halt_alone(armed: None):
    halt.halt(by="a test", reason="wait")
    fence.arm(by="a test")
    assert halt.is_on() and fence.check()


def test_a_dump_restored_beside_the_original_sends_nothing(smtp: SmtpServer, server: postgres.Server, tmp_path: Path):
    """In mid-send, within seconds, with the same state folder: the copy is another database."""
    with elsewhere(server.url, migrate=True):
        post = a_post(40)
        hold = lanes.take(1)
        assert hold and fence.check() and len(ledger.claim(hold, builders.first_turns(post), limit=16).marked) == 16
        program("pg_dump", "-Fc", "-f", tmp_path / "dump", server.url)
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE beside")
        copy = server._url("beside")
        program("pg_restore", "-d", copy, tmp_path / "dump")
        with elsewhere(copy):
            sends_nothing(smtp, fence.REPLACED)
        assert fence.check(), "the original goes on"


@pytest.mark.parametrize("way", ["--clean", "--data-only"])
def test_an_old_dump_restored_over_the_original_sends_nothing(smtp: SmtpServer, server: postgres.Server, tmp_path: Path, way: str):
    with elsewhere(server.url, migrate=True):
        a_post()
        assert fence.check()
        program("pg_dump", "-Fc", "-f", tmp_path / "dump", server.url)
        assert fence.check()
        dispatch.run_lane(1, seconds=60)
        assert len(smtp.received) == 3
        if way == "--data-only":
            with connection.cursor() as cursor:
                tables = ", ".join(connection.introspection.table_names())
                # As whoever restores data alone must.
                cursor.execute("ALTER TABLE chamberlist_auditentry DISABLE TRIGGER keep_all")
                cursor.execute(f"TRUNCATE {tables}")
        connection.close()
        program("pg_restore", way, "--disable-triggers", "-d", server.url, tmp_path / "dump")
        assert Delivery.objects.filter(state="queued").count() == 3
        sends_nothing(smtp, fence.REPLACED if way == "--clean" else fence.RESTORED)


def test_an_older_copy_of_the_databases_files_sends_nothing(smtp: SmtpServer, tmp_path: Path):
    """As a snapshot of the disk is put back: every number of the database is the same."""
    server = postgres.Server(tmp_path / "pg", fast=True)
    with server, elsewhere(server.url, migrate=True):
        a_post()
        assert fence.check()
        connection.close()
        server.stop()
        shutil.copytree(server.data, tmp_path / "snapshot")
        server.start()
        with elsewhere(server.url):
            dispatch.run_lane(1, seconds=60)
            assert len(smtp.received) == 3
        server.stop()
        shutil.rmtree(server.data)
        (tmp_path / "snapshot").rename(server.data)
        server.start()
        with elsewhere(server.url):
            sends_nothing(smtp, fence.RESTORED)


@pytest.mark.parametrize("machine", ["a machine\n", "another machine\n"])
def test_database_and_state_copied_together_send_nothing(smtp: SmtpServer, armed: None, place: Path, settings: Any, machine: str):
    """To another folder, or to another machine as well."""
    a_post()
    assert fence.check()
    shutil.copytree(place, place.with_name("copy"), copy_function=shutil.copy2)
    settings.STATE_DIR = place.with_name("copy")
    fence.MACHINE.write_text(machine)
    sends_nothing(smtp, fence.MOVED)


def test_a_folder_that_keeps_its_place_on_another_machine_sends_nothing(smtp: SmtpServer, armed: None):
    a_post()
    fence.MACHINE.write_text("another machine\n")
    sends_nothing(smtp, fence.MOVED)


def test_a_lost_state_folder_closes_it(smtp: SmtpServer, armed: None, place: Path):
    a_post()
    shutil.rmtree(place)
    sends_nothing(smtp, fence.STATELESS)


def test_a_promoted_standby_sends_nothing(smtp: SmtpServer, server: postgres.Server, tmp_path: Path):
    """A base backup that is recovered to its end goes on as another timeline, as a promoted standby does."""
    with elsewhere(server.url, migrate=True):
        a_post()
        assert fence.check()
        standby = postgres.Server(tmp_path / "standby", fast=True)
        program("pg_basebackup", "-D", standby.data, "-d", server.url.replace("/chamberlist?", "/?"), "-X", "stream", "-c", "fast")
        standby.data.chmod(0o700)
        (standby.data / "recovery.signal").touch()
        with (standby.data / "postgresql.auto.conf").open("a") as configuration:
            configuration.write("restore_command = 'false'\n")
        with standby, elsewhere(standby.url):
            wait_until(is_promoted)
            sends_nothing(smtp, fence.PROMOTED)
        assert fence.check(), "the original goes on"


def is_promoted() -> bool:
    """It answers before: reading is allowed while it recovers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT NOT pg_is_in_recovery()")
        return bool(cursor.fetchone()[0])


def test_a_standby_that_lags_takes_over_in_mid_send(smtp: SmtpServer, armed: None, settings: Any):
    """Its last commits are missing: copies that have left wait there again. The fence is asked before anything else is sent."""
    settings.DELIVERY_CONNECTIONS, settings.DELIVERY_GROUP = 2, 8
    post = a_post(60)
    smtp.slowness = 0.005
    assert fence.is_open(), "a moment ago: it need not be looked at for ten seconds"
    once = threading.Lock()

    def fail_over(_: str) -> None:
        if len(smtp.received) >= 30 and once.acquire(blocking=False):
            other = threading.Thread(target=takes_over)
            other.start()
            other.join()

    def takes_over() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        last = post.deliveries.filter(state__in=("sent", "sending")).order_by("-pk").values("pk")[:32]
        Delivery.objects.filter(pk__in=list(last.values_list("pk", flat=True))).update(
            state="queued", attempts=0, lane=None, lane_token=None, ended_at=None
        )
        Fence.objects.update(timeline=-1)
        connection.close()

    smtp.at_dot = fail_over
    dispatch.run_lane(1, seconds=60)
    assert fence.PROMOTED in why_closed()
    fence.arm(by="joe")
    Lane.objects.update(leased_until=None)
    sweep.sweep()
    assert not post.deliveries.filter(state="queued", attempts__gt=0).exists(), "what was marked there ends in doubt"
    recipients = [mail.recipients[0] for mail in smtp.received]
    assert len(set(recipients)) == len(recipients), "nobody got it twice"


def test_a_counter_is_on_disk_before_it_is_the_counter(armed: None, place: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty file after a power cut would close the fence for nothing."""
    order: list[str] = []
    as_ever = Path.replace

    def sync(number: int) -> None:
        order.append(Path(f"/proc/self/fd/{number}").readlink().suffix)

    def replace(draft: Path, place: Path) -> Path:
        order.append("replaced")
        return as_ever(draft, place)

    monkeypatch.setattr("chamberlist.fence.os.fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    assert fence.check()
    assert order == [".new", "replaced"]


def test_the_database_of_a_former_arming_sends_nothing(smtp: SmtpServer, server: postgres.Server, tmp_path: Path):
    """Even where the dump has all that the database had: its place was armed for another one since."""
    with elsewhere(server.url, migrate=True):
        a_post()
        assert fence.check()
        former = Fence.objects.get().fence_id
        fence.arm(by="a test")
        Fence.objects.update(fence_id=former)
        sends_nothing(smtp, fence.RESTORED)


def test_a_fence_that_closes_in_mid_send_stops_the_next_dot(smtp: SmtpServer, armed: None, monkeypatch: pytest.MonkeyPatch):
    post = a_post(150)
    smtp.slowness = 0.03
    monkeypatch.setattr(fence, "EVERY", 0.1)

    def restore(_: str) -> None:
        if len(smtp.received) == 30:
            fence._write(fence_id, 10**6)

    fence_id = Fence.objects.get().fence_id
    smtp.at_dot = restore
    dispatch.run_lane(1, seconds=60)
    assert 30 <= len(smtp.received) < 100
    counts = ledger.counts(post)
    assert counts["sent"] == len(smtp.received) and counts["queued"] == 150 - counts["sent"]


def test_system_mail_waits_behind_it_and_alerts_do_not(smtp: SmtpServer):
    promotions = builders.a_list()
    member = builders.a_member(promotions)
    systemmail.queue("manage", member.pk)
    tasks.send_system_mail()
    tasks.send_system_mail()
    assert [mail.recipients for mail in smtp.received] == [("office@chamber.example",)]
    assert SystemMail.objects.get(purpose="manage").state == "queued"


def test_a_state_folder_that_cannot_be_written_holds_everything_and_closes_nothing(smtp: SmtpServer, armed: None, place: Path):
    post = a_post()
    shutil.move(place / "fence", place / "away")
    (place / "fence").write_text("in the way")
    assert not waking.may_send() and not halt.is_on()
    dispatch.run_lane(1, seconds=60)
    assert Alert.objects.get().kind == "state"
    (place / "fence").unlink()
    shutil.move(place / "away", place / "fence")
    dispatch.run_lane(1, seconds=60)
    assert ledger.counts(post)["sent"] == 3


# No false alarm


def test_the_first_migrate_arms_and_a_redeploy_goes_on(server: postgres.Server):
    with elsewhere(server.url, migrate=True):
        assert fence.check() and not Alert.objects.exists()
        call_command("migrate", verbosity=0)
        fence._last.clear()  # A new process, on the same volumes.
        assert fence.check() and not Alert.objects.exists()


def test_migrate_does_not_arm_a_database_with_members_in_it(server: postgres.Server, capsys: pytest.CaptureFixture[str]):
    with elsewhere(server.url, migrate=True):
        builders.a_member(builders.a_list())
        Fence.objects.all().delete()
        call_command("migrate", verbosity=0)
        assert not fence.is_armed()
        assert "manage.py arm" in capsys.readouterr().out


def test_a_dead_beat_or_a_quiet_weekend_is_no_sleep(smtp: SmtpServer, armed: None, client: Any):
    """The health check of the site is heard as well."""
    post = a_post()
    FenceHost.objects.update(beat_at=Now() - timedelta(hours=5))
    assert client.get("/healthz").status_code == 200
    FenceHost.objects.update(beat_at=F("beat_at") - timedelta(hours=5))
    assert waking.may_send()
    post.refresh_from_db()
    assert post.state == Post.State.SENDING and not Alert.objects.exists()


def test_a_dead_beat_is_no_sleep_where_a_lane_is_at_work(smtp: SmtpServer, armed: None):
    post = a_post()
    FenceHost.objects.update(beat_at=Now() - timedelta(hours=5))
    dispatch.run_lane(1, seconds=60)
    FenceHost.objects.update(beat_at=F("beat_at") - timedelta(hours=5))
    assert waking.may_send()
    assert ledger.counts(post)["sent"] == 3 and not Alert.objects.exists()


def test_the_health_check_hides_no_sleep(armed: None, client: Any):
    FenceHost.objects.update(beat_at=Now() - timedelta(hours=7))
    client.get("/healthz")
    assert fence.has_slept()


@pytest.mark.parametrize("slept", [timedelta(hours=7), timedelta(minutes=-11)], ids=["seven hours", "a clock set back"])
def test_what_was_under_way_before_a_long_sleep_stops_for_a_check(smtp: SmtpServer, armed: None, slept: timedelta):
    post = a_post()
    FenceHost.objects.update(beat_at=Now() - slept)
    sweep.sweep()
    dispatch.run_lane(1, seconds=60)
    post.refresh_from_db()
    assert post.state == Post.State.FROZEN and smtp.received == []
    assert waking.may_send() and not halt.is_on(), "what comes afterwards is sent"
    another = builders.a_sending_post(Sender.objects.get())
    dispatch.run_lane(1, seconds=60)
    assert ledger.counts(another)["sent"] == 3


def test_a_laptop_that_slept_with_nothing_to_send_goes_on(armed: None):
    FenceHost.objects.update(beat_at=Now() - timedelta(days=3))
    assert waking.may_send()
    assert not fence.has_slept() and not Alert.objects.exists()


def test_an_ordinary_role_of_the_database_can_ask_all_that_is_asked(armed: None):
    role = f"clerk{uuid.uuid4().hex[:8]}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role}")
        cursor.execute(f"SET ROLE {role}")
        try:
            assert fence._database()
        finally:
            cursor.execute("RESET ROLE")
            cursor.execute(f"DROP ROLE {role}")


# The command


def test_arm_shows_what_would_be_sent_before_it_arms(smtp: SmtpServer, capsys: pytest.CaptureFixture[str]):
    post = a_post()
    assert not waking.may_send()
    with pytest.raises(CommandError, match="--yes"):
        call_command("arm")
    said = capsys.readouterr().out
    assert "never been armed" in said
    assert f"post {post.pk} to promotions, being sent: 3 of 3 copies wait" in said
    assert "mails of the site's own" in said
    assert not fence.is_armed()
    call_command("arm", "--yes", "--reason", "moved house")
    assert fence.check()
    assert AuditEntry.objects.get(verb="arm").reason == "moved house"


def test_staff_see_that_it_is_closed_and_that_it_is_the_operators_to_open(admin_client: Any):
    fence.close(fence.RESTORED)
    page = admin_client.get("/admin/chamberlist/halt/").content.decode()
    assert "restored from a backup" in page and "manage.py arm" in page
    assert "Let sending go on" not in page
    assert "restored from a backup" in admin_client.get("/admin/").content.decode()

"""Rotation: everything is sealed anew under the first key, while the site writes, whatever breaks it off."""

import base64
import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from chamberlist import doctor, keys, rotation, sealed
from chamberlist.clock import Now
from chamberlist.models import AuditEntry
from chamberlist.sealed import Sealed
from posting.models import Conversation, GateRefusal, InboundMail, PassedMail, PasswordRequest, Post
from subscriptions.models import MailingList, Subscription, SubscriptionRequest
from tests import builders, workers
from tests.enclosures import OFFER

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "new"
PLACE = "subscriptions_subscription.sealed_address"


@pytest.fixture
def new_key(settings: Any) -> str:
    """A key to be put before the others."""
    return keys.fresh(NEW)


def turn_to(settings: Any, key: str) -> None:
    settings.ADDRESS_KEYS = keys.KeyRing(keys.parse("ADDRESS_KEYS", key).keys | settings.ADDRESS_KEYS.keys)


def rotatekeys(*arguments: str) -> dict[str, Any]:
    out, err = StringIO(), StringIO()
    call_command("rotatekeys", *arguments, stdout=out, stderr=err)
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


def refused(*arguments: str) -> tuple[str, str, dict[str, Any]]:
    """The sentence of the failure, what was said on the way, and the counts."""
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError) as failure:
        call_command("rotatekeys", *arguments, stdout=out, stderr=err)
    return str(failure.value), err.getvalue(), json.loads(out.getvalue())


def everything() -> None:
    """At least one value in every sealed column."""
    promotions = builders.a_list()
    sender = builders.a_sender(promotions)
    builders.a_member(promotions)
    request = SubscriptionRequest(mailing_list=promotions)
    request.address = "anne@bakery.example"
    request.save()
    post = builders.a_sending_post(sender, html="<p>Two loaves</p>", files=[OFFER])
    builders.overwrite(post, reject_reason="No.", allowed_addresses=["bob@garage.example"])
    conversation = Conversation.objects.create(delivery=post.deliveries.get())
    passed = PassedMail(conversation=conversation, to="sender", key=uuid.uuid4())
    passed.content = b"{}"
    passed.save()
    builders.a_mail()
    asked = PasswordRequest()
    asked.typed = "joe@bloggs.example"
    asked.save()
    refusal = GateRefusal(post=post, number=1, half=GateRefusal.Half.POST, reason="A test")
    refusal.excerpt = "header x"
    refusal.save()


def test_a_column_that_is_sealed_is_declared_and_so_turned():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name || '.' || column_name FROM information_schema.columns "
            r"WHERE table_schema = 'public' AND column_name LIKE 'sealed\_%'"
        )
        there = {name for (name,) in cursor.fetchall()}
    assert there == {place.name for place in rotation.places()}
    assert "posting_attachment.sealed_content" in there


def test_everything_is_sealed_anew_and_reads_as_before(settings: Any, new_key: str):
    everything()
    hashes = [bytes(member.address_hash) for member in Subscription.objects.all()]
    turn_to(settings, new_key)
    told = rotatekeys()
    assert told["resealed"].keys() == {place.name for place in rotation.places()}
    assert (told["key"], told["unreadable"], told["left"]) == (NEW, {}, 0)
    settings.ADDRESS_KEYS = keys.parse("ADDRESS_KEYS", new_key)  # The old key may go.
    post, file = Post.objects.get(), Post.objects.get().attachments.get()
    assert (post.subject, post.html, post.reject_reason) == ("Spring offers", "<p>Two loaves</p>", "No.")
    assert post.allowed_addresses == ["bob@garage.example"]
    assert (file.name, file.content) == (OFFER.name, OFFER.content)
    assert Subscription.objects.get().address == "anne@bakery.example"
    assert [bytes(member.address_hash) for member in Subscription.objects.all()] == hashes
    assert rotatekeys("--check")["keys"].keys() == {NEW}
    entry = AuditEntry.objects.get(verb="rotate keys")
    assert (entry.actor, entry.subject) == ("command line", "address keys") and NEW in entry.reason


def test_a_second_run_finds_nothing_to_do(settings: Any, new_key: str):
    everything()
    turn_to(settings, new_key)
    rotatekeys()
    before = list(Subscription.objects.values_list("sealed_address"))
    assert rotatekeys()["resealed"] == {}
    assert list(Subscription.objects.values_list("sealed_address")) == before


def test_the_check_counts_and_changes_nothing(settings: Any, new_key: str):
    builders.a_member(builders.a_list())
    old = settings.ADDRESS_KEYS.first[0]
    turn_to(settings, new_key)
    sentence, _, counts = refused("--check")
    assert f"1 under {old}" in sentence
    assert counts == {"first": NEW, "keys": {old: 1}, "columns": {PLACE: {old: 1}}}
    assert Subscription.objects.get().sealed_address.startswith(f"{old}:") and not AuditEntry.objects.filter(verb="rotate keys")


def test_a_run_that_finds_nothing_to_do_leaves_no_entry():
    builders.a_member(builders.a_list())
    assert rotatekeys()["left"] == 0
    assert not AuditEntry.objects.filter(verb="rotate keys").exists()


@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_the_same_id_with_other_bytes_is_told_of(settings: Any, arguments: tuple[str, ...]):
    builders.a_member(builders.a_list())
    key_id = settings.ADDRESS_KEYS.first[0]
    settings.ADDRESS_KEYS = keys.parse("ADDRESS_KEYS", keys.fresh(key_id))
    sentence, _, _ = refused(*arguments)
    assert f"Values that were sealed with the key {key_id} cannot be opened" in sentence


def test_the_check_says_which_key_to_put_back(settings: Any, new_key: str):
    builders.a_member(builders.a_list())
    old = settings.ADDRESS_KEYS.first[0]
    settings.ADDRESS_KEYS = keys.parse("ADDRESS_KEYS", new_key)
    sentence, _, _ = refused("--check")
    assert f"ADDRESS_KEYS lacks the key {old}: put it back" in sentence


def test_what_no_key_opens_is_named_by_its_number_and_left(settings: Any, new_key: str):
    anne, bob = builders.members(builders.a_list(), "anne@bakery.example", "bob@garage.example")
    damaged = bob.sealed_address[:-8] + "AAAAAAA="
    Subscription.objects.filter(pk=bob.pk).update(sealed_address=damaged)
    turn_to(settings, new_key)
    sentence, said, counts = refused()
    assert "1 value(s) cannot be opened" in sentence
    assert f"{PLACE}, number {bob.pk}, cannot be opened" in said and "bob" not in said
    assert (counts["unreadable"], counts["left"], counts["resealed"]) == ({PLACE: 1}, 1, {PLACE: 1})
    anne.refresh_from_db()
    bob.refresh_from_db()
    assert anne.address == "anne@bakery.example" and bob.sealed_address == damaged


def test_a_value_without_any_key_id_is_told_of_and_never_shown(settings: Any):
    member = builders.a_member(builders.a_list())
    Subscription.objects.filter(pk=member.pk).update(sealed_address="anne@bakery.example")
    sentence, _, counts = refused("--check")
    assert counts["keys"] == {"?": 1} and "anne" not in sentence + json.dumps(counts)


@contextmanager
def locked(row: Any) -> Iterator[Any]:
    """Somebody else has the row in hand, until the value is called."""
    other = connection.copy()
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '10s'")  # Who waits for it after all fails.
    with closing(other):
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {row._meta.db_table} WHERE id = %s FOR UPDATE", [row.pk])  # noqa: S608
        yield other.rollback


def test_a_row_that_somebody_has_in_hand_is_not_waited_for_and_done_later(
    settings: Any, new_key: str, monkeypatch: pytest.MonkeyPatch
):
    anne, bob = builders.members(builders.a_list(), "anne@bakery.example", "bob@garage.example")
    turn_to(settings, new_key)
    with locked(anne) as let_go:
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            bob.refresh_from_db()
            assert bob.sealed_address.startswith(f"{NEW}:"), "the others are done meanwhile"
            let_go()

        monkeypatch.setattr(time, "sleep", pause)
        assert rotatekeys()["left"] == 0
    assert len(pauses) == 1
    anne.refresh_from_db()
    assert anne.sealed_address.startswith(f"{NEW}:") and anne.address == "anne@bakery.example"


def test_nobody_changes_a_row_between_its_reading_and_its_writing(settings: Any, new_key: str, monkeypatch: pytest.MonkeyPatch):
    member = builders.a_member(builders.a_list())
    turn_to(settings, new_key)
    resealed = Sealed.resealed

    def meanwhile(column: Sealed, value: str, *, place: str) -> Any:
        with closing(connection.copy()) as other, other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
            with pytest.raises(OperationalError, match="lock timeout"):
                cursor.execute("UPDATE subscriptions_subscription SET sealed_address = '' WHERE id = %s", [member.pk])
        return resealed(column, value, place=place)

    monkeypatch.setattr(Sealed, "resealed", meanwhile)
    assert rotatekeys()["resealed"] == {PLACE: 1}
    member.refresh_from_db()
    assert member.address == "anne@bakery.example"


def test_it_ends_though_a_row_is_never_let_go(settings: Any, new_key: str, monkeypatch: pytest.MonkeyPatch):
    member = builders.a_member(builders.a_list())
    turn_to(settings, new_key)
    monkeypatch.setattr(time, "sleep", list[float]().append)
    with locked(member):
        sentence, _, counts = refused()
    assert counts["left"] == 1 and counts["passes"] == rotation.PASSES and "run this again" in sentence


def test_members_come_go_and_change_meanwhile(settings: Any, new_key: str):
    promotions = builders.a_list()
    builders.many_members(promotions, 3 * rotation.BATCH)
    made = [a_row(promotions, number) for number in range(600)]  # As a process does that still seals with the old key.
    gone = list(Subscription.objects.order_by("-pk").values_list("pk", flat=True)[:600])
    turn_to(settings, new_key)
    moved = dict[int, str]()
    trouble: list[Exception] = []
    begun = threading.Event()

    def write() -> None:
        try:
            for row, pk in zip(made, gone, strict=True):
                row.save()
                if row.pk % 3 == 0:
                    Subscription.objects.filter(pk=pk).delete()
                else:
                    other = Subscription.objects.get(pk=pk)
                    address = f"moved{pk}@new.example"
                    if Subscription.objects.filter(pk=pk).update(left_at=Now(), **sealed.columns(other, address=address)):
                        moved[pk] = address
                begun.set()
        except Exception as error:  # noqa: BLE001 (told below)
            trouble.append(error)
        finally:
            begun.set()
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(30)
    rotation.rotate(by="a test", say=list[str]().append)
    writer.join()
    assert rotation.rotate(by="a test", say=list[str]().append).left == 0
    assert not trouble and moved
    settings.ADDRESS_KEYS = keys.parse("ADDRESS_KEYS", new_key)
    found = {member.pk: member.address for member in Subscription.objects.all()}
    assert {pk: found[pk] for pk in moved} == moved
    assert [found[row.pk] for row in made] == [f"late{number}@shop.example" for number in range(600)]


@contextmanager
def stopped_at(pk: int) -> Iterator[None]:
    """Whoever changes this member waits until the block is over."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END'"
        )
        cursor.execute(
            "CREATE TRIGGER wait_here BEFORE UPDATE ON subscriptions_subscription "
            f"FOR EACH ROW WHEN (NEW.id = {pk}) EXECUTE FUNCTION wait_here()"
        )
        cursor.execute("SELECT pg_advisory_lock(42)")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(42)")
            cursor.execute("DROP TRIGGER wait_here ON subscriptions_subscription")
            cursor.execute("DROP FUNCTION wait_here")


def until(condition: str) -> None:
    """Postgres is asked again and again, for a minute at most."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"DO $$ BEGIN FOR i IN 1..1200 LOOP EXIT WHEN {condition}; PERFORM pg_sleep(0.05); "
            "PERFORM pg_stat_clear_snapshot(); END LOOP; END $$"
        )
        cursor.execute(f"SELECT {condition}")
        assert cursor.fetchone() == (True,)


def a_row(promotions: MailingList, number: int) -> Subscription:
    row = Subscription(mailing_list=promotions, state="active", confirmed_at="2026-01-01T00:00Z")
    row.address, row.address_hash, row.domain_hash = f"late{number}@shop.example", uuid.uuid4().bytes, b"x"
    return row


def test_killed_in_the_middle_it_loses_nothing_and_goes_on(settings: Any, new_key: str):
    promotions = builders.a_list()
    builders.many_members(promotions, 3 * rotation.BATCH)
    before = {member.pk: member.address for member in Subscription.objects.all()}
    old = ",".join(f"{key_id}:{base64.urlsafe_b64encode(key).decode()}" for key_id, key in settings.ADDRESS_KEYS.keys.items())
    middle = sorted(before)[rotation.BATCH + rotation.BATCH // 2]
    with stopped_at(middle):
        command = [sys.executable, "manage.py", "rotatekeys"]
        given = workers.environment(workers.NOBODY) | {"ADDRESS_KEYS": f"{new_key},{old}"}
        with subprocess.Popen(command, cwd=workers.REPOSITORY, env=given, stdout=subprocess.DEVNULL) as process:
            until("EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
            process.send_signal(signal.SIGKILL)
    until("NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'UPDATE subscriptions_subscription t SET%')")
    turn_to(settings, new_key)
    done = Subscription.objects.filter(sealed_address__startswith=f"{NEW}:").count()
    assert done == rotation.BATCH, "the first batch whole, and nothing of the second"
    assert {member.pk: member.address for member in Subscription.objects.all()} == before
    assert rotatekeys()["resealed"] == {PLACE: 2 * rotation.BATCH}
    settings.ADDRESS_KEYS = keys.parse("ADDRESS_KEYS", new_key)
    assert {member.pk: member.address for member in Subscription.objects.all()} == before


@pytest.mark.parametrize("octets", [[100] * 30, [900_000] * 6, [10_000_000, 10, 10_000_000]])
def test_a_batch_is_bounded_by_octets_as_well(octets: list[int], settings: Any, new_key: str):
    mails = [builders.a_mail(b"x" * size, digest=number.to_bytes(32, "big")) for number, size in enumerate(octets)]
    sizes = {mail.pk: size for mail, size in zip(mails, octets, strict=True)}
    turn_to(settings, new_key)
    place = next(place for place in rotation.places() if place.name == "posting_inboundmail.sealed_content")
    batches = list(rotation._batches(place, NEW))
    assert [pk for batch in batches for pk in batch] == sorted(sizes)
    assert all(sum(sizes[pk] for pk in batch[:-1]) < rotation.OCTETS for batch in batches)
    assert rotation.rotate(by="a test", say=list[str]().append).left == 0
    assert [len(mail.content) for mail in InboundMail.objects.order_by("pk")] == octets


def test_the_doctor_tells_of_an_old_key_and_of_one_that_is_missing(settings: Any, new_key: str):
    builders.a_member(builders.a_list())
    old = settings.ADDRESS_KEYS.first[0]
    assert doctor.keys().verdict == "ok"
    turn_to(settings, new_key)
    assert doctor.keys().verdict == "warning" and "rotatekeys" in doctor.keys().text
    settings.ADDRESS_KEYS = keys.parse("ADDRESS_KEYS", new_key)
    assert doctor.keys().verdict == "fail" and old in doctor.keys().text


def test_the_doctor_reads_some_pages_of_a_large_table_alone(settings: Any, new_key: str, monkeypatch: pytest.MonkeyPatch):
    builders.many_members(builders.a_list(), 3000)
    monkeypatch.setattr(rotation, "PAGES", 40)
    with CaptureQueriesContext(connection) as queries:
        found = rotation.sampled()
    assert any("TABLESAMPLE" in query["sql"] for query in queries)
    assert 1000 < found[settings.ADDRESS_KEYS.first[0]] < 9000

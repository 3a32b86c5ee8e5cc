"""What a stolen backup tells: no address, in no encoding, and nothing by which a guessed one could be tested."""

import base64
import hashlib
import quopri
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from chamberlist import halt, systemmail
from chamberlist.embedded import postgres
from chamberlist.models import Halt
from posting.delivery import audience, closing, gate
from posting.delivery.mime import Attachment
from posting.feedback import events, replies
from posting.feedback.events import Report
from posting.models import Delivery, DeliveryEvent
from posting.moderation import moderation
from subscriptions import addresses, importing, requests
from subscriptions.models import ConsentEvent, MailingList
from tests import builders
from tests.enclosures import OFFER
from tests.workers import database_url

pytestmark = pytest.mark.django_db(transaction=True)
ANNE, BOB, CAROL, DAVE, JOE = (
    "anne.canary@bakery.example", "bob.canary@garage.example", "carol.canary@cafe.example", "dave.canary@mail.example",
    "joe.canary@bloggs.example",
)  # fmt: skip


def dump() -> bytes:
    program = postgres.binaries()[0] / "pg_dump"
    return subprocess.run([program, database_url()], capture_output=True, check=True).stdout


def octets_in(dumped: bytes) -> bytes:
    """All binary values, which pg_dump writes as hexadecimal digits."""
    values = [line.partition(b"\t")[0] for line in dumped.split(b"\\\\x")[1:]]
    return b"\n".join(bytes.fromhex(value.split(b"\n")[0].decode()) for value in values)


def guises(address: str) -> Iterator[tuple[str, bytes]]:
    """As what it might stand there."""
    for text in {address, address.upper(), address.title(), address.partition("@")[0]}:
        plain = text.encode()
        yield "plain", plain
        yield "hex", plain.hex().encode()
        yield "percent", quote(text, safe="").encode()
        yield "quoted-printable", quopri.encodestring(plain.replace(b"@", b"=40"))
        yield "utf-16", text.encode("utf-16-le")
        for shift in range(3):  # Wherever in the encoded text it begins.
            whole = base64.b64encode(b"\0" * shift + plain)
            yield "base64", whole[4 if shift else 0 : len(whole) // 4 * 4 - 4]
    for text in (address, address.upper()):
        for name in ("md5", "sha1", "sha256", "sha512", "blake2b"):
            digest = hashlib.new(name, text.encode())
            yield name, digest.hexdigest().encode()
            yield name, digest.digest()
            yield name, base64.b64encode(digest.digest())


def found_in(dumped: bytes, *looked_for: str) -> list[tuple[str, str]]:
    everything = dumped + b"\n" + octets_in(dumped)
    lowered = everything.lower()
    return [
        (address, guise)
        for address in looked_for
        for guise, octets in guises(address)
        if octets in everything or (guise in ("plain", "hex", "percent") and octets.lower() in lowered)
    ]


def everything_that_happens(promotions: MailingList) -> None:
    """Every way by which an address comes in, and a person's words with one wherever somebody may write them."""
    builders.members(promotions, ANNE, BOB)
    requests.receive(promotions, addresses.parse(CAROL))
    sender = builders.a_sender(promotions, address=JOE)
    csv = Attachment(f"of {DAVE}.csv", "text/csv", f"{DAVE};Dave\n".encode())
    words: dict[str, Any] = {
        "subject": f"Ask {DAVE}",
        "body": f"Ask {DAVE} or {JOE}",
        "html": f"<p>{DAVE}</p>",
        "files": [csv, OFFER],
    }
    rejected, held = builders.a_held_post(sender, **words), builders.a_held_post(sender, **words)
    assert moderation.reject(rejected, reason=f"{DAVE} did not agree.", by="mary") == ""
    allow = gate.strangers(held)
    assert moderation.accept(held, content_hash=held.content_hash, by="mary", allow=allow, now=True) == ""
    assert audience.expand(held.pk)
    copy = Delivery.objects.filter(post=held)[0]
    Delivery.objects.filter(post=held).update(state=Delivery.State.SENT)
    said = f"550 5.1.1 <{ANNE}>: no such user"
    events.record(copy.pk, Report(DeliveryEvent.Kind.BOUNCED, "a", said, status="5.1.1"))
    replies.pass_to_sender(copy.handle, key=uuid.uuid4(), text=f"I am {ANNE}, and so is {DAVE}.")
    builders.a_mail(f"From: {ANNE}\r\nSubject: {BOB}\r\n\r\n{CAROL}\r\n".encode())
    closing.freeze(held.pk, f"It names {DAVE}.")
    halt.halt(by="mary", reason=f"{BOB} called.")
    systemmail.alert("x", f"About {BOB}", f"It said: {ANNE}")
    row = importing.Rows([addresses.parse(f"new.{CAROL}")], 0, [])
    importing.with_evidence(promotions, row, evidence=f"{CAROL} signed a card")


def test_a_dump_holds_no_address_in_any_guise():
    everything_that_happens(builders.a_list())
    staff = Client()
    staff.force_login(get_user_model().objects.create_superuser("mary", "", "x"))
    assert staff.get("/admin/posting/post/").status_code == 200
    dumped = dump()
    assert b"[address]" in dumped and len(octets_in(dumped)) > 1000, "it is looked into"
    assert Halt.objects.get(pk=Halt.BY_PEOPLE).reason == "[address] called."
    assert set(ConsentEvent.objects.filter(evidence__contains="card").values_list("evidence", flat=True)) == {
        "[address] signed a card"
    }
    assert found_in(dumped, ANNE, BOB, CAROL, DAVE, JOE) == []


@pytest.mark.parametrize("guise", ["plain", "hex", "percent", "quoted-printable", "utf-16", "base64", "md5", "sha1", "sha256"])
def test_the_search_finds_what_is_planted(guise: str):
    post = builders.a_held_post(builders.a_sender(builders.a_list()))
    for name, octets in guises(ANNE):
        if name == guise:
            post.attachments.create(
                position=0, kind="x/y", size=1, sha256="", sealed_name="", sealed_content=b"...." + octets + b"...."
            )
            assert (ANNE, guise) in found_in(dump(), ANNE)
            return

"""No answer takes longer for one state of an address than for another: over 500 interleaved samples, all states together.

Passwords are checked at Argon2's least cost, so that whatever else is done is seen; a sender's check alone is also measured at the
real cost, by the processor's time: it keeps all processors busy for so long that the clock says more about the machine.
TIMING_FULL=1 takes 500 samples of each state, and signs in at the real cost.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chamberlist import settings as production
from chamberlist import tokens
from chamberlist.clock import Now
from chamberlist.models import ThrottleCounter
from posting import views
from posting.inbound import room
from posting.models import InboundMail, PasswordRequest, Sender
from posting.submission import senders
from subscriptions import addresses, formtoken, requests
from subscriptions.models import MailingList, Subscription, SubscriptionRequest, Suppression
from tests import builders, timing
from tests.doorkeeper import open_door
from tests.rawclient import RawClient
from tests.timing import Case, Verdict
from tests.walking import PURPOSES

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("timing"), pytest.mark.usefixtures("rung")]
FULL = (timing.SAMPLES,) * 3 if os.environ.get("TIMING_FULL") else ()
SEED = 20060123
STATES = ("unknown", "pending", "active", "paused", "left", "suspended", "suppressed")
PASSWORD = "wrong-wrong-wrong"


@dataclass(frozen=True)
class Member:
    """An address in a state; ``set`` puts it there again, whatever a request did to it."""

    state: str
    address: str
    handle: uuid.UUID
    confirmation: uuid.UUID

    def set(self, _number: int = 0) -> None:
        later = Now() + timedelta(days=30)
        changes: dict[str, dict[str, Any]] = {
            "pending": {"confirmation": self.confirmation, "asked_at": Now()},
            "paused": {"paused_until": later},
        }
        state = {"left": "unsubscribed", "suppressed": "unsubscribed"}.get(self.state, self.state)
        values = {"confirmation": None, "paused_until": None, **changes.get(self.state, {})}
        Subscription.objects.filter(handle=self.handle).update(state=state, **values)


@pytest.fixture
def promotions() -> MailingList:
    return builders.a_list()


@pytest.fixture
def members(promotions: MailingList) -> dict[str, Member]:
    """One in each state; of one who is unknown a token may yet be about."""
    found = {}
    for state in STATES:
        address = f"{state:x<10}@bakery.example"  # All as long.
        handle = uuid.uuid4() if state == "unknown" else builders.a_member(promotions, address).handle
        found[state] = Member(state, address, handle, uuid.uuid4())
        found[state].set()
    hidden = addresses.parse(found["suppressed"].address)
    Suppression.objects.create(address_hash=hidden.hash, mailing_list=promotions, reason=Suppression.Reason.COMPLAINT)
    assert set(Subscription.objects.values_list("state", flat=True)) == {"pending", "active", "paused", "unsubscribed", "suspended"}
    return found


@pytest.fixture(autouse=True)
def report(record_property: Any, capsys: Any) -> Callable[[str, Verdict], None]:
    def say(name: str, verdict: Verdict) -> None:
        record_property(name, str(verdict))
        print(f"{name}: {verdict}")

    return say


def network(number: int) -> str:
    """Another one for each sample: what is counted is counted, and nobody is refused."""
    return f"10.{number // 256 % 256}.{number % 256}.1"


@pytest.fixture(autouse=True)
def wide_caps(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """What comes is counted and summed up as ever, but however much it is there is room for it."""
    settings.CONFIRMATIONS_AN_HOUR = 10**6
    for name in ("MOST_WAITING", "OCTETS_WAITING", "MOST_LETTERS", "OCTETS_LETTERS"):
        monkeypatch.setattr(room, name, 10**12)


def assert_same(name: str, cases: dict[str, Case], report: Any, *, series: Sequence[int] = FULL, **options: Any) -> None:
    verdict = timing.compare(cases, seed=SEED, series=series, **options)
    report(name, verdict)
    assert verdict.says == "same", str(verdict)


class Form:
    """A form that another browser sends each time; ``of`` is the list whose token stands in it."""

    def __init__(self, url: str, status: int, *, of: MailingList | None = None, **data: str) -> None:
        self.url, self.status, self.data, self.of = url, status, data, of
        self.client, self.token = Client(), ""

    def prepare(self, number: int) -> None:
        self.client = Client(REMOTE_ADDR=network(number))
        self.token = formtoken.make(self.of) if self.of else ""  # The page would give it the same.

    def send(self, _number: int) -> None:
        response = self.client.post(self.url, {"token": self.token, **self.data})
        assert response.status_code == self.status, response.content

    @property
    def case(self) -> Case:
        return Case(self.send, self.prepare)


# Asking to be subscribed


def test_subscribing(promotions: MailingList, members: dict[str, Member], report: Any):
    url = reverse("subscribe", args=[promotions.slug])
    cases = {state: Form(url, 302, of=promotions, email=member.address).case for state, member in members.items()}
    assert_same("subscribe", cases, report)
    assert SubscriptionRequest.objects.count() >= timing.SAMPLES


def test_a_state_that_takes_five_milliseconds_longer_is_found(
    promotions: MailingList, members: dict[str, Member], monkeypatch: pytest.MonkeyPatch, report: Any
):
    receive, slow = requests.receive, addresses.parse(members["active"].address)

    def delayed(*given: Any, **more: Any) -> None:
        receive(*given, **more)
        end = time.perf_counter() + 0.005
        while slow in given and time.perf_counter() < end:
            pass

    monkeypatch.setattr(requests, "receive", delayed)
    url = reverse("subscribe", args=[promotions.slug])
    cases = {state: Form(url, 302, of=promotions, email=members[state].address).case for state in ("unknown", "active")}
    for number in range(3):
        verdict = timing.compare(cases, seed=SEED + 10 * number, series=[timing.lengths(len(STATES))[0]])
        report("subscribe, one state slower", verdict)
        assert verdict.says == "differs" and verdict.differences[0].is_one, str(verdict)


# Senders


@pytest.fixture
def people(promotions: MailingList, members: dict[str, Member]) -> dict[str, str]:
    """Addresses that a sign-in may name, by what they are."""
    found = {"unknown": "eve", "known": "joe", "revoked": "ann", "without": "new"}
    found = {name: f"{local}@bloggs.example" for name, local in found.items()}
    made = {name: builders.a_sender(promotions, address=found[name]) for name in found if name != "unknown"}
    senders.revoke(made["revoked"], by="a test")
    Sender.objects.filter(pk=made["without"].pk).update(password="")
    return found | {"member": members["active"].address, "malformed": "no address"}


def sign_in(address: str) -> Form:
    return Form(reverse("sender_sign_in"), 422, address=address, password=PASSWORD)


def counters_forgotten(form: Form) -> Case:
    """One address may be tried a hundred times in a quarter of an hour."""

    def prepare(number: int) -> None:
        if number % 90 == 0:
            ThrottleCounter.objects.all().delete()
        form.prepare(number)

    return Case(form.send, prepare)


def at_the_real_cost(settings: Any) -> None:
    settings.PASSWORD_HASHERS = production.PASSWORD_HASHERS
    for sender in Sender.objects.exclude(password=""):
        senders.issue_password(sender, by="a test")


def test_signing_in(people: dict[str, str], report: Any, settings: Any):
    if FULL:
        at_the_real_cost(settings)
    cases = {name: counters_forgotten(sign_in(address)) for name, address in people.items()}
    assert_same("sign-in", cases, report)


def test_a_check_at_the_real_cost(people: dict[str, str], report: Any, settings: Any):
    at_the_real_cost(settings)
    names = ("unknown", "known", "revoked")
    cases = {name: Case(lambda _, name=name: senders.authenticate(people[name], PASSWORD)) for name in names}  # type: ignore[misc]
    assert_same("sign-in at the real cost, processor time", cases, report, series=FULL or (12, 30, 60), clock=time.process_time)


def test_a_lost_password(people: dict[str, str], report: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(views, "LOST_IN_ALL", 10**6)
    cases = {name: Form(reverse("lost_password"), 302, address=address).case for name, address in people.items()}
    assert_same("lost password", cases, report)
    assert PasswordRequest.objects.count() >= timing.SAMPLES


# Mail


class Letterbox:
    """The door, over SMTP; a new session now and then, since one has room for a thousand messages."""

    def __init__(self, port: int) -> None:
        self.port, self.client, self.said = port, RawClient(port), 0

    def prepare(self, _number: int) -> None:
        self.said += 1
        if self.said % 500 == 0:
            self.client.__exit__()
            self.client = RawClient(self.port)

    def case(self, recipient: str, author: str) -> Case:
        def send(number: int) -> None:
            content = f"From: <{author}>\r\nMessage-ID: <{number:012d}@x.example>\r\nSubject: unsubscribe\r\n\r\nunsubscribe\r\n"
            assert self.client.post(content.encode(), recipient, sender=author).startswith("250 ")

        return Case(send, self.prepare)


@pytest.fixture
def letterbox() -> Iterator[Letterbox]:
    with open_door() as port:
        box = Letterbox(port)
        yield box
        box.client.__exit__()


@pytest.mark.parametrize("kind", ["leave", "request"])
def test_mail(kind: str, members: dict[str, Member], letterbox: Letterbox, report: Any):
    """To the address with a member's token, from anybody; and to the list's own, from the member's address."""
    cases = {}
    for state, member in members.items():
        local = f"leave-{tokens.make('leave', member.handle)}" if kind == "leave" else "promotions-request"
        cases[state] = letterbox.case(f"{local}@lists.chamber.example", "eve@x.example" if kind == "leave" else member.address)
    assert_same(f"mail to {kind}", cases, report)
    assert InboundMail.objects.count() >= timing.SAMPLES


# The members' links


class Link:
    """A page behind a token, posted to as a mail client does it, without cookie."""

    def __init__(self, name: str, handle: uuid.UUID, member: Member, **data: str) -> None:
        self.member, self.data, self.client = member, data, Client()
        self.url = reverse(name, args=["promotions", tokens.make(PURPOSES.get(name, name), handle)])

    def send(self, _number: int) -> None:
        assert self.client.post(self.url, self.data).status_code == 200

    @property
    def case(self) -> Case:
        return Case(self.send, self.member.set)


LINKS = {
    "leave": ("leave", {"List-Unsubscribe": "One-Click"}),
    "pause": ("choose", {"pause": "14"}),
    "settings": ("choose", {"settings": "1"}),
    "confirm": ("confirm", {"answer": "yes"}),
    "disown": ("confirm", {"answer": "not_me"}),
    "undo a mistake": ("undo_leave", {}),
}


@pytest.mark.parametrize("what", LINKS)
def test_a_members_link(what: str, members: dict[str, Member], report: Any):
    name, data = LINKS[what]
    cases = {}
    for state, member in members.items():
        handle = member.confirmation if name == "confirm" else member.handle
        cases[state] = Link(name, handle, member, **data).case
    assert_same(f"link to {what}", cases, report)

"""A relay that misbehaves, and then behaves: each copy arrives once, or ends as it must; and nobody else is touched."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from aiosmtpd.smtp import AuthResult

from chamberlist import halt
from chamberlist.clock import Now
from chamberlist.models import Alert
from chamberlist.relay import Relay
from posting.delivery import dispatch, ledger, session
from posting.models import Delivery, DeliveryEvent, Lane, Post
from tests import builders, certificates
from tests.checker import reckon
from tests.sending import GROUP, a_post
from tests.smtpserver import SmtpServer
from tests.test_session import GREETING, a_server_that_says

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State
MEMBERS = 60
EACH = 13  # Every thirteenth member is unlucky: too few for the breaker.
ROUNDS = 20


@pytest.fixture
def post(settings) -> Post:
    settings.DELIVERY_GROUP = GROUP
    return a_post(MEMBERS)


def later() -> None:
    """Half an hour has passed: every copy is due, and every lane has rested."""
    Lane.objects.update(rests_until=None)
    Delivery.objects.filter(state__in=Delivery.WAITING).update(next_attempt_at=Now())


def go_on_to_the_end(post: Post) -> int:
    """Lanes, again and again, until the post is done; how many rounds it took."""
    for number in range(1, ROUNDS + 1):
        dispatch.run_lane(1, seconds=60)
        post.refresh_from_db()
        if post.state == Post.State.DONE:
            return number
        later()
    raise AssertionError(f"not done after {ROUNDS} rounds: {ledger.counts(post)}")


class OnceEach:
    """An answer of a server to the first try of each of some members; from then on it takes what comes."""

    def __init__(self, said: str, each: int = EACH) -> None:
        self.said, self.each = said, each
        self.met: set[str] = set()

    def __call__(self, recipient: str) -> str | None:
        number = int(recipient.removeprefix("member").partition("@")[0])
        if number % self.each or recipient in self.met:
            return None
        self.met.add(recipient)
        return self.said


TROUBLES = {  # Where, what it says ("" hangs up), and what becomes of the unlucky copies.
    "451 at the recipient": ("at_recipient", "451 4.7.1 later", State.SENT),
    "421 at the recipient": ("at_recipient", "421 4.3.2 closing", State.SENT),
    "550 at the recipient": ("at_recipient", "550 5.1.1 unknown", State.FAILED),
    "cut at the recipient": ("at_recipient", "", State.SENT),
    "451 at DATA": ("at_data", "451 4.3.0 later", State.SENT),
    "421 at DATA": ("at_data", "421 4.3.2 closing", State.SENT),
    "554 at DATA": ("at_data", "554 5.6.0 no", State.FAILED),
    "cut at DATA": ("at_data", "", State.SENT),
    "451 after the dot": ("at_dot", "451 4.3.0 later", State.SENT),
    "421 after the dot": ("at_dot", "421 4.3.2 closing", State.SENT),
    "554 after the dot": ("at_dot", "554 5.6.0 no", State.FAILED),
    "cut after the dot, not kept": ("at_dot", "", State.IN_DOUBT),
    "cut after the dot, and kept": ("after_dot", "", State.IN_DOUBT),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_trouble_of_some_copies_is_theirs_alone(trouble: str, post: Post, smtp: SmtpServer):
    place, said, fate = TROUBLES[trouble]
    unlucky = OnceEach(said)
    setattr(smtp, place, unlucky)
    go_on_to_the_end(post)
    assert len(unlucky.met) == MEMBERS // EACH + 1
    reckoning = reckon(post, smtp)
    assert reckoning.states == {State.SENT: MEMBERS} | (
        {} if fate == State.SENT else {State.SENT: MEMBERS - len(unlucky.met), fate: len(unlucky.met)}
    )
    people = {copy.subscription.address: copy.state for copy in post.deliveries.select_related("subscription") if copy.subscription}
    assert {people[address] for address in unlucky.met} == {fate}
    assert reckoning.arrived_in_doubt == (len(unlucky.met) if place == "after_dot" else 0)


def test_greylisting_costs_each_copy_one_more_try(post: Post, smtp: SmtpServer):
    """Each first try is put off; none is made again before its time."""
    smtp.at_recipient = OnceEach("451 4.7.1 greylisted, come back later", each=1)
    dispatch.run_lane(1, seconds=60)
    dispatch.run_lane(1, seconds=60)
    assert smtp.received == [] and ledger.counts(post)["deferred"] == MEMBERS
    later()
    assert go_on_to_the_end(post) == 1
    assert reckon(post, smtp).states == {State.SENT: MEMBERS}
    assert set(post.deliveries.values_list("attempts", flat=True)) == {2}
    assert DeliveryEvent.objects.filter(kind="deferred", status="4.7.1").count() == MEMBERS


def test_three_refusals_in_a_row_are_in_a_row(smtp: SmtpServer, settings):
    """Two in the same words, and then one that is taken: not the post's fault. (One session, so that there is an order.)"""
    settings.DELIVERY_CONNECTIONS = 1
    post = a_post(6)
    heard: list[str] = []

    def two_of_three(recipient: str) -> str | None:
        heard.append(recipient)
        return None if len(heard) % 3 == 0 else "554 5.6.0 looks odd"

    smtp.at_dot = two_of_three
    go_on_to_the_end(post)
    assert reckon(post, smtp).states == {State.SENT: 2, State.FAILED: 4}


def hang_up_on(smtp: SmtpServer, subject: str) -> None:
    """At each final dot of such a message, as a relay does whose filter falls over it."""
    taken_as_ever = smtp.handle_DATA

    async def take(server: Any, session: Any, envelope: Any) -> str:
        if subject.encode() in envelope.content:
            server.transport.abort()
            return ""
        return await taken_as_ever(server, session, envelope)

    smtp.handle_DATA = take  # type: ignore[method-assign]


def test_a_post_at_which_the_relay_hangs_up_stops_for_a_check_and_the_others_go_out(smtp: SmtpServer, settings):
    settings.DELIVERY_CONNECTIONS = 2
    promotions = builders.a_list()
    builders.many_members(promotions, MEMBERS)
    joe = builders.a_sender(promotions)
    poison, good = builders.a_sending_post(joe, subject="Poison"), builders.a_sending_post(joe)
    hang_up_on(smtp, "Poison")
    for _ in range(3):
        dispatch.run_lane(1, seconds=60)
        later()
    poison.refresh_from_db()
    good.refresh_from_db()
    assert good.state == Post.State.DONE and reckon(good, smtp).states == {State.SENT: MEMBERS}
    assert poison.state == Post.State.FROZEN and "broke 3 times" in poison.frozen_reason
    assert ledger.counts(poison)["in_doubt"] <= GROUP


def test_a_relay_that_starts_anew_stops_no_post(post: Post, smtp: SmtpServer, settings):
    """All connections break at once, and then it takes what comes."""
    settings.DELIVERY_CONNECTIONS = 4
    gone: list[str] = []

    def restart(recipient: str) -> str | None:
        if len(smtp.received) >= MEMBERS // 3 and len(gone) < settings.DELIVERY_CONNECTIONS:
            gone.append(recipient)
            return ""
        return None

    smtp.at_dot = restart
    go_on_to_the_end(post)
    assert reckon(post, smtp).states == {State.SENT: MEMBERS - len(gone), State.IN_DOUBT: len(gone)}


def test_a_relay_that_puts_off_every_copy_is_told_of_once_and_kept_once(post: Post, smtp: SmtpServer):
    smtp.at_recipient = lambda _: "451 4.3.0 temporary lookup failure"
    for _ in range(3):
        dispatch.run_lane(1, seconds=60)
        later()
    assert ledger.counts(post)["deferred"] == MEMBERS
    [alert] = Alert.objects.all()
    assert alert.kind == "put off" and "temporary lookup failure" in alert.text
    assert DeliveryEvent.objects.count() == MEMBERS, "what is said again is kept once"


def test_a_relay_that_refuses_everybody_has_refused_a_handful(post: Post, smtp: SmtpServer):
    smtp.at_recipient = lambda address: f"554 5.7.1 <{address}>: relay access denied"
    dispatch.run_lane(1, seconds=60)
    assert halt.is_on()
    assert ledger.counts(post)["failed"] <= 2 * dispatch.FEW


def test_a_turn_ends_although_dots_hang(post: Post, smtp: SmtpServer, settings, monkeypatch: pytest.MonkeyPatch):
    """Else no worker of a slow relay could be stopped without a doubt."""
    monkeypatch.setattr(session, "HANGING", 0.1)
    monkeypatch.setattr(dispatch, "OVERTIME", 0.5)
    settings.DELIVERY_CONNECTIONS, settings.DELIVERY_GROUP = 2, 4
    smtp.slowness = 0.3
    assert dispatch.run_lane(1, seconds=0.5), "there is more to do"
    assert ledger.counts(post)["queued"] > MEMBERS // 2


# What is about us


@dataclass
class Refusing:
    """A relay that takes nothing from us, and what must be so for us to meet it."""

    relay: Relay
    trusted: Path | None = None


@contextmanager
def a_server(relay: dict[str, Any] | None = None, said_at_mail: str | None = None, **options: Any) -> Iterator[Refusing]:
    with SmtpServer(**options) as server:
        server.at_mail = lambda _: said_at_mail
        yield Refusing(Relay("127.0.0.1", server.port, **{"tls": "none", **(relay or {})}))
        assert server.received == []


def password(_: Path) -> AbstractContextManager[Refusing]:
    def authenticate(*_: object) -> AuthResult:
        return AuthResult(success=False, handled=False)

    wrong = {"username": "chamber", "password": "wrong"}
    return a_server(wrong, authenticator=authenticate, auth_require_tls=False)


@contextmanager
def certificate(folder: Path, *, is_trusted: bool = True, **details: Any) -> Iterator[Refusing]:
    file = certificates.make(folder, **details)
    with a_server({"tls": "starttls"}, tls_context=certificates.context(file), require_starttls=True) as refusing:
        refusing.trusted = file if is_trusted else None
        yield refusing


@contextmanager
def scripted(*lines: bytes, tls: Literal["none", "starttls"] = "none") -> Iterator[Refusing]:
    with a_server_that_says(*lines) as relay:
        yield Refusing(replace(relay, tls=tls))


@contextmanager
def nobody(_: Path) -> Iterator[Refusing]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield Refusing(Relay("127.0.0.1", port, "none"))


REFUSALS: dict[str, Callable[[Path], AbstractContextManager[Refusing]]] = {
    "nobody at the door": nobody,
    "554 for a greeting": lambda _: scripted(b"554 5.7.1 go away\r\n"),
    "421 for a greeting": lambda _: scripted(b"421 4.3.2 too busy\r\n"),
    "no EHLO and no HELO": lambda _: scripted(GREETING, b"550 who\r\n"),
    "a wrong password": password,
    "no STARTTLS": lambda _: a_server({"tls": "starttls"}),
    "STARTTLS refused": lambda _: scripted(GREETING, b"250-x\r\n250 STARTTLS\r\n", b"454 4.7.0 not now\r\n", tls="starttls"),
    "an expired certificate": lambda folder: certificate(folder, days=-1),
    "a certificate of another place": lambda folder: certificate(folder, address="127.0.0.2"),
    "a certificate that nobody vouches for": lambda folder: certificate(folder, is_trusted=False),
    "550 to MAIL": lambda _: a_server(said_at_mail="550 5.7.1 who are you"),
    "451 to MAIL": lambda _: a_server(said_at_mail="451 4.3.0 not now"),
    "421 to MAIL": lambda _: a_server(said_at_mail="421 4.3.2 closing"),
}


def test_a_relay_that_never_greets_us_is_told_of(post: Post, settings, monkeypatch: pytest.MonkeyPatch):
    """Its time-out is longer than a lane's turn: turn after turn, nothing would be said to anybody."""
    monkeypatch.setattr(dispatch, "SILENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.RELAY = Relay("127.0.0.1", listener.getsockname()[1], "none")
        monkeypatch.setattr(dispatch, "GOODBYE", 0.1)
        assert dispatch.run_lane(1, seconds=0.3) is False
    assert [alert.kind for alert in Alert.objects.all()] == ["relay"]
    assert Lane.objects.get(number=1).failures == 1
    assert ledger.counts(post)["queued"] == MEMBERS


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_relay_that_takes_nothing_from_us_fails_nobody(
    refusal: str, post: Post, smtp: SmtpServer, settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Staff are told, once; when it is mended, everybody gets their copy."""
    good = settings.RELAY
    with ExitStack() as stack:
        refusing = stack.enter_context(REFUSALS[refusal](tmp_path))
        settings.RELAY = refusing.relay
        if refusing.trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(refusing.trusted))
        dispatch.run_lane(1, seconds=60)
        dispatch.run_lane(1, seconds=60)  # It rests.
        assert ledger.counts(post) == {**dict.fromkeys(State.values, 0), State.QUEUED: MEMBERS}
    assert [alert.kind for alert in Alert.objects.all()] == ["relay"]
    assert Lane.objects.get(number=1).failures == 1
    settings.RELAY = good
    later()
    assert go_on_to_the_end(post) == 1
    assert reckon(post, smtp).states == {State.SENT: MEMBERS}
    assert post.deliveries.filter(attempts__gt=1).count() <= settings.DELIVERY_CONNECTIONS

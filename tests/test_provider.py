"""Copies through a provider's interface, against a real HTTP server: what leaves, what is in doubt, and who is told."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from email.utils import getaddresses
from typing import Any

import pytest
from anymail.message import AnymailRecipientStatus, AnymailStatus
from anymail.signals import pre_send
from django.db import connection
from urllib3.connection import HTTPConnection

from chamberlist import halt, tokens
from chamberlist.clock import Now
from chamberlist.models import Alert
from posting.delivery import audience, copies, dispatch, exchange, gate, lanes, ledger, messages, verdicts
from posting.delivery.desk import Job
from posting.delivery.provider import ProviderWire
from posting.models import Delivery, DeliveryEvent, Lane, Post
from posting.moderation import moderation
from subscriptions import lifecycle
from tests import builders
from tests.providerserver import MAILGUN, POSTMARK, Answer, Provider, Request
from tests.test_dispatch import counts, run_lanes, state_of, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State
ADDRESSES = ("anne@bakery.example", "bob@garage.example", "cleo@florist.example")


both = pytest.mark.parametrize("provider", [POSTMARK, MAILGUN], indirect=True, ids=["postmark", "mailgun"])


@pytest.fixture
def post(settings) -> Post:
    """A post to three members, expanded."""
    settings.DELIVERY_GROUP = 16
    promotions = builders.a_list()
    builders.members(promotions, *ADDRESSES)
    return builders.a_sending_post(builders.a_sender(promotions))


@pytest.fixture
def wires(monkeypatch: pytest.MonkeyPatch) -> list[ProviderWire]:
    """The wires that the lanes open."""
    opened: list[ProviderWire] = []
    as_ever = dispatch.open_wire

    def open_wire(hold: lanes.Hold) -> ProviderWire:
        wire = as_ever(hold)
        assert isinstance(wire, ProviderWire)
        opened.append(wire)
        return wire

    monkeypatch.setattr(dispatch, "open_wire", open_wire)
    return opened


def many(number: int) -> tuple[Post, list[str]]:
    promotions = builders.a_list()
    addresses = builders.many_members(promotions, number)
    return builders.a_sending_post(builders.a_sender(promotions)), addresses


def to_bob(answer: Answer) -> Callable[[Request], Answer | None]:
    """This answer for Bob, and yes for the others."""
    return lambda request: answer if request.recipient == "bob@garage.example" else None


def the_copy(post: Post, address: str) -> Delivery:
    copies = {copy.subscription.address: copy for copy in post.deliveries.select_related("subscription") if copy.subscription}
    return copies[address]


# What leaves


@both
def test_each_subscriber_has_a_request_of_their_own_that_names_nobody_else(provider: Provider, settings):
    settings.DELIVERY_CONNECTIONS = 4
    post, addresses = many(40)
    run_lanes()
    assert sorted(provider.recipients) == sorted(addresses)
    for request in provider.requests:
        others = set(addresses) - {request.recipient}
        assert not any(other.encode() in request.head + request.body for other in others)
        assert not any(name.lower() in ("cc", "bcc", "recipient-variables") for name in request.fields)
    assert counts(post) == {State.SENT: 40}
    assert state_of(post) == Post.State.DONE


@both
def test_a_request_carries_the_opaque_handle_and_nothing_else_that_is_ours(provider: Provider, post: Post):
    run_lanes()
    for address in ADDRESSES:
        fields, handle = provider.to(address).fields, the_copy(post, address).handle.hex
        if provider.kind == POSTMARK:
            assert fields["Metadata"] == {"delivery": handle}
        else:
            assert {name: value for name, value in fields.items() if name.startswith("v:")} == {"v:delivery": handle}


@both
def test_a_request_switches_tracking_off(provider: Provider, post: Post):
    run_lanes()
    for request in provider.requests:
        if provider.kind == POSTMARK:
            assert request.fields["TrackOpens"] is False and request.fields["TrackLinks"] == "None"
        else:
            assert request.fields["o:tracking-opens"] == request.fields["o:tracking-clicks"] == "no"


@both
def test_a_request_has_the_headers_and_the_texts_of_a_copy(provider: Provider, post: Post, settings):
    run_lanes()
    copy = the_copy(post, "anne@bakery.example")
    member, domain = copy.subscription, settings.LIST_DOMAIN
    assert member
    request = provider.to("anne@bakery.example")
    headers = {name.lower(): value for name, value in request.headers.items()}
    leave = tokens.make("leave", member.handle)
    assert headers["list-unsubscribe"] == f"<{settings.SITE_URL}/lists/promotions/leave/{leave}/>, <mailto:leave-{leave}@{domain}>"
    assert headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert headers["message-id"] == f"<{copy.handle.hex}@{domain}>"
    assert headers["list-id"] == f"<promotions.{domain}>" and headers["precedence"] == "list"
    reply_to = request.fields.get("ReplyTo") or headers["reply-to"]
    assert reply_to == f"r-{tokens.make('reply', copy.handle)}@{domain}"
    text = request.fields.get("TextBody") or request.fields["text"]
    html = request.fields.get("HtmlBody") or request.fields["html"]
    for said in (text, html):
        assert "Two loaves for one." in said and f"/leave/{leave}" in said
    assert (request.fields.get("From") or request.fields["from"]) == f"Bloggs Ltd via {settings.CHAMBER.name} <promotions@{domain}>"


@both
@pytest.mark.parametrize(
    "name",
    [
        'Bloggs "and", Sons <x@y.example>',
        "Bäckerei Müller, Söhne",
        "=?utf-8?q?x=0D=0ABcc=3A_bob=40garage=2Eexample?=",
        "Bloggs\\",
        "a@b.example, c@d.example",
    ],
)
def test_names_and_words_that_people_typed_grow_nothing(provider: Provider, name: str, settings):
    promotions = builders.a_list()
    builders.a_member(promotions)
    post = builders.a_held_post(builders.a_sender(promotions, name=name), subject=f"News of {name}")
    allowed = gate.strangers(post)
    assert moderation.accept(post, content_hash=post.content_hash, by="a test", allow=allowed, now=True) == ""
    assert audience.expand(post.pk)
    run_lanes()
    [request] = provider.requests
    [(shown, address)] = getaddresses([request.fields.get("From") or request.fields["from"]])
    assert address == f"promotions@{settings.LIST_DOMAIN}"
    assert shown == f"{name} via {settings.CHAMBER.name}".replace("=?", "=\u200b?")
    subject = request.fields.get("Subject") or request.fields["subject"]
    assert "=?" not in subject and subject.replace("\u200b", "") == post.subject
    assert request.recipient == "anne@bakery.example"


def test_an_address_that_the_interfaces_cannot_take_fails_with_that_reason(provider: Provider):
    promotions = builders.a_list()
    builders.members(promotions, "anne@bakery.example", "jörg@bakery.example")
    post = builders.a_sending_post(builders.a_sender(promotions))
    run_lanes()
    assert counts(post) == {State.SENT: 1, State.FAILED: 1}
    assert post.deliveries.get(state=State.FAILED).status.startswith("5.6.7")
    assert provider.recipients == ["anne@bakery.example"]


@pytest.mark.parametrize("odd", ["", "a@b.example, c@d.example", "Anne <a@b.example>", "anne", "(x)a@b.example", "jörg@b.example"])
def test_what_the_interfaces_would_read_otherwise_is_no_recipient(odd: str):
    assert not messages.can_take(odd)


def test_the_threads_keep_their_connections_and_work_side_by_side(provider: Provider, settings):
    settings.DELIVERY_CONNECTIONS = 3
    together = threading.Barrier(3, timeout=30)

    def answer_three_together(_: Request) -> None:
        together.wait()

    provider.on_request = answer_three_together
    post, _ = many(30)
    run_lanes()
    assert provider.most_open == 3
    assert len({request.port for request in provider.requests}) == 3
    assert counts(post) == {State.SENT: 30}


def test_many_lanes_send_once(provider: Provider, settings):
    settings.DELIVERY_GROUP, settings.DELIVERY_CONNECTIONS = 3, 2
    post, addresses = many(60)

    def work(lane: int) -> None:
        dispatch.run_lane(lane, seconds=60)
        connection.close()

    workers = [threading.Thread(target=work, args=(lane,)) for lane in (1, 2, 3, 1, 2, 3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(provider.recipients) == sorted(addresses)
    assert counts(post) == {State.SENT: 60}


@both
def test_what_the_provider_calls_a_copy_is_kept(provider: Provider, post: Post):
    run_lanes()
    kept = {event.key for event in DeliveryEvent.objects.filter(kind="sent")}
    names = ("pm-1", "pm-2", "pm-3") if provider.kind == POSTMARK else [f"<{n}.mailgun@mg.example>" for n in (1, 2, 3)]
    assert kept == {f"receipt/{name}" for name in names}


# What the provider answers


def refusal(number: int, words: str) -> Answer:
    return Answer(422, {"ErrorCode": number, "Message": words})


LATER = {"To": "bob@garage.example", "MessageID": "q", "Message": "OK, but delivery may be delayed"}
INACTIVE = (
    "You tried to send to a recipient that has been marked as inactive.\nFound inactive addresses: bob@garage.example.\n"
    "Inactive recipients are ones that have generated a hard bounce or a spam complaint."
)


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (refusal(406, INACTIVE), State.FAILED, "550 rejected: You tried to send to a recipient"),
        (refusal(300, "Invalid 'To' address: 'bob@garage.example'."), State.FAILED, "550 invalid: Invalid 'To' address"),
        (refusal(300, "Invalid metadata content."), State.FAILED, "554 HTTP 422: Invalid metadata content."),
        (Answer(400, b"no JSON"), State.FAILED, "554 HTTP 400: no JSON"),
        (Answer(413, {"Message": "Too large"}), State.FAILED, "554 HTTP 413: Too large"),
        (Answer(200, LATER), State.SENT, "250 queued"),
        (Answer(200, {"To": "eve@evil.example", "MessageID": "q", "ErrorCode": 0, "Message": "OK"}), State.IN_DOUBT, "neither"),
        (Answer(200, {"MessageID": "q", "ErrorCode": 0, "Message": "OK"}), State.IN_DOUBT, "neither"),
        (Answer(200, b"Hello"), State.IN_DOUBT, "neither yes nor no"),
        (Answer(200, {"ErrorCode": 0, "Message": "OK"}), State.IN_DOUBT, "neither yes nor no"),
        (Answer(200, b'{"To":', hangs_up=True), State.IN_DOUBT, "neither yes nor no"),
        (Answer(500, {"Message": "oops"}), State.IN_DOUBT, "neither yes nor no"),
        (Answer(502, b"<html>Bad gateway</html>"), State.IN_DOUBT, "neither yes nor no"),
        (Answer(503, b"upstream reset"), State.IN_DOUBT, "neither yes nor no"),
        (Answer(504), State.IN_DOUBT, "neither yes nor no"),
        (Answer(hangs_up=True), State.IN_DOUBT, "before the answer was read"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
def test_an_answer_is_about_that_copy_alone(provider: Provider, post: Post, answer: Answer, state: str, words: str):
    provider.on_request = to_bob(answer)
    run_lanes()
    run_lanes()
    bob = the_copy(post, "bob@garage.example")
    assert (bob.state, words in bob.status) == (state, True), bob.status
    assert "garage" not in bob.status and "evil" not in bob.status
    assert counts(post) == ({State.SENT: 3} if state == State.SENT else {State.SENT: 2, state: 1})
    assert sorted(provider.recipients) == sorted(ADDRESSES), "nobody was tried twice"
    assert state_of(post) == Post.State.DONE
    assert [alert.kind for alert in Alert.objects.all()] == (["doubt"] if state == State.IN_DOUBT else [])


@pytest.mark.parametrize(
    ("status", "stage", "code"),
    [
        ("sent", "content", 250),
        ("queued", "content", 250),
        ("rejected", "recipient", 550),
        ("invalid", "recipient", 550),
        ("failed", "content", 554),
        ("unknown", "unclear", None),
        (None, "unclear", None),
    ],
)
def test_each_status_of_the_library_has_its_verdict(status: str | None, stage: str, code: int | None):
    message = messages.Message()
    message.anymail_status = AnymailStatus()  # type: ignore[attr-defined]
    message.anymail_status.set_recipient_status({"anne@bakery.example": AnymailRecipientStatus("id-1", status)})  # type: ignore[attr-defined]
    verdict = verdicts.on_status(message, None)
    assert (verdict.stage, verdict.reply and verdict.reply.code) == (stage, code)
    assert verdict.receipt == ("id-1" if verdict.is_sent else "")


def test_a_status_about_two_people_is_no_answer():
    message = messages.Message()
    message.anymail_status = AnymailStatus()  # type: ignore[attr-defined]
    both_sent = dict.fromkeys(ADDRESSES[:2], AnymailRecipientStatus("id-1", "sent"))
    message.anymail_status.set_recipient_status(both_sent)  # type: ignore[attr-defined]
    assert verdicts.on_status(message, None).stage == "unclear"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(401, {"ErrorCode": 10, "Message": "Bad or missing token"}),
        Answer(402),
        Answer(403, b"no"),
        Answer(404, b"no such place"),
        Answer(429, {"Message": "Slow down"}),
        Answer(503, b"closed until five", {"Retry-After": "60"}),
        Answer(302, b"", {"Location": "https://127.0.0.1:1/elsewhere"}),
        Answer(307, b"", {"Location": "/email"}),
    ],
    ids=lambda answer: str(answer.status),
)
def test_a_refusal_of_us_fails_nobody_and_staff_are_told_once(provider: Provider, post: Post, answer: Answer):
    provider.on_request = lambda _: answer
    run_lanes(1, 2)
    assert counts(post) == {State.QUEUED: 3}
    assert len(provider.requests) == 2, "one question a lane, and no redirection was followed"
    assert Alert.objects.get().kind == "relay" and f"HTTP {answer.status}" in Alert.objects.get().text
    provider.on_request = lambda _: None
    run_lanes(1)
    assert len(provider.requests) == 2, "it rests"
    provider.requests.clear()
    builders.set_clock_back(Lane.objects.get(number=1), "rests_until", timedelta(seconds=1))
    post.deliveries.update(next_attempt_at=Now())
    run_lanes(1)
    assert counts(post) == {State.SENT: 3} and sorted(provider.recipients) == sorted(ADDRESSES)
    assert {copy.attempts for copy in post.deliveries.all()} == {1}


def test_an_interface_that_cannot_be_reached_has_nothing_in_doubt(provider: Provider, post: Post, settings):
    with socket.socket() as nobody:  # Bound, and not listening.
        nobody.bind(("127.0.0.1", 0))
        settings.ANYMAIL = {**settings.ANYMAIL, "POSTMARK_API_URL": f"http://127.0.0.1:{nobody.getsockname()[1]}/"}
        run_lanes()
    assert counts(post) == {State.QUEUED: 3}
    assert Alert.objects.get().kind == "relay" and "refused" in Alert.objects.get().text


def test_a_name_that_is_not_known_has_nothing_in_doubt(provider: Provider, post: Post, settings):
    settings.ANYMAIL = {**settings.ANYMAIL, "POSTMARK_API_URL": "http://interface.invalid/"}
    run_lanes()
    assert counts(post) == {State.QUEUED: 3} and Alert.objects.get().kind == "relay"


def test_a_certificate_that_nobody_vouches_for_has_nothing_in_doubt(provider: Provider, post: Post, settings):
    settings.ANYMAIL = {**settings.ANYMAIL, "POSTMARK_API_URL": provider.url.replace("http:", "https:")}
    run_lanes()
    assert counts(post) == {State.QUEUED: 3} and Alert.objects.get().kind == "relay"
    assert provider.requests == []


def test_copies_go_out_encrypted_over_connections_that_are_kept(provider: Provider, post: Post, settings, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Provider(certificate=certificate) as encrypted:
        settings.ANYMAIL = encrypted.options
        run_lanes()
    assert counts(post) == {State.SENT: 3} and encrypted.url.startswith("https:")
    assert len({request.port for request in encrypted.requests}) == 1


def test_a_proxy_changes_nothing(provider: Provider, post: Post, settings, monkeypatch, wires: list[ProviderWire]):
    monkeypatch.setenv("http_proxy", provider.url)
    settings.ANYMAIL = {**settings.ANYMAIL, "POSTMARK_API_URL": "http://interface.example/"}
    stop_at_the_second(provider, wires, lambda: halt.halt(by="a test", reason="fire"))
    run_lanes()
    assert {request.path for request in provider.requests} == {"http://interface.example/email"}
    assert counts(post) == {State.SENT: 2, State.QUEUED: 1}


def test_a_copy_whose_answer_does_not_come_in_time_is_in_doubt_and_not_sent_again(provider: Provider, post: Post, settings):
    settings.ANYMAIL = {**settings.ANYMAIL, "REQUESTS_TIMEOUT": 0.2}
    over = threading.Event()

    def keep_bob_waiting(request: Request) -> None:
        assert "bob" not in request.recipient or over.wait(30)

    provider.on_request = keep_bob_waiting
    run_lanes()
    over.set()
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.IN_DOUBT: 1}
    assert sorted(provider.recipients) == sorted(ADDRESSES)
    assert Alert.objects.get().kind == "doubt"


def test_an_interface_that_answers_nobody_clearly_is_left_alone(provider: Provider):
    post, _ = many(30)
    provider.on_request = lambda _: Answer(500)
    run_lanes()
    assert counts(post) == {State.IN_DOUBT: 3, State.QUEUED: 27}
    assert len(provider.requests) == 3
    assert {alert.kind for alert in Alert.objects.all()} == {"doubt", "relay"}


def test_clear_answers_between_unclear_ones_let_it_go_on(provider: Provider):
    post, _ = many(12)
    provider.on_request = lambda _: Answer(500) if len(provider.requests) % 3 else None
    run_lanes()
    assert counts(post) == {State.IN_DOUBT: 8, State.SENT: 4}


def test_the_same_refusal_of_three_copies_in_a_row_freezes_the_post(provider: Provider):
    post, _ = many(20)
    provider.on_request = lambda _: refusal(300, "Invalid HTML content.")
    run_lanes()
    found = counts(post)
    assert 3 <= found[State.FAILED] <= 5 and sum(found.values()) == 20
    assert state_of(post) == Post.State.FROZEN


def test_a_refused_recipient_is_no_refusal_of_the_content(provider: Provider, post: Post):
    words = "Found inactive addresses: {}.\nInactive recipients are ones"
    provider.on_request = lambda request: refusal(406, words.format(request.recipient))
    run_lanes()
    assert counts(post) == {State.FAILED: 3} and state_of(post) == Post.State.DONE


def test_what_a_provider_says_reaches_no_log_with_an_address_in_it(provider: Provider, post: Post, caplog):
    caplog.set_level(logging.DEBUG)
    provider.on_request = lambda request: Answer(500, {"Message": f"cannot mail {request.recipient}"})
    run_lanes()
    from_us = [record.getMessage() for record in caplog.records if record.name.startswith(("posting", "chamberlist"))]
    assert any("[address]" in line for line in from_us)
    assert not any(address in line for line in from_us for address in ADDRESSES)


# What may not leave


def stop_at_the_second(provider: Provider, wires: list[ProviderWire], act: Callable[[], object]) -> None:
    """While the second request waits for its answer, do ``act`` as somebody else would; the lane asks again before it comes."""

    def somebody_else() -> None:
        act()
        connection.close()

    def listen(_: Request) -> None:
        if len(provider.requests) == 2:
            someone = threading.Thread(target=somebody_else)
            someone.start()
            someone.join(30)
            committed = time.monotonic()
            wait_until(lambda: wires[-1].permit[1] > committed)

    provider.on_request = listen


def test_a_halt_in_mid_send_stops_the_next_request_and_a_resume_goes_on(provider: Provider, post: Post, wires: list[ProviderWire]):
    stop_at_the_second(provider, wires, lambda: halt.halt(by="a test", reason="fire"))
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.QUEUED: 1} and len(provider.requests) == 2
    provider.on_request = lambda _: None
    halt.resume(by="a test", reason="out")
    run_lanes()
    assert counts(post) == {State.SENT: 3}
    assert {copy.attempts for copy in post.deliveries.all()} == {1}


def test_a_recall_in_mid_send_stops_the_next_request(provider: Provider, post: Post, wires: list[ProviderWire]):
    stop_at_the_second(provider, wires, lambda: moderation.recall(Post.objects.get(pk=post.pk), by="a test"))
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.CANCELLED: 1} and len(provider.requests) == 2


def test_expiry_in_mid_send_stops_the_next_request(provider: Provider, post: Post, wires: list[ProviderWire]):
    stop_at_the_second(provider, wires, lambda: builders.set_clock_back(post, "expires_at", timedelta(seconds=1)))
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.EXPIRED: 1} and len(provider.requests) == 2


def test_leaving_in_mid_send_holds_for_the_own_copy(provider: Provider, post: Post, wires: list[ProviderWire]):
    third = post.deliveries.order_by("pk")[2].subscription
    assert third
    stop_at_the_second(provider, wires, lambda: lifecycle.unsubscribe(third.handle, how="page"))
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.CANCELLED: 1} and len(provider.requests) == 2


def test_a_lease_that_is_nearly_over_writes_no_request(provider: Provider, post: Post, wires: list[ProviderWire], monkeypatch):
    short = threading.Event()
    as_ever = lanes.Hold.seconds_left
    monkeypatch.setattr(lanes.Hold, "seconds_left", lambda hold: lanes.MARGIN - 1 if short.is_set() else as_ever(hold))
    monkeypatch.setattr(lanes, "renew", lambda _: not short.is_set())

    def lose_it() -> None:
        short.set()
        Lane.objects.update(leased_until=Now() + timedelta(seconds=lanes.MARGIN - 1))

    stop_at_the_second(provider, wires, lose_it)
    run_lanes()
    assert len(provider.requests) == 2 and counts(post) == {State.SENT: 2, State.QUEUED: 1}


def test_a_halt_between_the_building_and_the_writing_of_a_request_holds(
    provider: Provider, post: Post, wires: list[ProviderWire], monkeypatch
):
    checked = gate.check_message

    def halt_then_check(*args: Any) -> str:
        someone = threading.Thread(target=halted)
        someone.start()
        someone.join(30)
        committed = time.monotonic()
        wait_until(lambda: wires[-1].permit[1] > committed)
        return checked(*args)

    def halted() -> None:
        halt.halt(by="a test", reason="fire")
        connection.close()

    monkeypatch.setattr(gate, "check_message", halt_then_check)
    run_lanes()
    assert provider.requests == [] and counts(post) == {State.QUEUED: 3}


def test_the_permission_is_asked_once_the_connection_is_open(provider: Provider, post: Post, monkeypatch):
    happened: list[str] = []
    connect, may_write = HTTPConnection.connect, ProviderWire._may_write

    def connecting(self: HTTPConnection) -> None:
        connect(self)
        happened.append("connected")

    def asking(self: ProviderWire, delivery_id: int) -> bool:
        happened.append("asked")
        return may_write(self, delivery_id)

    monkeypatch.setattr(HTTPConnection, "connect", connecting)
    monkeypatch.setattr(ProviderWire, "_may_write", asking)
    provider.on_request = lambda _: happened.append("written")
    run_lanes()
    assert happened == ["connected", "asked", "written", "asked", "written", "asked", "written"]


def test_a_connection_that_was_idle_for_long_is_not_written_to(provider: Provider, post: Post, monkeypatch):
    monkeypatch.setattr(exchange, "IDLE", -1)
    run_lanes()
    assert len({request.port for request in provider.requests}) == 3 and counts(post) == {State.SENT: 3}


# The gate, and what is not a provider's fault


def spoil(change: Callable[[messages.Message], object]) -> Callable[..., messages.Message]:
    built = messages.build

    def build(*args: Any) -> messages.Message:
        message = built(*args)
        change(message)
        return message

    return build


def in_header(name: str, before: str, after: str) -> Callable[[Any], object]:
    return lambda message: message.extra_headers.update({name: message.extra_headers[name].replace(before, after)})


FAULTS: dict[str, Callable[[Any], object]] = {
    "another recipient": lambda m: m.to.append("bob@garage.example"),
    "somebody else": lambda m: setattr(m, "to", ["bob@garage.example"]),
    "two in one": lambda m: setattr(m, "to", ["anne@bakery.example, bob@garage.example"]),
    "nobody": lambda m: m.to.clear(),
    "cc": lambda m: m.cc.append("bob@garage.example"),
    "bcc": lambda m: m.bcc.append("bob@garage.example"),
    "a Cc header": lambda m: m.extra_headers.update({"Cc": "bob@garage.example"}),
    "a Bcc header": lambda m: m.extra_headers.update({"bcc": "bob@garage.example"}),
    "a To header": lambda m: m.extra_headers.update({"To": "bob@garage.example"}),
    "a header more": lambda m: m.extra_headers.update({"X-Other": "1"}),
    "a header twice": lambda m: m.extra_headers.update({"list-help": m.extra_headers["List-Help"]}),
    "a header that grew": in_header("List-Help", "<", "<x>\r\nBcc: bob@garage.example\r\nX: <"),
    "no way to leave": lambda m: m.extra_headers.pop("List-Unsubscribe"),
    "no one click": lambda m: m.extra_headers.pop("List-Unsubscribe-Post"),
    "another's link": in_header("List-Unsubscribe", "/leave/", "/leave/a"),
    "another author": lambda m: setattr(m, "from_email", "promotions@evil.example"),
    "another place for replies": lambda m: setattr(m, "reply_to", ["bob@garage.example"]),
    "another subject": lambda m: setattr(m, "subject", "Bob"),
    "another text": lambda m: setattr(m, "body", m.body + "bob@garage.example\n"),
    "another page": lambda m: setattr(m, "alternatives", [(m.alternatives[0][0] + "<img>", "text/html")]),
    "no page": lambda m: m.alternatives.clear(),
    "two pages": lambda m: m.alternatives.append(m.alternatives[0]),
    "a file": lambda m: m.attach("list.csv", "bob@garage.example", "text/csv"),
    "metadata more": lambda m: m.metadata.update({"email": m.to[0]}),
    "another's metadata": lambda m: setattr(m, "metadata", {"delivery": "0" * 32}),
    "a template": lambda m: setattr(m, "template_id", "x"),
    "merge data": lambda m: setattr(m, "merge_data", {}),
    "tracking": lambda m: setattr(m, "track_opens", True),
    "tracking left to the account": lambda m: delattr(m, "track_clicks"),
    "extra fields": lambda m: setattr(m, "esp_extra", {"Bcc": "bob@garage.example"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_message_that_is_not_what_was_checked_is_not_given_away(provider: Provider, monkeypatch, fault: str):
    post = builders.a_post_to("anne@bakery.example")
    monkeypatch.setattr(messages, "build", spoil(FAULTS[fault]))
    run_lanes()
    assert provider.requests == []
    assert state_of(post) == Post.State.FROZEN and counts(post) == {State.QUEUED: 1}


def test_a_bug_in_building_stops_that_post_and_leaves_its_copies_as_they_were(provider: Provider, post: Post, monkeypatch):
    monkeypatch.setattr(messages, "build", spoil(lambda _: 1 / 0))
    run_lanes()
    assert counts(post) == {State.QUEUED: 3} and state_of(post) == Post.State.FROZEN and provider.requests == []


def test_what_the_interface_cannot_express_stops_the_post(provider: Provider, post: Post, monkeypatch):
    monkeypatch.setattr(gate, "check_message", lambda *_: "")
    monkeypatch.setattr(messages, "build", spoil(lambda message: setattr(message, "send_at", 1)))
    run_lanes()
    assert counts(post) == {State.QUEUED: 3} and state_of(post) == Post.State.FROZEN and provider.requests == []


def test_a_message_that_somebody_cancels_stops_the_post(provider: Provider, post: Post):
    def cancel(message: Any, **_: object) -> None:
        message.to.clear()

    pre_send.connect(cancel)
    try:
        run_lanes()
    finally:
        pre_send.disconnect(cancel)
    assert counts(post) == {State.QUEUED: 3} and state_of(post) == Post.State.FROZEN and provider.requests == []


@pytest.mark.parametrize("change", [{"WEBHOOK_SECRET": ""}, {"IGNORE_UNSUPPORTED_FEATURES": "1"}, {"SEND_DEFAULTS": "x"}])
def test_a_lane_sends_nothing_while_the_settings_are_refused(provider: Provider, post: Post, settings, change: dict[str, str]):
    settings.ANYMAIL = {**settings.ANYMAIL, **change}
    run_lanes()
    assert counts(post) == {State.QUEUED: 3} and provider.requests == []
    assert Alert.objects.get().kind == "relay" and next(iter(change)) in Alert.objects.get().text


def test_what_is_pushed_after_the_last_thread_ended_comes_back(provider: Provider, post: Post, settings):
    settings.ANYMAIL = {name: value for name, value in settings.ANYMAIL.items() if name != "POSTMARK_SERVER_TOKEN"}
    hold = lanes.take(1)
    assert hold
    wire = ProviderWire(settings.EMAIL_PROVIDER, hold, connections=2)
    wire.open()
    for thread in wire.threads:
        thread.join(30)
    marked = ledger.claim(hold, builders.first_turns(post), limit=2).marked
    wire.push([Job(copies.compile_post(post), copy) for copy in marked])
    assert [answer.verdict.stage for answer in wire.take(0, enough=2)] == ["stopped", "stopped"]
    wire.close(seconds=1)


def test_a_fault_of_ours_in_mid_request_leaves_a_doubt_and_stops_the_lane(provider: Provider, post: Post, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(verdicts, "on_status", broken)
    run_lanes()
    assert counts(post) == {State.IN_DOUBT: 1, State.QUEUED: 2} and len(provider.requests) == 1
    assert {alert.kind for alert in Alert.objects.all()} == {"doubt", "relay"}
    assert lanes.idle(1) == [], "it rests"


def test_a_missing_key_fails_nobody(provider: Provider, post: Post, settings):
    settings.ANYMAIL = {name: value for name, value in settings.ANYMAIL.items() if name != "POSTMARK_SERVER_TOKEN"}
    run_lanes()
    assert counts(post) == {State.QUEUED: 3} and "POSTMARK_SERVER_TOKEN" in Alert.objects.get().text

"""The door for mail tells nobody in which state an address is: the same words and work, and what is mailed goes to it alone."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from chamberlist import tokens
from chamberlist.clock import Now
from posting.inbound import attending, destinations, examining, receiving, room, routing
from posting.inbound.examining import Arrived
from posting.models import InboundMail
from subscriptions import addresses
from subscriptions.models import Subscription, Suppression
from tests import builders, work
from tests.arriving import a_mail, sent_by
from tests.doorkeeper import open_door
from tests.rawclient import RawClient
from tests.smtpserver import SmtpServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rung")]
HOME, EVE = "lists.chamber.example", "eve@evil.example"
STATES = ("unknown", "pending", "active", "paused", "left", "suspended", "suppressed")
PLACES = ("leave", "b", "r", "request", "list")


@pytest.fixture
def handles() -> dict[str, uuid.UUID]:
    """Of somebody in each state: one number is the copy's and the subscription's; of who is unknown there is neither."""
    promotions = builders.a_list()
    post = builders.a_sending_post(members_sender(promotions, STATES[1:]))
    found = {"unknown": uuid.uuid4()}
    for state in STATES[1:]:
        member = promotions.subscriptions.get(address_hash=addresses.parse(address(state)).hash)
        post.deliveries.filter(subscription=member).update(handle=member.handle)
        pending, paused = {"confirmation": uuid.uuid4(), "asked_at": Now()}, {"paused_until": Now() + timedelta(9)}
        changes: dict[str, dict[str, Any]] = {"pending": pending, "paused": paused}
        name = {"left": "unsubscribed", "suppressed": "unsubscribed"}.get(state, state)
        Subscription.objects.filter(pk=member.pk).update(state=name, **changes.get(state, {}))
        found[state] = member.handle
    Suppression.objects.create(
        address_hash=addresses.parse(address("suppressed")).hash, mailing_list=promotions, reason=Suppression.Reason.COMPLAINT
    )
    return found


def members_sender(promotions: Any, states: tuple[str, ...]) -> Any:
    builders.members(promotions, *map(address, states))
    return builders.a_sender(promotions)


def address(state: str) -> str:
    return f"{state:x<10}@bakery.example"


def recipient(place: str, handle: uuid.UUID) -> str:
    purposes = {prefix: purpose for prefix, (_, purpose) in destinations.TOKENS.items()}
    local = {"request": "promotions-request", "list": "promotions"}.get(place)
    return f"{local or f'{place}-{tokens.make(purposes[place], handle)}'}@{HOME}"


def letter(state: str, place: str) -> bytes:
    """A wish to leave, as anybody may write it in that address's name."""
    names = {"author": address(state), "to": f"x@{HOME}", "message_id": f"<{place}@x.example>"}
    return a_mail(subject="unsubscribe", text="unsubscribe\n", **names)


@pytest.mark.parametrize("via", ["smtp", "lmtp"])
@pytest.mark.parametrize("place", PLACES)
def test_the_session_says_the_same_in_every_state(place: str, via: str, handles: dict[str, uuid.UUID]):
    said = {}
    with open_door(via) as port:
        for state, handle in handles.items():
            to = recipient(place, handle)
            with RawClient(port, hello=f"{'LHLO' if via == 'lmtp' else 'EHLO'} client.example") as client:
                lines = ("MAIL FROM:<>", f"RCPT TO:<{to}>", "RSET", f"VRFY {to}", f"EXPN {to}", f"MAIL FROM:<{address(state)}>")
                words = [client.hello, *map(client.say, lines)]
                words += [client.say(f"RCPT TO:<{to}>"), client.say("DATA"), client.say(letter(state, place) + b".")]
                words += [client.say("NOOP"), client.say("QUIT")]
            said[state] = [each.replace(to, "TO") for each in words]
    assert said["unknown"][-3].startswith("250 ")
    for state in STATES:
        assert said[state] == said["unknown"], state


@pytest.mark.parametrize("place", PLACES)
def test_taking_a_mail_is_the_same_work_in_every_state(place: str, handles: dict[str, uuid.UUID]):
    done = {}
    for state, handle in handles.items():
        with work.recorded() as found:
            assert destinations.refusal(recipient(place, handle)) == ""
            assert room.refusal(place) == ""
            receiving.take(address(state), [recipient(place, handle)], letter(state, place), via="smtp")
        done[state] = found.statements
    for state in STATES:
        assert done[state] == done["unknown"], state


@pytest.mark.parametrize("place", PLACES)
def test_where_there_is_no_room_nobody_is_told_apart(place: str, handles: dict[str, uuid.UUID], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "MOST_WAITING", 0)
    with open_door() as port, RawClient(port) as client:
        client.say(f"MAIL FROM:<{EVE}>")
        assert {client.say(f"RCPT TO:<{recipient(place, handle)}>") for handle in handles.values()} == {room.NO_ROOM}


@pytest.mark.parametrize("place", PLACES)
def test_a_forger_gets_nothing_back_and_the_address_at_most_a_link_of_its_own(
    place: str, handles: dict[str, uuid.UUID], smtp: SmtpServer
):
    for state, handle in handles.items():
        receiving.take(EVE, [recipient(place, handle)], letter(state, place), via="smtp")
    while attending.attend():
        pass
    assert not InboundMail.objects.filter(state__in=InboundMail.OPEN).exists()
    got = [mail for mail in sent_by(smtp) if mail.recipients != ("office@chamber.example",)]
    asked = {(address(state),) for state in ("active", "paused")} if place in ("request", "list") else set()
    assert {mail.recipients for mail in got} == asked
    for mail in got:
        assert EVE.encode() not in mail.content
        assert not any(address(state).encode() in mail.content for state in STATES if (address(state),) != mail.recipients)


def test_the_author_s_domain_is_asked_whoever_is_a_sender(handles: dict[str, uuid.UUID]):
    """Who answers for a domain sees that somebody asks: else they would learn whom the Chamber has approved."""
    asked = []
    for author in ("joe@bloggs.example", "eve@bloggs.example"):
        raw = a_mail(author=author, Approved="abcde-fghjk-mnpqr-stuvw")
        receiving.take(author, [f"promotions@{HOME}"], raw, via="smtp")
        mail = InboundMail.objects.latest("pk")
        destination = destinations.find(mail.recipient)
        assert destination is not None
        read = routing.recognised(mail, destination, examining.examine(Arrived(author, "list", raw, HOME)))
        asked.append((read.kind, routing.question(read) is not None))
    assert asked == [("post", True)] * 2

"""What a provider reports of a copy: who may report, what it changes, and that twice, late and out of order change nothing."""

import base64
import hashlib
import hmac
import importlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import clear_url_caches

from chamberlist import halt, urls
from chamberlist.clock import Now
from chamberlist.models import Alert
from posting.delivery import lanes
from posting.feedback import events
from posting.feedback.events import Report
from posting.models import Delivery, DeliveryEvent, Post
from subscriptions.models import ConsentEvent
from tests import builders
from tests.providerserver import MAILGUN, POSTMARK, SECRET, Provider, Request
from tests.test_dispatch import counts, run_lanes, state_of
from tests.test_provider import both, the_copy

pytestmark = pytest.mark.django_db(transaction=True)
State, Kind = Delivery.State, DeliveryEvent.Kind
BOB = "bob@garage.example"
AT = "2026-11-24T10:00:0{}Z"


@pytest.fixture
def hook(provider: Provider, settings) -> Iterator[Provider]:
    """The provider, and the site's addresses as they are with it."""
    again()
    yield provider
    settings.EMAIL_PROVIDER = ""
    again()


@pytest.fixture
def post() -> Post:
    """A post to three members, expanded."""
    promotions = builders.a_list()
    builders.members(promotions, "anne@bakery.example", BOB, "cleo@florist.example")
    return builders.a_sending_post(builders.a_sender(promotions))


def again() -> None:
    importlib.reload(urls)
    clear_url_caches()


def delivered(handle: str, *, second: int = 1, **more: object) -> dict[str, object]:
    report = {"RecordType": "Delivery", "MessageID": "pm-0", "Recipient": BOB, "DeliveredAt": AT.format(second)}
    return report | {"Metadata": {"delivery": handle}, "Details": f"smtp;250 2.1.5 <{BOB}> Ok"} | more


def bounced(handle: str, kind: str = "HardBounce", *, second: int = 2, **more: object) -> dict[str, object]:
    report = {"RecordType": "Bounce", "Type": kind, "ID": second, "MessageID": "pm-0", "Email": BOB, "BouncedAt": AT.format(second)}
    return report | {"Metadata": {"delivery": handle}, "Details": f"smtp;550 5.1.1 <{BOB}>: unknown"} | more


def complained(handle: str) -> dict[str, object]:
    return bounced(handle, "SpamComplaint", second=3) | {"RecordType": "SpamComplaint"}


def tell(report: object, *, secret: str = SECRET, to: str = "/anymail/postmark/tracking/") -> HttpResponse:
    """As the provider does it, over HTTP."""
    headers = {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()} if secret else {}
    answer = Client(headers=headers).post(to, json.dumps(report), content_type="application/json")
    assert isinstance(answer, HttpResponse)
    return answer


def a_doubt(post: Post, address: str = BOB) -> Delivery:
    """A copy of which nobody knows whether the provider took it, of a post that is done."""
    run_lanes()
    copy = the_copy(post, address)
    Delivery.objects.filter(pk=copy.pk).update(state=State.IN_DOUBT, status="lost", ended_at=None)
    copy.refresh_from_db()
    return copy


def test_a_timeout_is_in_doubt_until_a_late_report_settles_it(hook: Provider, post: Post, settings):
    settings.ANYMAIL = {**settings.ANYMAIL, "REQUESTS_TIMEOUT": 0.2}
    over = threading.Event()

    def keep_bob_waiting(request: Request) -> None:
        assert request.recipient != BOB or over.wait(30)

    hook.on_request = keep_bob_waiting
    run_lanes()
    over.set()
    copy = the_copy(post, BOB)
    assert copy.state == State.IN_DOUBT and state_of(post) == Post.State.DONE
    for _ in range(2):
        assert tell(delivered(copy.handle.hex)).status_code == 200
    assert counts(post) == {State.SENT: 2, State.DELIVERED: 1}
    copy.refresh_from_db()
    assert copy.ended_at is not None and copy.status == "2.1.5 smtp;250 2.1.5 <[address]> Ok"
    [event] = copy.events.all()
    assert (event.kind, event.status, event.text) == ("delivered", "2.1.5", "smtp;250 2.1.5 <[address]> Ok")
    run_lanes()
    assert hook.recipients.count(BOB) == 1
    assert state_of(post) == Post.State.DONE


REPORTS: dict[str, Callable[[str], object]] = {"D": delivered, "B": bounced, "C": complained}


@pytest.mark.parametrize(
    ("told", "ends"),
    [
        ("D", State.DELIVERED),
        ("B", State.BOUNCED),
        ("C", State.COMPLAINED),
        ("DB", State.BOUNCED),
        ("BD", State.BOUNCED),
        ("DC", State.COMPLAINED),
        ("CD", State.COMPLAINED),
        ("BC", State.BOUNCED),
        ("CB", State.COMPLAINED),
        ("DDBBDD", State.BOUNCED),
    ],
)
@pytest.mark.parametrize("before", [State.SENT, State.IN_DOUBT])
def test_reports_count_once_in_whatever_order(hook: Provider, post: Post, told: str, ends: str, before: str):
    copy = a_doubt(post)
    Delivery.objects.filter(pk=copy.pk).update(state=before)
    known = copy.events.count()
    for which in told:
        assert tell(REPORTS[which](copy.handle.hex)).status_code == 200
    copy.refresh_from_db()
    assert copy.state == ends
    assert copy.events.count() == known + len(set(told))
    assert counts(post) == {State.SENT: 2, ends: 1}


TAKEN = (State.IN_DOUBT, State.SENDING, State.SENT, State.DELIVERED)
NOT_SENT_ON = {
    State.IN_DOUBT: State.FAILED,
    State.SENDING: State.FAILED,
    State.SENT: State.BOUNCED,
    State.DELIVERED: State.BOUNCED,
}


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        (Kind.SENT, {State.IN_DOUBT: State.SENT, State.SENDING: State.SENT}),
        (Kind.DEFERRED, {State.IN_DOUBT: State.SENT, State.SENDING: State.SENT}),
        (Kind.DELIVERED, dict.fromkeys((State.IN_DOUBT, State.SENDING, State.SENT), State.DELIVERED)),
        (Kind.REJECTED, NOT_SENT_ON),
        (Kind.FAILED, NOT_SENT_ON),
        (Kind.BOUNCED, dict.fromkeys(TAKEN, State.BOUNCED)),
        (Kind.COMPLAINED, dict.fromkeys(TAKEN, State.COMPLAINED)),
    ],
)
def test_where_each_report_leads_from_each_state(kind: str, after: dict[str, str]):
    post = builders.a_post_to("anne@bakery.example")
    copy = post.deliveries.get()
    hold = lanes.take(1)
    assert hold
    for number, state in enumerate(State.values):
        Delivery.objects.filter(pk=copy.pk).update(state=state, lane=1, lane_token=hold.token, next_attempt_at=Now())
        assert events.record(copy.pk, Report(kind, f"test/{number}"))
        copy.refresh_from_db()
        assert copy.state == after.get(State(state), state), state


@pytest.mark.parametrize(
    ("kind", "state", "event"),
    [
        ("Transient", State.SENT, "deferred"),
        ("BadEmailAddress", State.FAILED, "rejected"),
        ("SMTPApiError", State.FAILED, "failed"),
        ("AutoResponder", State.IN_DOUBT, ""),
        ("Unknown", State.IN_DOUBT, ""),
        ("Subscribe", State.IN_DOUBT, ""),
    ],
)
def test_other_reports_of_the_way(hook: Provider, post: Post, kind: str, state: str, event: str):
    copy = a_doubt(post)
    known = set(copy.events.values_list("pk", flat=True))
    assert tell(bounced(copy.handle.hex, kind)).status_code == 200
    copy.refresh_from_db()
    assert copy.state == state
    assert [found.kind for found in copy.events.exclude(pk__in=known)] == [event] * bool(event)


@pytest.mark.parametrize("kind", ["Open", "Click"])
def test_nobody_is_tracked(hook: Provider, post: Post, kind: str):
    copy = a_doubt(post)
    known = copy.events.count()
    report = delivered(copy.handle.hex, RecordType=kind, ReceivedAt=AT.format(1), OriginalLink="https://x.example/")
    assert tell(report).status_code == 200
    copy.refresh_from_db()
    assert (copy.state, copy.events.count()) == (State.IN_DOUBT, known)


def test_a_report_that_is_quicker_than_the_answer_is_not_lost(hook: Provider, post: Post):
    def report_first(request: Request) -> None:
        if request.recipient == BOB:
            assert tell(delivered(request.fields["Metadata"]["delivery"])).status_code == 200
            connection.close()

    hook.on_request = report_first
    run_lanes()
    assert counts(post) == {State.SENT: 2, State.DELIVERED: 1}
    assert state_of(post) == Post.State.DONE
    assert hook.recipients.count(BOB) == 1 and not Alert.objects.exists()


def test_a_copy_that_waits_again_is_a_persons_decision(hook: Provider, post: Post):
    copy = post.deliveries.order_by("pk")[0]
    assert tell(bounced(copy.handle.hex, "BadEmailAddress")).status_code == 200
    copy.refresh_from_db()
    assert copy.state == State.QUEUED and copy.events.get().kind == "rejected"


@pytest.mark.parametrize(
    ("report", "kind", "cause", "consent"),
    [
        (lambda handle: bounced(handle), "bounced", "mailbox", "suspended"),
        (lambda handle: bounced(handle, Details="mailbox gone"), "bounced", "mailbox", "suspended"),  # Postmark's own word for it.
        (lambda handle: bounced(handle, "BadEmailAddress", Details=""), "rejected", "mailbox", "suspended"),
        (lambda handle: bounced(handle, Details="smtp;550 5.7.1 go away"), "bounced", "policy", "active"),
        (lambda handle: bounced(handle, "Transient", Details="smtp;450 4.2.2 full"), "deferred", "", "active"),
        (lambda handle: complained(handle), "complained", "", "unsubscribed"),
    ],
)
def test_a_report_has_its_effect_on_the_member(hook: Provider, post: Post, report: Any, kind: str, cause: str, consent: str):
    copy = a_doubt(post)
    before = ConsentEvent.objects.count()
    for _ in range(2):
        tell(report(copy.handle.hex))
    event = copy.events.latest("pk")
    assert (event.kind, event.cause, event.proof) == (kind, cause, "provider")
    copy.refresh_from_db()
    assert copy.subscription and copy.subscription.state == consent
    assert ConsentEvent.objects.count() == before + (consent != "active")


def test_copies_that_come_back_for_reputation_stop_everything(hook: Provider, post: Post):
    run_lanes()
    for copy in post.deliveries.all():
        tell(bounced(copy.handle.hex, Details=f"smtp;550 5.7.1 <{BOB}> looks like spam"))
    assert counts(post) == {State.BOUNCED: 3}
    assert halt.is_on() and Alert.objects.get().kind.startswith("breaker/")


@pytest.mark.parametrize("secret", ["", "reports:wrong", ":", SECRET.upper()])
def test_who_does_not_know_the_secret_reports_nothing(hook: Provider, post: Post, secret: str):
    copy = a_doubt(post)
    known = copy.events.count()
    assert tell(delivered(copy.handle.hex), secret=secret).status_code == 400
    copy.refresh_from_db()
    assert (copy.state, copy.events.count()) == (State.IN_DOUBT, known)


@pytest.mark.parametrize("handle", ["0" * 32, "", "no handle", "' OR 1=1", 7, None, ["x"]])
def test_a_report_about_nothing_of_ours_changes_nothing(hook: Provider, post: Post, handle: Any):
    run_lanes()
    before = counts(post), DeliveryEvent.objects.count()
    assert tell(delivered(handle, MessageID="unknown")).status_code == 200
    assert (counts(post), DeliveryEvent.objects.count()) == before


def test_a_report_without_metadata_is_known_by_what_the_provider_called_the_copy(hook: Provider, post: Post):
    run_lanes()
    number = hook.recipients.index(BOB) + 1
    assert tell(delivered("", Metadata={}, MessageID=f"pm-{number}")).status_code == 200
    assert the_copy(post, BOB).state == State.DELIVERED
    assert counts(post) == {State.SENT: 2, State.DELIVERED: 1}


def test_no_address_of_a_report_is_kept(hook: Provider, post: Post):
    copy = a_doubt(post)
    tell(bounced(copy.handle.hex, Description=f"no mailbox {BOB}", Details=f"smtp;550 5.1.1 <{BOB}>\0\r\nfrom anne@bakery.example"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT row_to_json(e)::text FROM posting_deliveryevent e UNION ALL SELECT row_to_json(d)::text FROM posting_delivery d"
        )
        kept = " ".join(text for (text,) in cursor.fetchall())
    assert "5.1.1" in kept and "garage.example" not in kept and "bakery.example" not in kept


@pytest.mark.parametrize("path", ["mailgun/tracking/", "sparkpost/tracking/", "mandrill/", "mailgun/inbound/", "resend/inbound/"])
def test_nothing_else_of_what_could_be_received_is_there(hook: Provider, path: str):
    assert tell({}, to=f"/anymail/{path}").status_code == 404


def test_without_a_provider_there_is_no_place_for_reports(settings):
    assert not settings.EMAIL_PROVIDER
    assert tell({}).status_code == 404


def test_a_get_is_harmless(hook: Provider):
    assert Client().get("/anymail/postmark/tracking/").status_code == 405


# Mailgun: signed reports, and our own Message-ID in them


def signed(event: str, *, key: str = "signing", handle: str = "", **more: object) -> dict[str, object]:
    stamp, token = "1790000000", "t" * 50
    signature = hmac.new(key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    data = {
        "event": event,
        "timestamp": 1790000000.5,
        "recipient": BOB,
        "user-variables": {"delivery": handle} if handle else {},
        **more,
    }
    return {"signature": {"timestamp": stamp, "token": token, "signature": signature}, "event-data": data}


mailgun = pytest.mark.parametrize("provider", [MAILGUN], indirect=True, ids=["mailgun"])
TRACKING = "/anymail/mailgun/tracking/"


@mailgun
def test_a_signed_report_settles_a_doubt(hook: Provider, post: Post):
    copy = a_doubt(post)
    report = signed("delivered", handle=copy.handle.hex)
    assert tell(signed("delivered", key="x") | {"event-data": report["event-data"]}, to=TRACKING).status_code == 400
    assert tell(report, to=TRACKING, secret="").status_code == 400
    copy.refresh_from_db()
    assert copy.state == State.IN_DOUBT
    assert tell(report, to=TRACKING).status_code == 200
    copy.refresh_from_db()
    assert copy.state == State.DELIVERED


@mailgun
def test_a_report_without_metadata_is_known_by_our_own_message_id(hook: Provider, post: Post, settings):
    copy = a_doubt(post)
    for domain, state in (("evil.example", State.IN_DOUBT), (settings.LIST_DOMAIN, State.BOUNCED)):
        headers = {"message-id": f"{copy.handle.hex}@{domain}"}
        assert tell(signed("failed", severity="permanent", message={"headers": headers}), to=TRACKING).status_code == 200
        copy.refresh_from_db()
        assert copy.state == state


@mailgun
def test_a_temporary_failure_proves_that_it_was_taken(hook: Provider, post: Post):
    copy = a_doubt(post)
    tell(signed("failed", severity="temporary", handle=copy.handle.hex), to=TRACKING)
    copy.refresh_from_db()
    assert copy.state == State.SENT


@both
def test_both_kinds_have_their_place(hook: Provider):
    name = "postmark" if hook.kind == POSTMARK else "mailgun"
    assert Client().head(f"/anymail/{name}/tracking/").status_code == 200

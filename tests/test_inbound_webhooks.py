"""Mail that comes through a provider: each one's own requests and proofs, over HTTP into its real view."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client
from django.test.client import MULTIPART_CONTENT

from chamberlist import parsing
from posting.inbound import receiving, room
from posting.models import InboundMail
from tests import builders
from tests.providerserver import SECRET
from tests.rawclient import LIST
from tests.test_provider_reports import again

pytestmark = pytest.mark.django_db
JOE = "joe@bloggs.example"
MAIL = f"From: Joe <{JOE}>\r\nTo: Promotions <{LIST}>\r\nSubject: =?utf-8?q?Fr=C3=BChling?=\r\n\r\nTwo loaves for one.\r\n"
Tell = Callable[..., HttpResponse]


def authorised(secret: str = SECRET) -> Client:
    return Client(headers={"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()})


def by_postmark(raw: str = MAIL, to: str = LIST, sender: str | None = JOE, secret: str = SECRET, **more: object) -> HttpResponse:
    headers = [] if sender is None else [{"Name": "Return-Path", "Value": f"<{sender}>"}]
    event = {"RawEmail": raw, "Headers": headers, "OriginalRecipient": to, "MessageID": "pm-1", **more}
    return posted(authorised(secret), "postmark/inbound/", event)


def by_sparkpost(raw: str = MAIL, to: str = LIST, sender: str | None = JOE, secret: str = SECRET) -> HttpResponse:
    content = {"email_rfc822": base64.b64encode(raw.encode()).decode(), "email_rfc822_is_base64": True}
    event = {"content": content, "protocol": "smtp", "msg_from": sender, "rcpt_to": to}
    return posted(authorised(secret), "sparkpost/inbound/", [{"msys": {"relay_message": event}}])


def by_mailgun(
    raw: str = MAIL, to: str = LIST, sender: str | None = JOE, secret: str = SECRET, key: str = "signing"
) -> HttpResponse:
    stamp, token = "1790000000", "t" * 50
    signature = hmac.new(key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    form = {"body-mime": raw, "recipient": to, "timestamp": stamp, "token": token, "signature": signature}
    return posted(authorised(secret), "mailgun/inbound_mime/", form if sender is None else form | {"sender": sender})


def by_mandrill(raw: str = MAIL, to: str = LIST, sender: str | None = JOE, secret: str = SECRET, key: str = "key") -> HttpResponse:
    events = json.dumps([{"event": "inbound", "ts": 1790000000, "msg": {"raw_msg": raw, "email": to}}])
    signed = f"http://{secret}@testserver/anymail/mandrill/tracking/mandrill_events{events}"
    signature = base64.b64encode(hmac.new(key.encode(), signed.encode(), hashlib.sha1).digest()).decode()
    client = authorised(secret)
    client.defaults["HTTP_X_MANDRILL_SIGNATURE"] = signature
    return posted(client, "mandrill/tracking/", {"mandrill_events": events})


def posted(client: Client, path: str, what: Any) -> HttpResponse:
    as_form = isinstance(what, dict) and "RawEmail" not in what and "type" not in what
    client.raise_request_exception = False
    kind = MULTIPART_CONTENT if as_form else "application/json"
    answer = client.post(f"/anymail/{path}", what if as_form else json.dumps(what), content_type=kind)
    assert isinstance(answer, HttpResponse)
    return answer


PROVIDERS: dict[str, tuple[Tell, dict[str, str]]] = {
    "postmark": (by_postmark, {}),
    "sparkpost": (by_sparkpost, {}),
    "mailgun": (by_mailgun, {"MAILGUN_API_KEY": "key", "MAILGUN_WEBHOOK_SIGNING_KEY": "signing"}),
    "mandrill": (by_mandrill, {"MANDRILL_API_KEY": "key", "MANDRILL_WEBHOOK_KEY": "key"}),
}


def at(name: str, settings: Any, **options: str) -> None:
    settings.EMAIL_PROVIDER = f"anymail.backends.{name}.EmailBackend"
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET, **options}
    again()


@pytest.fixture(autouse=True)
def promotions(settings, rung) -> Iterator[None]:
    builders.a_list("promotions")
    yield
    settings.EMAIL_PROVIDER = ""
    again()


@pytest.fixture(params=PROVIDERS)
def tell(request: pytest.FixtureRequest, settings) -> Tell:
    """Have each provider hand over a mail."""
    function, options = PROVIDERS[request.param]
    at(request.param, settings, **options)
    return function


@pytest.fixture
def postmark(settings) -> None:
    at("postmark", settings)


def taken() -> list[tuple[str, str, bytes]]:
    return [(mail.envelope_sender, mail.recipient, mail.content) for mail in InboundMail.objects.order_by("pk")]


def test_a_mail_is_taken_as_it_came_and_once(tell: Tell):
    for _ in range(2):
        assert tell().status_code == 200
    assert taken() == [(JOE, LIST, MAIL.encode())]
    assert InboundMail.objects.get().via == "webhook"


def test_line_ends_are_made_those_of_a_mail(tell: Tell):
    assert tell(MAIL.replace("\r\n", "\n")).status_code == 200
    assert taken() == [(JOE, LIST, MAIL.encode())]


def test_who_cannot_prove_to_be_the_provider_brings_nothing(tell: Tell):
    assert tell(secret="reports:wrong").status_code == 400
    assert not InboundMail.objects.exists()


@pytest.mark.parametrize("name", ["mailgun", "mandrill"])
def test_a_wrong_signature_brings_nothing(name: str, settings):
    function, options = PROVIDERS[name]
    at(name, settings, **options)
    assert function(key="other").status_code == 400
    assert not InboundMail.objects.exists()


@pytest.mark.parametrize("to", ["joe@other.example", "nobody@lists.chamber.example", "joe%other.example@lists.chamber.example"])
def test_what_is_for_nobody_here_is_nobodys_business(tell: Tell, to: str):
    assert tell(to=to).status_code == 200
    assert not InboundMail.objects.exists()


def test_while_the_database_is_down_the_provider_tries_again(tell: Tell, monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object, **__: object) -> int:
        raise OperationalError("down")

    with monkeypatch.context() as patch:
        patch.setattr(receiving, "take", fails)
        assert tell().status_code == 500
    assert not InboundMail.objects.exists()
    assert tell().status_code == 200
    assert InboundMail.objects.count() == 1


def test_while_there_is_no_room_the_provider_tries_again(tell: Tell, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(room, "MOST_WAITING", 0)
        assert tell().status_code == 500
    assert not InboundMail.objects.exists()
    assert tell().status_code == 200


def test_what_is_no_mail_is_not_taken_nor_offered_for_ever(tell: Tell, caplog: pytest.LogCaptureFixture):
    assert tell(MAIL + "a\0b\r\n").status_code == 200
    assert not InboundMail.objects.exists()
    assert "was not taken" in caplog.text and "bloggs" not in caplog.text


HOSTILE = {
    "nested": "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    + "--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" * 400,
    "comments": f"From: {'(' * 500}{')' * 500} <{JOE}>\r\n\r\nx\r\n",
    "charset": "Content-Type: text/plain; charset=no-such\r\nContent-Transfer-Encoding: base64\r\n\r\n!!\r\n",
    "long": f"Subject: {'x' * 200_000}\r\n\r\nx\r\n",
    "headless": "no header at all",
    "empty": "",
    "folded": "Subject: a\r\n \r\n\tb\r\nTo: \r\n\r\n.\r\n",
    "unicode": "Subject: Grüße\r\n\r\nÄ\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_message_is_taken_or_not_and_never_an_error(postmark, name: str):
    assert by_postmark(HOSTILE[name]).status_code == 200
    assert InboundMail.objects.count() <= 1


@pytest.mark.parametrize("sender", ["", "<>", "not an address"])
def test_the_null_sender_is_one(postmark, sender: str):
    by_postmark(sender=sender)
    assert taken()[0][0] == ""


def test_a_sender_that_is_not_told_is_not_the_null_sender(postmark):
    by_postmark(sender=None)
    assert taken()[0][0] == JOE


def test_without_an_envelope_the_header_says_for_whom(postmark):
    cc = MAIL.replace("\r\nSubject", "\r\nCc: x@other.example, abuse@lists.chamber.example\r\nSubject")
    by_postmark(cc, to="")
    assert [recipient for _, recipient, _ in taken()] == [LIST, "abuse@lists.chamber.example"]


def test_several_recipients_of_an_envelope_have_a_copy_each(postmark):
    by_postmark(to=f"{LIST}, x@other.example, abuse@lists.chamber.example, {LIST.upper()}")
    assert [recipient for _, recipient, _ in taken()] == [LIST, "abuse@lists.chamber.example"]


def test_a_message_in_pieces_is_put_together(postmark):
    parts = {
        "FromFull": {"Email": JOE, "Name": "Joe"},
        "ToFull": [{"Email": LIST, "Name": ""}],
        "Subject": "Grüße",
        "TextBody": "Hi.",
    }
    event = {"Headers": [], "OriginalRecipient": LIST, "MessageID": "pm-1", "type": "", **parts}
    assert posted(authorised(), "postmark/inbound/", event).status_code == 200
    [(sender, _, content)] = taken()
    message = parsing.parse(content)
    assert (sender, parsing.header(message, "Subject")) == (JOE, "Grüße")
    assert "Hi." in [parsing.text(part) for part in parsing.leaves(message)]


def test_resend_is_asked_for_the_message(settings):
    asked: list[str] = []

    class Interface(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            raw = {"raw": {"download_url": f"http://127.0.0.1:{server.server_port}/raw"}}
            content = MAIL.encode() if self.path == "/raw" else json.dumps(raw).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Interface) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        at("resend", settings, RESEND_API_KEY="key", RESEND_API_URL=f"http://127.0.0.1:{server.server_port}/")
        event = {"type": "email.received", "data": {"email_id": "abc"}}
        assert posted(authorised("reports:wrong"), "resend/inbound/", event).status_code == 400
        assert posted(authorised(), "resend/inbound/", event).status_code == 200
        server.shutdown()
    assert asked == ["/emails/receiving/abc", "/raw"]
    assert taken() == [(JOE, LIST, MAIL.encode())]


def test_without_a_provider_there_is_no_way_in():
    assert by_postmark().status_code == 404


def test_a_get_is_harmless(postmark):
    assert Client().get("/anymail/postmark/inbound/").status_code == 405

"""What a post encloses on its way through each interface that can carry copies: read from the HTTP body at the socket."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from anymail.exceptions import AnymailError
from django.core.mail import get_connection

from chamberlist import providers
from posting.delivery import copies, gate, messages, mime
from posting.delivery.mime import Attachment
from posting.models import Delivery, Post
from tests import builders
from tests.enclosures import LIST, LOAF, OFFER, rich
from tests.providerserver import MAILGUN, POSTMARK, Provider
from tests.test_dispatch import counts, run_lanes

pytestmark = pytest.mark.django_db(transaction=True)
KEYS = ("MAILGUN_API_KEY", "MANDRILL_API_KEY", "POSTMARK_SERVER_TOKEN", "RESEND_API_KEY", "SPARKPOST_API_KEY")
Body = tuple[str, bytes]  # Content-Type and octets.


@pytest.fixture
def interface(settings: Any) -> Iterator[list[Body]]:
    """An interface of whichever provider, that keeps what it is sent and takes nothing."""
    bodies: list[Body] = []

    class Interface(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append((self.headers.get("Content-Type", ""), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(400)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Interface)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    settings.ANYMAIL = dict.fromkeys(KEYS, "key") | {f"{name.upper()}_API_URL": url for name in providers.FIT}
    yield bodies
    server.shutdown()
    server.server_close()


def a_post() -> Post:
    promotions = builders.a_list()
    builders.members(promotions, "anne@bakery.example")
    return builders.a_sending_post(builders.a_sender(promotions), **rich())


def found_in(body: Body) -> list[Attachment]:
    """The files in a request, by the names that the interfaces have for what they are."""
    kind, octets = body
    if kind.startswith("multipart/form-data"):
        parsed = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + octets, policy=policy.HTTP)
        return [_of_a_form(part) for part in parsed.walk() if part.get_filename()]
    return [_of_json(each) for each in _dictionaries(json.loads(octets)) if _named(each, "content") and _named(each, "type")]


def _of_a_form(part: Any) -> Attachment:
    is_shown = part.get_param("name", header="content-disposition") == "inline"
    name, content = part.get_filename(), part.get_payload(decode=True)
    return Attachment("" if is_shown else name, part.get_content_type(), content, name if is_shown else "")


def _of_json(each: dict[str, Any]) -> Attachment:
    kind = str(_named(each, "type")).partition(";")[0]
    content_id = str(_named(each, "id") or "").removeprefix("cid:")
    name = str(_named(each, "name") or "")
    if "@" in name:  # Some call a picture by its id.
        name, content_id = "", name
    return Attachment(name, kind, base64.b64decode(str(_named(each, "content"))), content_id)


def _named(each: dict[str, Any], meaning: str) -> object:
    names = {
        "content": ("content", "Content", "data"),
        "type": ("type", "ContentType", "content_type"),
        "name": ("name", "Name", "filename"),
        "id": ("ContentID", "content_id"),
    }
    return next((each[name] for name in names[meaning] if isinstance(each.get(name), str)), None)


def _dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _dictionaries(each)


@pytest.mark.parametrize("name", providers.FIT)
def test_each_interface_is_given_the_files_and_the_pictures(name: str, interface: list[Body]):
    post = a_post()
    backend, built, marked = f"anymail.backends.{name}.EmailBackend", copies.compile_post(post), builders.a_mark(post)
    message = messages.build(built, marked, backend)
    assert gate.check_post(built) == gate.check_message(built, marked, message, backend) == ""
    with suppress(AnymailError):
        get_connection(backend).send_messages([message])
    [body] = interface
    accepted = mime.in_order(copies.attached(post))
    shown_by_name = name in ("postmark", "resend")  # The others call a picture by its id alone.
    expected = {file if shown_by_name or not file.content_id else file._replace(name="") for file in accepted}
    assert set(found_in(body)) == expected and len(found_in(body)) == 3
    [picture] = [file for file in accepted if file.content_id]
    assert f"cid:{picture.content_id}".encode() in body[1]
    assert b"loaf@bloggs" not in body[1]


@pytest.mark.parametrize("provider", [POSTMARK, MAILGUN], indirect=True, ids=["postmark", "mailgun"])
def test_a_lane_hands_them_over(provider: Provider):
    post = a_post()
    run_lanes()
    assert counts(post) == {Delivery.State.SENT: 1}
    [request] = provider.requests
    for file in (LOAF, OFFER, LIST):
        assert file.content in request.body or base64.b64encode(file.content) in request.body

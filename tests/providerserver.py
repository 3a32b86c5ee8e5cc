"""A provider's interface on loopback: real HTTP, as Postmark's or Mailgun's, that keeps what it is sent and can misbehave."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.utils import getaddresses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

SECRET = "reports:a-password-of-the-tests"
POSTMARK, MAILGUN = "anymail.backends.postmark.EmailBackend", "anymail.backends.mailgun.EmailBackend"


@dataclass(frozen=True)
class Request:
    """One request for one copy: the whole of its bytes, and what the interface read in them."""

    path: str
    head: bytes = field(repr=False)
    body: bytes = field(repr=False)
    fields: dict[str, Any]
    at: float  # When it had come, by ``time.monotonic()``.
    port: int  # The client's: one connection has one.

    @property
    def recipient(self) -> str:
        """The one recipient; fails where there are more, or fewer."""
        [(_, address)] = getaddresses([self.fields.get("To") or self.fields["to"]])
        return address

    @property
    def recipients(self) -> tuple[str, ...]:
        """As a mail server's record has them."""
        return (self.recipient,)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the copy is to have beside those with fields of their own."""
        if "Headers" in self.fields:
            return {header["Name"]: header["Value"] for header in self.fields["Headers"]}
        return {name.removeprefix("h:"): value for name, value in self.fields.items() if name.startswith("h:")}


@dataclass(frozen=True)
class Answer:
    """What it says: an HTTP status, a body, headers. ``hangs_up``: it closes instead, at once or in the middle of the body."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    hangs_up: bool = False


class Provider:
    """``on_request`` gets each request and may answer otherwise than with yes; it may also wait."""

    def __init__(self, kind: str = POSTMARK, *, certificate: Path | None = None) -> None:
        self.kind = kind
        self.scheme = "http" if certificate is None else "https"
        self.requests: list[Request] = []
        self.on_request: Callable[[Request], Answer | None] = lambda _: None
        self.arrived = threading.Condition()
        self.open_now, self.most_open = 0, 0
        provider = self

        class Interface(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                provider.take(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Interface)
        self.server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}/"

    @property
    def options(self) -> dict[str, Any]:
        """The settings of django-anymail that lead here."""
        options: dict[str, Any] = {"WEBHOOK_SECRET": SECRET, "REQUESTS_TIMEOUT": 20}
        if self.kind == POSTMARK:
            return options | {"POSTMARK_SERVER_TOKEN": "token", "POSTMARK_API_URL": self.url}
        keys = {"MAILGUN_API_KEY": "key", "MAILGUN_WEBHOOK_SIGNING_KEY": "signing"}
        return options | keys | {"MAILGUN_API_URL": f"{self.url}v3"}

    @property
    def environment(self) -> dict[str, str]:
        """The same for another process."""
        return {"EMAIL_PROVIDER": self.kind} | {f"ANYMAIL_{name}": str(value) for name, value in self.options.items()}

    @property
    def recipients(self) -> list[str]:
        return [request.recipient for request in self.requests]

    @property
    def received(self) -> list[Request]:
        """The record of what was taken."""
        return self.requests

    def to(self, address: str) -> Request:
        """The one request for this recipient."""
        [found] = [request for request in self.requests if request.recipient == address]
        return found

    def wait_for(self, number: int, *, seconds: float = 60) -> None:
        """Until so many requests have come; fails when the time is over."""
        with self.arrived:
            came = self.arrived.wait_for(lambda: len(self.requests) >= number, seconds)
        assert came, f"{len(self.requests)} of {number} requests came"

    def take(self, call: BaseHTTPRequestHandler) -> None:
        body = call.rfile.read(int(call.headers["Content-Length"]))
        read = _read_json if self.kind == POSTMARK else _read_form
        head = call.requestline.encode() + bytes(call.headers)
        fields = read(body, call.headers["Content-Type"])
        request = Request(call.path, head, body, fields, time.monotonic(), call.client_address[1])
        with self.arrived:
            self.requests.append(request)
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
            self.arrived.notify_all()
        answer = self.on_request(request) or self.yes(request)
        with self.arrived:
            self.open_now -= 1
        with suppress(ConnectionError):  # The client may have given it up.
            _say(call, answer)

    def yes(self, request: Request) -> Answer:
        number = len(self.requests)
        if self.kind == POSTMARK:
            told = {"To": request.fields["To"], "MessageID": f"pm-{number}", "ErrorCode": 0, "Message": "OK"}
            return Answer(body=told)
        return Answer(body={"id": f"<{number}.mailgun@mg.example>", "message": "Queued. Thank you."})


def _say(call: BaseHTTPRequestHandler, answer: Answer) -> None:
    content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
    if answer.hangs_up and answer.body is None:
        call.close_connection = True
        call.connection.shutdown(socket.SHUT_RDWR)
        return
    call.send_response(answer.status)
    for name, value in answer.headers.items():
        call.send_header(name, value)
    call.send_header("Content-Length", str(len(content) + (10 if answer.hangs_up else 0)))
    call.end_headers()
    call.wfile.write(content)
    if answer.hangs_up:
        call.close_connection = True


def _read_json(body: bytes, kind: str) -> dict[str, Any]:
    assert kind == "application/json"
    read = json.loads(body)
    assert isinstance(read, dict), "one message, not several"
    return read


def _read_form(body: bytes, kind: str) -> dict[str, Any]:
    """A form, whichever way it is written, without its files; a field that comes twice is an error."""
    if kind.startswith("multipart/form-data"):
        parsed = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=policy.HTTP)
        parts = [part for part in parsed.walk() if not part.is_multipart() and not part.get_filename()]
        pairs = [(str(part.get_param("name", header="content-disposition")), part.get_content()) for part in parts]
    else:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), "a field came twice"
    return dict(pairs)

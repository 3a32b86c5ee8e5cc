"""A visitor of the site as gunicorn serves it: octets go in, and each answer is kept whole."""

import re
import socket
from dataclasses import dataclass, field
from urllib.parse import urlencode

from chamberlist.embedded.processes import LOOPBACK
from tests.canary.haul import Haul, May, nothing

FIELD = re.compile(r'name="(csrfmiddlewaretoken|token)" value="([\w:-]+)"')


@dataclass
class Visitor:
    """One browser: it has cookies, and sends a form with the tokens that stand in it."""

    port: int
    haul: Haul
    role: str = "stranger"
    may: May = nothing
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, *lines: str, host: str = "localhost", may: May | None = None) -> str:
        return self.say(f"GET {path} HTTP/1.1", f"Host: {host}", *lines, may=may)

    def post(self, path: str, *lines: str, may: May | None = None, **fields: str) -> str:
        body = urlencode(fields)
        kind = "Content-Type: application/x-www-form-urlencoded"
        head = (
            f"POST {path} HTTP/1.1",
            "Host: localhost",
            "Origin: http://localhost",
            kind,
            f"Content-Length: {len(body)}",
            *lines,
        )
        return self.say(*head, body=body, may=may)

    def fill(self, path: str, *, may: May | None = None, **fields: str) -> str:
        """Fetch the page, and send its form."""
        return self.post(path, may=may, **dict(FIELD.findall(self.get(path))), **fields)

    def say(self, *lines: str, body: str = "", may: May | None = None) -> str:
        """One request as it is given, on a connection of its own; the whole answer."""
        own = [f"Cookie: {'; '.join(f'{name}={value}' for name, value in self.cookies.items())}"] if self.cookies else []
        with socket.create_connection((LOOPBACK, self.port), 30) as client, client.makefile("rb") as file:
            client.sendall("\r\n".join([*lines, *own, "Connection: close", "", body]).encode())
            answer = file.read()
        self.haul.add(f"HTTP by gunicorn, {self.role}", answer, may or self.may)
        for name, value in re.findall(rb"(?m)^Set-Cookie: ([\w-]+)=([^;\r]*)", answer):
            self.cookies[name.decode()] = value.decode()
        return answer.decode(errors="replace")

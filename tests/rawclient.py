"""A client that says every octet as it is told: what a careful library would never send."""

import socket
from contextlib import closing
from typing import Self

LIST = "promotions@lists.chamber.example"


class RawClient:
    """One connection; ``place`` is a port of this machine, or the path of a socket."""

    def __init__(self, place: int | str, *, hello: str = "EHLO client.example") -> None:
        if isinstance(place, int):
            self.socket = socket.create_connection(("127.0.0.1", place), 30)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(30)
            self.socket.connect(place)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()
        if hello and self.greeting.startswith("220"):
            self.hello = self.say(hello)

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def reply(self) -> str:
        """The next one, all its lines; "" once the connection is closed."""
        lines: list[str] = []
        while True:
            line = self.file.readline().decode()
            lines.append(line.removesuffix("\r\n"))
            assert not line or line.endswith("\r\n")
            if line[3:4] != "-":
                return "\n".join(lines)

    def say(self, line: str | bytes) -> str:
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def begin(self, *recipients: str, sender: str = "joe@bloggs.example") -> None:
        """Up to DATA."""
        for line in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{address}>" for address in recipients or (LIST,))):
            answer = self.say(line)
            assert answer.startswith("250 "), (line, answer)
        assert self.say("DATA").startswith("354 ")

    def post(
        self, content: bytes = b"Subject: Hello\r\n\r\nHello.\r\n", *recipients: str, sender: str = "joe@bloggs.example"
    ) -> str:
        self.begin(*recipients, sender=sender)
        self.send(content + b".\r\n")
        return self.reply()

    @property
    def is_closed(self) -> bool:
        """Waits for the end; fails where something else comes."""
        return self.file.read() == b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with closing(self.socket), closing(self.file):
            pass

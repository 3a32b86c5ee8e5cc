"""TLS for a connection that somebody else reads and writes: octets in, octets out.

asyncio's own TLS transport hands what it is given to a second buffer of up to 64 KiB, and counts it as sent: a final dot in
there could not be taken back, and would leave long after a halt.
"""

import ssl

READ = 64 * 1024


class Encryption:
    """Our end of one connection."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        """``host`` is the name that the certificate must be for."""
        self._heard, self._to_say = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._heard, self._to_say, server_hostname=host)
        self.is_agreed = False  # The handshake is done, and the certificate is good.
        self.is_over = False  # The other end said so.

    def opened(self, data: bytes) -> bytes:
        """The clear text of what came in; raises ``ssl.SSLError``. What it gives rise to is to be asked of ``to_say``."""
        self._heard.write(data)
        clear = []
        try:
            if not self.is_agreed:
                self._tls.do_handshake()
                self.is_agreed = True
            while part := self._tls.read(READ):
                clear.append(part)
            self.is_over = True
        except ssl.SSLWantReadError:
            pass  # All of it was read.
        return b"".join(clear)

    def sealed(self, text: bytes) -> bytes:
        """The text as it is to be sent, in records of its own: all of them are needed to read its end. Raises ``ssl.SSLError``."""
        while text:
            text = text[self._tls.write(text) :]
        return self.to_say()

    def to_say(self) -> bytes:
        """What is to be sent beside the text: the handshake, an alert."""
        return self._to_say.read()

"""Pictures, files and formatted text for posts in tests."""

import zlib
from struct import pack
from typing import Any

from posting.delivery.mime import Attachment

HTML = (
    '<h1>Spring fair</h1><p>Two loaves for <b>one</b>, see <a href="https://bloggs.example/offers">our page</a>.</p>'
    '<ul><li>Rolls</li><li>Crumpets</li></ul><p><img src="cid:loaf@bloggs.example" alt="A loaf" width="600" height="400"></p>'
    "<table><tbody><tr><th>Loaf</th><th>Price</th></tr><tr><td>White</td><td>2.50</td></tr></tbody></table>"
)
BODY = "Spring fair\n\nTwo loaves for one, see our page (https://bloggs.example/offers)."


def chunk(name: bytes, data: bytes) -> bytes:
    """One of a PNG's (W3C PNG section 5.3)."""
    return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))


def a_png(*more: bytes, width: int = 60, height: int = 40) -> bytes:
    """A green picture, with these chunks."""
    points = (b"\0" + b"\x1d\x80\x63" * width) * height
    header = chunk(b"IHDR", pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", zlib.compress(points)) + chunk(b"IEND", b"")


def a_pdf(page: bytes = b"BT (Two loaves for one) Tj ET", *, more: bytes = b"") -> bytes:
    """What a reader of PDF finds its way in, with this page."""
    stream = zlib.compress(page)
    head = b"%%PDF-1.4\n1 0 obj <</Length %d /Filter /FlateDecode>>\nstream\r\n" % len(stream)
    return head + stream + b"\nendstream endobj\n" + more + b"\ntrailer <<>>\n%%EOF\n"


LOAF = Attachment("loaf.png", "image/png", a_png(), "loaf@bloggs.example")
LIST = Attachment("Preise für März.csv", "text/csv", "Loaf;2.50\r\nBrötchen;0.40\r\n".encode("latin-1"))
OFFER = Attachment("offer.pdf", "application/pdf", a_pdf())


def rich(**changes: Any) -> dict[str, Any]:
    """What ``builders`` takes to make a post with all of these."""
    return {"body": BODY, "html": HTML, "files": [OFFER, LOAF, LIST], **changes}

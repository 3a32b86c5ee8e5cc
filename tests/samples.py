"""Small files of the kinds that may go with a post, with words in the places where such files have some."""

import struct
import zlib


def pdf(*streams: bytes, catalog: bytes = b"", trailer: bytes = b"") -> bytes:
    """Each stream is a dictionary and a body, as ``stream`` makes them."""
    objects = [b"<</Type/Catalog" + catalog + b">>", *streams]
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, each) for number, each in enumerate(objects, 1))
    return b"%PDF-1.7\n" + body + b"trailer\n<</Root 1 0 R" + trailer + b">>\n%%EOF\n"


def stream(body: bytes, dictionary: bytes = b"/Filter/FlateDecode") -> bytes:
    data = zlib.compress(body) if b"FlateDecode" in dictionary else body
    return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (dictionary, len(data), data)


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    pixel = (b"IDAT", zlib.compress(b"\0\xff\xff\xff"))
    whole = ((b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)), *chunks, pixel, (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in whole
    )


def jpeg(*segments: tuple[int, bytes], tail: bytes = b"") -> bytes:
    marked = b"".join(bytes((0xFF, mark)) + struct.pack(">H", len(data) + 2) + data for mark, data in segments)
    return b"\xff\xd8" + marked + b"\xff\xda\0\x02" + b"\x12\x34\xff\xd9" + tail


def gif(comment: bytes = b"") -> bytes:
    blocks = b"".join(bytes([len(comment[at : at + 255])]) + comment[at : at + 255] for at in range(0, len(comment), 255))
    extension = b"!\xfe" + blocks + b"\0" if comment else b""
    return b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff" + extension + b",\0\0\0\0\1\0\1\0\0\x02\x02D\x01\0;"

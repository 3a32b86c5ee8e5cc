"""A small DNS server on loopback: TXT records by name; what it does not know does not exist."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

SILENT, BROKEN, EMPTY = b"silent", b"broken", b"empty"  # In place of a record: no answer, SERVFAIL, a name without TXT records.


@dataclass
class NameServer:
    address: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(records: Mapping[str, bytes | list[bytes]]) -> Iterator[NameServer]:
    """Serve until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        server = NameServer(f"127.0.0.1:{door.getsockname()[1]}")
        thread = threading.Thread(target=_answer, args=(door, server, records))
        thread.start()
        try:
            yield server
        finally:
            door.sendto(b"", door.getsockname())
            thread.join()


def _answer(door: socket.socket, server: NameServer, records: Mapping[str, bytes | list[bytes]]) -> None:
    while True:
        octets, client = door.recvfrom(4096)
        if not octets:
            return
        query = dns.message.from_wire(octets)
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        server.asked.append(name)
        found = records.get(name)
        if found == SILENT:
            continue
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if found is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif found == BROKEN:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif found != EMPTY:
            texts = found if isinstance(found, list) else [found]
            rows = [" ".join(f'"{_escaped(text[at : at + 255])}"' for at in range(0, max(1, len(text)), 255)) for text in texts]
            answer.answer.append(dns.rrset.from_text_list(query.question[0].name, 60, "IN", "TXT", rows))
        door.sendto(answer.to_wire(max_size=65_535), client)


def _escaped(text: bytes) -> str:
    return "".join(chr(octet) if 32 <= octet < 127 and chr(octet) not in '"\\' else f"\\{octet:03}" for octet in text)

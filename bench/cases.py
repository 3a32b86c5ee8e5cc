"""The cases, by name."""

import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend

from bench import door, ledgers, product, receivers, rotating
from bench.product import Sent, Worker
from bench.report import Report
from posting.delivery import copies
from subscriptions.models import MailingList
from tests.slowwire import SlowWire


def keys() -> dict[str, dict[str, str]]:
    """The settings of each way to sign."""
    made: dict[str, PrivateKeyTypes] = {
        "ed25519": Ed25519PrivateKey.generate(),
        "rsa": generate_private_key(public_exponent=65537, key_size=2048),
    }
    ways: dict[str, dict[str, str]] = {"plain": {}}
    for name, key in made.items():
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        ways[name] = {"DKIM_SELECTOR": name, "DKIM_KEY": product.an_environment_line(pem)}
    return ways


def sink(report: Report) -> None:
    """Into ``smtp-sink``: without DKIM and with both kinds of key, and Django's own way for comparison."""
    promotions = _list(report)
    with receivers.sink() as port:
        for way, settings in keys().items():
            _against_the_yardstick(report, f"sink, {way}", promotions, port, settings)
        _django(report, port)


def gate(report: Report) -> None:
    """What the look at each copy costs: the engine beside itself without it, turn by turn. Without DKIM, where it shows most."""
    promotions = _list(report)
    sent: dict[str, list[Sent]] = {"chamberlist": [], "bench.ungated": []}
    with receivers.sink() as port:
        for run in range(report.runs):
            for app in sorted(sent, reverse=run % 2 == 1):  # Neither always has the warmer machine.
                with Worker(port, app=app) as worker:
                    product.send(promotions, worker)  # The first of a worker compiles and connects.
                    sent[app].append(product.send(promotions, worker))
                report.say(f"gate, run {run + 1}: {app} {sent[app][-1].a_second:.0f} copies/s")
    checked, unchecked = sent.values()
    report.tell("gate", [each.a_second for each in checked], "copies/s", yardstick=[each.a_second for each in unchecked])
    costs = [each.cpu_seconds for each in checked]
    report.tell("gate: processor time", costs, "s/1000 copies", yardstick=[each.cpu_seconds for each in unchecked])


def postfix(report: Report) -> None:
    """Into a real Postfix, which writes each message to its disk before it says yes."""
    promotions = _list(report)
    ways = keys()
    with receivers.postfix() as port:
        for way in ("plain", "rsa"):
            _against_the_yardstick(report, f"postfix, {way}", promotions, port, ways[way])


def roundtrip(report: Report) -> None:
    """One connection over a network whose round trip takes 50 ms."""
    town = product.a_list("town", 200)
    settings = {"DELIVERY_CONNECTIONS": "1", "DELIVERY_LANES": "1"}
    with receivers.sink() as port, SlowWire(port, round_trip=0.05) as wire, Worker(wire.port, settings) as worker:
        values = [product.send(town, worker, lanes=1).a_second for _ in range(report.runs)]
    report.tell("one connection, round trip 50 ms", values, "copies/s", a_round_trip=round(values[0] * 0.05, 2))


def scale(report: Report) -> None:
    """Expanding and marking, with a relay that answers at once, in ledgers of different sizes."""
    ledgers.scale(report)


def _list(report: Report) -> MailingList:
    found = MailingList.objects.filter(slug="promotions").first()
    report.say("" if found else f"writing {report.members} members ...")
    return found or product.a_list("promotions", report.members)


def _against_the_yardstick(report: Report, case: str, promotions: MailingList, port: int, settings: dict[str, str]) -> None:
    yardstick, sent = [], list[Sent]()
    with Worker(port, settings) as worker:
        for run in range(report.runs):
            before = receivers.source(port, report.members)
            sent.append(product.send(promotions, worker))
            after = receivers.source(port, report.members)
            yardstick.append((before + after) / 2)
            report.say(f"{case}, run {run + 1}: {sent[-1].a_second:.0f} copies/s, yardstick {before:.0f} and {after:.0f}")
    report.tell(f"{case}: smtp-source", yardstick, "messages/s")
    report.tell(case, [each.a_second for each in sent], "copies/s", yardstick=yardstick)
    report.tell(f"{case}: processor time", [each.cpu_seconds for each in sent], "s/1000 copies")
    report.tell(f"{case}: memory of a worker's process", [each.memory for each in sent], "MB")


def _django(report: Report, port: int) -> None:
    """What a loop over ``send_messages`` of Django gives, on one connection."""
    number = min(2000, report.members)
    values, yardstick = [], []
    for _ in range(report.runs):
        yardstick.append(receivers.source(port, number))
        started = time.monotonic()
        backend = EmailBackend(host="127.0.0.1", port=port, username="", password="", use_tls=False)
        backend.send_messages([_message(each) for each in range(number)])
        values.append(number / (time.monotonic() - started))
    report.tell("sink, Django's send_messages", values, "copies/s", yardstick=yardstick)


def _message(number: int) -> EmailMultiAlternatives:
    recipient = [f"member{number}@shop.example"]
    message = EmailMultiAlternatives("Spring offers", product.BODY, "promotions@lists.chamber.example", recipient)
    message.attach_alternative(copies.paragraphs(product.BODY), "text/html")
    return message


CASES: dict[str, Callable[[Report], None]] = {
    "sink": sink,
    "gate": gate,
    "postfix": postfix,
    "roundtrip": roundtrip,
    "scale": scale,
    "door": door.run,
    "rotate": rotating.run,
}

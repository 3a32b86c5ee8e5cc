"""The door for mail: ordinary messages over SMTP until each has its outcome; door, reader and its sandbox share one core."""

import os
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from email.message import EmailMessage
from email.policy import SMTP

from bench import product, receivers
from bench.product import Worker
from bench.report import Missing, Report
from chamberlist import tokens
from chamberlist.embedded.processes import free_port
from posting.delivery import audience
from posting.models import Delivery, InboundMail
from tests import postfix as private

MESSAGES, SESSIONS = 3000, 4
DOMAIN = "lists.chamber.example"
TEXT = "Thank you for the offer; two of them, please.\n\n" + "> Two loaves for the price of one, all week.\n" * 40
Letter = tuple[str, str, bytes]  # Envelope sender, recipient, message.


def run(report: Report) -> None:
    """The door against a real Postfix that takes the same messages and throws them away."""
    rates, yardstick, cpu = [], [], []
    with ExitStack() as stack:
        postfix, relay = stack.enter_context(receivers.postfix()), stack.enter_context(receivers.sink())
        with _on_core(0):
            port, door = stack.enter_context(_door())
            worker = stack.enter_context(Worker(relay))
        for number in range(report.runs):
            letters = list(ordinary(MESSAGES, number))
            yardstick.append(MESSAGES / _hand_over(letters, postfix))
            processes = [door, *worker.children()]
            started, used = time.monotonic(), product.cpu_seconds(processes)
            taken = MESSAGES / _hand_over(letters, port)
            _await_outcomes()
            rates.append(MESSAGES / (time.monotonic() - started))
            cpu.append(1000 * (product.cpu_seconds(processes) - used) / MESSAGES)
            report.say(f"door, run {number + 1}: taken {taken:.0f}/s, read {rates[-1]:.0f}/s, Postfix takes {yardstick[-1]:.0f}/s")
    report.tell("door: Postfix alone", yardstick, "messages/s")
    report.tell("door, on one core", rates, "messages/s", yardstick=yardstick)
    report.tell("door: processor time", cpu, "s/1000 messages")


def ordinary(number: int, run: int) -> Iterator[Letter]:
    """Of ten messages: four bounces, two answers, two vacation replies, one wish to leave, one that nobody asked for."""
    mailing_list = product.a_list(f"door{run}", number)
    post = product.an_accepted_post(mailing_list)
    assert audience.expand(post.pk)
    Delivery.objects.filter(post=post).update(state=Delivery.State.SENT)
    copies = Delivery.objects.filter(post=post).order_by("pk").values_list("handle", "subscription__handle")
    for place, (copy, member) in enumerate(copies):
        kind = place % 10
        bounce = f"b-{tokens.make('bounce', copy)}@{DOMAIN}"
        person = f"member{place}@shop.example"
        if kind < 4:
            yield "", bounce, _bounce(place, person)
        elif kind < 6:
            yield person, f"r-{tokens.make('reply', copy)}@{DOMAIN}", _mail(place, person, "Re: Spring offers", TEXT)
        elif kind < 8:
            yield "", bounce, _mail(place, person, "Out of office", TEXT, Auto_Submitted="auto-replied")
        elif kind < 9:
            yield person, f"leave-{tokens.make('leave', member)}@{DOMAIN}", _mail(place, person, "", "\n")
        else:
            yield person, f"{mailing_list.slug}@{DOMAIN}", _mail(place, person, "Buy this", TEXT)


@contextmanager
def _door() -> Iterator[tuple[int, int]]:
    """Its port, and its process."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "receivemail", "--listen", f"127.0.0.1:{port}"], cwd=product.REPOSITORY
    )
    try:
        if not private.answers(port):
            raise Missing("receivemail did not start")
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _on_core(number: int) -> Iterator[None]:
    """What is started here stays on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _hand_over(letters: list[Letter], port: int) -> float:
    """Over some connections; the seconds that it took."""
    started = time.monotonic()
    with ThreadPoolExecutor(SESSIONS) as pool:
        list(pool.map(lambda part: _session(letters[part::SESSIONS], port), range(SESSIONS)))
    return time.monotonic() - started


def _session(letters: list[Letter], port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        for sender, recipient, message in letters:
            client.sendmail(sender, [recipient], message)


def _await_outcomes() -> None:
    until = time.monotonic() + 600
    while InboundMail.objects.filter(state__in=InboundMail.OPEN).exists():
        assert time.monotonic() < until, "the messages were never read"
        time.sleep(0.02)


def _mail(number: int, author: str, subject: str, text: str, **headers: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"], message["Subject"], message["Message-ID"] = author, subject, f"<{number}.{time.time_ns()}@shop.example>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes()


def _bounce(number: int, recipient: str) -> bytes:
    """As Postfix writes it (RFC 3464)."""
    lines = [
        "From: MAILER-DAEMON@mail.shop.example (Mail Delivery System)",
        "Subject: Undelivered Mail Returned to Sender",
        f"Message-ID: <{number}.{time.time_ns()}@mail.shop.example>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="B"',
        "",
        "--B",
        "Content-Type: text/plain",
        "",
        f"<{recipient}>: host mail.shop.example said: 452 4.2.2 Mailbox full",
        "",
        "--B",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mail.shop.example",
        "",
        f"Final-Recipient: rfc822; {recipient}",
        "Action: failed",
        "Status: 4.2.2",
        "Diagnostic-Code: smtp; 452 4.2.2 Mailbox full",
        "",
        "--B--",
        "",
    ]
    return "\r\n".join(lines).encode()

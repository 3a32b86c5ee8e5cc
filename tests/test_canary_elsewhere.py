"""The canary audit where real processes work, where the product crashes, and where a provider takes the mail."""

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from aiosmtpd.smtp import AuthResult
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.contrib.auth.models import User
from django.db import DataError, connection
from django.urls import get_resolver, reverse

from chamberlist import tokens
from chamberlist.embedded import watchdog
from chamberlist.embedded.processes import LOOPBACK, answers, free_port
from chamberlist.models import Alert, SystemMail
from posting.inbound import receiving
from posting.models import Delivery, InboundMail, Post, Sender
from subscriptions import addresses, lifecycle, requests
from subscriptions.models import MailingList, Subscription, SubscriptionRequest
from tests import builders, workers
from tests.canary import machines, registry
from tests.canary import provider as by_provider
from tests.canary.canaries import Aviary
from tests.canary.crashing_points import COMMAND, DOOR, WEB, WORKER
from tests.canary.haul import Haul, kinds
from tests.canary.machines import DatabaseLog, Processes
from tests.canary.registry import Exercised
from tests.canary.scene import letter
from tests.canary.searching import Searcher
from tests.canary.visiting import Visitor
from tests.providerserver import POSTMARK, Provider
from tests.rawclient import RawClient
from tests.smtpserver import SmtpServer
from tests.test_dispatch import run_lanes
from tests.test_provider_reports import again
from tests.test_whole import Listener, wait_for
from tests.workers import Stack

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("canary")]
DOMAIN = "lists.chamber.example"
PYTHON = sys.executable
GUNICORN = ("gunicorn", "--logger-class", "chamberlist.weblog.RedactingLogger", "--workers", "1", "--threads", "4")
CELERY = ("celery", "-A")
RELAY_PASSWORD, STAFF_PASSWORD = "kestrel-amber-quarry-71", "lantern-sorrel-gantry-36"


@dataclass
class Town:
    """Members and a sender with canaries, and all that is secret."""

    aviary: Aviary = field(default_factory=Aviary)
    haul: Haul = field(default_factory=Haul)
    members: list[str] = field(default_factory=list)
    promotions: MailingList = field(init=False)
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        self.promotions = builders.a_list(undo_seconds=0)
        self.sender = builders.a_sender(self.promotions, address=self.aviary.address("s"))
        self.members = self.aviary.members(40)
        builders.members(self.promotions, *self.members)
        self.aviary.secret("a sender's password", builders.PASSWORDS[self.sender.pk])
        self.aviary.secret("SECRET_KEY", settings.SECRET_KEY)
        for name in ("ADDRESS_KEYS", "INDEX_KEYS", "TOKEN_KEYS"):
            for number, key in getattr(settings, name).keys.items():
                self.aviary.secret(f"{name} {number}", key)

    def leaks(self, capsys: pytest.CaptureFixture[str]) -> list[str]:
        leaks = self.haul.leaks(Searcher(self.aviary))
        with capsys.disabled():
            print(f"\n{self.haul.summary}", *leaks, sep="\n")
        return leaks


@pytest.fixture
def town(transactional_db: None) -> Town:
    return Town()


@pytest.fixture(scope="module")
def static_files() -> Iterator[None]:
    """Collected where the site's own processes look for them."""
    place = Path(settings.STATIC_ROOT)
    was_empty = not any(place.iterdir()) if place.exists() else True
    subprocess.run([PYTHON, "manage.py", "collectstatic", "--noinput", "-v", "0"], cwd=workers.REPOSITORY, check=True)
    yield
    if was_empty:
        shutil.rmtree(place)
        place.mkdir()


@pytest.fixture
def processes(stack: Stack, town: Town, tmp_path: Path, static_files: None) -> Iterator[Processes]:
    """To start, with a temporary folder of their own, logging all that they can."""
    for name in ("logs", "tmp"):
        (tmp_path / name).mkdir()
    environment = stack.environment | {"LOG_LEVEL": "DEBUG", "TMPDIR": str(tmp_path / "tmp")}
    with Processes(town.haul, tmp_path / "logs", environment) as started:
        yield started


def start_web(processes: Processes, application: str = "chamberlist.wsgi", **changes: str) -> int:
    """Its port. At its debug level gunicorn logs each request by itself."""
    port = free_port()
    options = ("--bind", f"{LOOPBACK}:{port}", "--log-level", "debug", "--no-control-socket", application)
    processes.start("web", PYTHON, "-m", *GUNICORN, *options, **changes)
    return port


def start_worker(processes: Processes, app: str = "chamberlist", **changes: str) -> None:
    options = ("--concurrency", "2", "--loglevel", "DEBUG", "--without-gossip", "--without-mingle")
    processes.start("worker", PYTHON, "-m", *CELERY, app, "worker", *options, **changes)


def ready(processes: Processes, **ports: int) -> None:
    for name, port in ports.items():
        assert watchdog.wait_until(lambda port=port: answers(port), 60), processes.log(name).read_text()  # type: ignore[misc]


def is_quiet() -> bool:
    """Whether all that came was read, and all mails of ours were tried."""
    return not (
        InboundMail.objects.filter(state__in=InboundMail.OPEN).exists()
        or SystemMail.objects.filter(state__in=[SystemMail.State.QUEUED]).exists()
        or SubscriptionRequest.objects.filter(tries=0).exists()
    )


def a_relay(signed_in: list[bool]) -> SmtpServer:
    """One that takes our password, and notes whether it was right."""

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, auth_data: Any) -> AuthResult:
        signed_in.append(auth_data.password == RELAY_PASSWORD.encode())
        return AuthResult(success=signed_in[-1], handled=False)

    return SmtpServer(authenticator=authenticate, auth_require_tls=False)


def a_signing_key(aviary: Aviary) -> str:
    """A key for DKIM; its private part is one of the secrets."""
    key = rsa.generate_private_key(65537, 2048)
    encoded = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    aviary.secret("DKIM_KEY", encoded[-48:])
    return f"-----BEGIN PRIVATE KEY-----\n{base64.encodebytes(encoded).decode()}-----END PRIVATE KEY-----\n"


def visits(port: int, town: Town) -> None:
    """What members, visitors, senders and staff do on the site, rightly and wrongly; and requests that are none."""
    visitor, aviary = Visitor(port, town.haul), town.aviary
    row = town.promotions.subscriptions.filter(state=Subscription.State.ACTIVE).order_by("-pk")[0]
    for typed in (aviary.address("v"), town.members[0]):
        assert " 302 " in visitor.fill("/lists/promotions/", email=typed)
    assert " 422 " in visitor.fill("/lists/promotions/", email=aviary.address("v") + "@", may=kinds("v"))
    for page, purpose in (
        ("choose", "choose"),
        ("leave", "leave"),
        ("undo_leave", "undo"),
        ("confirm", "confirm"),
        ("manage", "manage"),
    ):
        for token in (tokens.make(purpose, row.handle), "forged"):
            visitor.get(reverse(page, args=["promotions", token]))
            visitor.post(reverse(page, args=["promotions", token]), pause="14")
    for path in (f"/no/{town.members[1]}/", f"/?email={town.members[1].replace('@', '%2540')}", f"/lists/{town.members[2]}/"):
        visitor.get(path.replace(" ", "%20").replace('"', "%22"))
    odd = aviary.address("u")
    assert " 400 " in visitor.get("/", host=odd.partition("@")[2])
    assert " 400 " in visitor.get("/", host=odd)
    assert " 403 " in visitor.post("/senders/sign-in/", "Referer: https://" + odd, address=aviary.address("v"), password="x")
    assert " 405 " in visitor.say(f"DELETE /lists/promotions/?{odd} HTTP/1.1", "Host: localhost")
    for lines in (
        [f"GET /{odd}"],
        [f"{odd} / HTTP/1.1", "Host: localhost"],
        ["GET / HTTP/1.1", f"{odd} x: 1"],
        ["GET / HTTP/1.1", odd],
    ):
        assert " 400 " in visitor.say(*lines, may=kinds("u"))
    visitor.say("GET / HTTP/1.1", "Host: localhost", f"X: {odd}{'x' * 9000}", may=kinds("u"))
    visitor.say(
        "POST /senders/sign-in/ HTTP/1.1",
        "Host: localhost",
        "Content-Type: multipart/form-data; boundary=" + odd,
        "Content-Length: 5",
        body="x" * 5,
    )
    contact = town.sender.address
    for typed, password in ((aviary.address("v"), "wrong"), (contact, "wrong"), (town.members[3], "wrong")):
        assert " 422 " in visitor.fill("/senders/sign-in/", address=typed, password=password, may=kinds("vsm"))
    visitor.fill("/senders/lost-password/", address=town.members[4])
    author = Visitor(port, town.haul, "sender", kinds("sn"))
    assert " 302 " in author.fill("/senders/sign-in/", address=contact, password=builders.PASSWORDS[town.sender.pk])
    body = f"Ask {aviary.address('n')}."
    author.fill("/senders/write/", mailing_list=str(town.promotions.pk), subject="Buns", body=body)
    author.get("/senders/")
    assert " 200 " in visitor.fill("/admin/login/", username=aviary.address("v"), password="wrong", may=kinds("v"))
    User.objects.create_superuser("mary", password=STAFF_PASSWORD)
    mary = Visitor(port, town.haul, "staff", kinds("sno"))
    assert " 302 " in mary.fill("/admin/login/", username="mary", password=STAFF_PASSWORD)
    for path in ("/admin/", "/admin/subscriptions/subscription/", f"/admin/subscriptions/subscription/{row.pk}/change/"):
        assert " 200 " in mary.get(path)


def knocks(port: int, socket: Path, town: Town) -> None:
    """What other mail servers say at both doors, and what they are told."""
    author = town.aviary.address("i")
    mail = letter(author=author, text=f"Ask {author}.\r\n")
    for client in (RawClient(port), RawClient(str(socket), hello="LHLO x.example")):
        with client:
            said = [client.say(f"MAIL FROM:<{author}>")]
            said += [client.say(f"RCPT TO:<{to}>") for to in (*town.members[13:16], town.sender.address, f"abuse@{DOMAIN}")]
            said += [client.say("DATA"), client.say(mail + b"\r\n."), client.say(f"VRFY {town.members[14]}")]
            said += [client.say(f"{author} is no command"), client.say(f"MAIL FROM:<{author}> SIZE=x"), client.say("QUIT")]
        town.haul.add("replies of the door", "\n".join(said).encode(), kinds("i"))  # Its own words.


def failing_statements(address: str) -> None:
    """Statements with an address that fail, or end with their connection."""
    for statement in ("SELECT 1 / 0, %s", "SELECT CAST(%s AS uuid)"):
        with pytest.raises(DataError), connection.cursor() as cursor:
            cursor.execute(statement, [address])
    other = psycopg2.connect(workers.database_url())
    with pytest.raises(psycopg2.OperationalError), other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid()), %s, pg_sleep(5)", [address])
    other.close()


def test_real_processes_show_no_canary_and_no_secret(
    processes: Processes, stack: Stack, town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    database, listener = DatabaseLog(), Listener(stack.broker.url)
    port, door, socket = 0, free_port(), tmp_path / "lmtp"
    for name, secret in (("the relay's", RELAY_PASSWORD), ("a staff", STAFF_PASSWORD), ("the broker's", stack.broker.password)):
        town.aviary.secret(f"{name} password", secret)
    signed_in: list[bool] = []
    with a_relay(signed_in) as relay:
        processes.environment |= {
            "SMTP_URL": f"smtp://chamber:{RELAY_PASSWORD}@127.0.0.1:{relay.port}/?tls=none",
            "DKIM_SELECTOR": "x",
            "DKIM_KEY": a_signing_key(town.aviary),
        }
        port = start_web(processes)
        start_worker(processes)
        beat = ("beat", "--loglevel", "DEBUG", "--schedule", str(tmp_path / "tmp" / "schedule"), "--pidfile=")
        processes.start("beat", PYTHON, "-m", *CELERY, "chamberlist", *beat)
        processes.start("door for SMTP", PYTHON, "manage.py", "receivemail", "--listen", f"{LOOPBACK}:{door}")
        processes.start("door for LMTP", PYTHON, "manage.py", "receivemail", "--lmtp", str(socket))
        post = builders.an_accepted_post(town.sender, town.promotions)
        ready(processes, web=port, **{"door for SMTP": door})
        assert watchdog.wait_until(socket.exists, 60)
        visits(port, town)
        knocks(door, socket, town)
        failing_statements(town.members[20])
        wait_for(str(post.pk), Post.State.DONE)
        machines.ring(
            stack.broker.url, "posting.tasks.read_mail", "subscriptions.tasks.take_requests", "chamberlist.tasks.send_system_mail"
        )
        assert watchdog.wait_until(is_quiet, 30)
        processes.look()
        processes.end()
    assert Delivery.objects.filter(post=post, state=Delivery.State.SENT).count() >= len(town.members) - 2
    signed = [mail for mail in relay.received if b"\r\nDKIM-Signature:" in b"\r\n" + mail.content]
    assert signed_in and all(signed_in) and len(signed) >= len(town.members) - 2
    town.haul.add_mails(relay.received, kinds("s"))
    database.collect(town.haul)
    machines.collect_broker(town.haul, stack.broker.url, listener.said)
    machines.collect_files(town.haul, tmp_path)
    machines.collect_files(
        town.haul, Path(settings.STATE_DIR), but=list(Path(settings.STATIC_ROOT).rglob("*"))
    )  # Ours, and public.
    machines.collect_dump(town.haul)
    assert all(
        town.haul.sizes[f"{what} of {name}"] for what in ("log", "command line", "environment") for name in ("web", "worker")
    )
    assert town.leaks(capsys) == []


def test_a_crash_quotes_nobody(
    processes: Processes, stack: Stack, smtp: SmtpServer, town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    database, folder, door = DatabaseLog(), tmp_path / "crashes", free_port()
    folder.mkdir()
    (folder / "words.txt").write_text(", ".join(town.members[:15]))
    processes.environment |= {"CRASHES": str(folder)}
    crashing = "tests.canary.crashing"
    port = start_web(processes, f"{crashing}:application", CRASHING=",".join(WEB))
    start_worker(processes, crashing, CRASHING=",".join(WORKER))
    listen = ("receivemail", "--listen", f"{LOOPBACK}:{door}")
    processes.start("door", PYTHON, "-m", crashing, *listen, CRASHING=",".join(DOOR))
    post = builders.an_accepted_post(town.sender, town.promotions)
    said = processes.run("poststatus", PYTHON, "-m", crashing, "poststatus", str(post.pk), CRASHING=",".join(COMMAND))
    assert "Traceback" in said

    ready(processes, web=port, door=door)
    visitor = Visitor(port, town.haul)
    leave = reverse("leave", args=["promotions", tokens.make("leave", town.promotions.subscriptions.order_by("-pk")[0].handle)])
    assert " 500 " in visitor.post(leave)
    assert " 500 " in visitor.fill("/senders/sign-in/", address=town.sender.address, password="wrong")
    assert " 500 " in visitor.fill("/lists/promotions/", email=town.members[0])
    with RawClient(door) as client:
        town.haul.add("replies of the door", client.post(letter(author=town.aviary.address("i")), f"abuse@{DOMAIN}").encode())
    receiving.take(town.members[30], [f"postmaster@{DOMAIN}"], letter(author=town.members[30]), via="smtp")
    requests.receive(town.promotions, addresses.parse(town.aviary.address("v")))
    lifecycle.sign_up(town.promotions, addresses.parse(town.aviary.address("v")), how="form")
    tasks = ("subscriptions.tasks.sweep", "subscriptions.tasks.take_requests", "posting.tasks.read_mail", "posting.tasks.sweep")
    machines.ring(stack.broker.url, *tasks, "chamberlist.tasks.send_system_mail")
    points = {f"{point}.crashed" for point in (*WEB, *WORKER, *DOOR, *COMMAND)}
    assert watchdog.wait_until(lambda: points <= {file.name for file in folder.iterdir()}, 30), points - {
        file.name for file in folder.iterdir()
    }
    wait_for(str(post.pk), Post.State.FROZEN)
    machines.ring(stack.broker.url, "chamberlist.tasks.send_system_mail")
    assert watchdog.wait_until(is_quiet, 30)
    processes.end()
    assert len(smtp.received) == Alert.objects.count() >= 3
    town.haul.add_mails(smtp.received, kinds(""))
    database.collect(town.haul)
    machines.collect_files(town.haul, tmp_path, but=[folder / "words.txt"])
    machines.collect_dump(town.haul)
    assert b"Traceback" in processes.log("web").read_bytes() and b"Traceback" in processes.log("worker").read_bytes()
    assert town.leaks(capsys) == []


@pytest.mark.parametrize("provider", [POSTMARK], indirect=True)
def test_a_provider_is_told_of_nobody_but_whom_a_copy_is_for(
    provider: Provider, town: Town, settings: Any, rung: list[Any], capsys: pytest.CaptureFixture[str]
):
    exercised = Exercised()
    before = set(registry.pages(get_resolver().url_patterns))
    assert not any("webhook" in name for name in before)
    again()
    assert set(registry.pages(get_resolver().url_patterns)) - before == {by_provider.TRACKING, by_provider.INBOUND}
    try:
        town.aviary.secret("the webhook's secret", provider.options["WEBHOOK_SECRET"])
        post = builders.a_sending_post(town.sender, town.promotions)
        run_lanes()
        assert len(provider.requests) >= len(town.members) - 2
        by_provider.reports(post, town.haul, exercised)
        by_provider.mails(town.aviary, town.haul, exercised)
    finally:
        settings.EMAIL_PROVIDER = ""
        again()
    states = set(Delivery.objects.filter(post=post).values_list("state", flat=True))
    assert {Delivery.State.DELIVERED, Delivery.State.BOUNCED, Delivery.State.COMPLAINED} <= states
    assert InboundMail.objects.count() == 1
    by_provider.collect(provider, town.haul)
    machines.collect_dump(town.haul)
    assert town.leaks(capsys) == []

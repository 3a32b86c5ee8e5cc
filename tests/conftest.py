"""What many tests need: a real mail server, and a broker that nobody listens to unless a test starts a worker."""

import itertools
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from celery import current_app
from django.db import connection
from django.utils import cache

from chamberlist import bell, fence
from posting.delivery import pace
from tests import certificates, workers
from tests.groups import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.providerserver import POSTMARK, Provider
from tests.skips import pytest_runtest_makereport as pytest_runtest_makereport
from tests.smtpserver import SmtpServer

logging.getLogger("mail.log").setLevel(logging.WARNING)  # The test server's own chatter.


@pytest.fixture
def smtp(settings: Any) -> Iterator[SmtpServer]:
    """A real SMTP server that is the site's relay, for copies and for system mail."""
    with SmtpServer() as server:
        settings.RELAY = server.relay
        settings.EMAIL_BACKEND = "chamberlist.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.relay.host, server.relay.port
        settings.EMAIL_USE_TLS = False
        yield server


@pytest.fixture
def provider(request: pytest.FixtureRequest, settings: Any) -> Iterator[Provider]:
    """A provider's interface that the site's settings name, asked by one thread unless a test wants more."""
    with Provider(getattr(request, "param", POSTMARK)) as server:
        settings.EMAIL_PROVIDER = settings.EMAIL_BACKEND = server.kind
        settings.ANYMAIL = server.options
        settings.DELIVERY_CONNECTIONS = 1
        yield server


@pytest.fixture
def certificate(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Good until so many days from now."""
    return certificates.make(tmp_path, days=getattr(request, "param", 1))


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Argon2 with its least cost; what it is set to is asserted where that matters."""
    settings.PASSWORD_HASHERS = ["tests.hashers.QuickArgon2"]


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest, django_db_blocker: Any) -> None:
    """The test database without what the first `migrate` writes down when it arms the fence; it is emptied after some tests."""
    with mock.patch.object(fence, "is_armed", lambda: True):
        request.getfixturevalue("django_db_setup")
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE chamberlist_auditentry DISABLE TRIGGER keep_all")


@pytest.fixture(autouse=True)
def open_fence(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Laid open from outside for what runs in the test's own process: a rollback would look like a restored database."""
    if request.node.get_closest_marker("real_fence") is None:
        monkeypatch.setattr(fence, "check", lambda: True)


@pytest.fixture(autouse=True)
def each_answer_in_a_second_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no test compares two answers and finds them the same by chance: ``never_cache`` writes the time into a header."""
    seconds = itertools.count(int(time.time()))
    monkeypatch.setattr(cache, "time", mock.Mock(time=lambda: next(seconds)))


@pytest.fixture(autouse=True)
def open_caps(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """As wide as settings allow, and no slow start; what they are set to is asserted where that matters."""
    monkeypatch.setattr(pace, "START", 10**6)
    for name, value in workers.WIDEST.items():
        setattr(settings, name, value)


@pytest.fixture(autouse=True)
def plain_static_names(settings: Any) -> None:
    """Pages without ``collectstatic``: the names of files are not those with a hash in them."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[int, ...]]]:
    """What the bell rang for, instead of a broker."""
    calls: list[tuple[str, tuple[int, ...]]] = []
    monkeypatch.setattr(bell, "_crowds", {})
    monkeypatch.setattr(current_app, "send_task", lambda name, args=(), **_: calls.append((name, tuple(args))))
    return calls


@pytest.fixture
def stack(smtp: SmtpServer, tmp_path: Path, transactional_db: None) -> Iterator[workers.Stack]:
    """A broker of the test's own and, once the test starts one, a real worker, with ``smtp`` as the relay."""
    with workers.stack(tmp_path) as started:
        yield started

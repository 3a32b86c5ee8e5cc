"""The canary audit is shown to work: a leak that is planted is reported, whatever the place, and what is allowed is not."""

import base64
import hashlib
import logging
from collections.abc import Callable

import pytest
from django.http import HttpResponse

from chamberlist.models import Alert, AuditEntry
from subscriptions.models import MailingList
from tests import builders
from tests.arriving import everything_stored
from tests.canary.browsers import as_octets
from tests.canary.canaries import MARK, Aviary
from tests.canary.haul import Haul, kinds
from tests.canary.registry import Exercised
from tests.canary.searching import Searcher
from tests.smtpserver import Received

pytestmark = pytest.mark.django_db


@pytest.fixture
def aviary() -> Aviary:
    return Aviary(seed=2)


@pytest.fixture
def anne(aviary: Aviary) -> str:
    return aviary.address("m")


@pytest.fixture
def bob(aviary: Aviary) -> str:
    return aviary.address("m")


def leaks(haul: Haul, aviary: Aviary) -> str:
    """The report, which names nobody."""
    told = "\n".join(haul.leaks(Searcher(aviary)))
    assert MARK not in told and not any(serial in told for serial in aviary.canaries)
    return told


def answer(text: str = "", **headers: str) -> bytes:
    response = HttpResponse(text, headers=headers)
    return as_octets(response)


def with_cookie(address: str) -> bytes:
    response = HttpResponse()
    response.set_cookie("last", base64.b64encode(address.encode()).decode())
    return as_octets(response)


PLANTED: dict[str, Callable[[str], bytes]] = {
    "an error page": lambda address: answer(f"<pre>DoesNotExist: {address}</pre>"),
    "a header": lambda address: answer(Location=f"/?next=%2F{address.replace('@', '%40')}"),
    "a cookie": with_cookie,
    "a log line": lambda address: f"DEBUG subscriptions took {address!r}".encode(),
    "a broker's message": lambda address: b'{"body": "' + base64.b64encode(f'[["{address}"], {{}}]'.encode()) + b'"}',
    "a traceback": lambda address: f'ValueError: {{"email": "{address}"}}'.encode(),
    "a file's name": lambda address: f"export-{address}.csv".encode(),
    "a metric": lambda address: f'posts{{sender="{hashlib.sha1(address.encode()).hexdigest()}"}} 1'.encode(),  # noqa: S324
    "a list of processes": lambda address: f"manage.py\0addsender\0{address}\0".encode(),
    "a reply of the door": lambda address: f"250 2.1.5 <{address}> ok".encode(),
    "a dump": lambda address: b"1\t\\\\x" + address.encode().hex().encode() + b"\t2",
}


@pytest.mark.parametrize("place", PLANTED)
def test_a_planted_leak_is_reported(place: str, aviary: Aviary, anne: str):
    haul = Haul()
    haul.add(place, PLANTED[place](anne))
    assert leaks(haul, aviary).startswith(f"{place}: a member's address")


def test_a_table_that_keeps_an_address_or_its_plain_hash_is_reported(aviary: Aviary, anne: str, bob: str):
    promotions = builders.a_list()
    builders.members(promotions, anne, bob)
    before, haul = Haul(), Haul()
    before.add("tables", everything_stored())
    assert leaks(before, aviary) == ""
    MailingList.objects.update(description=f"Ask {anne}")
    AuditEntry.objects.create(actor="x", verb="x", subject=hashlib.sha256(bob.encode()).hexdigest())
    haul.add("tables", everything_stored())
    assert "a member's address, plain" in leaks(haul, aviary) and "a hash of the plain address" in leaks(haul, aviary)
    assert not Alert.objects.exists()


def test_a_copy_may_name_its_own_recipient_and_nobody_elses(aviary: Aviary, anne: str, bob: str):
    haul = Haul()
    haul.add_mails([Received("b-x@lists.chamber.example", (anne,), f"To: {anne}\r\n\r\nHello".encode())], kinds("s"))
    assert leaks(haul, aviary) == ""
    content = b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(f"Hello, and hello {bob}".encode())
    haul.add_mails([Received("b-x@lists.chamber.example", (anne,), content)], kinds("s"))
    assert leaks(haul, aviary) == "mails: a member's address, base64 (1x)"


def test_a_mail_to_two_is_reported(aviary: Aviary, anne: str, bob: str):
    haul = Haul()
    haul.add_mails([Received("b-x@lists.chamber.example", (anne, bob), b"Hello")], kinds("s"))
    assert leaks(haul, aviary) == "mails: a member's address, plain (2x)"


def test_a_log_without_the_redaction_is_reported(aviary: Aviary, anne: str, caplog: pytest.LogCaptureFixture):
    logging.getLogger("subscriptions").warning("took %s", anne)
    haul = Haul()
    haul.add("logs", caplog.text.encode())
    assert leaks(haul, aviary).startswith("logs: a member's address")


@pytest.mark.parametrize(
    "feature",
    ["page choose", "command halt", "task posting.tasks.sweep", "verb post.accept",
     "receiver lmtp", "kind of mail bounce",
     "system mail alert", "notice posting.notices.frozen", "page admin:posting_post_file"],
)  # fmt: skip
def test_a_feature_that_nobody_exercises_is_named(feature: str):
    assert f"The audit does not exercise: {feature}" in Exercised().missing()

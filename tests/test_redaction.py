"""No address in what is logged or kept."""

import io
import logging
import logging.config
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import DataError, connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import resolve
from django.utils.log import log_response
from gunicorn.config import Config
from hypothesis import given
from hypothesis import strategies as st

from chamberlist import audit, log
from chamberlist.models import AuditEntry, Halt
from chamberlist.redaction import MASK, RedactingFormatter, redact
from chamberlist.weblog import RedactingLogger
from tests.canary.haul import Haul
from tests.canary.machines import DatabaseLog

LOCALS = st.text("abcdefghijklmnopqrstuvwxyzäß0123456789!#$%&*+-/=?^_`{|}~.", min_size=1, max_size=30)
DOMAINS = st.from_regex(r"[a-zä0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,6}){1,3}", fullmatch=True)
ENDING = """
import threading, django
django.setup()
def end(words): raise ValueError(words)
thread = threading.Thread(target=end, args=["anne@bakery.example is odd, too"])
thread.start(); thread.join()
end("anne@bakery.example is odd")
"""
AROUND = st.sampled_from(
    ["", " ", "<", ">", "(", ")", "'", '"', ",", ";", ":", "=", "[", "]", "\n", "\r\n", "RCPT TO:<", "user unknown "]
)


@given(LOCALS, DOMAINS, AROUND, AROUND)
def test_an_address_is_masked_whatever_stands_around_it(local: str, domain: str, before: str, after: str):
    redacted = redact(f"{before}{local}@{domain}{after}")
    assert MASK in redacted
    assert f"{local}@" not in redacted
    assert f"@{domain}" not in redacted


@given(st.lists(st.tuples(LOCALS, DOMAINS), max_size=5), st.sampled_from([" ", ", ", ";", "><", "\n"]))
def test_every_address_of_a_line_is_masked(people: list[tuple[str, str]], separator: str):
    redacted = redact(separator.join(f"{local}@{domain}" for local, domain in people))
    assert not any(f"@{domain}" in redacted for _, domain in people)


@pytest.mark.parametrize(
    "text",
    [
        '550 5.1.1 <"anne baker"@bakery.example>: unknown',
        r'550 "anne\"baker"@bakery.example unknown',
        r'{"email": "\"anne baker\"@bakery.example"}',
        '"anne' + "y" * 70 + '"@bakery.example',
        "anne=1@bakery.example",
        "anne'marie@bakery.example",
        "GET /?email=anne%40bakery.example",
        "GET /?next=anne%2540bakery.example",
        r"anne\u0040bakery.example",
        "anne&#64;bakery.example",
        "anne＠bakery.example",
        '"@bakery.example',
        "550 anne@[127.0.0.1] unknown",
        "to=<anne@bakery.example>, relay=none",
        "mailto:anne@bakery.example",
        "{'recipient': 'anne@bakery.example'}",
        "b'550 anne@bakery.example'",
        "anne@bakery",
        "jörg@bäckerei.example",
        "550 anne=bakery.example@lists.example unknown",
        "anne.o'hara@bakery.example unknown",
        "user 'anne.o'hara@bakery.example'",
    ],
)
def test_what_mail_servers_answer_is_kept_without_the_address(text: str):
    redacted = redact(text)
    assert "bakery" not in redacted
    assert "bäckerei" not in redacted
    assert MASK in redacted
    assert "anne" not in redacted or len(text) > 70  # An odd local part may stand: where it begins nobody can tell.


@pytest.mark.parametrize("text", ["", "250 2.0.0 OK", "10 @ 2 pounds", "anne at bakery", "[address]", "@", "limit=40", "40%40"])
def test_other_text_stays_as_it_is(text: str):
    assert redact(text) == text


@given(st.text())
def test_redacting_twice_changes_nothing_more(text: str):
    assert redact(redact(text)) == redact(text)


def test_a_long_word_is_redacted_in_a_moment():
    began = time.process_time()
    redact("a" * 300_000)  # In the square of its length, this would take minutes.
    assert time.process_time() - began < 5


def test_arguments_and_tracebacks_are_redacted_too():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter("%(message)s"))
    logger = logging.getLogger("a test of redaction")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        raise ValueError("anne@bakery.example is odd")
    except ValueError:
        logger.exception("could not mail %s", "bob@butcher.example")
    assert "ValueError" in stream.getvalue()
    assert "bakery" not in stream.getvalue()
    assert "butcher" not in stream.getvalue()


@pytest.mark.parametrize("address", ["anne@bakery.example", "bakery.example"])
def test_a_request_that_is_refused_is_logged_without_its_words(address: str, client: Client):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter("%(name)s %(message)s"))
    logger = logging.getLogger("django")
    logger.addHandler(handler)
    try:
        assert client.get("/brand.css", headers={"Host": address}).status_code == 400
        assert client.get(f"/no/such/{address}/").status_code == 404
        assert client.post(f"/brand.css?email={address}").status_code == 405
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue().splitlines() == [
        "django.security.DisallowedHost answered 400, at no page",
        "django.request answered 404, at no page",
        "django.request answered 405, at brand",
    ]


def test_a_fault_of_ours_is_logged_with_its_traceback_at_the_page_without_the_link(caplog: pytest.LogCaptureFixture):
    request = RequestFactory().get("/lists/promotions/leave/a-token/")
    request.resolver_match = resolve(request.path)
    try:
        raise ValueError("anne@bakery.example is odd")
    except ValueError as error:
        log_response(
            "%s: %s", "Internal Server Error", request.path, response=HttpResponse(status=500), request=request, exception=error
        )
    [record] = caplog.records
    line = RedactingFormatter("%(message)s").format(record)
    assert line.startswith("answered 500, at leave\nTraceback") and "ValueError: [address] is odd" in line and "a-token" not in line


def test_what_ends_a_command_or_a_thread_is_told_redacted():
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True)
    assert "ValueError: [address] is odd" in done.stderr and "ValueError: [address] is odd, too" in done.stderr
    assert done.returncode == 1 and "bakery" not in done.stderr and "Traceback" in done.stderr


def test_gunicorn_logs_redacted(tmp_path: Path):
    cfg = Config()
    cfg.set("errorlog", str(tmp_path / "error.log"))
    cfg.set("accesslog", str(tmp_path / "access.log"))
    logger = RedactingLogger(cfg)
    logger.warning("Invalid request: %s", "anne@bakery.example")
    logger.access_log.info("GET /?email=anne%40bakery.example")
    logger.close_on_exec()
    for each in (logger.error_log, logger.access_log):
        for handler in list(each.handlers):
            handler.close()
            each.removeHandler(handler)
    assert "Invalid request: [address]" in (tmp_path / "error.log").read_text()
    assert "bakery" not in (tmp_path / "access.log").read_text()


@pytest.mark.django_db(transaction=True)
def test_the_log_of_postgres_quotes_no_statement_that_fails():
    log, haul = DatabaseLog(), Haul()
    for statement in ("SELECT 1 / 0, %s", "SELECT CAST(%s AS uuid)"):
        with pytest.raises(DataError), connection.cursor() as cursor:
            cursor.execute(statement, ["anne@bakery.example"])
    log.collect(haul)
    assert not any(b"bakery" in caught.octets for caught in haul.caught)


def test_every_handler_of_the_site_redacts(capfd):
    configuration = log.configuration("DEBUG")
    assert {handler["formatter"] for handler in configuration["handlers"].values()} == {"line"}
    assert configuration["formatters"]["line"]["()"] == "chamberlist.redaction.RedactingFormatter"
    # Django's own handlers (mail to the admins, its own console) are taken away; everything reaches the root's.
    silent = configuration["loggers"].pop("mail")
    assert silent == {"handlers": [], "propagate": False, "level": "CRITICAL"}
    assert all(logger == {"handlers": [], "propagate": True} for logger in configuration["loggers"].values())


@pytest.mark.django_db
def test_the_audit_trail_keeps_a_reason_without_its_addresses():
    audit.record("mary", "halt", Halt(pk=1), reason="anne@bakery.example rang " + "x" * 600)
    entry = AuditEntry.objects.get()
    assert entry.reason.startswith(f"{MASK} rang")
    assert len(entry.reason) == 500
    assert entry.subject == "halt 1"

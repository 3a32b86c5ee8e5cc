"""No address in what is logged or kept."""

import io
import logging
import logging.config
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chamberlist import audit, log
from chamberlist.models import AuditEntry, Halt
from chamberlist.redaction import MASK, RedactingFormatter, redact

LOCALS = st.text("abcdefghijklmnopqrstuvwxyzäß0123456789!#$%&*+-/?^_`{|}~.", min_size=1, max_size=30)
DOMAINS = st.from_regex(r"[a-zä0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,6}){1,3}", fullmatch=True)
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
        "550 anne@[127.0.0.1] unknown",
        "to=<anne@bakery.example>, relay=none",
        "mailto:anne@bakery.example",
        "{'recipient': 'anne@bakery.example'}",
        "b'550 anne@bakery.example'",
        "anne@bakery",
        "jörg@bäckerei.example",
    ],
)
def test_what_mail_servers_answer_is_kept_without_the_address(text: str):
    redacted = redact(text)
    assert "anne" not in redacted
    assert "bakery" not in redacted
    assert "bäckerei" not in redacted
    assert MASK in redacted


@pytest.mark.parametrize("text", ["", "250 2.0.0 OK", "10 @ 2 pounds", "anne at bakery", "[address]", "@"])
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

"""Senders and their passwords: Argon2, one check in every case, and a new password ends what the old one opened."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import identify_hasher
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from chamberlist import settings as production
from chamberlist.models import AuditEntry
from posting.models import Sender
from posting.submission import senders
from subscriptions import addresses
from tests import builders
from tests.hashers import QuickArgon2

pytestmark = pytest.mark.django_db
JOE = "joe@bloggs.example"


@pytest.fixture
def joe() -> Sender:
    return builders.a_sender(builders.a_list(), address=JOE)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Argon2 was asked to do: a hash takes as long as a check."""
    asked: list[str] = []
    encode, verify = QuickArgon2.encode, QuickArgon2.verify

    def counted_encode(self: Any, password: str, salt: str) -> str:
        asked.append("encode")
        return str(encode(self, password, salt))

    def counted_verify(self: Any, password: str, encoded: str) -> bool:
        asked.append("verify")
        return bool(verify(self, password, encoded))

    monkeypatch.setattr(QuickArgon2, "encode", counted_encode)
    monkeypatch.setattr(QuickArgon2, "verify", counted_verify)
    return asked


def signed_in(sender: Sender) -> Client:
    client = Client()
    data = {"address": sender.address, "password": builders.PASSWORDS[sender.pk]}
    assert client.post(reverse("sender_sign_in"), data).status_code == 302
    return client


def test_passwords_are_hashed_with_argon2_at_its_usual_cost(settings: Any):
    settings.PASSWORD_HASHERS = production.PASSWORD_HASHERS
    joe = builders.a_sender()
    hasher = identify_hasher(joe.password)
    assert production.PASSWORD_HASHERS == ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    assert hasher.algorithm == "argon2"
    parameters = hasher.decode(joe.password)
    assert (parameters["variety"], parameters["memory_cost"], parameters["time_cost"]) == ("argon2id", 102400, 2)
    assert senders.authenticate(JOE, builders.PASSWORDS[joe.pk]) == joe


def test_a_password_is_easy_to_read_out_and_hard_to_guess(joe: Sender):
    passwords = {senders.issue_password(joe, by="ann") for _ in range(20)}
    assert len(passwords) == 20
    assert all(re.fullmatch(r"([a-hjkmnp-z2-9]{5}-){3}[a-hjkmnp-z2-9]{5}", password) for password in passwords)


def test_the_right_password_signs_in(joe: Sender, checks: list[str]):
    assert senders.authenticate(JOE, builders.PASSWORDS[joe.pk]) == joe
    assert checks == ["verify"]


def test_another_spelling_of_the_address_and_blanks_around_the_password_do_no_harm(joe: Sender):
    assert senders.authenticate(" Joe@BLOGGS.example ", f" {builders.PASSWORDS[joe.pk]}\n") == joe


def test_a_wrong_password_costs_one_check(joe: Sender, checks: list[str]):
    assert senders.authenticate(JOE, "wrong") is None
    assert checks == ["verify"]


def test_an_unknown_address_costs_one_check(joe: Sender, checks: list[str]):
    assert senders.authenticate("stranger@nowhere.example", builders.PASSWORDS[joe.pk]) is None
    assert checks == ["verify"]


def test_what_is_no_address_costs_one_check(checks: list[str]):
    assert senders.authenticate("no address", "wrong") is None
    assert checks == ["verify"]


def test_a_revoked_sender_costs_one_check_and_is_nobody(joe: Sender, checks: list[str]):
    senders.revoke(joe, by="ann")
    assert senders.authenticate(JOE, builders.PASSWORDS[joe.pk]) is None
    assert joe.password == ""
    assert checks == ["verify"]


def test_revocation_holds_even_where_a_password_is_left(joe: Sender):
    builders.set_clock_back(joe, "revoked_at", timedelta())
    assert senders.authenticate(JOE, builders.PASSWORDS[joe.pk]) is None


def test_a_sender_without_a_password_costs_one_check_and_is_nobody(joe: Sender, checks: list[str]):
    Sender.objects.update(password="")
    assert senders.authenticate(JOE, "") is None
    assert checks == ["verify"]


def test_a_new_password_ends_the_old_one_and_every_sign_in_with_it(joe: Sender):
    client = signed_in(joe)
    assert client.get(reverse("sender_posts")).status_code == 200
    password = senders.issue_password(joe, by="ann")

    assert senders.authenticate(JOE, builders.PASSWORDS[joe.pk]) is None
    assert senders.authenticate(JOE, password) == joe
    response = client.get(reverse("sender_posts"))
    assert (response.status_code, response["Location"]) == (302, reverse("sender_sign_in"))
    assert "sender" not in client.session


def test_revoking_ends_every_sign_in_at_once_and_a_new_password_lets_back_in(joe: Sender):
    client = signed_in(joe)
    senders.revoke(joe, by="ann")
    assert client.get(reverse("sender_posts")).status_code == 302

    builders.PASSWORDS[joe.pk] = senders.issue_password(joe, by="ann")
    assert joe.revoked_at is None
    assert signed_in(joe).get(reverse("sender_posts")).status_code == 200


def test_who_approved_issued_and_revoked_stands_in_the_audit_trail(joe: Sender):
    senders.issue_password(joe, by="ann")
    senders.revoke(joe, by="bob")
    entries = [(entry.actor, entry.verb) for entry in AuditEntry.objects.filter(subject=f"sender {joe.pk}").order_by("pk")]
    assert entries == [("a test", "approve"), ("a test", "issue password"), ("ann", "issue password"), ("bob", "revoke")]


def test_a_name_is_one_line_and_not_too_long():
    assert builders.a_sender(name="Bloggs\r\nBcc: x  Ltd").name == "Bloggs Bcc: x Ltd"
    for name in ("", "  ", "x" * 81):
        with pytest.raises(ValidationError):
            builders.a_sender(address="new@bloggs.example", name=name)
    assert Sender.objects.count() == 1


def test_two_senders_cannot_have_one_contact_address(joe: Sender):
    with pytest.raises(IntegrityError), transaction.atomic():
        builders.a_sender(address="JOE@bloggs.example")


def test_the_address_is_sealed_and_the_row_is_named_by_its_number(joe: Sender):
    assert joe.address == addresses.parse(JOE).text
    assert "bloggs.example" not in joe.sealed_address
    assert str(joe) == f"sender {joe.pk}"

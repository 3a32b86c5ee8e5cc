"""Signing in tells nobody who is a sender or one of the staff: the same answer, the same statements, the same Argon2."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from chamberlist import passwords
from chamberlist.staffsite import TRIES, TRIES_OF_A_NETWORK, StaffBackend
from posting.models import Sender
from posting.submission import senders
from tests import builders, work
from tests.answers import headers, words
from tests.hashers import QuickArgon2

pytestmark = pytest.mark.django_db
SIGN_IN = "/senders/sign-in/"
PASSWORD = "a-password-of-twenty"
WRONG = {  # Whose address is typed, and in what state they are.
    "unknown": "eve@nowhere.example",
    "known": "joe@bloggs.example",
    "revoked": "ann@revoked.example",
    "revoked, with a hash left": "amy@revoked.example",
    "without a password": "new@bloggs.example",
    "a member, and no sender": "bob@cafe.example",
    "at an older cost": "old@bloggs.example",
    "no address": "no address at all",
    "too long for an address": "x" * 250 + "@x.example",
    "with a control character": "joe\u0001@bloggs.example",
}
STAFF = ("unknown", "known", "inactive", "not staff", "without a password", "at an older cost")


class OlderArgon2(QuickArgon2):
    """What Argon2 cost before."""

    memory_cost = 16


@pytest.fixture
def people(settings: Any) -> dict[str, Sender]:
    """A sender in each state but at an older cost; the password is the same."""
    promotions = builders.a_list()
    builders.a_member(promotions, WRONG["a member, and no sender"])
    names = ("known", "revoked", "revoked, with a hash left", "without a password")
    found = {name: builders.a_sender(promotions, address=WRONG[name]) for name in names}
    senders.revoke(found["revoked"], by="a test")
    builders.set_clock_back(found["revoked, with a hash left"], "revoked_at", ago=timedelta())
    Sender.objects.filter(pk=found["without a password"].pk).update(password="")
    return found


def at_an_older_cost(settings: Any) -> Sender:
    now, settings.PASSWORD_HASHERS = settings.PASSWORD_HASHERS, ["tests.test_no_oracle_sign_in.OlderArgon2"]
    old = builders.a_sender(address=WRONG["at an older cost"])
    settings.PASSWORD_HASHERS = now
    return old


def tried(address: str, password: str, *, network: str = "192.0.2.1") -> tuple[work.Work, Any]:
    client = Client()
    client.get(SIGN_IN)
    with work.recorded() as done:
        response = client.post(SIGN_IN, {"address": address, "password": password}, REMOTE_ADDR=network)
    return done, response


def told(response: Any, typed: str) -> tuple[Any, ...]:
    """Everything that comes back, less the form's token, the second, and what was typed."""
    cookies = {name: {**morsel, "expires": ""} for name, morsel in response.cookies.items()}
    assert typed in words(response)
    return response.status_code, headers(response) | {"Content-Length": ""}, cookies, words(response).replace(typed, "TYPED")


@pytest.mark.parametrize("is_one_dated", [False, True])
def test_whoever_cannot_sign_in_gets_the_same_answer_after_the_same_work(
    people: dict[str, Sender], is_one_dated: bool, settings: Any
):
    if is_one_dated:
        at_an_older_cost(settings)
    answers = []
    for number, address in enumerate(WRONG.values()):
        done, response = tried(address, "wrong", network=f"10.0.{number}.1")
        assert (response.status_code, set(response.cookies)) == (422, {"csrftoken"})
        answers.append((done.statements, done.argon2, told(response, address)))
    statements, argon2, _ = answers[0]
    assert len(statements) == 5, "three counters, one look for the sender, one for what hashes cost"
    assert len(argon2) == len(set(argon2)) == (2 if is_one_dated else 1)
    for name, answer in zip(WRONG, answers, strict=True):
        assert answer == answers[0], name


def test_a_right_password_opens_nothing_to_who_may_not_post(people: dict[str, Sender]):
    _, expected = tried(WRONG["unknown"], "wrong")
    for name in ("revoked", "revoked, with a hash left", "without a password"):
        for password in (builders.PASSWORDS[people[name].pk], "", " "):
            done, response = tried(WRONG[name], password)
            assert response.status_code == 422
            if password.strip():
                assert len(done.argon2) == 1 and told(response, WRONG[name]) == told(expected, WRONG["unknown"])


def test_who_signs_in_with_a_dated_password_gets_one_of_today_and_the_second_check_ends(people: dict[str, Sender], settings: Any):
    old = at_an_older_cost(settings)
    client = Client()
    signed_in = client.post(SIGN_IN, {"address": old.address, "password": builders.PASSWORDS[old.pk]})
    assert (signed_in.status_code, signed_in["Location"]) == (302, reverse("sender_posts"))
    assert client.get(reverse("sender_posts")).status_code == 200
    old.refresh_from_db()
    assert QuickArgon2().must_update(old.password) is False
    done, _ = tried(WRONG["unknown"], "wrong")
    assert len(done.argon2) == 1
    assert tried(old.address, builders.PASSWORDS[old.pk])[1].status_code == 302


def test_a_password_that_is_issued_while_the_old_one_signs_in_stays(people: dict[str, Sender], settings: Any, monkeypatch: Any):
    old = at_an_older_cost(settings)
    before = builders.PASSWORDS[old.pk]
    is_dated = passwords.is_dated

    def issue_meanwhile(kept: str) -> bool:
        builders.PASSWORDS[old.pk] = senders.issue_password(Sender.objects.get(pk=old.pk), by="ann")
        return bool(is_dated(kept))

    monkeypatch.setattr(passwords, "is_dated", issue_meanwhile)
    senders.authenticate(old.address, before)
    monkeypatch.undo()
    assert senders.authenticate(old.address, before) is None
    assert senders.authenticate(old.address, builders.PASSWORDS[old.pk]) == old


# Staff


def staff_member(state: str, settings: Any) -> str:
    """Somebody in that state; their name."""
    if state == "unknown":
        return "eve"
    now = settings.PASSWORD_HASHERS
    if state == "at an older cost":
        settings.PASSWORD_HASHERS = ["tests.test_no_oracle_sign_in.OlderArgon2"]
    name = state.replace(" ", "-")
    user = User.objects.create_user(name, password=PASSWORD, is_staff=state != "not staff", is_active=state != "inactive")
    if state == "without a password":
        user.set_unusable_password()
        user.save()
    settings.PASSWORD_HASHERS = now
    return name


def staff_tried(name: str, password: str) -> tuple[work.Work, Any]:
    client = Client()
    client.get(reverse("admin:login"))
    with work.recorded() as done:
        response = client.post(reverse("admin:login"), {"username": name, "password": password})
    return done, response


@pytest.mark.parametrize("is_one_dated", [False, True])
def test_staff_who_cannot_sign_in_get_the_same_answer_after_the_same_work(is_one_dated: bool, settings: Any):
    names = [staff_member(state, settings) for state in STAFF if is_one_dated or state != "at an older cost"]
    answers = []
    for name in names:
        done, response = staff_tried(name, "wrong")
        assert response.status_code == 200
        answers.append((done.statements, done.argon2, told(response, name)))
    statements, argon2, _ = answers[0]
    assert len(statements) == 7, "two counters, one look for the name, one for what hashes cost; then three for the audit trail"
    assert len(argon2) == len(set(argon2)) == (2 if is_one_dated else 1)
    for name, answer in zip(names, answers, strict=True):
        assert answer == answers[0], name


def test_the_right_password_of_who_may_not_come_in_is_answered_as_a_wrong_one(settings: Any):
    _, expected = staff_tried("eve", PASSWORD)
    for state in ("inactive", "not staff", "without a password"):
        done, response = staff_tried(staff_member(state, settings), PASSWORD)
        assert len(done.argon2) == 1
        assert told(response, state.replace(" ", "-")) == told(expected, "eve"), state


def test_staff_sign_in_and_a_dated_password_becomes_one_of_today(settings: Any):
    for state in ("known", "at an older cost"):
        name = staff_member(state, settings)
        _, response = staff_tried(name, PASSWORD)
        assert response.status_code == 302
        assert QuickArgon2().must_update(User.objects.get(username=name).password) is False


def test_a_password_that_is_issued_during_a_sign_in_ends_the_old_one_at_once(
    people: dict[str, Sender], settings: Any, monkeypatch: pytest.MonkeyPatch
):
    old, make = at_an_older_cost(settings), make_password

    def meanwhile(password: str) -> str:
        monkeypatch.setattr(senders, "make_password", make)
        senders.issue_password(old, by="a test")
        return make(password)

    monkeypatch.setattr(senders, "make_password", meanwhile)
    assert senders.authenticate(old.address, builders.PASSWORDS[old.pk]) is None


def test_staff_may_guess_ten_times_and_signing_in_is_not_counted(settings: Any):
    name = staff_member("known", settings)
    for _ in range(TRIES - 1):
        staff_tried(name, "wrong")
    for _ in range(3):
        assert staff_tried(name, PASSWORD)[1].status_code == 302
    assert "Too many tries" not in words(staff_tried(name, "wrong")[1])
    assert "Too many tries" in words(staff_tried(name, PASSWORD)[1])
    assert "Too many tries" not in words(staff_tried("eve", PASSWORD)[1])


def test_one_network_tries_few_names_of_staff_and_then_has_none_looked_at(settings: Any):
    name = staff_member("known", settings)
    for number in range(TRIES_OF_A_NETWORK):
        assert "Too many tries" not in words(staff_tried(f"u{number}", "wrong")[1])
    done, response = staff_tried(name, PASSWORD)
    assert "Too many tries" in words(response)
    assert (len(done.statements), len(done.argon2)) == (1, 0), "the network's counter, and nothing else"
    response = Client().post(reverse("admin:login"), {"username": name, "password": PASSWORD}, REMOTE_ADDR="192.0.2.1")
    assert response.status_code == 302, "another network signs in"


def test_a_password_of_staff_that_is_set_while_the_dated_one_signs_in_stays(settings: Any, monkeypatch: pytest.MonkeyPatch):
    name = staff_member("at an older cost", settings)
    is_dated = passwords.is_dated

    def set_meanwhile(kept: str) -> bool:
        user = User.objects.get(username=name)
        user.set_password("new after a theft")
        user.save()
        return is_dated(kept)

    monkeypatch.setattr(passwords, "is_dated", set_meanwhile)
    assert StaffBackend().authenticate(None, name, PASSWORD) is None
    user = User.objects.get(username=name)
    assert user.check_password("new after a theft") and not user.check_password(PASSWORD)

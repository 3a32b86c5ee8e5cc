"""Which addresses are ours: each kind of them, and no other way to write one."""

import uuid

import pytest

from chamberlist import tokens
from posting.inbound import destinations
from posting.inbound.destinations import Destination
from tests import builders

pytestmark = pytest.mark.django_db
HOME = "lists.chamber.example"
HANDLE = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
PREFIXES = [(prefix, place, purpose) for prefix, (place, purpose) in destinations.TOKENS.items()]


@pytest.fixture(autouse=True)
def promotions() -> None:
    builders.a_list("promotions")


def token(purpose: str) -> str:
    return tokens.make(purpose, HANDLE)


@pytest.mark.parametrize(
    ("local", "destination"),
    [
        ("promotions", Destination("list", slug="promotions")),
        ("promotions-request", Destination("request", slug="promotions")),
        ("promotions-owner", Destination("owner", slug="promotions")),
        ("postmaster", Destination("role")),
        ("abuse", Destination("role")),
        ("hostmaster", Destination("role")),
        ("security", Destination("role")),
        ("no-reply", Destination("no-reply")),
    ],
)
def test_each_address_of_ours_has_its_place_in_any_case(local: str, destination: Destination):
    for written in (local, local.upper(), local.capitalize()):
        assert destinations.find(f"{written}@{HOME}") == destination
        assert destinations.find(f"{written}@{HOME.upper()}") == destination
        assert destinations.refusal(f"{written}@{HOME}") == ""


def test_the_postmaster_needs_no_domain_and_is_alone_in_that():
    assert destinations.find("postmaster") == destinations.find("PostMaster") == Destination("role")
    assert destinations.complete("Postmaster") == f"postmaster@{HOME}"
    for local in ("promotions", "abuse", "no-reply", ""):
        assert destinations.find(local) is None


@pytest.mark.parametrize(("prefix", "place", "purpose"), PREFIXES)
def test_a_token_leads_to_its_handle_whatever_a_server_does_with_the_case(prefix: str, place: str, purpose: str):
    local = f"{prefix}-{token(purpose)}"
    assert len(local) <= 64
    for written in (local, local.upper(), local.title()):
        assert destinations.find(f"{written}@{HOME}") == Destination(place, handle=HANDLE)  # type: ignore[arg-type]


@pytest.mark.parametrize(("prefix", "_", "purpose"), PREFIXES)
def test_a_forged_token_leads_nowhere(prefix: str, _: str, purpose: str):
    good = token(purpose)
    others = [token(other) for _, _, other in PREFIXES if other != purpose]
    changed = ("b" if good[0] == "a" else "a") + good[1:]
    for forged in (*others, changed, "a" * 52, good[:-1], good + "a", "", "1" * 52, good[:-1] + "=", f"x{good[1:]}"):
        assert destinations.find(f"{prefix}-{forged}@{HOME}") is None


@pytest.mark.parametrize(
    "recipient",
    [
        "",
        "@",
        f"@{HOME}",
        "promotions",
        "promotions@",
        f"nobody@{HOME}",
        f"promotions-requests@{HOME}",
        f"-request@{HOME}",
        f"promotions-request-request@{HOME}",
        f"promotions+spring@{HOME}",
        f"promotions-@{HOME}",
        f".promotions@{HOME}",
        f"promotions.@{HOME}",
        f"promotions @{HOME}",
        f" promotions@{HOME}",
        f"promotions\n@{HOME}",
        f"promotions@{HOME}\n",
        f"promotions@{HOME}.",
        f"promotions@x.{HOME}",
        f"promotions@{HOME}@{HOME}",
        f"promotions@other.example@{HOME}",
        f"joe%other.example@{HOME}",
        f"promotions%{HOME}@{HOME}",
        f"other.example!joe@{HOME}",
        f"{HOME}!promotions@{HOME}",
        f'"promotions"@{HOME}',
        f'"joe@other.example"@{HOME}',
        f"@other.example:promotions@{HOME}",
        f"@{HOME},@other.example:joe@third.example",
        f"@{HOME}:joe@other.example",
        f"promotions(spring)@{HOME}",
        f"promotion\u017f@{HOME}",  # A long s, of which upper case makes an S.
        f"post\u212aaster@{HOME}",
        f"promotions@{HOME}".replace("e", "\u0435"),  # Cyrillic.
        "promotions@xn--lists-chamber-example",
        "promotions@[127.0.0.1]",
        f"{'p' * 65}@{HOME}",
        "joe@other.example",
        f"promotions\0@{HOME}",
    ],
)
def test_any_other_address_and_any_other_way_to_write_ours_is_refused(recipient: str):
    assert destinations.find(recipient) is None
    assert destinations.refusal(recipient).startswith("550 5.")


def test_letters_that_become_ascii_in_lower_case_are_no_way_in():
    builders.a_list("kitchen")
    assert "\u212aitchen".lower() == "kitchen"
    assert destinations.find(f"\u212aitchen@{HOME}") is None


def test_the_refusal_says_whether_it_is_the_domain_or_the_name():
    assert destinations.refusal("joe@other.example").startswith("550 5.7.1 ")
    assert destinations.refusal(f"joe@{HOME}").startswith("550 5.1.1 ")


def test_a_refusal_quotes_nothing():
    for recipient in ("joe@other.example", f"joe@{HOME}"):
        assert "joe" not in destinations.refusal(recipient)


def test_a_list_that_is_called_like_anothers_helper_comes_first():
    builders.a_list("promotions-request")
    assert destinations.find(f"promotions-request@{HOME}") == Destination("list", slug="promotions-request")
    assert destinations.find(f"promotions-request-owner@{HOME}") == Destination("owner", slug="promotions-request")
    assert destinations.find(f"promotions-owner@{HOME}") == Destination("owner", slug="promotions")


def test_only_the_name_of_a_list_asks_the_database(django_assert_num_queries):
    with django_assert_num_queries(0):
        destinations.find(f"b-{token('bounce')}@{HOME}")
        destinations.find(f"abuse@{HOME}")
        destinations.find("joe@other.example")
    with django_assert_num_queries(1):
        destinations.find(f"promotions-owner@{HOME}")

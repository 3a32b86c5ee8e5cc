"""Addresses as people type them, compared, masked, and found in a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions import addresses
from subscriptions.addresses import BadAddress

ATEXT = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~"


@pytest.mark.parametrize(
    ("typed", "sent_to"),
    [
        ("anne@bakery.example", "anne@bakery.example"),
        ("  Anne.Baker@Bakery.Example\n", "Anne.Baker@bakery.example"),
        ("o'brien+list@bakery.example", "o'brien+list@bakery.example"),
        ('"anne baker"@bakery.example', '"anne baker"@bakery.example'),
        ("jörg@bäckerei.example", "jörg@xn--bckerei-5wa.example"),
        ("jo\u0308rg@ba\u0308ckerei.example", "jörg@xn--bckerei-5wa.example"),
    ],
)
def test_an_address_is_read_as_people_type_it(typed: str, sent_to: str):
    assert addresses.parse(typed).text == sent_to


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "anne",
        "anne@",
        "@bakery.example",
        "anne@bakery",
        "anne@@bakery.example",
        "anne@bakery..example",
        "anne baker@bakery.example",
        "anne@bakery.example, bob@bakery.example",
        "Anne <anne@bakery.example>",
        "anne@bakery.example\nbcc: bob@bakery.example",
        "anne@bakery.example\r\n",
        "anne\x00@bakery.example",
        "anne@[127.0.0.1]",
    ],
)
def test_what_is_no_address_is_refused_without_quoting_it(typed: str):
    if typed.strip() == "anne@bakery.example":
        assert addresses.parse(typed).text == "anne@bakery.example"  # A line break around it is only a slip.
        return
    with pytest.raises(BadAddress) as refused:
        addresses.parse(typed)
    assert "anne" not in str(refused.value)
    assert "bakery" not in str(refused.value)


@pytest.mark.parametrize("typed", ["a" * 65 + "@bakery.example", "anne@" + ".".join(["b" * 60] * 5) + ".example"])
def test_an_address_that_no_server_takes_is_refused(typed: str):
    with pytest.raises(BadAddress):
        addresses.parse(typed)


def test_the_length_is_counted_in_octets_as_mail_servers_do():
    domain = ".".join(["b" * 60] * 3) + ".example"
    local = "ü" * 32
    assert len(f"{local}@{domain}") < addresses.MAX_OCTETS < len(f"{local}@{domain}".encode())
    with pytest.raises(BadAddress):
        addresses.parse(f"{local}@{domain}")


@pytest.mark.parametrize("other", ["ANNE@bakery.example", "anne@BAKERY.example", " anne@bakery.example ", "Anne@Bakery.Example"])
def test_two_spellings_of_one_address_have_one_hash(other: str):
    assert addresses.parse(other).hash == addresses.parse("anne@bakery.example").hash


@pytest.mark.parametrize("other", ["an.ne@bakery.example", "anne+list@bakery.example", "anne@bakery2.example"])
def test_no_provider_s_folding_is_guessed(other: str):
    assert addresses.parse(other).hash != addresses.parse("anne@bakery.example").hash


def test_a_domain_in_its_own_script_and_in_ascii_is_one_domain():
    ours, theirs = addresses.parse("anne@bäckerei.example"), addresses.parse("bob@xn--bckerei-5wa.example")
    assert ours.domain_hash == theirs.domain_hash
    assert ours.hash != theirs.hash


def test_the_hashes_tell_nothing_and_differ_in_kind():
    anne = addresses.parse("anne@bakery.example")
    assert len(anne.hash) == len(anne.domain_hash) == 32
    assert b"anne" not in anne.hash
    assert anne.domain_hash != addresses.parse("anne@bakery.example").hash


def test_an_address_does_not_show_itself_in_a_log():
    anne = addresses.parse("anne@bakery.example")
    assert "anne" not in repr(anne)
    assert "bakery" not in f"{anne}"


@given(st.text(ATEXT, min_size=1, max_size=40).filter(lambda text: ".." not in text))
def test_normalising_twice_changes_nothing(local: str):
    try:
        once = addresses.parse(f"{local}@Bakery.Example")
    except BadAddress:
        return
    assert addresses.parse(once.normalised).normalised == once.normalised
    assert addresses.parse(once.text).hash == once.hash


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("joe@bloggs.example", "j•••@b•••.example"),
        ("j@b.example", "j•••@b•••.example"),
        ("joe@mail.bloggs.co.example", "j•••@m•••.example"),
        ('"joe@home"@bloggs.example', '"•••@b•••.example'),
    ],
)
def test_a_masked_address_shows_two_letters(address: str, shown: str):
    assert addresses.masked(address) == shown


def test_addresses_in_a_text_are_found_as_written_once_and_in_order():
    text = "Write to Joe@Bloggs.example, or mailto:amy@bloggs.example. (joe@bloggs.example!) *bob@bloggs.example*"
    assert addresses.found_in(text) == ["Joe@Bloggs.example", "amy@bloggs.example", "bob@bloggs.example"]


@pytest.mark.parametrize(
    "text",
    [
        "mailto:bob@garage.example?subject=Hi",
        "mailto:bob@garage.example?cc=bob@garage.example",
        "https://x.example/?to=bob@garage.example&x=1",
        "bob@garage.example/x",
        "bob@garage.example#x",
        "bob@garage.example=",
        "bob@garage.example:joe",
        "bob@garage.example.\\n",
        "bob@garage.example|Bob",
        "|bob@garage.example|",
        "{bob@garage.example}",
    ],
)
def test_an_address_is_found_whatever_stands_around_it(text: str):
    assert addresses.found_in(text) == ["bob@garage.example"]


def test_each_address_of_a_link_is_found():
    assert addresses.found_in("mailto:anne@bakery.example?cc=bob@garage.example") == ["anne@bakery.example", "bob@garage.example"]


def test_what_only_looks_like_an_address_is_not_found():
    assert addresses.found_in("10 loaves @ 2 pounds; https://bloggs.example/@joe, a@b, @bloggs") == []


@pytest.mark.parametrize("text", ["=?utf-8?q?anne?=@bakery.example", "a=?utf-8?q?x?=b@bakery.example"])
def test_what_a_library_would_take_for_another_address_is_refused(text: str):
    with pytest.raises(addresses.BadAddress):
        addresses.parse(text)

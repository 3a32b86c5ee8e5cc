"""Addresses at rest: what is sealed opens in its own row alone."""

import base64
import uuid

import pytest
from django.db import connection

from chamberlist import keys, sealed
from chamberlist.sealed import Sealed, Unreadable
from posting.models import Sender
from subscriptions.models import Subscription, SubscriptionRequest
from tests import builders

PLACE = "subscriptions_subscription.sealed_address:1"


def test_what_is_sealed_opens_at_its_place():
    value = sealed.seal("anne@bakery.example", place=PLACE)
    assert "anne" not in value
    assert b"anne" not in base64.urlsafe_b64decode(value.partition(":")[2])
    assert sealed.unseal(value, place=PLACE) == "anne@bakery.example"


def test_the_same_text_is_sealed_differently_each_time():
    assert sealed.seal("anne@bakery.example", place=PLACE) != sealed.seal("anne@bakery.example", place=PLACE)


def test_it_opens_nowhere_else():
    value = sealed.seal("anne@bakery.example", place=PLACE)
    with pytest.raises(Unreadable):
        sealed.unseal(value, place=PLACE + "2")


def test_every_changed_byte_is_noticed():
    key_id, _, encoded = sealed.seal("anne@bakery.example", place=PLACE).partition(":")
    raw = bytearray(base64.urlsafe_b64decode(encoded))
    for position in range(len(raw)):
        changed = bytes(raw[:position]) + bytes([raw[position] ^ 1]) + bytes(raw[position + 1 :])
        with pytest.raises(Unreadable):
            sealed.unseal(f"{key_id}:{base64.urlsafe_b64encode(changed).decode()}", place=PLACE)


@pytest.mark.parametrize("encoded", ["", "A", "AAAA", "AAAAAAAAAAAAAAAAAAAA", "é", "not base64"])
def test_what_is_no_sealed_value_is_unreadable_and_nothing_worse(encoded: str, settings):
    with pytest.raises(Unreadable):
        sealed.unseal(f"{settings.ADDRESS_KEYS.first[0]}:{encoded}", place=PLACE)


def test_an_old_key_still_opens_and_the_first_one_seals(settings):
    value = sealed.seal("anne@bakery.example", place=PLACE)
    old = settings.ADDRESS_KEYS.keys
    settings.ADDRESS_KEYS = keys.KeyRing(keys.parse("ADDRESS_KEYS", keys.fresh("new")).keys | old)
    assert sealed.unseal(value, place=PLACE) == "anne@bakery.example"
    assert sealed.seal("anne@bakery.example", place=PLACE).startswith("new:")


def test_a_key_that_was_taken_away_is_named_and_the_address_is_not(settings):
    settings.ADDRESS_KEYS = keys.parse("ADDRESS_KEYS", keys.fresh("old"))
    value = sealed.seal("anne@bakery.example", place=PLACE)
    settings.ADDRESS_KEYS = keys.parse("ADDRESS_KEYS", keys.fresh("new"))
    with pytest.raises(Unreadable, match="no key with the id old; put the old key back") as refused:
        sealed.unseal(value, place=PLACE)
    assert "anne" not in str(refused.value)


def test_another_key_under_the_same_id_does_not_open(settings):
    value = sealed.seal("anne@bakery.example", place=PLACE)
    settings.ADDRESS_KEYS = keys.parse("ADDRESS_KEYS", keys.fresh(settings.ADDRESS_KEYS.first[0]))
    with pytest.raises(Unreadable):
        sealed.unseal(value, place=PLACE)


@pytest.mark.django_db
def test_a_value_moved_to_another_row_does_not_open():
    anne, bob = builders.members(builders.a_list(), "anne@bakery.example", "bob@butcher.example")
    Subscription.objects.filter(pk=anne.pk).update(sealed_address=bob.sealed_address)
    anne.refresh_from_db()
    with pytest.raises(Unreadable):
        _ = anne.address
    assert bob.address == "bob@butcher.example"


@pytest.mark.django_db
def test_a_value_moved_to_another_table_does_not_open_even_under_the_same_handle():
    promotions = builders.a_list()
    anne = builders.a_member(promotions)
    request = SubscriptionRequest.objects.create(mailing_list=promotions, handle=anne.handle, sealed_address=anne.sealed_address)
    with pytest.raises(Unreadable):
        _ = request.address


@pytest.mark.django_db
def test_no_address_stands_readable_in_the_tables():
    promotions = builders.a_list()
    builders.a_member(promotions, "anne@bakery.example")
    builders.a_sender(promotions, address="joe@bloggs.example")
    for model in (Subscription, Sender):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT row_to_json(t)::text FROM {model._meta.db_table} t")  # noqa: S608
            stored = str(cursor.fetchall())
        assert "bakery" not in stored
        assert "bloggs.example" not in stored
        assert b"bloggs.example".hex() not in stored
        assert b"anne@bakery.example".hex() not in stored


def test_an_empty_column_reads_as_nothing():
    assert Subscription(handle=uuid.uuid4()).address == ""


def test_every_sealed_column_is_known_to_the_rotation():
    declared = {(model.__name__, field.column) for model, field in Sealed.declared}
    assert {("Subscription", "sealed_address"), ("SubscriptionRequest", "sealed_address"), ("Sender", "sealed_address")} <= declared
    assert isinstance(Subscription.address, Sealed)


def test_the_blind_index_depends_on_the_kind_and_on_the_key(settings):
    before = sealed.blind_index("address/1", "anne@bakery.example")
    assert before == sealed.blind_index("address/1", "anne@bakery.example")
    assert before != sealed.blind_index("domain/1", "anne@bakery.example")
    assert before != sealed.blind_index("address/1", "bob@bakery.example")
    settings.INDEX_KEYS = keys.parse("INDEX_KEYS", keys.fresh())
    assert before != sealed.blind_index("address/1", "anne@bakery.example")

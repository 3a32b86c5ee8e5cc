"""Tokens in links: opaque, for one purpose, for years."""

import base64
import hmac
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from chamberlist import keys, tokens
from chamberlist.tokens import Expired, Forged

HANDLE = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")


@given(st.uuids())
def test_a_token_gives_its_handle_back(handle: uuid.UUID):
    assert tokens.read("leave", tokens.make("leave", handle)) == handle


@given(st.uuids(), st.sampled_from(["leave", "x" * 70]), st.none() | st.timedeltas(timedelta(1), timedelta(9999)))
def test_a_token_is_what_the_standard_library_makes_of_it(handle: uuid.UUID, purpose: str, lifetime: timedelta | None):
    token = tokens.make(purpose, handle, lifetime=lifetime)
    raw = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    body, mac = raw[:-16], raw[-16:]
    _, key = settings.TOKEN_KEYS.first
    assert mac == hmac.digest(key, purpose.encode() + b"\0" + body, "sha256")[:16]
    assert base64.b32encode(raw).decode().rstrip("=").lower() == token


@given(st.lists(st.uuids(), max_size=20), st.lists(st.uuids(), max_size=20))
def test_many_tokens_at_once_are_what_each_would_be_alone(copies: list[uuid.UUID], members: list[uuid.UUID]):
    made = tokens.make_all({"bounce": [handle.bytes for handle in copies], "leave": [handle.bytes for handle in members]})
    assert made["bounce"] == [tokens.make("bounce", handle).encode() for handle in copies]
    assert made["leave"] == [tokens.make("leave", handle).encode() for handle in members]


def test_a_token_fits_into_a_local_part_and_survives_folding_of_case():
    token = tokens.make("leave", HANDLE)
    assert token.isascii()
    assert token == token.lower()
    assert token.isalnum()
    assert len(token) <= 64  # RFC 5321 section 4.5.3.1.1.
    assert tokens.read("leave", token.upper()) == HANDLE


def test_a_token_is_for_one_purpose():
    with pytest.raises(Forged):
        tokens.read("undo", tokens.make("leave", HANDLE))


@pytest.mark.parametrize("position", range(51))  # The last letter holds four bits that mean nothing.
def test_a_token_with_one_letter_changed_is_forged(position: int):
    token = tokens.make("leave", HANDLE)
    changed = token[:position] + ("a" if token[position] != "a" else "b") + token[position + 1 :]
    with pytest.raises(Forged):
        tokens.read("leave", changed)


@pytest.mark.parametrize("text", ["", "a", "nonsense", "0189", "=", "é" * 52, "a" * 52, "a" * 60, "a" * 5000, "ﬀ" * 26, "\x00" * 8])
def test_nonsense_is_forged(text: str):
    with pytest.raises(Forged):
        tokens.read("leave", text)


@given(st.text(max_size=80))
def test_no_text_crashes_the_reader(text: str):
    with pytest.raises(Forged):
        tokens.read("leave", text)


def test_an_expiry_cannot_be_cut_off_or_moved():
    token = tokens.make("resume", HANDLE, lifetime=timedelta(hours=1))
    assert tokens.read("resume", token) == HANDLE
    raw = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    handle, expiry, mac = raw[:16], raw[16:21], raw[21:]
    for changed in (handle + mac, handle + b"\xff" * len(expiry) + mac):
        with pytest.raises(Forged):
            tokens.read("resume", base64.b32encode(changed).decode().rstrip("=").lower())


def test_a_token_whose_time_is_over_says_so():
    with pytest.raises(Expired):
        tokens.read("resume", tokens.make("resume", HANDLE, lifetime=timedelta(seconds=-2)))


def test_an_expired_token_of_another_purpose_is_only_forged():
    with pytest.raises(Forged) as refused:
        tokens.read("leave", tokens.make("resume", HANDLE, lifetime=timedelta(seconds=-2)))
    assert not isinstance(refused.value, Expired)


def test_a_token_made_before_a_new_key_came_first_still_works(settings):
    token = tokens.make("leave", HANDLE)
    settings.TOKEN_KEYS = keys.KeyRing(keys.parse("TOKEN_KEYS", keys.fresh("new")).keys | settings.TOKEN_KEYS.keys)
    assert tokens.read("leave", token) == HANDLE
    assert tokens.make("leave", HANDLE) != token


def test_a_token_under_a_key_that_was_taken_away_is_forged(settings):
    token = tokens.make("leave", HANDLE)
    settings.TOKEN_KEYS = keys.parse("TOKEN_KEYS", keys.fresh("new"))
    with pytest.raises(Forged):
        tokens.read("leave", token)

"""Addresses at rest: sealed with authenticated encryption and bound to their table and row, found by a keyed hash."""

import base64
import hmac
import secrets
from functools import lru_cache
from typing import Any, ClassVar, Self, overload

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models

NONCE_BYTES = 12  # NIST SP 800-38D section 8.2.2: 96 random bits, good for 2^32 values a key.


class Unreadable(Exception):
    """No key of ADDRESS_KEYS opens the value here: the key is missing, or the value was moved from another row."""


def seal(text: str, *, place: str) -> str:
    """``key id:base64url``, which opens at ``place`` (table, column, row) and nowhere else."""
    key_id, sealed = _seal(text.encode(), place)
    return f"{key_id}:{base64.urlsafe_b64encode(sealed).decode()}"


def unseal(value: str, *, place: str) -> str:
    """The text in ``value``; raises ``Unreadable``."""
    key_id, _, encoded = value.partition(":")
    try:
        sealed = base64.urlsafe_b64decode(encoded)
    except ValueError:  # Not base64.
        sealed = b""
    return _unseal(key_id, sealed, place).decode()


def seal_bytes(content: bytes, *, place: str) -> bytes:
    """The same for octets, a third shorter: key id, a colon, and the sealed octets."""
    key_id, sealed = _seal(content, place)
    return key_id.encode() + b":" + sealed


def unseal_bytes(value: bytes, *, place: str) -> bytes:
    """The octets in ``value``; raises ``Unreadable``."""
    key_id, _, sealed = value.partition(b":")
    return _unseal(key_id.decode("ascii", "replace"), sealed, place)


def _seal(content: bytes, place: str) -> tuple[str, bytes]:
    key_id, key = settings.ADDRESS_KEYS.first
    nonce = secrets.token_bytes(NONCE_BYTES)
    return key_id, nonce + _cipher(key).encrypt(nonce, content, place.encode())


def _unseal(key_id: str, sealed: bytes, place: str) -> bytes:
    key = settings.ADDRESS_KEYS.keys.get(key_id)
    if key is None:
        raise Unreadable(f"{place}: ADDRESS_KEYS has no key with the id {key_id}; put the old key back into the list.")
    try:
        return _cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
    except (InvalidTag, ValueError):  # Too short is a ValueError.
        raise Unreadable(f"{place}: the value was sealed for another row, or damaged.") from None


@lru_cache
def _cipher(key: bytes) -> AESGCM:
    """To set one up takes as long as to open an address with it."""
    return AESGCM(key)


def blind_index(kind: str, normalised: str) -> bytes:
    """32 bytes that find a value without telling it: HMAC-SHA256 under INDEX_KEYS. ``kind`` says what it is and how normalised."""
    _, key = settings.INDEX_KEYS.first
    return hmac.digest(key, f"{kind}\0{normalised}".encode(), "sha256")


class _Column:
    """What both kinds of sealed attributes share: which column holds the value, and which row it is bound to."""

    declared: ClassVar[list[tuple[type[models.Model], "_Column"]]] = []

    def __init__(self, column: str, *, row: str = "handle") -> None:
        self.column = column
        self.row = row

    def __set_name__(self, owner: type[models.Model], name: str) -> None:
        _Column.declared.append((owner, self))

    def place(self, model: type[models.Model], row: Any) -> str:
        """What the sealed value is bound to."""
        return f"{model._meta.db_table}.{self.column}:{row}"

    def place_in(self, instance: models.Model) -> str:
        """The same for a row at hand."""
        return self.place(type(instance), getattr(instance, self.row))


class Sealed(_Column):
    """A model attribute that reads and writes text; the text column ``column`` holds it sealed, bound to the row's ``row`` value.

    ``row`` is a field with a random default, known before the row is saved, that never changes.
    """

    @overload
    def __get__(self, instance: None, owner: type[models.Model]) -> Self: ...
    @overload
    def __get__(self, instance: models.Model, owner: type[models.Model]) -> str: ...
    def __get__(self, instance: models.Model | None, owner: type[models.Model]) -> Self | str:
        if instance is None:
            return self
        value: str = getattr(instance, self.column)
        return unseal(value, place=self.place_in(instance)) if value else ""

    def __set__(self, instance: models.Model, text: str) -> None:
        setattr(instance, self.column, seal(text, place=self.place_in(instance)))


class SealedBytes(_Column):
    """The same for octets, in a binary column that may be empty (None)."""

    @overload
    def __get__(self, instance: None, owner: type[models.Model]) -> Self: ...
    @overload
    def __get__(self, instance: models.Model, owner: type[models.Model]) -> bytes: ...
    def __get__(self, instance: models.Model | None, owner: type[models.Model]) -> Self | bytes:
        if instance is None:
            return self
        value = getattr(instance, self.column)
        return unseal_bytes(bytes(value), place=self.place_in(instance)) if value else b""

    def __set__(self, instance: models.Model, content: bytes) -> None:
        setattr(instance, self.column, seal_bytes(content, place=self.place_in(instance)))

"""Addresses at rest: sealed with authenticated encryption and bound to their table and row, found by a keyed hash."""

import base64
import hmac
import json
import secrets
from collections.abc import Sequence
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


class _Column(property):
    """What all sealed attributes share: which column holds the value, and which row it is bound to.

    A property, since Django takes the name of one among a new row's keywords and in ``get_or_create(defaults=...)``. A query knows
    the column alone: ``columns`` gives what ``update`` takes.
    """

    declared: ClassVar[list[tuple[type[models.Model], "_Column"]]] = []

    def __init__(self, column: str, *, row: str = "handle") -> None:
        super().__init__(self._read, self._write)
        self.column = column
        self.row = row

    def __set_name__(self, owner: type[models.Model], name: str) -> None:
        _Column.declared.append((owner, self))

    def __set__(self, instance: Any, value: Any) -> None:
        self._write(instance, value)

    def place(self, model: type[models.Model], row: Any) -> str:
        """What the sealed value is bound to."""
        return f"{model._meta.db_table}.{self.column}:{row}"

    def place_in(self, instance: models.Model) -> str:
        """The same for a row at hand."""
        return self.place(type(instance), getattr(instance, self.row))

    def sealed(self, value: Any, *, place: str) -> Any:
        """What the column holds for ``value``."""
        raise NotImplementedError

    def resealed(self, value: Any, *, place: str) -> Any:
        """The same under the first key; raises ``Unreadable``."""
        return seal(unseal(value, place=place), place=place)

    def _read(self, instance: models.Model) -> Any:
        raise NotImplementedError

    def _write(self, instance: models.Model, value: Any) -> None:
        setattr(instance, self.column, self.sealed(value, place=self.place_in(instance)))


class Sealed(_Column):
    """A model attribute that reads and writes text; the text column ``column`` holds it sealed, bound to the row's ``row`` value.

    ``row`` is a field with a random default, known before the row is saved, that never changes. No text is an empty column.
    """

    @overload
    def __get__(self, instance: None, owner: Any = None, /) -> Self: ...
    @overload
    def __get__(self, instance: models.Model, owner: Any = None, /) -> str: ...
    def __get__(self, instance: Any, owner: Any = None, /) -> Self | str:
        return self if instance is None else self._read(instance)

    def sealed(self, value: str, *, place: str) -> str:
        return seal(value, place=place) if value else ""

    def _read(self, instance: models.Model) -> str:
        value: str = getattr(instance, self.column)
        return unseal(value, place=self.place_in(instance)) if value else ""


class SealedStrings(_Column):
    """The same for a list of texts, as JSON. What is read is a copy: to change it, assign a list."""

    @overload
    def __get__(self, instance: None, owner: Any = None, /) -> Self: ...
    @overload
    def __get__(self, instance: models.Model, owner: Any = None, /) -> list[str]: ...
    def __get__(self, instance: Any, owner: Any = None, /) -> Self | list[str]:
        return self if instance is None else self._read(instance)

    def sealed(self, value: Sequence[str], *, place: str) -> str:
        return seal(json.dumps([*value]), place=place) if value else ""

    def _read(self, instance: models.Model) -> list[str]:
        value: str = getattr(instance, self.column)
        texts: list[str] = json.loads(unseal(value, place=self.place_in(instance))) if value else []
        return texts


class SealedBytes(_Column):
    """The same for octets, in a binary column that may be empty (None)."""

    @overload
    def __get__(self, instance: None, owner: Any = None, /) -> Self: ...
    @overload
    def __get__(self, instance: models.Model, owner: Any = None, /) -> bytes: ...
    def __get__(self, instance: Any, owner: Any = None, /) -> Self | bytes:
        return self if instance is None else self._read(instance)

    def sealed(self, value: bytes, *, place: str) -> bytes:
        return seal_bytes(value, place=place)

    def resealed(self, value: bytes, *, place: str) -> bytes:
        return seal_bytes(unseal_bytes(bytes(value), place=place), place=place)

    def _read(self, instance: models.Model) -> bytes:
        value = getattr(instance, self.column)
        return unseal_bytes(bytes(value), place=self.place_in(instance)) if value else b""


def columns(instance: models.Model, **values: Any) -> dict[str, Any]:
    """What ``update`` and ``advance`` of this one row take for its sealed attributes with these values."""
    found: dict[str, _Column] = {name: getattr(type(instance), name) for name in values}
    return {column.column: column.sealed(values[name], place=column.place_in(instance)) for name, column in found.items()}

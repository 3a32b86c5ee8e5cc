"""Rotation: everything that is sealed, sealed anew under the first of ADDRESS_KEYS, so that an old key can be taken away."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction

from chamberlist import audit, keys
from chamberlist.sealed import Unreadable, _Column, unseal

BATCH = 1000  # Rows; and so many octets, beside the row that goes over them: one alone may have 10 MB.
OCTETS = 1024 * 1024
PASSES = 100
PAUSE = 1.0  # Seconds before a row is tried again that somebody else had in hand.
PAGES = 2_000  # Of 8 kB, of each table: what a sample reads at most.
KEY_ID = r"'^([A-Za-z0-9]{1,32}):'"
MISSING = "ADDRESS_KEYS lacks the key {key_id}: put it back into the list. What was sealed with it cannot be opened until then."
STRANGE = (
    "Values that were sealed with the key {key_id} cannot be opened with the one that has this id in ADDRESS_KEYS: it is another "
    "key, or they are damaged. Put the right one back under this id; a new key needs an id of its own."
)
DAMAGED = "?"  # Instead of a key id, where a value begins with none.

Say = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """A column that holds sealed values."""

    model: type[models.Model]
    column: _Column

    @property
    def name(self) -> str:
        """As people read it."""
        return f"{self.table}.{self.column.column}"

    @property
    def table(self) -> str:
        """The table's name."""
        return self.model._meta.db_table

    @property
    def is_binary(self) -> bool:
        """Whether it holds octets, not text."""
        return self.model._meta.get_field(self.column.column).get_internal_type() == "BinaryField"

    @property
    def key_id(self) -> str:
        """SQL for the id of the key under which a value is sealed: of its beginning alone, so that no long value is fetched."""
        name = connection.ops.quote_name(self.column.column)
        beginning = f"encode(substring({name} from 1 for 33), 'escape')" if self.is_binary else f"left({name}, 33)"
        return f"coalesce(substring({beginning} from {KEY_ID}), '{DAMAGED}')"

    @property
    def is_filled(self) -> str:
        """SQL: whether there is a value at all."""
        return f"octet_length({connection.ops.quote_name(self.column.column)}) > 0"


@dataclass
class Turned:
    """What became of the values."""

    resealed: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    left: int = 0
    passes: int = 0


def places() -> list[Place]:
    """Every sealed column of the program."""
    return [Place(model, column) for model, column in _Column.declared if not model._meta.abstract]


def rotate(*, by: str, say: Say) -> Turned:
    """Seal anew whatever is sealed under another key than the first, while the site runs and others still seal with the old one.

    A batch is one short transaction that locks its rows and waits for none: a row that somebody else has in hand is left to the
    next pass. It may be broken off at any time; the next run does what is left. A value that no key opens stays as it is.

    What it costs: each row is written once more. No index knows a sealed column, so that where a page has room the new row stands
    beside the old one and no index is written (HOT); pages of a table that only ever grew are full, and there each index of the
    table gets an entry. Autovacuum gives the room of the old rows back to the table, which may be half as large again meanwhile.
    """
    key_id, _ = settings.ADDRESS_KEYS.first
    if not _left(key_id):
        return Turned()
    audit.record(by, "rotate keys", "address keys", reason=f"To the key {key_id}.")
    done = Turned()
    for done.passes in range(1, PASSES + 1):
        before, done.unreadable = done.resealed.total(), Counter()
        for place in places():
            _turn(place, key_id, done, say)
        done.left = _left(key_id)
        if done.left <= done.unreadable.total():
            break
        if done.resealed.total() == before:
            time.sleep(PAUSE)  # What is left is in somebody's hands.
    return done


def under() -> dict[str, dict[str, int]]:
    """How many values are sealed under which key, by column: every one is looked at."""
    return {place.name: dict(_counted(place)) for place in places()}


def sampled() -> Counter[str]:
    """About how many are sealed under which key, from some pages of each table: quick, however large the tables are."""
    found = Counter[str]()
    for place in places():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_relation_size(%s::regclass) / 8192", [place.table])
            share = min(1.0, PAGES / max(cursor.fetchone()[0], 1))
        for key_id, number in _counted(place, f"TABLESAMPLE SYSTEM ({100 * share:.6f})" if share < 1 else ""):
            found[key_id] += round(number / share)
    return found


def troubles() -> list[str]:
    """What is wrong with ADDRESS_KEYS, by some oldest and newest texts of each table: quick, and an id alone proves no key."""
    missing, strange = set[str](), set[str]()
    for place in places():
        if place.is_binary:  # Files and letters: the texts that lie beside them were sealed on the same day.
            continue
        for bound_to, value in _edges(place):
            key_id = _id_of(value)
            if key_id not in settings.ADDRESS_KEYS.keys:
                missing.add(key_id)
                continue
            try:
                where = place.column.place(place.model, bound_to)
                unseal(value, place=where)
            except Unreadable:
                strange.add(key_id)
    return [MISSING.format(key_id=each) for each in sorted(missing - {DAMAGED})] + [
        STRANGE.format(key_id=each) for each in sorted(strange)
    ]


def _id_of(value: str) -> str:
    key_id, colon, _ = value.partition(":")
    return key_id if colon and keys.ID.fullmatch(key_id) else DAMAGED


def _edges(place: Place) -> list[tuple[Any, str]]:
    """Some of a table's oldest and newest values, each with what it is bound to; none that is long."""
    pk, column = _names(place)
    row = connection.ops.quote_name(place.column.row)
    found: list[tuple[Any, str]] = []
    for order in ("ASC", "DESC"):
        edge = f"SELECT {pk}, {row}, {column} FROM {place.table} ORDER BY {pk} {order} LIMIT 200"  # noqa: S608 (names of our own)
        some = f"WHERE {place.is_filled} AND octet_length({column}) < 65536 ORDER BY {pk} {order} LIMIT 10"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {row}, {column} FROM ({edge}) AS edge {some}")  # noqa: S608
            found += cursor.fetchall()
    return found


def _counted(place: Place, sample: str = "") -> list[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {place.key_id}, count(*) FROM {place.table} {sample} WHERE {place.is_filled} GROUP BY 1 ORDER BY 1"  # noqa: S608
        )
        found: list[tuple[str, int]] = cursor.fetchall()
    return found


def _left(key_id: str) -> int:
    return sum(number for found in under().values() for key, number in found.items() if key != key_id)


def _turn(place: Place, key_id: str, done: Turned, say: Say) -> None:
    """One pass over a column."""
    told = time.monotonic()
    for ids in _batches(place, key_id):
        resealed, unreadable = _reseal(place, key_id, ids)
        done.resealed[place.name] += resealed
        for pk, why in unreadable:
            done.unreadable[place.name] += 1
            if done.unreadable[place.name] <= 20:
                say(f"{place.name}, number {pk}, cannot be opened: {why}")
        if time.monotonic() - told > 5:
            told = time.monotonic()
            say(f"{place.name}: {done.resealed[place.name]} sealed anew, up to number {ids[-1]}")
    if done.unreadable[place.name] > 20:
        say(f"{place.name}: {done.unreadable[place.name]} cannot be opened in all.")


def _batches(place: Place, key_id: str) -> Iterator[list[int]]:
    """The numbers of the rows to do, some at a time, in order."""
    pk, column = _names(place)
    last: int | None = None
    query = f"""
        SELECT id FROM (
            SELECT {pk} AS id, sum(octet_length({column})) OVER (ORDER BY {pk}) - octet_length({column}) AS before FROM (
                SELECT {pk}, {column} FROM {place.table}
                WHERE (%(last)s IS NULL OR {pk} > %(last)s) AND {place.is_filled} AND {place.key_id} <> %(key_id)s
                ORDER BY {pk} LIMIT %(batch)s
            ) AS next
        ) AS sized WHERE before < %(octets)s ORDER BY id
    """  # noqa: S608 (names of our own tables)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(query, {"last": last, "key_id": key_id, "batch": BATCH, "octets": OCTETS})
            ids = [id_ for (id_,) in cursor.fetchall()]
        if not ids:
            return
        yield ids
        last = ids[-1]


@transaction.atomic
def _reseal(place: Place, key_id: str, ids: list[int]) -> tuple[int, list[tuple[int, str]]]:
    """How many of these rows were sealed anew; and the numbers of those that no key opens, each with why.

    A row is locked as it is read, so that what is written is what was read, sealed anew. Who only refers to it is not kept waiting.
    """
    pk, column = _names(place)
    row = connection.ops.quote_name(place.column.row)
    kind = "bytea" if place.model._meta.get_field(place.column.column).get_internal_type() == "BinaryField" else "text"
    changed: list[tuple[int, Any]] = []
    unreadable: list[tuple[int, str]] = []
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {pk}, {row}, {column} FROM {place.table} WHERE {pk} = ANY(%s) AND {place.is_filled} AND {place.key_id} <> %s "  # noqa: S608
            f"ORDER BY {pk} FOR NO KEY UPDATE SKIP LOCKED",
            [ids, key_id],
        )
        for id_, bound_to, value in cursor.fetchall():
            try:
                changed.append((id_, place.column.resealed(value, place=place.column.place(place.model, bound_to))))
            except Unreadable as error:
                unreadable.append((id_, str(error).partition(": ")[2]))
        if changed:
            numbers, values = zip(*changed, strict=True)
            cursor.execute(
                f"UPDATE {place.table} t SET {column} = v.value "  # noqa: S608
                f"FROM unnest(%s::bigint[], %s::{kind}[]) AS v(id, value) WHERE t.{pk} = v.id",
                [list(numbers), list(values)],
            )
    return len(changed), unreadable


def _names(place: Place) -> tuple[str, str]:
    pk = place.model._meta.pk
    assert pk is not None
    return connection.ops.quote_name(pk.column or pk.name), connection.ops.quote_name(place.column.column)

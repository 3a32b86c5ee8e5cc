"""Prepared statements: what a lane asks for each group of copies is planned once a connection, and takes one round trip."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection

# What stands first in an index is read from there, however few rows Postgres believes to be behind it: a ledger in mid-send is
# never what its statistics say. For this transaction alone, and there is one: several statements in one go are one.
IN_ORDER = b"SET LOCAL enable_sort = off"


@dataclass(frozen=True)
class Statement:
    """``text`` names its values as ``%(name)s``; ``takes`` gives the type of each. It belongs to a session of Postgres."""

    name: str
    text: str
    takes: dict[str, str]
    call: str = field(init=False)
    _prepared_on: "WeakKeyDictionary[Any, None]" = field(default_factory=WeakKeyDictionary, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "call", f"EXECUTE {self.name}{_list(f'%({name})s' for name in self.takes)}")

    def rows(self, values: dict[str, Any], *, behind: "tuple[Statement, dict[str, Any]] | None" = None) -> list[tuple[Any, ...]]:
        """Run it, ``behind`` another one with its values: both or neither. The rows that it returns.

        Statements that are sent together are one transaction, unless there is one already.
        """
        calls = [(self, values)] if behind is None else [behind, (self, values)]
        connection.ensure_connection()
        with connection.wrap_database_errors, connection.connection.cursor() as cursor:
            for statement, given in calls:
                assert given.keys() == statement.takes.keys(), given.keys() ^ statement.takes.keys()
                statement._prepare(cursor)
            cursor.execute(b"; ".join([IN_ORDER, *(cursor.mogrify(statement.call, given) for statement, given in calls)]))
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def _prepare(self, cursor: Any) -> None:
        if cursor.connection not in self._prepared_on:
            places = {name: f"${number}" for number, name in enumerate(self.takes, 1)}
            cursor.execute(f"PREPARE {self.name}{_list(self.takes.values())} AS {self.text % places}")
            self._prepared_on[cursor.connection] = None


def _list(words: Iterable[str]) -> str:
    """In brackets; nothing where there are none."""
    inside = ", ".join(words)
    return f"({inside})" if inside else ""

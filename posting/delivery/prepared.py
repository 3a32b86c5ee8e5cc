"""Prepared statements: what a lane asks for each group of copies is planned once a connection, which is a third of its cost."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection


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

    def rows(self, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Run it; the rows that it returns."""
        assert values.keys() == self.takes.keys(), values.keys() ^ self.takes.keys()
        connection.ensure_connection()
        with connection.cursor() as cursor:
            if connection.connection not in self._prepared_on:
                places = {name: f"${number}" for number, name in enumerate(self.takes, 1)}
                cursor.execute(f"PREPARE {self.name}{_list(self.takes.values())} AS {self.text % places}")
                self._prepared_on[connection.connection] = None
            cursor.execute(self.call, values)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _list(words: Iterable[str]) -> str:
    """In brackets; nothing where there are none."""
    inside = ", ".join(words)
    return f"({inside})" if inside else ""

"""Where the mail catcher keeps what it received: a SQLite file, which the demo's mail page reads; never pruned."""

import json
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

PAGE = 50
SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    received_at TEXT NOT NULL,  -- ISO 8601, UTC
    sender TEXT NOT NULL,       -- envelope
    recipients TEXT NOT NULL,   -- envelope, a JSON list
    raw BLOB NOT NULL
)
"""
ONE = "SELECT id, received_at, sender, recipients, raw FROM message WHERE id = ?"
MATCHING = "FROM message WHERE recipients LIKE ? ESCAPE '\\'"
COUNT = f"SELECT count(*) {MATCHING}"
NEWEST = f"SELECT id, received_at, sender, recipients, raw {MATCHING} ORDER BY id DESC LIMIT ? OFFSET ?"


@dataclass(frozen=True)
class Stored:
    """One message as it came in: the envelope, and the bytes behind it."""

    id: int
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    @property
    def parsed(self) -> EmailMessage:
        parsed = message_from_bytes(self.raw, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Names and decoded values in their order, line folds undone."""
        return [(name, str(value)) for name, value in self.parsed.items()]

    @property
    def subject(self) -> str:
        return str(self.parsed.get("Subject", ""))

    def body(self, kind: str) -> str:
        """The text of the ``plain`` or ``html`` body; empty where there is none."""
        part = self.parsed.get_body((kind,))
        if part is None:
            return ""
        try:
            return str(part.get_content())
        except (LookupError, MessageError):  # A charset that nobody knows, a broken encoding.
            return "(This part cannot be decoded: see the raw source.)"


@dataclass(frozen=True)
class Page:
    """One page of messages, newest first, and where it stands (numbers count from 1)."""

    messages: tuple[Stored, ...]
    number: int
    pages: int
    total: int

    @property
    def newer(self) -> int | None:
        return self.number - 1 if self.number > 1 else None

    @property
    def older(self) -> int | None:
        return self.number + 1 if self.number < self.pages else None


def open_store(path: Path) -> sqlite3.Connection:
    """The file for its one writer; made when it is not there. Each ``keep`` is a commit."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(SCHEMA)
    return connection


def keep(store: sqlite3.Connection, *, received_at: datetime, sender: str, recipients: Sequence[str], raw: bytes) -> None:
    """Store one message durably."""
    store.execute(
        "INSERT INTO message (received_at, sender, recipients, raw) VALUES (?, ?, ?, ?)",
        (received_at.isoformat(), sender, json.dumps(list(recipients), ensure_ascii=False), raw),
    )


def recent(path: Path, query: str = "", page: int = 1) -> Page:
    """The messages whose envelope recipient contains ``query``, any letter case, newest first."""
    pattern = "%" + re.sub(r"([\\%_])", r"\\\1", query.strip()) + "%"
    with closing(_reader(path)) as store:
        (total,) = store.execute(COUNT, [pattern]).fetchone()
        pages = max(1, -(-total // PAGE))
        number = min(max(page, 1), pages)
        rows = store.execute(NEWEST, [pattern, PAGE, (number - 1) * PAGE]).fetchall()
    return Page(tuple(map(_stored, rows)), number, pages, total)


def message(path: Path, number: int) -> Stored | None:
    """One message by its number."""
    with closing(_reader(path)) as store:
        row = store.execute(ONE, [number]).fetchone()
    return None if row is None else _stored(row)


def _reader(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _stored(row: tuple[int, str, str, str, bytes]) -> Stored:
    number, received_at, sender, recipients, raw = row
    return Stored(number, datetime.fromisoformat(received_at), sender, tuple(json.loads(recipients)), raw)

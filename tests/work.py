"""What a request makes the server do, for tests that compare the work for two people: its statements, and its Argon2."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection

SAVEPOINT = re.compile(r'SAVEPOINT "\w+"')  # Named by a number.


@dataclass
class Work:
    """In the order in which it was done. Statements are without their values; a hash is known by its cost."""

    statements: list[str] = field(default_factory=list)
    argon2: list[str] = field(default_factory=list)


@contextmanager
def recorded() -> Iterator[Work]:
    """All that is done on this thread's connection, and by Argon2."""
    work = Work()

    def execute(run: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        work.statements.append(SAVEPOINT.sub("SAVEPOINT s", sql))
        return run(sql, params, many, context)

    encode, verify = Argon2PasswordHasher.encode, Argon2PasswordHasher.verify

    def counted_encode(self: Any, password: str, salt: str) -> str:
        made = str(encode(self, password, salt))
        work.argon2.append(made.rsplit("$", 2)[0])
        return made

    def counted_verify(self: Any, password: str, encoded: str) -> bool:
        work.argon2.append(encoded.rsplit("$", 2)[0])
        return bool(verify(self, password, encoded))

    with ExitStack() as stack:
        stack.enter_context(connection.execute_wrapper(execute))
        stack.enter_context(mock.patch.object(Argon2PasswordHasher, "encode", counted_encode))
        stack.enter_context(mock.patch.object(Argon2PasswordHasher, "verify", counted_verify))
        yield work

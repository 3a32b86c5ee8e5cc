"""Checking a password against one that is kept: the same work for everybody, whether or not there is one to check against.

One Argon2 check at each cost that is in use. That is one in all, until a release makes Argon2 dearer; then two, also for who has no
password, until everybody has signed in once more.
"""

import base64
import secrets
from functools import cache
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher, get_hasher
from django.db.models import CharField, F, Func, QuerySet, Value

ARGON2 = "argon2$argon2"  # As Django writes it: argon2$argon2id$v=19$m=102400,t=2,p=8$salt$hash.


def is_right(password: str, kept: str, rows: QuerySet[Any]) -> bool:
    """Whether ``password`` is the one that is ``kept``; "" is nobody's. ``rows`` are all that have such a column ``password``."""
    used = rows.filter(password__startswith=ARGON2).order_by().values_list(_cost_in_sql(), flat=True).distinct()
    costs, hasher = {*used, _present_cost()}, _hasher()
    checks = [hasher.verify(password, kept if _cost_of(kept) == cost else _nobodys(cost)) for cost in sorted(costs)]
    return any(checks)


def is_dated(kept: str) -> bool:
    """Whether it was made at another cost than passwords are made at today."""
    return _cost_of(kept) != _present_cost()


def _hasher() -> Argon2PasswordHasher:
    hasher = get_hasher()
    assert isinstance(hasher, Argon2PasswordHasher)
    return hasher


def _present_cost() -> str:
    found = _hasher().params()
    costs = f"m={found.memory_cost},t={found.time_cost},p={found.parallelism}"
    return f"{ARGON2}{found.type.name.lower()}$v={found.version}${costs}"


def _cost_of(kept: str) -> str:
    return kept.rsplit("$", 2)[0]


def _cost_in_sql() -> Func:
    return Func(F("password"), Value(r"^(.*)\$[^$]*\$[^$]*$"), function="substring", output_field=CharField())


@cache
def _nobodys(cost: str) -> str:
    """A hash of that cost, of no password: to check against it takes as long."""
    salt, digest = (base64.b64encode(secrets.token_bytes(octets)).decode().rstrip("=") for octets in (22, 32))
    return f"{cost}${salt}${digest}"

"""A state is one column, one table of transitions and one compare-and-set. Nothing assigns ``state``."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q, QuerySet


class Stateful(models.Model):
    """A row with a ``state`` column that only ``advance`` moves."""

    TRANSITIONS: ClassVar[dict[str, set[str]]]

    state = models.CharField(max_length=16, editable=False)  # A subclass gives it its choices and its first value.

    class Meta:
        abstract = True

    @classmethod
    def states_before(cls, to: str) -> list[str]:
        """The states from which the table allows ``to``."""
        return [state for state, targets in cls.TRANSITIONS.items() if to in targets]

    def advance(self, to: str, **changes: Any) -> bool:
        """Move to ``to``; False if the table forbids it or another worker moved first."""
        if type(self).advance_many([self.pk], to, **changes) == 0:
            return False
        self.refresh_from_db(fields=["state", *changes])
        return True

    @classmethod
    def advance_many(cls, ids: Iterable[int] | QuerySet[Any, Any], to: str, *, where: Q | None = None, **changes: Any) -> int:
        """Move those of ``ids`` that the table (and ``where``) lets move; how many did."""
        rows = cls._default_manager.filter(where or Q(), pk__in=ids, state__in=cls.states_before(to))
        return rows.update(state=to, **changes)


def is_one_of(states: type[models.TextChoices], *, name: str) -> models.CheckConstraint:
    """The database's own refusal of a state that the table does not know."""
    return models.CheckConstraint(condition=Q(state__in=states.values), name=name)

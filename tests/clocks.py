"""All clocks of the site moved at once: the same as all times that it ever stored, moved the other way."""

from django.apps import apps
from django.db import connection, models, transaction

from posting.models import Delivery


@transaction.atomic
def shift_all_times(days: int) -> None:
    """Every stored time, in every table of ours; append-only ones, too. In one step, also for lanes at work."""
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {Delivery._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")  # As a lane: this one first.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for model in apps.get_models(include_auto_created=True):
            times = [f'"{field.column}"' for field in model._meta.local_concrete_fields if isinstance(field, models.DateTimeField)]
            if times:
                changes = ", ".join(f"{column} = {column} + interval '{days} days'" for column in times)
                cursor.execute(f"UPDATE {model._meta.db_table} SET {changes}")  # noqa: S608 (names of our own tables)

"""The database's clock, which is the one that all processes and hosts share."""

from datetime import datetime

from django.db import connection
from django.db.models import DateTimeField, Func


class Now(Func):
    """``clock_timestamp()`` as an expression: the time now, not that of the transaction's start."""

    template = "clock_timestamp()"
    output_field = DateTimeField()


def now() -> datetime:
    """The database's time now, in UTC."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment

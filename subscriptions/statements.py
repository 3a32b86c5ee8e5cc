"""Leaving, pausing and confirming, each as one statement: whoever has a link learns nothing from how long it takes.

The same text runs, and the same commit waits for the disk, whether the row is there, is in this state or that, or was erased.
"""

from typing import Any

from django.db import connection

from subscriptions import consent
from subscriptions.models import Subscription

State = Subscription.State

# A commit with nothing to flush returns sooner, by the time that a disk takes: a message to nobody in the write-ahead log gives
# each of them something (the id of the transaction alone would not).
FLUSHED = "pg_logical_emit_message(true, 'chamberlist', '')"


def _before(to: str) -> str:
    """The states from which the table allows ``to``, as a list in SQL."""
    return ", ".join(f"'{state}'" for state in Subscription.states_before(to))


def _at_once(move: str, *, given: str = "", also: str = "", answer: str = "EXISTS (SELECT FROM moved)") -> str:
    """``move`` (an UPDATE with all but its RETURNING), its event for the record, and ``also``; ``answer`` is given back.

    The UPDATE compares and sets as ``advance`` does, and takes the lock that ``FOR NO KEY UPDATE`` takes: it waits for no post that
    is being expanded. Which list the link names is part of the question: the link of another list moves nothing.
    """
    return f"""
    WITH {given} moved AS (
        {move} AND (%(list)s::bigint IS NULL OR mailing_list_id = %(list)s) RETURNING mailing_list_id, address_hash
    ), recorded AS ({consent.RECORD_MOVED}) {also}
    SELECT {answer}, {FLUSHED}
    """


LEAVE = _at_once(
    f"""UPDATE subscriptions_subscription
        SET state = '{State.UNSUBSCRIBED}', confirmation = NULL, paused_until = NULL, left_at = clock_timestamp()
        WHERE handle = %(handle)s AND state IN ({_before(State.UNSUBSCRIBED)})"""
)

# The end is the beginning of a day, and the answer for everybody. A pause may be made longer, which is no move of the table.
PAUSE = _at_once(
    f"""UPDATE subscriptions_subscription SET state = '{State.PAUSED}', paused_until = ending.day FROM ending
        WHERE handle = %(handle)s
          AND (state IN ({_before(State.PAUSED)}) OR (state = '{State.PAUSED}' AND paused_until < ending.day))""",
    given="""ending AS (
        SELECT date_trunc('day', clock_timestamp() + (%(days)s + 1) * interval '1 day', %(zone)s) AS day
    ),""",
    answer="(SELECT day FROM ending)",
)

CONFIRM = _at_once(
    f"""UPDATE subscriptions_subscription
        SET state = '{State.ACTIVE}', confirmation = NULL, confirmed_at = clock_timestamp(), left_at = NULL
        WHERE confirmation = %(confirmation)s AND state IN ({_before(State.ACTIVE)})
          AND asked_at > clock_timestamp() - %(days)s * interval '1 day'""",
    also=""", lifted AS (
        DELETE FROM subscriptions_suppression s USING moved
        WHERE s.address_hash = moved.address_hash AND (s.mailing_list_id = moved.mailing_list_id OR s.mailing_list_id IS NULL)
    )""",
)


def run(statement: str, **values: object) -> Any:
    """The statement's answer."""
    parameters: dict[str, Any] = {"version": consent.VERSION, **values}
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0]

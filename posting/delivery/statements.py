"""The ledger's statements, joined from the conditions that they share."""

from functools import cache

from posting.delivery.lanes import MARGIN
from posting.delivery.prepared import Statement
from posting.models import Delivery

State = Delivery.State

LEFT = "the member left or paused"
UNWANTED = "not to be mailed"
ENOUGH = "this member had as many messages within a day as they may"

BY_LANES = [  # IN_DOUBT -> QUEUED is a person's decision, never a lane's.
    (str(before), str(after))
    for before, targets in Delivery.TRANSITIONS.items()
    for after in sorted(targets)
    if before in (State.SENDING, State.IN_DOUBT) and (before, after) != (State.IN_DOUBT, State.QUEUED)
]
ENDED = tuple(str(state) for state in State if state not in Delivery.OPEN and state != State.IN_DOUBT)
assert all(Delivery.TRANSITIONS[waiting] >= {State.SENDING, State.CANCELLED, State.SUPPRESSED} for waiting in Delivery.WAITING)

# What must hold for a copy to leave: asked when it is marked, and again just before its final dot.
LANE_IS_OURS = """
    number = %(lane)s AND token = %(token)s AND leased_until > clock_timestamp()
"""
NOTHING_IS_HALTED = "NOT EXISTS (SELECT FROM chamberlist_halt WHERE halted_at IS NOT NULL)"
POST_IS_OPEN = """
    p.state = 'sending' AND p.expires_at > clock_timestamp() AND p.accepted_at <= clock_timestamp()
    AND p.starts_at <= clock_timestamp()
"""
MEMBER_IS_SUBSCRIBED = "s.state = 'active'"
ADDRESS_IS_SUPPRESSED = """
    EXISTS (SELECT FROM subscriptions_suppression x WHERE x.address_hash = d.address_hash
            AND (x.mailing_list_id = {mailing_list} OR x.mailing_list_id IS NULL))
"""
# So many copies of other posts within a day that this one waits. ``recent`` are those posts; mostly there are too few to ask.
MEMBER_HAD_ENOUGH = """
    cardinality(%(recent)s) >= %(cap)s AND %(cap)s <= (
        SELECT count(*) FROM subscriptions_subscription m JOIN posting_delivery o ON o.subscription_id = m.id
        WHERE m.address_hash = d.address_hash AND o.post_id = ANY(%(recent)s) AND o.post_id <> d.post_id
          AND o.state IN ('sending', 'sent', 'delivered', 'in_doubt', 'bounced', 'complained')
          AND (o.ended_at IS NULL OR o.ended_at > clock_timestamp() - interval '1 day')
    )
"""

LANE = {"lane": "smallint", "token": "bigint"}

# Which copies wait for their first turn, and which for another one. An index bounds the read by ``statement_timestamp()``: it would
# not by ``clock_timestamp()``, which may change while it reads.
FIRST_TURN = "d.post_id = {post} AND d.id > {after} AND d.id <= {last} AND d.state = 'queued' AND d.next_attempt_at IS NULL"
NEXT_TURN = "d.post_id = {post} AND d.state IN ('queued', 'deferred') AND d.next_attempt_at <= statement_timestamp()"


def _first_of(post: str) -> str:
    """Which of the post's copies has its first turn next."""
    turn = FIRST_TURN.format(post=f"{post}.id", after=f"{post}.begun_to", last=f"{post}.last_copy")
    return f"(SELECT d.id FROM posting_delivery d WHERE {turn} ORDER BY d.id LIMIT 1)"


OPEN_POSTS = Statement(
    "open_posts",
    f"""
    SELECT p.id, p.last_copy, {_first_of("p")},
        (SELECT d.id FROM posting_delivery d WHERE {NEXT_TURN.format(post="p.id")} ORDER BY d.next_attempt_at, d.id LIMIT 1)
    FROM posting_post p
    WHERE {POST_IS_OPEN} AND {NOTHING_IS_HALTED}
    """,
    {},
)

# Reading starts behind what all have begun, or the end of a large post would be reached through the whole of it. Whoever holds a
# post is left alone: it may be a person.
BEGUN = Statement(
    "begun",
    f"""
    UPDATE posting_post p SET begun_to = found.begun_to
    FROM (
        SELECT q.id, COALESCE({_first_of("q")} - 1, q.last_copy) AS begun_to
        FROM posting_post q
        WHERE q.state IN ('sending', 'recalled', 'expired') AND q.begun_to < q.last_copy
        FOR UPDATE OF q SKIP LOCKED
    ) AS found
    WHERE p.id = found.id AND p.begun_to < found.begun_to
    RETURNING p.id
    """,
    {},
)

# Whose copies may have reached a member within a day; a post lives for 72 hours at most.
RECENT_POSTS = Statement(
    "recent_posts",
    """
    SELECT p.id FROM posting_post p
    WHERE p.audience > 0 AND p.accepted_at > clock_timestamp() - interval '4 days'
      AND (p.ended_at IS NULL OR p.ended_at > clock_timestamp() - interval '1 day')
    """,
    {},
)

# Each row that is due gets its fate in the one pass that reads it. The lane keeps what it has marked, so that no index has to.
CLAIM = f"""
    WITH ours AS MATERIALIZED (
        SELECT marked FROM posting_lane WHERE {LANE_IS_OURS} FOR UPDATE
    ), post AS MATERIALIZED (
        SELECT p.mailing_list_id FROM posting_post p WHERE p.id = %(post)s AND {POST_IS_OPEN} AND {NOTHING_IS_HALTED}
    ), due AS (
        SELECT d.id, d.next_attempt_at, CASE
                WHEN s.id IS NULL OR NOT ({MEMBER_IS_SUBSCRIBED}) THEN 'cancelled'
                WHEN {ADDRESS_IS_SUPPRESSED.format(mailing_list="(SELECT mailing_list_id FROM post)")} THEN 'suppressed'
                WHEN {MEMBER_HAD_ENOUGH} THEN d.state
                ELSE 'sending'
            END AS fate, s.handle, s.sealed_address
        FROM posting_delivery d
        LEFT JOIN subscriptions_subscription s ON s.id = d.subscription_id
        WHERE {{turn}} AND EXISTS (SELECT FROM post) AND EXISTS (SELECT FROM ours)
        ORDER BY {{order}}
        LIMIT {{limit}}
        FOR UPDATE OF d SKIP LOCKED
    ), moved AS (
    UPDATE posting_delivery d
    SET state = due.fate,
        lane_id = CASE due.fate WHEN 'sending' THEN %(lane)s ELSE d.lane_id END,
        lane_token = CASE due.fate WHEN 'sending' THEN %(token)s ELSE d.lane_token END,
        attempts = d.attempts + CASE due.fate WHEN 'sending' THEN 1 ELSE 0 END,
        status = CASE due.fate WHEN 'sending' THEN d.status WHEN 'cancelled' THEN '{LEFT}' WHEN 'suppressed' THEN '{UNWANTED}'
            ELSE '{ENOUGH}' END,
        next_attempt_at = CASE WHEN due.fate = d.state THEN clock_timestamp() + interval '1 hour' END,
        ended_at = CASE WHEN due.fate IN ('cancelled', 'suppressed') THEN clock_timestamp() END
    FROM due
    WHERE d.id = due.id
    RETURNING due.next_attempt_at, d.id, due.fate, d.handle::text, d.attempts, due.handle::text AS member, due.sealed_address
    ), kept AS (
        UPDATE posting_lane l
        SET marked = ARRAY(
            SELECT d.id FROM posting_delivery d
            WHERE d.id = ANY(l.marked) AND d.state = 'sending' AND d.lane_id = l.number AND d.lane_token = l.token
        ) || ARRAY(SELECT id FROM moved WHERE fate = 'sending')
        FROM ours WHERE l.number = %(lane)s
    )
    SELECT * FROM moved ORDER BY next_attempt_at, id
"""


@cache
def claim(limit: int, *, is_first: bool) -> Statement:
    """The marking of up to ``limit`` copies. The number stands in the text: a plan for any number would sort the whole post."""
    takes = {"post": "bigint", "after_id": "bigint", "recent": "bigint[]", "cap": "integer"}
    if is_first:
        takes["last"] = "bigint"
        turn, order = FIRST_TURN.format(post="%(post)s", after="%(after_id)s", last="%(last)s"), "d.id"
    else:
        takes["after"] = "timestamptz"
        turn = f"{NEXT_TURN.format(post='%(post)s')} AND (d.next_attempt_at, d.id) > (%(after)s, %(after_id)s)"
        order = "d.next_attempt_at, d.id"
    text = CLAIM.format(limit=int(limit), turn=turn, order=order)
    return Statement(f"claim_{'first' if is_first else 'next'}_{int(limit)}", text, LANE | takes)


STILL_WANTED = Statement(
    "still_wanted",
    f"""
    SELECT d.id
    FROM posting_delivery d
    JOIN posting_post p ON p.id = d.post_id
    JOIN subscriptions_subscription s ON s.id = d.subscription_id
    WHERE d.id = ANY(%(ids)s) AND d.state = 'sending' AND d.lane_id = %(lane)s AND d.lane_token = %(token)s
      AND {POST_IS_OPEN} AND {MEMBER_IS_SUBSCRIBED} AND NOT {ADDRESS_IS_SUPPRESSED.format(mailing_list="p.mailing_list_id")}
      AND {NOTHING_IS_HALTED}
      AND EXISTS (SELECT FROM posting_lane WHERE {LANE_IS_OURS} + interval '{MARGIN} seconds')
    """,
    {"ids": "bigint[]"} | LANE,
)

RECORD = Statement(
    "record",
    f"""
    UPDATE posting_delivery d
    SET state = told.state,
        status = left(btrim(told.status || ' ' || told.said), 200),
        attempts = d.attempts - CASE WHEN told.spent THEN 0 ELSE 1 END,
        next_attempt_at = clock_timestamp() + told.waits * interval '1 second',
        ended_at = CASE WHEN told.state IN {ENDED} THEN clock_timestamp() END
    FROM unnest(%(ids)s, %(states)s, %(statuses)s, %(said)s, %(spent)s, %(waits)s) AS told (id, state, status, said, spent, waits)
    WHERE d.id = told.id AND d.lane_id = %(lane)s AND d.lane_token = %(token)s
      AND (d.state, told.state) IN ({", ".join(map(str, BY_LANES))})
    RETURNING d.id
    """,
    LANE
    | {"ids": "bigint[]", "states": "text[]", "statuses": "text[]", "said": "text[]", "spent": "boolean[]", "waits": "float[]"},
)

# The same for copies that the relay took, which is what nearly all are: no list of transitions to compare with.
RECORD_TAKEN = Statement(
    "record_taken",
    """
    UPDATE posting_delivery d
    SET state = 'sent', status = COALESCE(told.status, ''), ended_at = clock_timestamp(), next_attempt_at = NULL
    FROM unnest(%(ids)s, string_to_array(%(said)s, E'\\n')) AS told (id, status)
    WHERE d.id = told.id AND d.lane_id = %(lane)s AND d.lane_token = %(token)s AND d.state IN ('sending', 'in_doubt')
    RETURNING d.id
    """,
    LANE | {"ids": "bigint[]", "said": "text"},
)
assert {Delivery.State.SENDING, Delivery.State.IN_DOUBT} == set(Delivery.states_before(State.SENT))

"""The ledger's statements, joined from the conditions that they share."""

from functools import cache

from posting.delivery.prepared import Statement
from posting.models import Delivery

State = Delivery.State

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
    EXISTS (SELECT FROM posting_lane WHERE number = %(lane)s AND token = %(token)s
            AND leased_until > clock_timestamp() + %(margin)s)
"""
NOTHING_IS_HALTED = "NOT EXISTS (SELECT FROM chamberlist_halt WHERE halted_at IS NOT NULL)"
POST_IS_OPEN = """
    p.state = 'sending' AND p.expires_at > clock_timestamp() AND p.accepted_at <= clock_timestamp()
    AND p.starts_at <= clock_timestamp()
"""
MEMBER_IS_SUBSCRIBED = "s.state = 'active'"
ADDRESS_IS_SUPPRESSED = """
    EXISTS (SELECT FROM subscriptions_suppression x WHERE x.address_hash = d.address_hash
            AND (x.mailing_list_id = p.mailing_list_id OR x.mailing_list_id IS NULL))
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

OPEN_POSTS = Statement(
    "open_posts",
    f"""
    SELECT p.id FROM posting_post p
    WHERE {POST_IS_OPEN} AND {NOTHING_IS_HALTED} AND EXISTS (
        SELECT FROM posting_delivery d
        WHERE d.post_id = p.id AND d.state IN ('queued', 'deferred') AND d.next_attempt_at <= statement_timestamp()
    )
    ORDER BY p.id
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

# Each row that is due gets its fate in the one pass that reads it. The index bounds the read by ``statement_timestamp()``: it would
# not by ``clock_timestamp()``, which may change while it reads.
CLAIM = f"""
    WITH due AS (
        SELECT d.id, d.next_attempt_at, CASE
                WHEN s.id IS NULL OR NOT ({MEMBER_IS_SUBSCRIBED}) THEN 'cancelled'
                WHEN {ADDRESS_IS_SUPPRESSED} THEN 'suppressed'
                WHEN {MEMBER_HAD_ENOUGH} THEN d.state
                ELSE 'sending'
            END AS fate, s.handle, s.sealed_address
        FROM posting_delivery d
        JOIN posting_post p ON p.id = d.post_id
        LEFT JOIN subscriptions_subscription s ON s.id = d.subscription_id
        WHERE d.post_id = %(post)s AND d.state IN ('queued', 'deferred') AND d.next_attempt_at <= statement_timestamp()
          AND (d.next_attempt_at, d.id) > (%(after)s, %(after_id)s)
          AND {POST_IS_OPEN} AND {NOTHING_IS_HALTED} AND {LANE_IS_OURS}
        ORDER BY d.next_attempt_at, d.id
        LIMIT {{limit}}
        FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE posting_delivery d
    SET state = due.fate,
        lane_id = CASE due.fate WHEN 'sending' THEN %(lane)s ELSE d.lane_id END,
        lane_token = CASE due.fate WHEN 'sending' THEN %(token)s ELSE d.lane_token END,
        attempts = d.attempts + CASE due.fate WHEN 'sending' THEN 1 ELSE 0 END,
        status = CASE due.fate WHEN 'sending' THEN d.status WHEN 'cancelled' THEN %(left)s WHEN 'suppressed' THEN %(unwanted)s
            ELSE %(enough)s END,
        next_attempt_at = d.next_attempt_at + CASE WHEN due.fate = d.state THEN interval '1 hour' ELSE interval '0' END,
        ended_at = CASE WHEN due.fate IN ('cancelled', 'suppressed') THEN clock_timestamp() END
    FROM due
    WHERE d.id = due.id
    RETURNING due.next_attempt_at, d.id, due.fate, d.handle, d.attempts, due.handle, due.sealed_address
"""


@cache
def claim(limit: int) -> Statement:
    """The marking of up to ``limit`` copies. The number stands in the text: a plan for any number would sort the whole post."""
    takes = {"post": "bigint", "after": "timestamptz", "after_id": "bigint", "recent": "bigint[]", "cap": "integer"}
    words = {"left": "text", "unwanted": "text", "enough": "text"}
    return Statement(f"claim_{int(limit)}", CLAIM.format(limit=int(limit)), LANE | takes | words | {"margin": "interval"})


STILL_WANTED = Statement(
    "still_wanted",
    f"""
    SELECT d.id
    FROM posting_delivery d
    JOIN posting_post p ON p.id = d.post_id
    JOIN subscriptions_subscription s ON s.id = d.subscription_id
    WHERE d.id = ANY(%(ids)s) AND d.state = 'sending' AND d.lane_id = %(lane)s AND d.lane_token = %(token)s
      AND {POST_IS_OPEN} AND {MEMBER_IS_SUBSCRIBED} AND NOT {ADDRESS_IS_SUPPRESSED} AND {NOTHING_IS_HALTED} AND {LANE_IS_OURS}
    """,
    {"ids": "bigint[]", "margin": "interval"} | LANE,
)

RECORD = Statement(
    "record",
    f"""
    UPDATE posting_delivery d
    SET state = told.state,
        status = left(btrim(told.status || ' ' || told.said), 200),
        attempts = d.attempts - CASE WHEN told.spent THEN 0 ELSE 1 END,
        next_attempt_at = CASE WHEN told.waits IS NULL THEN d.next_attempt_at
            ELSE clock_timestamp() + told.waits * interval '1 second' END,
        ended_at = CASE WHEN told.state IN {ENDED} THEN clock_timestamp() END
    FROM unnest(%(ids)s, %(states)s, %(statuses)s, %(said)s, %(spent)s, %(waits)s) AS told (id, state, status, said, spent, waits)
    WHERE d.id = told.id AND d.lane_id = %(lane)s AND d.lane_token = %(token)s
      AND (d.state, told.state) IN ({", ".join(map(str, BY_LANES))})
    RETURNING d.id, d.attempts
    """,
    LANE
    | {"ids": "bigint[]", "states": "text[]", "statuses": "text[]", "said": "text[]", "spent": "boolean[]", "waits": "float[]"},
)

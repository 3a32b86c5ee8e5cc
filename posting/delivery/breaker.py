"""The breaker: when the figures say that something is wrong, all sending stops until a person has looked.

It halts as a person does (``chamberlist.halt``); what went wrong before a person resumed does not count again.
"""

from datetime import datetime

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from chamberlist import halt, systemmail
from chamberlist.models import Halt
from posting.delivery import closing
from posting.models import Delivery, DeliveryEvent, Post

State, Proof = Delivery.State, DeliveryEvent.Proof

FIRST = 50  # Copies of a post that are looked at...
REFUSED = 5  # ...and how many of them may be refused or come back for good: a tenth.
# So many refusals of a post's copies for policy or reputation (5.7.x, RFC 3463 section 3.8), of as many domains, and a fiftieth of
# all: closed mailboxes and one domain's own rules are no opinion of us, and no member may be able to halt the Chamber.
DISTRUSTED, ONE_IN = 3, 50
CAME_BACK = (DeliveryEvent.Kind.BOUNCED, DeliveryEvent.Kind.REJECTED, DeliveryEvent.Kind.FAILED)
ENDED_BY_A_SERVER = (State.SENT, State.DELIVERED, State.FAILED, State.BOUNCED, State.COMPLAINED)
# An address that cannot be written (5.6.7) says nothing about the list, nor does a mailbox that is full today.
SAYS_NOTHING = Q(status__startswith="5.6.7") | Q(status__startswith="4.")

# A server's late reply to a dot is waited for ten minutes (RFC 5321 section 4.5.3.2.6).
BROKEN = """
    SELECT p.id, count(d.id) - p.audience,
        count(*) FILTER (WHERE d.state = 'sent' AND d.ended_at > p.expires_at + interval '11 minutes'),
        count(*) FILTER (WHERE d.state = 'sending' AND d.lane_token > l.token),
        count(*) FILTER (WHERE p.state = 'done' AND d.state IN ('queued', 'deferred')
            OR d.state = 'queued' AND d.next_attempt_at IS NULL AND NOT (d.id > p.begun_to AND d.id <= p.last_copy))
    FROM posting_post p LEFT JOIN posting_delivery d ON d.post_id = p.id LEFT JOIN posting_lane l ON l.number = d.lane_id
    WHERE p.audience IS NOT NULL AND (p.state = 'sending' OR p.ended_at > GREATEST(
        clock_timestamp() - interval '5 minutes', (SELECT resumed_at FROM chamberlist_halt WHERE id = 1)
    ))
    GROUP BY p.id
"""


def look(post_id: int) -> bool:
    """After copies of a post were refused or came back: stop everything where there are too many; True where it did."""
    problem = _distrusted(post_id) or _too_many_refused(post_id)
    if problem:
        trip(problem)
    return bool(problem)


def reckon() -> None:
    """Whether the ledger of each post under way adds up: a copy for each of its audience, none late, none marked by nobody."""
    with connection.cursor() as cursor:
        cursor.execute(BROKEN)
        rows = cursor.fetchall()
    for post_id, surplus, late, unowned, stranded in rows:
        problem = ""
        if surplus:
            problem = (
                f"The ledger of post {post_id} has {abs(surplus)} copies {'more' if surplus > 0 else 'fewer'} than its audience."
            )
        elif late:
            problem = f"{late} copies of post {post_id} left after its expiry."
        elif unowned:
            problem = f"{unowned} copies of post {post_id} are marked by a lane that never was."
        elif stranded:
            problem = f"{stranded} copies of post {post_id} wait where no lane looks for them."
        if problem:  # The post stays stopped when the rest goes on.
            closing.freeze(post_id, problem)
            trip(problem)


@transaction.atomic
def trip(reason: str) -> None:
    """Stop all sending, and tell staff once; nothing where the breaker has stopped it already."""
    if not halt.halt(by=halt.BREAKER, reason=reason):
        return
    since = Halt.objects.get(pk=Halt.BY_PEOPLE).halted_at
    systemmail.alert(
        f"breaker/{since:%Y%m%dT%H%M%S}",
        "Sending has stopped by itself",
        f"{reason} Nothing is lost: copies wait until somebody has looked and lets sending go on, with a reason, on the page "
        "“Stop all sending” or by `manage.py resume`. Posts still expire meanwhile.",
    )


def _distrusted(post_id: int) -> str:
    refused = _refused(post_id).filter(status__startswith="5.7.")
    domains = refused.exclude(subscription=None).values("subscription__domain_hash").distinct().count()
    number = refused.count()
    if domains < DISTRUSTED:
        return ""
    ended = Delivery.objects.filter(_since_resumed(), post=post_id, state__in=ENDED_BY_A_SERVER).count()
    if number * ONE_IN < ended:
        return ""
    return f"{number} copies of post {post_id} were refused for policy or reputation (5.7.x)."


def _too_many_refused(post_id: int) -> str:
    if Post.objects.filter(pk=post_id, state=Post.State.FROZEN).exists():
        return ""  # It does no more harm, and somebody looks at it already.
    refused = _refused(post_id).order_by("ended_at").values_list("ended_at", flat=True)
    one_too_many = refused[REFUSED : REFUSED + 1]
    if not one_too_many:
        return ""
    by_then = Delivery.objects.filter(post=post_id, state__in=ENDED_BY_A_SERVER, ended_at__lte=one_too_many[0])
    ended_at, resumed_at = one_too_many[0], _resumed_at()
    assert ended_at is not None
    if resumed_at and ended_at > resumed_at:
        by_then = by_then.filter(ended_at__gt=resumed_at)
    if by_then[: FIRST + 1].count() > FIRST:
        return ""
    return f"More than {REFUSED} of the first {FIRST} copies of post {post_id} were refused or came back."


def _refused(post_id: int) -> QuerySet[Delivery]:
    """What was refused or came back for good since a person resumed; a copy that came back had left before.

    A report that shows no more than a copy's Message-ID stops nobody: whoever got a copy can write one.
    """
    resumed_at = _resumed_at()
    reports = DeliveryEvent.objects.filter(delivery=OuterRef("pk"), kind__in=CAME_BACK)
    unproven = reports.filter(proof=Proof.MESSAGE_ID)
    proven = reports.exclude(proof=Proof.MESSAGE_ID)
    failed, bounced = Q(state=State.FAILED), Q(state=State.BOUNCED) & (Exists(proven) | ~Exists(unproven))
    if resumed_at:
        failed, bounced = failed & Q(ended_at__gt=resumed_at), bounced & Q(Exists(reports.filter(at__gt=resumed_at)))
    return Delivery.objects.filter(failed | bounced, post=post_id, is_refused=True).exclude(SAYS_NOTHING)  # By its index.


def _since_resumed() -> Q:
    resumed_at = _resumed_at()
    return Q(ended_at__gt=resumed_at) if resumed_at else Q()


def _resumed_at() -> datetime | None:
    return Halt.objects.filter(pk=Halt.BY_PEOPLE).values_list("resumed_at", flat=True).first()

"""What the doctor looks at in posts and copies."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Count, Exists, Min, OuterRef

from chamberlist.clock import Now, now
from chamberlist.doctor import Finding
from posting.delivery import closing
from posting.delivery.pace import per_second
from posting.models import Delivery, InboundMail, Lane, Pace, Post

State = Delivery.State
LONG = timedelta(hours=1)
PATIENCE = timedelta(minutes=5)  # Of what came by mail, which is read within seconds.


def lanes() -> Finding:
    """Whether the relay made a lane rest."""
    resting = Lane.objects.filter(rests_until__gt=Now()).order_by("number")
    if resting:
        numbers = ", ".join(str(lane.number) for lane in resting)
        return Finding("lanes", "warning", f"The relay refused us, and lane {numbers} rests: read the alert about it.")
    return Finding("lanes", "ok", "No lane has to rest.")


def speed() -> Finding:
    """How fast copies may leave now."""
    pace = Pace.objects.filter(pk=1).first() or Pace()
    now_a_minute = round(60 * per_second(pace))
    if now_a_minute < settings.DELIVERY_RATE:
        text = f"{now_a_minute} copies a minute for now: a new installation starts slowly, up to {settings.DELIVERY_RATE} a minute."
    else:
        text = f"Up to {now_a_minute} copies a minute."
    return Finding("speed", "ok", text)


def posts() -> Finding:
    """Whether a post waits for a person."""
    frozen = Post.objects.filter(state=Post.State.FROZEN).count()
    if frozen:
        return Finding("posts", "warning", f"{frozen} stopped for a check: let each go on or recall it, in the admin.")
    return Finding("posts", "ok", "None is stopped for a check.")


def waiting_copies() -> Finding:
    """Whether a copy that is due waits for long."""
    sending = Post.objects.filter(state=Post.State.SENDING)
    overdue = Delivery.objects.filter(post__in=sending, state__in=Delivery.WAITING, next_attempt_at__lt=Now() - LONG)
    goes_on = Exists(Delivery.objects.filter(post=OuterRef("pk"), ended_at__gt=Now() - LONG))  # A large post may take hours.
    silent = sending.filter(~goes_on, starts_at__lt=Now() - LONG)
    if overdue.exists() or any(closing.first_turns(post).exists() for post in silent):
        return Finding("waiting copies", "warning", "Some that are due have waited for more than an hour: are the workers alive?")
    return Finding("waiting copies", "ok", "None that is due waits for long.")


def copies_in_doubt() -> Finding:
    """Whether nobody can say what became of some copies."""
    doubtful = Delivery.objects.filter(state=State.IN_DOUBT, post__state__in=(Post.State.SENDING, Post.State.DONE))
    posts = sorted(set(doubtful.filter(post__expires_at__gt=Now()).values_list("post_id", flat=True)))
    if posts:
        numbers = ", ".join(map(str, posts))
        return Finding("copies in doubt", "warning", f"In post {numbers}: `manage.py resolvedoubt` decides about them.")
    return Finding("copies in doubt", "ok", "None of which a decision would still matter.")


def inbound_mail() -> Finding:
    """Whether what came by mail is read, and how much of it waits for a person."""
    unread = InboundMail.objects.filter(state__in=InboundMail.OPEN).aggregate(number=Count("pk"), since=Min("next_attempt_at"))
    if unread["number"] and now() - unread["since"] > PATIENCE:
        text = f"{unread['number']} wait to be read since {unread['since']:%Y-%m-%d %H:%M} (UTC): is the worker alive?"
        return Finding("inbound mail", "fail", text)
    odd = InboundMail.objects.filter(state=InboundMail.State.QUARANTINED).count()
    if odd:
        return Finding("inbound mail", "warning", f"{odd} could not be read: the admin shows them under “Inbound mail”.")
    return Finding("inbound mail", "ok", f"{unread['number']} wait to be read, none for long.")

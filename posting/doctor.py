"""What the doctor looks at in posts and copies."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef

from chamberlist.clock import Now
from chamberlist.doctor import Finding
from posting.delivery import closing
from posting.delivery.pace import per_second
from posting.models import Delivery, Lane, Pace, Post

State = Delivery.State
LONG = timedelta(hours=1)


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

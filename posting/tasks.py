"""Posting's tasks: a line or two, and numbers only. Each may run twice, late or never; the ledger in Postgres decides."""

from celery import shared_task

from chamberlist import bell
from posting.delivery import dispatch
from posting.delivery import sweep as sweeping
from posting.feedback import effects, replies
from posting.inbound import attending, keeping
from posting.moderation import moderation
from posting.submission import lostpasswords

LANE_SECONDS = 60.0


@shared_task
def deliver(lane: int) -> None:
    """Work on one lane for a minute, then make room for other tasks."""
    if dispatch.run_lane(lane, seconds=LANE_SECONDS):
        bell.ring("posting.tasks.deliver", lane)


@shared_task
def sweep() -> None:
    """Start what is due, repair what was lost, and wake the lanes that have work."""
    for lane in sweeping.sweep():
        bell.ring("posting.tasks.deliver", lane)


@shared_task
def reckon() -> None:
    """Look whether the ledgers add up."""
    sweeping.reckon()


@shared_task
def discard_stale() -> None:
    """Discard what waited too long for a decision."""
    moderation.discard_stale()


@shared_task
def weigh_refusals() -> None:
    """See what follows for members from the copies that the relay refused."""
    effects.of_refusals()


@shared_task
def forget_passed_mail() -> None:
    """Delete the answers that have been passed on."""
    replies.forget()


@shared_task
def read_mail() -> None:
    """Read what came by mail, then make room for other tasks."""
    if attending.attend():
        bell.ring("posting.tasks.read_mail")


@shared_task
def take_password_requests() -> None:
    """Read what was typed on the page for lost passwords."""
    lostpasswords.take()


@shared_task
def prune() -> None:
    """Forget what came by mail and has been kept for long enough, and what could not be read."""
    keeping.prune()
    lostpasswords.forget()

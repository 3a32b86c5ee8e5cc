"""Arm the fence."""

import sys
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count, Min, Q

from chamberlist import audit, fence
from chamberlist.clock import now
from chamberlist.models import Halt, SystemMail
from posting.models import Delivery, Post

UNFINISHED = (Post.State.ACCEPTED, Post.State.SENDING, Post.State.FROZEN)


class Command(BaseCommand):
    help = (
        "Show what would be sent from this database and this place, and then let it: after a restore, a move to another "
        "machine, or a promoted standby. Make sure first that no other copy of this database sends."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask; needed where there is no terminal")
        parser.add_argument("--reason", default="", help="kept in the audit trail")

    def handle(self, *, yes: bool, reason: str, **options: object) -> None:
        self.show()
        if not yes:
            if not sys.stdin.isatty():
                raise CommandError("Nothing was changed. Add --yes to arm without a question.")
            if input("Arm, and send that? [y/N] ").strip().lower() not in ("y", "yes"):
                raise CommandError("Nothing was changed.")
        try:
            fence.arm(by=audit.COMMAND_LINE, reason=reason)
        except OSError as error:
            raise CommandError(f"STATE_DIR cannot be written: {error.strerror}. Nothing was changed.") from None
        self.stdout.write("Armed: this database sends from here, and from nowhere else.")

    def show(self) -> None:
        """Why the fence is closed, and what waits behind it."""
        closed = Halt.objects.filter(pk=Halt.FENCE, halted_at__isnull=False).first()
        self.stdout.write(f"The fence is closed: {closed.reason}" if closed else "The fence is open.")
        halted = Halt.objects.filter(pk=Halt.BY_PEOPLE, halted_at__isnull=False).first()
        if halted:
            self.stdout.write(f"Sending is also stopped by a person, and stays so: {halted.reason}")
        self.stdout.write("Behind it:")
        waiting = Count("deliveries", filter=Q(deliveries__state__in=Delivery.OPEN))
        doubtful = Count("deliveries", filter=Q(deliveries__state=Delivery.State.IN_DOUBT))
        posts = Post.objects.filter(state__in=UNFINISHED).annotate(waiting=waiting, doubtful=doubtful).order_by("pk")
        for post in posts.select_related("mailing_list"):
            what = (
                "its copies are still to be written" if post.audience is None else f"{post.waiting} of {post.audience} copies wait"
            )
            doubt = f", {post.doubtful} in doubt" if post.doubtful else ""
            self.stdout.write(
                f"  post {post.pk} to {post.mailing_list.slug}, {post.get_state_display().lower()}: {what}{doubt}; "
                f"accepted {post.accepted_at:%Y-%m-%d %H:%M}, void after {post.expires_at:%Y-%m-%d %H:%M} (UTC)"
            )
        mails = SystemMail.objects.filter(state__in=("queued", "deferred", "sending"), expires_at__gt=now())
        count = mails.aggregate(number=Count("pk"), oldest=Min("created_at"))
        if count["number"]:
            self.stdout.write(f"  {count['number']} mails of the site's own, the oldest of {count['oldest']:%Y-%m-%d %H:%M} (UTC)")
        if not posts and not count["number"]:
            self.stdout.write("  nothing")

"""The worker's app for the case ``gate``: the product without its look at each finished copy, replaced from outside.

No setting leads here: whoever starts a worker names this module instead of the product's.
"""

from collections.abc import Iterable

import django

from chamberlist.celery import app as app

django.setup()

from posting.delivery import copies, gate  # noqa: E402 (models need the setup)
from posting.delivery.desk import Desk, Job  # noqa: E402
from posting.delivery.evidence import NONE  # noqa: E402
from posting.delivery.wire import SmtpWire  # noqa: E402


def push(self: SmtpWire, jobs: Iterable[Job]) -> None:
    """As in the product, with the values of each copy derived once: nobody compares."""
    jobs = list(jobs)
    own = copies.values_for_all([job.marked for job in jobs])
    Desk.push(self, [job._replace(own=values, own_again=values) for job, values in zip(jobs, own, strict=True)])


gate.check_copy = lambda *_: NONE
SmtpWire.push = push  # type: ignore[method-assign]

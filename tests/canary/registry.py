"""Which features there are, and which were exercised: both learnt from the product, so that a new one is missed by itself."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from celery import current_app
from django.conf import settings
from django.contrib import admin
from django.core.management import get_commands
from django.urls import URLPattern, URLResolver, get_resolver

from chamberlist.adminpages import VerbAdmin
from chamberlist.models import SystemMail
from posting.inbound import routing
from posting.models import InboundMail

OURS = ("chamberlist", "posting", "subscriptions")
RECEIVERS = ("smtp", "lmtp", "stdin", "webhook")
EXCUSED = {  # What need not be exercised, and why.
    "page admin:autocomplete": "no field of ours uses it: it answers 404 or 403 to everybody",
    "page admin:view_on_site": "no model of ours has a page of its own on the site",
    "command loaddemo": "refuses outside the demo, which has invented addresses only",
    "command migrate": "ran when the test's database was made",
}
VERB_BY_NAME = re.compile(r"""verb\s*[!=]=\s*["'](\w+)["']""")


@dataclass
class Exercised:
    """What was, as it happened. Each is a sentence's subject: "page subscribe", "task posting.tasks.sweep"."""

    features: set[str] = field(default_factory=set)

    def note(self, kind: str, name: str) -> None:
        self.features.add(f"{kind} {name}")

    def note_rows(self) -> None:
        """What the database shows: kinds of mail that came, ways in, mails of ours that left."""
        for kind, via in InboundMail.objects.values_list("kind", "via"):
            self.note("kind of mail", kind)
            self.note("receiver", via)
        for purpose in SystemMail.objects.filter(state=SystemMail.State.SENT).values_list("purpose", flat=True):
            self.note("system mail", purpose)

    def note_log(self, log: str) -> None:
        """What a worker says that it has done."""
        for name in re.findall(r"Task ([\w.]+)\[[\w-]+\] succeeded", log):
            self.note("task", name)

    def missing(self) -> list[str]:
        """A sentence for each feature that nobody exercised."""
        return [f"The audit does not exercise: {each}" for each in sorted(features() - self.features - EXCUSED.keys())]


def features() -> set[str]:
    """All of the product's."""
    current_app.loader.import_default_modules()
    found = {f"page {name}" for name in pages(get_resolver().url_patterns)}
    found |= {f"command {name}" for name, app in get_commands().items() if app in OURS}
    found |= {f"task {name}" for name in current_app.tasks if name.partition(".")[0] in OURS}
    found |= {f"verb {verb}" for verb in verbs()}
    found |= {f"kind of mail {kind}" for kind in routing.ROUTES}
    found |= {f"receiver {name}" for name in RECEIVERS}
    found |= {f"system mail {purpose}" for purpose in settings.SYSTEM_MAILS}
    return found | {f"notice {path}" for path in settings.STAFF_NOTICES}


def pages(patterns: list[URLPattern | URLResolver], space: str = "", before: str = "") -> Iterator[str]:
    """The names of all pages, or, where one has none, its pattern."""
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from pages(
                entry.url_patterns, space + (f"{entry.namespace}:" if entry.namespace else ""), before + str(entry.pattern)
            )
        elif entry.name:
            yield space + entry.name
        elif "admin/" not in before:  # The admin's own two: old addresses of rows, and any other.
            yield before + str(entry.pattern)


def verbs(site: admin.AdminSite | None = None) -> Iterator[str]:
    """What staff can do to a row: those of the table, and those that ``do`` knows by name."""
    for model, page in (site or admin.site)._registry.items():
        found: dict[str, Any] = getattr(page, "verbs", {})
        named = VERB_BY_NAME.findall(inspect.getsource(page.do)) if isinstance(page, VerbAdmin) else []
        yield from (f"{model._meta.model_name}.{verb}" for verb in {*found, *named})

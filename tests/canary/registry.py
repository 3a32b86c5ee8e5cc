"""Which features there are, and which were exercised: both learnt from the product, so that a new one is missed by itself.

There are no exports yet: the first one is a page, a verb or a command, and so is missed here until it is exercised.
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from celery import current_app
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import get_commands
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils.module_loading import import_string

from chamberlist.adminpages import VerbAdmin
from chamberlist.models import SystemMail
from posting.inbound import routing
from posting.models import GateRefusal, InboundMail

OURS = ("chamberlist", "posting", "subscriptions")
RECEIVERS = ("smtp", "lmtp", "stdin", "webhook")
EXCUSED = {  # What need not be exercised, and why.
    "page admin:autocomplete": "no field of ours uses it: it answers 404 or 403 to everybody",
    "command loaddemo": "refuses outside the demo, which has invented addresses only",
    "command migrate": "ran when the test's database was made",
}
VERB_BY_NAME = re.compile(r"""verb\s*[!=]=\s*["'](\w+)["']""")
BEFORE_DJANGO = re.compile(r"""arguments\[1:\] == \["(\w+)"\]""")  # A command that works without settings.
WORRIES = (  # Checks of the doctor that quote or count what people wrote: each has had something to say.
    *("chamberlist.doctor.sending", "chamberlist.doctor.keys", "chamberlist.doctor.alerts"),
    *("posting.doctor.posts", "posting.doctor.copies_in_doubt", "posting.doctor.inbound_mail"),
)
REFUSED, FOUND, DONE = 403, 200, 302
TO_SIGN_IN = {"sender_sign_out": "sender_sign_in", "admin:login": "admin:index"}  # Pages that lead there when all went well.
TURNED_AWAY = ("sender_sign_in", "admin:login", "admin:index")  # Where anybody else's redirect leads who may not see a page.


@dataclass
class Exercised:
    """What was, as it happened. Each is a sentence's subject: "page subscribe", "task posting.tasks.sweep"."""

    features: set[str] = field(default_factory=set)
    statuses: dict[str, set[int]] = field(default_factory=dict)  # That each page ever answered with.

    def note(self, kind: str, name: str) -> None:
        self.features.add(f"{kind} {name}")

    def note_answer(self, page: str, status: int, location: str = "") -> None:
        """A page was exercised when it was shown, or led where it leads those who may see it; a 403 where all are refused."""
        self.statuses.setdefault(f"page {page}", set()).add(status)
        if status == FOUND or (status == DONE and not is_turned_away(page, location)):
            self.note("page", page)
        elif status == REFUSED:
            self.note("refusal of", page)

    def note_rows(self) -> None:
        """What the database shows: kinds of mail that came, ways in, mails of ours that left, what the gate refused."""
        for kind, via in InboundMail.objects.values_list("kind", "via"):
            self.note("kind of mail", kind)
            self.note("receiver", via)
        for purpose in SystemMail.objects.filter(state=SystemMail.State.SENT).values_list("purpose", flat=True):
            self.note("system mail", purpose)
        for half in GateRefusal.objects.values_list("half", flat=True):
            self.note("evidence of", half)

    def note_log(self, log: str) -> None:
        """What a worker says that it has done; one that raised has not succeeded."""
        for name in re.findall(r"Task ([\w.]+)\[[\w-]+\] succeeded", log):
            self.note("task", name)

    def tasks_left(self, log: Path) -> set[str]:
        """Those that no worker has ended well yet."""
        self.note_log(log.read_text(errors="replace"))
        return {f"task {name}" for name in tasks()} - self.features

    def note_doctor(self) -> None:
        """Which checks could be made, and which had something to say."""
        for path in settings.DOCTOR_CHECKS:
            finding = import_string(path)()
            self.note("check", path)
            if finding.verdict != "ok":
                self.note("worry", path)

    def missing(self) -> list[str]:
        """A sentence for each feature that nobody exercised."""
        missed = sorted(features() - self.features - EXCUSED.keys())
        return [f"The audit does not exercise: {each}{self._only(each)}" for each in missed]

    def _only(self, feature: str) -> str:
        """What a page answered instead."""
        answered = ", ".join(map(str, sorted(self.statuses.get(feature, ()))))
        return f" (it only ever answered {answered})" if answered else ""


def is_turned_away(page: str, location: str) -> bool:
    """Whether a redirect leads to where those are sent who may not see the page."""
    own = reverse(TO_SIGN_IN[page]) if page in TO_SIGN_IN else ""
    path = location.partition("?")[0]
    return path != own and path in [reverse(name) for name in TURNED_AWAY]


def features() -> set[str]:
    """All of the product's."""
    refused = set(refused_to_all())
    found = {f"{'refusal of' if name in refused else 'page'} {name}" for name in pages(get_resolver().url_patterns)}
    found |= {f"command {name}" for name, app in get_commands().items() if app in OURS}
    found |= {f"command {name}" for name in BEFORE_DJANGO.findall((Path(settings.BASE_DIR) / "manage.py").read_text())}
    found |= {f"task {name}" for name in tasks()}
    found |= {f"verb {verb}" for verb in verbs()}
    found |= {f"form {form}" for form in forms()} | {f"action {action}" for action in actions()}
    found |= {f"kind of mail {kind}" for kind in routing.ROUTES}
    found |= {f"receiver {name}" for name in RECEIVERS}
    found |= {f"system mail {purpose}" for purpose in settings.SYSTEM_MAILS}
    found |= {f"evidence of {half}" for half in (GateRefusal.Half.POST, GateRefusal.Half.COPY)}
    found |= {f"check {path}" for path in settings.DOCTOR_CHECKS} | {f"worry {path}" for path in WORRIES}
    return found | {f"notice {path}" for path in settings.STAFF_NOTICES}


def tasks() -> set[str]:
    """By name, whether or not this process has needed them yet."""
    current_app.loader.import_default_modules()
    return {name for name in current_app.tasks if name.partition(".")[0] in OURS}


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
    """What staff can do to a row: those of the table, those that answer with a page, and those that ``do`` knows by name."""
    for model, page in (site or admin.site)._registry.items():
        found: set[str] = {*getattr(page, "verbs", {}), *getattr(page, "answering", ())}
        named = VERB_BY_NAME.findall(inspect.getsource(page.do)) if isinstance(page, VerbAdmin) else []
        yield from (f"{model._meta.model_name}.{verb}" for verb in {*found, *named})


def forms() -> Iterator[str]:
    """What staff can write into a form of the admin, and what they can delete by one."""
    for model, act, is_allowed in _allowed():
        if is_allowed:
            yield f"{model}.{act}"


def actions() -> Iterator[str]:
    """What can be done in the admin to several rows at once."""
    for model, page in admin.site._registry.items():
        yield from (f"{model._meta.model_name}.{action}" for action in page.get_actions(_by_one_who_may_do_everything()))


def refused_to_all() -> Iterator[str]:
    """The admin's pages that even who may do everything is refused: what they are for is not to be had."""
    for model, act, is_allowed in _allowed():
        if not is_allowed and act != "change":  # Who may not change a row is still shown it.
            app = next(each._meta.app_label for each in admin.site._registry if each._meta.model_name == model)
            yield f"admin:{app}_{model}_{act}"


def _allowed() -> Iterator[tuple[str, str, bool]]:
    request = _by_one_who_may_do_everything()
    for model, page in admin.site._registry.items():
        name = str(model._meta.model_name)
        yield name, "add", page.has_add_permission(request)
        yield name, "change", page.has_change_permission(request)
        yield name, "delete", page.has_delete_permission(request)


def _by_one_who_may_do_everything() -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = User(is_active=True, is_staff=True, is_superuser=True)
    return request

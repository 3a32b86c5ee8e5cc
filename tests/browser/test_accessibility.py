"""Every public page, narrow and wide, light and dark: nothing that axe objects to, nothing to scroll sideways, no complaint.

With SCREENSHOTS=FOLDER in the environment each of them is photographed as well.
"""

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page

from chamberlist.embedded import environment
from chamberlist.embedded.processes import LOOPBACK, Child, answers, free_port
from tests.browser.conftest import Site

pytestmark = pytest.mark.xdist_group("browser")
Scheme = Literal["light", "dark"]
NARROW, WIDE = 320, 1280
WIDTHS = (NARROW, WIDE)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WRONG_TRIES = 7  # One more than a network may have for one address.
AXE = Axe()
OPTIONS = {
    "resultTypes": ["violations"],
    "preload": False,
}  # Preloading copies style sheets into the page, which our policy refuses.


@dataclass
class Visitor:
    """Somebody at a browser, and what their browser complained about on the page that is open."""

    page: Page
    site: Site
    paths: dict[str, str]
    broken_url: str
    name: str = ""  # Of the page that is open.
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self.note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def note(self, message: ConsoleMessage) -> None:
        """Chromium also reports that the page itself is an error page, which it is meant to be."""
        if not message.text.startswith("Failed to load resource") or message.location["url"] != self.page.url:
            self.complaints.append(message.text)

    def go(self, path: str) -> "Visitor":
        self.page.goto(self.site.url + path.format(**self.paths))
        return self

    def type(self, label: str, text: str) -> "Visitor":
        self.page.get_by_label(label, exact=True).fill(text)
        return self

    def press(self, button: str) -> "Visitor":
        self.page.get_by_role("button", name=button, exact=True).click()
        return self

    def sign_in(self, address: str, password: str) -> "Visitor":
        self.go("/senders/sign-in/").type("Your contact e-mail address", address).type("Password from the Chamber", password)
        return self.press("Sign in")


Steps = Callable[[Visitor], object]


def at(path: str) -> Steps:
    return lambda visitor: visitor.go(path)


def pressed(path: str, *buttons: str) -> Steps:
    def steps(visitor: Visitor) -> None:
        visitor.go(path)
        for button in buttons:
            visitor.press(button)

    return steps


def wrong_address(visitor: Visitor) -> None:
    visitor.go("/lists/fairs/").type("Your e-mail address", "not an address").press("Send me the confirmation mail")


def wrong_password(visitor: Visitor) -> None:
    visitor.sign_in("jo@fair.example", "guessed")


def guessing(visitor: Visitor) -> None:
    for _ in range(WRONG_TRIES):
        visitor.sign_in("guessed@fair.example", "guessed")


def a_letter(visitor: Visitor) -> None:
    visitor.go("{admin_mail_owner}").type("Why you read it; kept in the audit trail", "She rang up.").press("Read it")


def an_address(visitor: Visitor) -> None:
    visitor.go("{admin_subscription}").page.locator("#why-reveal").fill("She rang up.")
    visitor.press("Show the address")


def too_large_a_form(visitor: Visitor) -> None:
    visitor.go("/lists/fairs/")
    visitor.page.evaluate("document.querySelector('#id_website').value = 'x'.repeat(3_000_000)")
    visitor.press("Send me the confirmation mail")


def without_cookies(visitor: Visitor) -> None:
    visitor.go("/senders/sign-in/")
    visitor.page.context.clear_cookies()
    visitor.press("Sign in")


def without_database(visitor: Visitor) -> None:
    visitor.page.goto(visitor.broken_url)


def one_mail(visitor: Visitor) -> None:
    visitor.site.open_mail(visitor.page, "confirm@pages.example", "Please confirm")


# The name of a page: who looks at it, how they come there, and its heading.
PAGES: dict[str, tuple[str, Steps, str]] = {
    "lists": ("stranger", at("/"), "What would you like to hear about?"),
    "subscribe": ("stranger", at("/lists/fairs/"), "Subscribe to Fairs and markets"),
    "subscribe-errors": ("stranger", wrong_address, "Subscribe to Fairs and markets"),
    "requested": ("stranger", at("/lists/fairs/sent/"), "Now look in your mail"),
    "confirm": ("stranger", at("{confirm}"), "Shall we send you Fairs and markets?"),
    "confirmed": ("stranger", pressed("{confirmed}", "Yes, subscribe me"), "Thank you"),
    "disowned": ("stranger", pressed("{disowned}", "This was not me"), "Thank you for telling us"),
    "stale-link": ("stranger", at("{stale}"), "This link no longer works"),
    "stale-question": ("stranger", at("{stale_question}"), "This link no longer works"),
    "leave": ("stranger", at("{leave}"), "Leave Fairs and markets?"),
    "left": ("stranger", pressed("{left}", "Leave Fairs and markets"), "You have left Fairs and markets"),
    "undo-sent": ("stranger", pressed("{undo}", "Leave Fairs and markets", "I left by mistake"), "Now look in your mail"),
    "choose": ("stranger", at("{choose}"), "Pause or leave Fairs and markets"),
    "paused": ("stranger", pressed("{to_pause}", "For two weeks"), "Your subscription is paused"),
    "manage-sent": ("stranger", pressed("{to_look}", "Send me the link"), "Now look in your mail"),
    "manage-active": ("stranger", at("{manage_active}"), "Your subscription to Fairs and markets"),
    "manage-paused": ("stranger", at("{manage_paused}"), "Your subscription to Fairs and markets"),
    "manage-suspended": ("stranger", at("{manage_suspended}"), "Your subscription to Fairs and markets"),
    "manage-left": ("stranger", at("{manage_gone}"), "Your subscription to Fairs and markets"),
    "sign-in": ("stranger", at("/senders/sign-in/"), "Sign in to write a post"),
    "sign-in-errors": ("stranger", pressed("/senders/sign-in/", "Sign in"), "Sign in to write a post"),
    "sign-in-wrong": ("stranger", wrong_password, "Sign in to write a post"),
    "lost-password": ("stranger", at("/senders/lost-password/"), "Ask for a new password"),
    "lost-password-errors": ("stranger", pressed("/senders/lost-password/", "Ask the Chamber"), "Ask for a new password"),
    "lost-password-sent": ("stranger", at("/senders/lost-password/sent/"), "The Chamber will call you"),
    "posts-empty": ("idle", at("/senders/"), "Your posts"),
    "posts": ("busy", at("/senders/"), "Your posts"),
    "compose": ("busy", at("/senders/write/"), "Write a post"),
    "compose-errors": ("busy", pressed("/senders/write/", "Preview"), "Write a post"),
    "edit": ("busy", at("{draft}edit/"), "Change your post"),
    "post-draft": ("busy", at("{draft}"), "Crumpets and muffins"),
    "post-test-copy-sent": ("busy", pressed("{draft}", "Send a test copy to me"), "Crumpets and muffins"),
    "post-held": ("busy", at("{held}"), "A stall to share"),
    "post-withdrawn": ("busy", at("{withdrawn}"), "Not quite right yet"),
    "post-rejected": ("busy", at("{rejected}"), "Everything must go!!!"),
    "post-accepted": ("busy", at("{accepted}"), "Harvest supper"),
    "post-sending": ("busy", at("{sending}"), "The sending market of the year, with a longer subject than most"),
    "post-frozen": ("busy", at("{frozen}"), "The frozen market of the year, with a longer subject than most"),
    "post-recalled": ("busy", at("{recalled}"), "The recalled market of the year, with a longer subject than most"),
    "post-done": ("busy", at("{done}"), "The done market of the year, with a longer subject than most"),
    "mail": ("stranger", at("/dev/mail/"), "Mail that left"),
    "mail-none": ("stranger", at("/dev/mail/?q=nobody%40nowhere.example"), "Mail that left"),
    "mail-message": ("stranger", one_mail, "Please confirm: Fairs and markets"),
    "400": ("stranger", too_large_a_form, "We could not read that"),
    "403": ("stranger", without_cookies, "That was not accepted"),
    "404": ("stranger", at("/nowhere/"), "There is no such page"),
    "429": ("stranger", guessing, "A short wait, please"),
    "500": ("stranger", without_database, "Something went wrong on our side"),
    "500-signed-in": ("idle", without_database, "Something went wrong on our side"),
}
STAFF_PAGES = {
    "admin-index": at("/admin/"),
    "admin-post-held": at("{admin_held}"),
    "admin-post-done": at("{admin_done}"),
    "admin-sender": at("{admin_sender}"),
    "admin-subscription": at("{admin_subscription}"),
    "admin-subscription-pending": at("{admin_pending}"),
    "admin-subscription-reveal": an_address,
    "admin-trail": at("/admin/chamberlist/auditentry/"),
    "admin-subscriptions": at("/admin/subscriptions/subscription/"),
    "admin-subscriptions-found": at("/admin/subscriptions/subscription/?pk__in=1,2"),
    "admin-halt": at("/admin/chamberlist/halt/"),
    "admin-mail-kept": at("{admin_mail_owner}"),
    "admin-mail-unread": at("{admin_mail_abuse}"),
    "admin-mail-read": a_letter,
}
STAFF_PARTS = (".decide", ".notices", ".find", "#changelist-form")  # The rest of these pages is Django's.


@pytest.fixture(scope="module")
def paths(site: Site) -> dict[str, str]:
    """Where the scenery is."""
    said = site.manage("shell", "-c", "from tests.browser import scenery; scenery.build()")
    found: dict[str, str] = json.loads(said.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def broken_url(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same site, whose database is gone."""
    port = free_port()
    exports = [shlex.split(line)[1] for line in (site.folder / "manage").read_text().splitlines() if line.startswith("export ")]
    settings = dict(line.split("=", 1) for line in exports) | {"DATABASE_URL": "postgres://nobody@/none?host=/nowhere"}
    command = [sys.executable, "-m", "gunicorn", "chamberlist.wsgi", "--bind", f"{LOOPBACK}:{port}", "--no-control-socket"]
    log = tmp_path_factory.mktemp("broken") / "log"
    child = Child("The site without a database", command, log=log, environment=environment.inherited() | settings)
    try:
        child.wait_until(lambda: answers(port))
        yield f"http://localhost:{port}/"
    finally:
        child.stop()


@pytest.fixture(scope="module")
def visitors(browser: Browser, site: Site, paths: dict[str, str], broken_url: str) -> Iterator[dict[str, Visitor]]:
    """A stranger, two senders and one of the staff, each with cookies of their own."""
    contexts = {name: browser.new_context() for name in ("stranger", "busy", "idle", "staff")}
    opened = {name: Visitor(context.new_page(), site, paths, broken_url) for name, context in contexts.items()}
    opened["busy"].sign_in("jo@fair.example", paths["sender_busy"])
    opened["idle"].sign_in("new@fair.example", paths["sender_idle"])
    site.sign_in_as_staff(opened["staff"].page)
    yield opened
    for context in contexts.values():
        context.close()


@pytest.fixture(scope="module", params=PAGES)
def visitor(request: pytest.FixtureRequest, visitors: dict[str, Visitor]) -> Visitor:
    """Who has the page open: it is opened once, and looked at in each width and scheme."""
    who, steps, _ = PAGES[request.param]
    found = visitors[who]
    found.name = request.param
    found.complaints.clear()
    steps(found)
    return found


@pytest.fixture(scope="module", params=STAFF_PAGES)
def staff(request: pytest.FixtureRequest, visitors: dict[str, Visitor]) -> Visitor:
    """A member of staff who has the page open."""
    found = visitors["staff"]
    found.name = request.param
    found.complaints.clear()
    STAFF_PAGES[request.param](found)
    return found


def look(visitor: Visitor, width: int, scheme: Scheme) -> None:
    """Show the open page so wide and in this scheme, and photograph it where a folder is given for that."""
    visitor.page.set_viewport_size({"width": width, "height": 900})
    visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    visitor.page.evaluate("document.getAnimations().forEach(each => each.finish())")  # The admin's colours take their time.
    if folder := os.environ.get("SCREENSHOTS"):
        visitor.page.screenshot(path=Path(folder) / f"{visitor.name}-{width}-{scheme}.png", full_page=True)


def violations(page: Page, part: str | None = None) -> list[str]:
    """What axe objects to, in so many words."""
    found: list[dict[str, Any]] = AXE.run(page, part, OPTIONS).response["violations"]
    return [f"{each['id']}: {node['html']} {node.get('failureSummary')}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_everybody_can_read(visitor: Visitor, width: int, scheme: Scheme):
    look(visitor, width, scheme)
    _, _, heading = PAGES[visitor.name]
    assert visitor.page.locator("h1").all_inner_texts() == [heading]
    assert violations(visitor.page) == []
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
    assert visitor.complaints == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_staff_can_read_what_is_ours_in_the_admin(staff: Visitor, width: int, scheme: Scheme):
    look(staff, width, scheme)
    parts = [part for part in STAFF_PARTS if staff.page.locator(part).count()]
    assert parts
    assert [found for part in parts for found in violations(staff.page, part)] == []
    assert staff.page.evaluate("document.documentElement.scrollWidth") <= width
    assert staff.complaints == []

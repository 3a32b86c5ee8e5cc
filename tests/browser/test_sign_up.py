"""The subscribe form in a real browser: the work that it asks for, without JavaScript, and in a frame of another site's page."""

import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Page, Request, Route, expect

from chamberlist.embedded import environment
from chamberlist.embedded.processes import LOOPBACK, Child, answers, free_port
from subscriptions import caps, work
from tests.browser.conftest import Site
from tests.browser.test_accessibility import SCHEMES, violations
from tests.browser.test_journey import confirm

pytestmark = pytest.mark.xdist_group("browser")
BUTTON = "Send me the confirmation mail"
BITS = 12
WIDTHS = (280, 320, 390, 1280)


def ask_for(page: Page, bits: int) -> None:
    """Let the form ask for another amount of work, as the setting does."""

    def change(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace(f'data-work="{BITS}"', f'data-work="{bits}"'))

    page.route("**/lists/promotions/**", change)


def look(page: Page) -> None:
    """The page as it comes."""


def a_slip(page: Page) -> None:
    fill(page, "not an address")
    expect(page.get_by_role("alert")).to_be_visible()


def stale(page: Page) -> None:
    page.evaluate("document.forms[0].elements.token.value = 'old'")
    fill(page, "anne@bakery.example")
    expect(page.get_by_role("alert")).to_contain_text("could not take that the first time")


def waiting(page: Page) -> None:
    """As it stands while the browser works for longer than is asked for anywhere."""
    ask_for(page, 32)
    page.reload()
    fill(page, "anne@bakery.example")
    expect(page.get_by_role("status")).to_contain_text("a small piece of work")


def full(page: Page) -> None:
    """More requests than are taken of browsers that do no work."""
    url = page.url
    for _ in range(caps.WITHOUT_WORK_A_NETWORK + 1):
        page.evaluate("document.forms[0].elements.email.value = 'crowd@village-hall.example'")
        with page.expect_navigation():
            page.evaluate("document.forms[0].submit()")  # Past the script.
        if page.get_by_text("Nothing was kept of this request").count():
            return
        page.goto(url)


FORM, FRAME, HEADING = "/lists/promotions/", "/lists/promotions/embed/", "Subscribe to Promotions"
# The name of a page: where it is, how one comes there, and its heading.
LOOKS: dict[str, tuple[str, Callable[[Page], None], str]] = {
    "sign-up": (FORM, look, HEADING),
    "sign-up-stale": (FORM, stale, HEADING),
    "sign-up-waiting": (FORM, waiting, HEADING),
    "embed": (FRAME, look, HEADING),
    "embed-errors": (FRAME, a_slip, HEADING),
    "embed-stale": (FRAME, stale, HEADING),
    "embed-waiting": (FRAME, waiting, HEADING),
    "embed-sent": (f"{FRAME}sent/", look, "Now look in your mail"),
    "sign-up-full": (FORM, full, "A short wait, please"),  # At the end: nobody without a script is served after it.
    "embed-full": (FRAME, full, "A short wait, please"),
}


class Shop(BaseHTTPRequestHandler):
    """Another site's page, with the snippet of docs/production.md in it. Its query names the address to show."""

    def do_GET(self) -> None:
        _, _, address = self.path.partition("?")
        frame = f'<iframe src="{address}" title="Subscribe by e-mail" width="100%" height="640"></iframe>'
        page = f'<!doctype html><html lang="en"><title>A shop</title><h1>A shop</h1>{frame}</html>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def a_shop() -> Iterator[str]:
    server = ThreadingHTTPServer((LOOPBACK, 0), Shop)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,))
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def shops() -> Iterator[tuple[str, str]]:
    """Two web sites: one that may show the form, and one that may not."""
    with a_shop() as friend, a_shop() as stranger:
        yield friend, stranger


@pytest.fixture(scope="module")
def careful(site: Site, shops: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo's site once more, on a port of its own, where sign-ups take work and one other site may show the form."""
    port = free_port()
    exports = [shlex.split(line)[1] for line in (site.folder / "manage").read_text().splitlines() if line.startswith("export ")]
    settings = dict(line.split("=", 1) for line in exports)
    settings |= {"SIGN_UP_WORK": str(BITS), "EMBED_ORIGINS": shops[0], "SITE_URL": f"http://localhost:{port}"}
    # Threads: a browser opens connections ahead of need, and one of them would keep a single thread waiting.
    command = [sys.executable, "-m", "gunicorn", "chamberlist.wsgi", "--bind", f"{LOOPBACK}:{port}", "--no-control-socket"]
    command += ["--threads", "4"]
    log = tmp_path_factory.mktemp("careful") / "log"
    child = Child("The careful site", command, log=log, environment=environment.inherited() | settings)
    try:
        child.wait_until(lambda: answers(port))
        yield f"http://localhost:{port}"
    finally:
        child.stop()


@contextmanager
def opened(browser: Browser, *, javascript: bool = True) -> Iterator[tuple[Page, list[str]]]:
    """A page, and what the browser complains about in it."""
    context = browser.new_context(java_script_enabled=javascript, viewport={"width": 390, "height": 844})
    page = context.new_page()
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page, complaints
    context.close()


def fill(form: Page | FrameLocator, address: str) -> None:
    form.get_by_label("Your e-mail address").fill(address)
    form.get_by_role("button", name=BUTTON).click()


def sent(page: Page, form: FrameLocator | None = None) -> None:
    """Whether the request was taken, and no page on the way there left a cookie."""
    expect((form or page).get_by_role("heading", level=1)).to_have_text("Now look in your mail")
    assert page.context.cookies() == []


def work_in(page: Page) -> str:
    return str(page.locator("[name=work]").input_value())


def posts_of(page: Page) -> list[dict[str, str]]:
    """The forms that a page sends from now on, as they come to be sent."""
    seen: list[dict[str, str]] = []

    def keep(request: Request) -> None:
        if request.method == "POST":
            seen.append({name: values[0] for name, values in parse_qs(request.post_data or "").items()})

    page.on("request", keep)
    return seen


def test_the_browser_does_the_work_and_the_mail_comes(site: Site, careful: str, browser: Browser):
    address = "worker@village-hall.example"
    with opened(browser) as (page, complaints):
        posts = posts_of(page)
        page.goto(f"{careful}/lists/promotions/")
        assert work_in(page) == ""  # Nothing is begun for who only looks at the page.
        fill(page, address)
        sent(page)
        [form] = posts
        assert work.is_done(form["token"], form["work"], bits=BITS)
        assert complaints == []
        confirm(site, page, address)


def test_who_takes_time_to_type_finds_the_work_done_and_a_slip_costs_no_more(careful: str, browser: Browser):
    with opened(browser) as (page, complaints):
        posts = posts_of(page)
        page.goto(f"{careful}/lists/promotions/")
        page.get_by_label("Your e-mail address").focus()
        page.wait_for_function("document.forms[0].elements.work.value !== ''")
        done = work_in(page)
        fill(page, "worker@nowhere@")
        expect(page.locator(".error")).to_contain_text("not a complete mail address")
        assert work_in(page) == done
        fill(page, "second@village-hall.example")
        sent(page)
        assert [form["work"] for form in posts] == [done, done]
        page.get_by_role("link", name="Try again with another address").click()
        fill(page, "third@village-hall.example")
        sent(page)
        assert [each for each in complaints if "422" not in each] == []


def test_who_waits_is_told_so_and_a_second_press_sends_nothing(careful: str, browser: Browser):
    with opened(browser) as (page, complaints):
        posts = posts_of(page)
        ask_for(page, 32)
        page.goto(f"{careful}/lists/promotions/")
        fill(page, "patient@village-hall.example")
        button, progress = page.get_by_role("button", name=BUTTON), page.get_by_role("status")
        expect(progress).to_contain_text("a small piece of work")
        expect(button).to_have_attribute("aria-disabled", "true")
        button.click(force=True, no_wait_after=True)
        expect(progress).to_contain_text("On this device it takes about")
        assert posts == []
        assert complaints == []


def test_what_was_sent_before_the_work_began_leaves_once_it_is_done(careful: str, browser: Browser):
    with opened(browser) as (page, complaints):
        posts = posts_of(page)
        ask_for(page, 16)
        page.goto(f"{careful}/lists/promotions/")
        page.evaluate("document.forms[0].elements.email.value = 'filled-in@village-hall.example'")
        page.evaluate("document.forms[0].requestSubmit()")  # As a password manager does it: nobody came to the form.
        sent(page)
        [form] = posts
        assert work.is_done(form["token"], form["work"], bits=16)
        assert complaints == []


def test_a_script_that_fails_sends_the_form_as_if_there_were_none(careful: str, browser: Browser):
    with opened(browser) as (page, _):
        posts = posts_of(page)
        page.add_init_script("Uint8Array.from = () => { throw new Error('an old browser') }")
        page.goto(f"{careful}/lists/promotions/")
        fill(page, "old-browser@village-hall.example")
        sent(page)
        assert posts[0].get("work", "") == ""


def test_without_javascript_the_request_is_taken_too(site: Site, careful: str, browser: Browser):
    address = "scriptless@village-hall.example"
    with opened(browser, javascript=False) as (page, _):
        page.goto(f"{careful}/lists/promotions/")
        fill(page, address)
        sent(page)
        confirm(site, page, address)


@pytest.mark.parametrize("javascript", [True, False])
def test_the_form_works_in_the_page_of_a_site_that_may_show_it(
    site: Site, careful: str, shops: tuple[str, str], browser: Browser, javascript: bool
):
    address = f"framed-{javascript}@village-hall.example".lower()
    with opened(browser, javascript=javascript) as (page, complaints):
        page.goto(f"{shops[0]}/?{careful}/lists/promotions/embed/")
        frame = page.frame_locator("iframe")
        expect(frame.get_by_role("heading", level=1)).to_have_text("Subscribe to Promotions")
        fill(frame, address)
        sent(page, frame)
        frame.get_by_role("link", name="Try again with another address").click()
        expect(frame.get_by_label("Your e-mail address")).to_be_visible()
        assert complaints == []
        frame.get_by_role("link", name="Ambridge Chamber of Commerce").click()
        page.wait_for_url(f"{careful}/")  # A link leaves the frame.
        confirm(site, page, address)


@pytest.mark.parametrize("path", ["/lists/promotions/embed/", "/lists/promotions/embed/sent/", "/lists/promotions/embed/?a=1"])
def test_no_other_site_can_show_it(careful: str, shops: tuple[str, str], browser: Browser, path: str):
    with opened(browser) as (page, complaints):
        page.goto(f"{shops[1]}/?{careful}{path}")
        page.wait_for_timeout(300)
        assert page.frame_locator("iframe").get_by_role("heading", level=1).all_inner_texts() in ([], [""])
        assert any("frame-ancestors" in complaint for complaint in complaints)


@pytest.mark.parametrize("path", ["/lists/promotions/", "/lists/promotions/sent/", "/", "/senders/sign-in/", "/admin/login/"])
def test_nobody_can_show_another_page_of_ours(careful: str, shops: tuple[str, str], browser: Browser, path: str):
    with opened(browser) as (page, complaints):
        page.goto(f"{shops[0]}/?{careful}{path}")
        page.wait_for_timeout(300)
        assert any("frame-ancestors 'none'" in complaint for complaint in complaints)


@pytest.mark.parametrize("name", LOOKS)
def test_everybody_can_read_it(careful: str, browser: Browser, name: str):
    path, steps, heading = LOOKS[name]
    with opened(browser) as (page, _):
        page.goto(careful + path)
        steps(page)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        for width, scheme in product(WIDTHS, SCHEMES):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.evaluate("document.getAnimations().forEach(each => each.finish())")
            if folder := os.environ.get("SCREENSHOTS"):
                page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png", full_page=True)
            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width

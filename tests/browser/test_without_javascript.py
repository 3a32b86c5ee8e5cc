"""Every page works with JavaScript off."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Site
from tests.browser.test_journey import confirm, subscribe, write_and_submit

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def plain_page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_a_member_needs_no_javascript(site: Site, plain_page: Page):
    subscribe(site, plain_page, "noscript@village-hall.example")
    confirm(site, plain_page, "noscript@village-hall.example")


def test_a_sender_and_staff_need_no_javascript(site: Site, plain_page: Page):
    write_and_submit(site, plain_page, "Without a script")
    site.sign_in_as_staff(plain_page)
    plain_page.locator("a", has_text="Without a script").first.click()
    plain_page.get_by_label("What the sender is told, by mail").fill("Please add your opening hours.")
    plain_page.get_by_role("button", name="Reject").click()
    expect(plain_page.locator(".messagelist")).to_contain_text("Rejected.")
    site.open_mail(plain_page, site.sender, "Not accepted: Without a script")
    expect(plain_page.locator("main")).to_contain_text("Please add your opening hours.")

    number = site.post("Accepted without a script")
    plain_page.goto(f"{site.url}/admin/posting/post/{number}/change/")
    plain_page.get_by_role("button", name="Accept and send").click()
    expect(plain_page.locator(".messagelist")).to_contain_text("Accepted.")
    plain_page.get_by_role("button", name="Recall").click()  # While there is time: its copies are another test's.
    expect(plain_page.locator(".messagelist")).to_contain_text("Recalled")

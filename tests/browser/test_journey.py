"""The whole journey, as people make it: by clicking and typing, on the demo."""

import re
from urllib.request import Request, build_opener

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.xdist_group("browser")
NEWCOMER = "newcomer@village-hall.example"


def test_from_subscribing_to_leaving(site: Site, page: Page):
    subscribe(site, page, NEWCOMER)
    confirm(site, page, NEWCOMER)
    write_and_submit(site, page, "Fresh bread from Saturday")
    accept(site, page, "Fresh bread from Saturday")

    site.open_mail(page, NEWCOMER, "Fresh bread from Saturday")
    expect(page.locator("main")).to_contain_text("Bloggs Ltd sent you this through Ambridge Chamber of Commerce")
    assert site.subjects(page, site.sender).count("Fresh bread from Saturday") == 0  # The sender is no subscriber.
    leave_with_one_click(site, page, NEWCOMER, "Fresh bread from Saturday")

    number = site.post("Second thoughts")
    site.manage("acceptpost", number, "--now")
    site.open_mail(page, "zoe@", "Second thoughts")  # The others get it.
    for _ in range(120):
        if '"state": "done"' in site.manage("poststatus", number, "--json"):
            break
        page.wait_for_timeout(250)
    assert '"sent": 630' in site.manage("poststatus", number, "--json")
    assert "Second thoughts" not in site.subjects(page, NEWCOMER)


def subscribe(site: Site, page: Page, address: str) -> None:
    page.goto(site.url)
    page.get_by_role("link", name="Subscribe to Promotions").click()
    page.get_by_label("Your e-mail address").fill(address)
    page.get_by_role("button", name="Send me the confirmation mail").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Now look in your mail")


def confirm(site: Site, page: Page, address: str) -> None:
    site.open_mail(page, address, "Please confirm")
    page.locator("main a[href*='/confirm/']").first.click()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Shall we send you")  # To open the link confirmed nothing.
    page.locator("button[value=confirm]").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")


def write_and_submit(site: Site, page: Page, subject: str) -> None:
    site.sign_in_as_sender(page)
    page.get_by_role("link", name="Write a post").click()
    page.get_by_label("Subject").fill(subject)
    page.get_by_label("Your message").fill("Dear neighbours,\n\nour bakery opens on Saturday.\n\nJo Bloggs")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Send a test copy to me").click()
    page.get_by_role("button", name="Submit to the Chamber").click()
    expect(page.locator("main")).to_contain_text("Waiting for the Chamber")
    site.open_mail(page, site.sender, f"Test: {subject}")
    assert site.who_got(f"Subject: Test: {subject}") == [site.sender]  # And nobody else.


def accept(site: Site, page: Page, subject: str) -> None:
    site.sign_in_as_staff(page)
    page.get_by_role("link", name=re.compile(f"Waits for you: “{subject}”")).click()
    page.get_by_role("button", name="Accept and send").click()
    page.get_by_role("button", name="Send now, without waiting").click()
    expect(page.locator(".messagelist")).to_contain_text("It goes out now.")


def leave_with_one_click(site: Site, page: Page, address: str, subject: str) -> None:
    """As a mail client does it (RFC 8058): a POST without cookies, answered without a redirect."""
    site.open_mail(page, address, subject)
    page.get_by_role("link", name="Raw source").click()
    raw = page.inner_text("body")
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in raw
    found = re.search(r"List-Unsubscribe: <(\S+)>,", raw)
    assert found
    one_click = Request(found[1], data=b"List-Unsubscribe=One-Click", method="POST")  # noqa: S310
    with build_opener().open(one_click, timeout=10) as answer:
        assert answer.status == 200 and answer.url == found[1]


def test_who_left_by_mistake_is_asked_again(site: Site, page: Page):
    address = "cara@bookshop.example"  # One of the demo's members.
    number = site.post("A word for Cara")
    site.manage("acceptpost", number, "--now")
    site.open_mail(page, address, "A word for Cara")
    page.locator("main a[href*='/leave/']").first.click()
    page.get_by_role("button", name=re.compile("Leave")).click()
    page.get_by_role("button", name=re.compile("mistake")).click()
    confirm(site, page, address)


def test_who_paused_starts_again_by_the_link_that_is_mailed(site: Site, page: Page):
    address = "dora@dairy.example"
    subscribe(site, page, address)
    confirm(site, page, address)
    number = site.post("A word for Dora")
    site.manage("acceptpost", number, "--now")
    site.open_mail(page, address, "A word for Dora")
    page.locator("main a[href*='/choose/']").first.click()
    choose = page.url
    page.get_by_role("button", name="For a month").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your subscription is paused")
    page.goto(choose)
    page.get_by_role("button", name="Send me the link").click()
    site.open_mail(page, address, "Your subscription: Promotions")
    page.locator("main a[href*='/settings/']").first.click()
    expect(page.locator("main")).to_contain_text("Your subscription is paused until")
    page.get_by_role("button", name="Start again now").click()
    expect(page.locator("main")).to_contain_text("You are subscribed")

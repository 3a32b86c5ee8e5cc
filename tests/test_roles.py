"""Three roles of staff: what each may do, and that no page offers it a way that ends at "not allowed"."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from chamberlist import halt, roles, systemmail
from posting.inbound import keeping
from posting.models import InboundMail
from subscriptions import addresses, lifecycle
from subscriptions.models import Suppression
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
SUPERUSER = "Superuser"
MOST = 400  # Pages: a crawl that finds more has run in circles.


class Ways(HTMLParser):
    """The links of a page, and the forms that it has a button for: Django wraps a page to look at into a form without one."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.actions: list[str] = []
        self.form: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a" and values.get("href"):
            self.links.append(values["href"] or "")
        if tag == "form":
            self.form = (values.get("action") or "") if (values.get("method") or "").lower() == "post" else None
        if (tag == "button" or values.get("type") == "submit") and self.form is not None:
            self.actions.append(values.get("formaction") or self.form)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None


@pytest.fixture
def everything() -> None:
    """One of each that staff deal with."""
    promotions = builders.a_list()
    builders.a_member(promotions, "anne@bakery.example")
    lifecycle.sign_up(promotions, addresses.parse("dora@dairy.example"), how="form")
    joe = builders.a_sender(promotions)
    builders.a_held_post(joe)
    mail = builders.a_mail(to="postmaster", post=builders.a_sending_post(joe, subject="Autumn"))
    mail.advance(InboundMail.State.READING)
    mail.advance(InboundMail.State.KEPT, kind="rest", ended_at="2030-01-01T00:00Z")
    lifecycle.suppress(addresses.parse("carl@cafe.example").hash, None, Suppression.Reason.OBJECTION)
    systemmail.alert("test", "Something happened", "Look.")
    halt.halt(by="mary", reason="A test")


def one_of(role: str) -> Client:
    roles.found()
    user = User.objects.create_user(role.lower(), is_staff=True, is_superuser=role == SUPERUSER)
    user.groups.set(Group.objects.filter(name=role))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("role", [*roles.ROLES, SUPERUSER])
def test_no_page_offers_a_role_what_it_may_not_do(everything, role: str):
    client = one_of(role)
    waiting, seen, actions, pages = ["/admin/"], {"/admin/"}, set(), {}
    while waiting:
        page = waiting.pop()
        response = client.get(page)
        if response.status_code == 302:
            assert response["Location"].split("?")[0] != reverse("admin:index"), page
            ways = [response["Location"]]
        else:
            assert response.status_code == 200, page
            pages[page] = response.content.decode()
            found = Ways()
            found.feed(pages[page])
            actions |= {action or page for action in found.actions}
            ways = [urljoin(page, way) for way in found.links]
            ways = [way for way in ways if "?" not in page or "?" not in way]  # One filter at a time.
        for way in ways:
            if way.startswith("/admin/") and way not in seen and not re.search(r"[?&](o|e|_facets)=|/jsi18n/|#", way):
                seen.add(way)
                waiting.append(way)
        assert len(seen) < MOST
    for action in actions - {reverse("admin:logout")}:
        assert client.post(action, {}).status_code in (200, 302), action
    assert len(pages) > 5
    for text in pages.values():
        assert not re.search(r"anne@|bakery|dora@|dairy|carl@|argon2\$", text)


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        (
            "Moderators",
            "posting.change_post posting.view_named_subscribers chamberlist.change_halt posting.change_sender",
            "subscriptions.view_subscription",
        ),
        ("Membership", "subscriptions.change_subscription subscriptions.reveal_address", "posting.change_post posting.view_post"),
        (
            "Auditors",
            "posting.view_named_subscribers subscriptions.view_subscription chamberlist.view_auditentry",
            "subscriptions.reveal_address",
        ),
    ],
)
def test_each_role_may_do_its_work_and_not_the_others(role: str, may: str, may_not: str):
    one_of(role)
    user = User.objects.get(username=role.lower())
    assert all(user.has_perm(each) for each in may.split())
    assert not any(user.has_perm(each) for each in may_not.split())


def test_auditors_change_nothing():
    one_of("Auditors")
    user = User.objects.get(username="auditors")
    assert {each.split(".")[1].split("_")[0] for each in user.get_all_permissions()} == {"view"}


def test_a_letter_is_read_only_by_who_may_see_a_whole_address(everything):
    client = one_of("Membership")
    mail = InboundMail.objects.get(state__in=keeping.FOR_STAFF)
    url = reverse("admin:posting_inboundmail_do", args=[mail.pk, "read"])
    Group.objects.get(name="Membership").permissions.filter(codename="reveal_address").delete()
    assert url not in client.get(reverse("admin:posting_inboundmail_change", args=[mail.pk])).content.decode()
    assert client.post(url, {"reason": "x"}).status_code == 403


def test_a_group_that_the_chamber_changed_stays_as_it_is():
    roles.found()
    auditors = Group.objects.get(name="Auditors")
    auditors.permissions.clear()
    roles.found()
    assert not auditors.permissions.exists()
    assert set(Group.objects.values_list("name", flat=True)) == {"Moderators", "Membership", "Auditors"}

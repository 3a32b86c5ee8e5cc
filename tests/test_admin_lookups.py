"""What the address of an admin's list may ask for: what its page offers, and nothing that no page shows."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.test import Client, RequestFactory
from django.urls import NoReverseMatch, reverse

from chamberlist.models import Halt, SystemMail
from posting.models import Post
from subscriptions import lifecycle
from subscriptions.models import MailingList, Suppression
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
LISTED = [model for model in MODELS if model is not Halt]  # Its list is the page with the stop button.
VALUES = ("x", "1", "", "\0", "9" * 30, "1,2", "True", "9999")


def page(model: type[models.Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def asked(client: Client, model: type[models.Model], **query: str) -> Any:
    """The answer, which must not be a fault of the program."""
    client.raise_request_exception = False
    response = client.get(page(model), query)
    assert response.status_code in (200, 302, 400), (model, query)
    return response


def paths(model: type[models.Model], depth: int = 2) -> Iterator[str]:
    """Every column of a model and, over its relations in both directions, of those beside it."""
    for field in model._meta.get_fields():
        yield field.name
        if field.is_relation and field.related_model and depth:
            for rest in paths(field.related_model, depth - 1):
                yield f"{field.name}__{rest}"


@pytest.fixture
def boss(admin_client: Client) -> Client:
    promotions = builders.a_list()
    anne = builders.a_member(promotions)
    builders.a_held_post(builders.a_sender(promotions))
    lifecycle.suppress(bytes(anne.address_hash), None, Suppression.Reason.BOUNCE)
    SystemMail.objects.create(purpose="manage", object_id=1, recipient_hash=b"x", expires_at="2030-01-01T00:00Z")
    return admin_client


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_no_list_is_asked_by_what_its_page_does_not_offer(model: type[models.Model]):
    its, request = admin.site._registry[model], RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True)
    offered = {"pk__in"} | {name for name, _ in its.lookups(request)}  # type: ignore[attr-defined]
    fields = {each if isinstance(each, str) else getattr(each, "parameter_name", "") for each in its.get_list_filter(request)}
    assert {name.partition("__")[0] for name in offered} <= {"pk", its.date_hierarchy} | fields
    for path in paths(model):
        for kind in ("", "__exact", "__startswith", "__gt"):
            lookup = path + kind
            assert lookup in offered or not its.lookup_allowed(lookup, "1", request), lookup
    assert not any(secret in name for name in offered for secret in ("sealed", "hash", "password", "handle"))


@pytest.mark.parametrize("model", LISTED, ids=str)
def test_what_a_list_offers_and_odd_values_of_it_are_no_fault(boss: Client, model: type[models.Model]):
    its, request = admin.site._registry[model], RequestFactory().get("/")
    request.user = User.objects.get(username="admin")
    for name, _ in its.lookups(request):  # type: ignore[attr-defined]
        for value in VALUES:
            asked(boss, model, **{name: value})
    for field in model._meta.concrete_fields:
        if field.name not in {name for name, _ in its.lookups(request)}:  # type: ignore[attr-defined]
            assert asked(boss, model, **{field.name: "x"}).status_code == 400


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        ("subscriptions.subscription", "mailing_list__senders__password__startswith"),
        ("subscriptions.subscription", "mailing_list__subscriptions__sealed_address__startswith"),
        ("posting.sender", "password__startswith"),
        ("posting.post", "mailing_list__subscriptions__handle"),
        ("subscriptions.suppression", "address_hash"),
        ("chamberlist.systemmail", "recipient_hash"),
        ("auth.user", "password__startswith"),
    ],
)
def test_sealed_and_secret_columns_cannot_be_tried_out(boss: Client, model: str, lookup: str):
    found = next(each for each in MODELS if each._meta.label_lower == model)
    assert asked(boss, found, **{lookup: "a"}).status_code == 400


def test_the_filters_that_the_pages_offer_work(boss: Client):
    for model, query in (
        (Post, {"state__exact": "held"}),
        (Post, {"mailing_list__id__exact": str(MailingList.objects.get().pk)}),
        (Suppression, {"mailing_list__isnull": "True"}),
        (Post, {"pk__in": f"{Post.objects.get().pk},0"}),
    ):
        response = asked(boss, model, **query)
        assert response.status_code == 200 and response.context["cl"].result_count == 1, query
        assert asked(boss, model, **dict.fromkeys(query, "0") | {"pk__in": "0"}).context["cl"].result_count == 0


def test_no_link_of_the_admin_goes_by_the_host_header(boss: Client):
    promotions = MailingList.objects.get()
    kind = ContentType.objects.get_for_model(MailingList)
    assert boss.get(f"/admin/r/{kind.pk}/{promotions.pk}/").status_code == 404
    with pytest.raises(NoReverseMatch):
        reverse("admin:view_on_site", args=[kind.pk, promotions.pk])
    row = boss.get(reverse("admin:subscriptions_mailinglist_change", args=[promotions.pk])).content.decode()
    assert "/admin/r/" not in row and "View on site" not in row
    assert not any(its.view_on_site for its in admin.site._registry.values())

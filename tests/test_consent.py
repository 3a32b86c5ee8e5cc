"""The words of a consent, and its record, which is only ever added to."""

import pytest
from django.db import IntegrityError, transaction

from chamberlist import halt
from chamberlist.models import AuditEntry
from subscriptions import consent
from subscriptions.models import ConsentEvent, MailingList
from tests import builders


@pytest.mark.django_db
@pytest.mark.parametrize("change", [{"kind": "left"}, {"wording": "9"}, {"evidence": ""}, {"address_hash": b"1"}])
def test_the_database_refuses_to_rewrite_a_consent(change):
    builders.a_member(builders.a_list())
    before = ConsentEvent.objects.values().get()
    with pytest.raises(IntegrityError, match="only added, never changed"), transaction.atomic():
        ConsentEvent.objects.update(**change)
    event = ConsentEvent.objects.get()
    event.how = "page"
    with pytest.raises(IntegrityError), transaction.atomic():
        event.save()
    assert ConsentEvent.objects.values().get() == before


@pytest.mark.django_db
def test_the_database_refuses_to_rewrite_the_audit_trail():
    halt.halt(by="mary", reason="A test")
    with pytest.raises(IntegrityError, match="only added, never changed"), transaction.atomic():
        AuditEntry.objects.update(actor="john")
    assert AuditEntry.objects.get().actor == "mary"


@pytest.mark.parametrize("replies", MailingList.Replies.values)
def test_the_words_name_the_chamber_the_list_and_where_answers_go(replies: str, settings):
    words = consent.wording(MailingList(name="Spring <offers>", replies=replies))
    text = " ".join(words.paragraphs)
    assert settings.CHAMBER.name in text
    assert "Spring <offers>" in text
    assert consent.REPLIES[MailingList.Replies(replies)] in text
    assert ("No business sees it" in text) is (replies != "sender")
    assert ("sees your address" in consent.REPLIES[MailingList.Replies(replies)]) is (replies == "sender")
    assert words.version == f"{consent.VERSION}/{replies}"


def test_each_way_of_answering_has_words_of_its_own():
    assert set(consent.REPLIES) == set(MailingList.Replies)
    assert len({consent.wording(MailingList(replies=replies)).paragraphs for replies in MailingList.Replies}) == 3


@pytest.mark.django_db
def test_the_record_keeps_the_words_in_force_then():
    promotions = builders.a_list(replies="sender")
    anne = builders.a_member(promotions)
    promotions.replies = MailingList.Replies.OPAQUE
    promotions.save()
    anne.refresh_from_db()
    consent.record(anne, ConsentEvent.Kind.LEFT, how="page", evidence="x" * 600)
    first, second = ConsentEvent.objects.all()
    assert (first.wording, second.wording) == ("1/sender", "1/opaque")
    assert (first.evidence, len(second.evidence)) == ("a test", 500)

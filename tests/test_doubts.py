"""Copies in doubt: a person decides about them, and nothing else does."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from chamberlist.clock import Now
from chamberlist.models import AuditEntry
from posting.delivery import closing, dispatch, ledger
from posting.models import Delivery, Post
from posting.moderation import moderation
from tests import builders
from tests.smtpserver import SmtpServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def post(smtp: SmtpServer) -> Post:
    """A post that is done, one of its three copies in doubt."""
    promotions = builders.a_list()
    builders.members(promotions, "anne@bakery.example", "bob@garage.example", "cleo@florist.example")
    post = builders.a_sending_post(builders.a_sender(promotions))
    smtp.at_dot = lambda recipient: "" if recipient == "anne@bakery.example" else None
    dispatch.run_lane(1, seconds=60)
    smtp.at_dot = lambda _: None
    post.refresh_from_db()
    assert post.state == Post.State.DONE and ledger.counts(post)["in_doubt"] == 1
    return post


def test_a_doubt_is_sent_again_on_a_persons_word(post: Post, smtp: SmtpServer, capsys: pytest.CaptureFixture[str]):
    call_command("resolvedoubt", post.pk, "--resend", "--reason", "the relay has no trace of it")
    assert f"post {post.pk}: sending\n1 in doubt: they wait to be sent again" in capsys.readouterr().out
    dispatch.run_lane(1, seconds=60)
    post.refresh_from_db()
    assert post.state == Post.State.DONE and ledger.counts(post)["sent"] == 3
    assert len(smtp.to("anne@bakery.example")) == 1 and len(smtp.to("bob@garage.example")) == 1
    assert AuditEntry.objects.get(verb="send doubts again").reason == "the relay has no trace of it"


def test_a_doubt_is_left_on_record(post: Post, capsys: pytest.CaptureFixture[str]):
    call_command("resolvedoubt", post.pk, "--leave")
    assert "1 in doubt: left as they are" in capsys.readouterr().out
    assert ledger.counts(post)["in_doubt"] == 1
    assert AuditEntry.objects.get(verb="leave doubts").reason == "1 copies"


def test_nothing_is_sent_again_after_the_end(post: Post):
    Post.objects.update(expires_at=Now() - timedelta(seconds=1))
    with pytest.raises(CommandError, match="Its time is over"):
        call_command("resolvedoubt", post.pk, "--resend")
    assert ledger.counts(post)["in_doubt"] == 1


def test_nothing_of_a_recalled_post_is_sent_again(post: Post):
    moderation.resend_doubts(post, by="a test")
    closing.end(Post.objects.get(pk=post.pk), Post.State.RECALLED)
    post.deliveries.filter(state=Delivery.State.CANCELLED).update(state=Delivery.State.IN_DOUBT)
    with pytest.raises(CommandError, match="Recalled"):
        call_command("resolvedoubt", post.pk, "--resend")


def test_one_of_the_two_must_be_chosen(post: Post):
    with pytest.raises(CommandError, match="required"):
        call_command("resolvedoubt", post.pk)


def test_staff_decide_about_doubts_on_the_page_of_the_post(post: Post, smtp: SmtpServer, admin_client: Client):
    page = reverse("admin:posting_post_change", args=[post.pk])
    leave, resend = (reverse("admin:posting_post_do", args=[post.pk, verb]) for verb in ("leave", "resend"))
    assert "1 in doubt" in admin_client.get(page).content.decode()
    assert "stay as they are" in admin_client.post(leave, {"reason": "too old to matter"}, follow=True).content.decode()
    assert ledger.counts(post)["in_doubt"] == 1
    assert "wait to be sent again" in admin_client.post(resend, {"reason": "no trace in the log"}, follow=True).content.decode()
    dispatch.run_lane(1, seconds=60)
    assert ledger.counts(post)["sent"] == 3
    assert "in doubt</h2>" not in admin_client.get(page).content.decode()
    entries = AuditEntry.objects.filter(verb__contains="doubts").order_by("pk").values_list("actor", "verb", "reason")
    assert list(entries) == [("admin", "leave doubts", "too old to matter"), ("admin", "send doubts again", "no trace in the log")]

"""Automatic replies: from nobody, marked as what they are, one a day for each address, receipts one for each post."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils.module_loading import import_string

from chamberlist import autoreply, systemmail
from chamberlist.models import SystemMail
from posting.models import InboundMail, Post, Sender
from posting.submission import senders
from subscriptions import addresses
from subscriptions.models import MailingList
from tests import builders
from tests.providerserver import Provider
from tests.smtpserver import Received, SmtpServer

pytestmark = pytest.mark.django_db(transaction=True)
JOE = addresses.parse("joe@bloggs.example")


@pytest.fixture
def promotions() -> MailingList:
    return builders.a_list()


@pytest.fixture
def sender(promotions: MailingList) -> Sender:
    return builders.a_sender(promotions)


def an_inbound_mail(sender: Sender | None, outcome: str = "The text is over the size limit.") -> InboundMail:
    return InboundMail.objects.create(digest=b"d", via="smtp", size=1, sender=sender, outcome=outcome, state=InboundMail.State.DONE)


def sent(smtp: SmtpServer) -> Received:
    assert systemmail.send_due() == 1
    mail = smtp.received[-1]
    assert mail.sender == "<>" and mail.recipients == (JOE.text,)
    assert mail.message["Auto-Submitted"] == "auto-replied"
    assert mail.message["X-Auto-Response-Suppress"] == "DR, RN, NRN, OOF, AutoReply"
    assert mail.message["From"].addresses[0].addr_spec == "no-reply@lists.chamber.example"
    assert mail.message.get_body(("html",)) is not None
    return mail


def test_a_receipt_says_what_happens_next(smtp: SmtpServer, sender: Sender, rung, settings):
    post = builders.a_held_post(sender)
    SystemMail.objects.all().delete()
    assert autoreply.receipt("mail_receipt", post.pk, recipient_hash=JOE.hash)
    mail = sent(smtp)
    assert mail.message["Subject"] == "Waiting for the Chamber: Spring offers"
    assert f"{settings.SITE_URL}/senders/posts/{post.pk}/" in mail.text and "Withdraw it" in mail.text
    accepted = builders.an_accepted_post(sender)
    SystemMail.objects.filter(purpose="post_waiting").delete()
    assert autoreply.receipt("mail_receipt", accepted.pk, recipient_hash=JOE.hash)
    mail = sent(smtp)
    assert mail.message["Subject"] == "Received: Spring offers"
    assert "call the Chamber" in mail.text and "Withdraw" not in mail.text


@pytest.mark.parametrize("state", ["rejected", "discarded", "recalled", "expired", "done"])
def test_a_receipt_that_comes_late_promises_no_stop(smtp: SmtpServer, sender: Sender, rung, state: str):
    post = builders.an_accepted_post(sender)
    SystemMail.objects.all().delete()
    builders.overwrite(post, reject_reason="No.")
    Post.objects.update(state=state, audience=0)
    autoreply.receipt("mail_receipt", post.pk, recipient_hash=JOE.hash)
    mail = sent(smtp)
    assert "have it stopped" not in mail.text and "Withdraw" not in mail.text and "sign in" in mail.text


def test_one_receipt_for_each_post_whatever_else_was_sent(sender: Sender, rung):
    assert autoreply.reply("mail_wrong_password", sender.pk, recipient_hash=JOE.hash)
    for number in (1, 2, 3):
        assert [autoreply.receipt("mail_receipt", number, recipient_hash=JOE.hash) for _ in range(3)] == [True, False, False]
    assert SystemMail.objects.filter(purpose="mail_receipt").count() == 3


def test_who_has_withdrawn_gets_no_receipt(smtp: SmtpServer, sender: Sender, rung):
    post = builders.a_draft(sender)
    post.advance("withdrawn")
    autoreply.receipt("mail_receipt", post.pk, recipient_hash=JOE.hash)
    assert systemmail.send_due() == 0


def test_a_refusal_says_why_and_where_the_form_is(smtp: SmtpServer, sender: Sender, rung, settings):
    mail = an_inbound_mail(sender)
    assert autoreply.receipt("mail_refused", mail.pk, recipient_hash=JOE.hash)
    text = sent(smtp).text
    assert "The text is over the size limit." in text and f"{settings.SITE_URL}/senders/write/" in text


def test_a_refusal_that_left_a_draft_leads_to_the_draft(smtp: SmtpServer, sender: Sender, rung, settings):
    mail, draft = an_inbound_mail(sender), builders.a_draft(sender)
    InboundMail.objects.update(post=draft)
    autoreply.receipt("mail_refused", mail.pk, recipient_hash=JOE.hash)
    text = sent(smtp).text
    assert f"{settings.SITE_URL}/senders/posts/{draft.pk}/\r\n" in text and "draft" in text
    assert "/senders/write/" not in text and "not kept" not in text


def test_a_wrong_password_is_told_to_the_contact_address(smtp: SmtpServer, sender: Sender, rung, settings):
    assert autoreply.reply("mail_wrong_password", sender.pk, recipient_hash=JOE.hash)
    text = sent(smtp).text
    assert "the right password" in text and "(DKIM)" in text and f"{settings.SITE_URL}/senders/write/" in text
    assert builders.PASSWORDS[sender.pk] not in text


def test_no_address_of_a_stranger_stands_in_a_refusal(smtp: SmtpServer, sender: Sender, rung):
    mail = an_inbound_mail(sender, "It names anne@bakery.example.")
    autoreply.receipt("mail_refused", mail.pk, recipient_hash=JOE.hash)
    assert b"bakery" not in sent(smtp).content


def test_nobody_but_an_approved_sender_is_told_anything(smtp: SmtpServer, sender: Sender, rung):
    unknown = an_inbound_mail(None)
    senders.revoke(sender, by="a test")
    known = InboundMail.objects.create(digest=b"e", via="smtp", size=1, sender=sender, state=InboundMail.State.DONE)
    for purpose, number in (("mail_refused", unknown.pk), ("mail_refused", known.pk), ("mail_wrong_password", sender.pk)):
        systemmail.queue(purpose, number)
    assert systemmail.send_due() == 0
    assert not smtp.received


def test_one_a_day_for_each_address_whichever_it_is(sender: Sender, settings, rung):
    for _ in range(3):
        for purpose in settings.AUTOMATIC_MAILS:
            autoreply.reply(purpose, sender.pk, recipient_hash=JOE.hash)
    first = SystemMail.objects.get()
    assert autoreply.reply("leave_link", 1, recipient_hash=addresses.parse("anne@bakery.example").hash)
    builders.later(first, "created_at", timedelta(hours=23))
    assert not autoreply.reply("mail_wrong_password", sender.pk, recipient_hash=JOE.hash)
    builders.later(first, "created_at", timedelta(hours=2))
    assert autoreply.reply("mail_wrong_password", sender.pk, recipient_hash=JOE.hash)


def test_two_at_once_are_one(sender: Sender, rung):
    together = threading.Barrier(4)
    done: list[bool] = []

    def reply() -> None:
        together.wait(10)
        done.append(autoreply.reply("mail_wrong_password", sender.pk, recipient_hash=JOE.hash))
        connection.close()

    threads = [threading.Thread(target=reply) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False, False, False, True]


def test_what_is_no_automatic_reply_cannot_be_queued_as_one(rung):
    with pytest.raises(AssertionError):
        autoreply.reply("alert", 1, recipient_hash=JOE.hash)


def test_each_automatic_mail_is_rendered_as_one(settings):
    for purpose in (*settings.AUTOMATIC_MAILS, "mail_refused", "mail_receipt"):
        assert import_string(settings.SYSTEM_MAILS[purpose])(2**40) is None


def test_other_mails_of_ours_keep_their_envelope(smtp: SmtpServer, promotions: MailingList, rung):
    systemmail.alert("a test", "Something is odd", "")
    assert systemmail.send_due() == 1
    [mail] = smtp.received
    assert mail.sender == "no-reply@lists.chamber.example" and mail.message["Auto-Submitted"] == "auto-generated"


def test_a_refusal_of_the_recipient_is_final_for_a_mail_from_nobody_too(smtp: SmtpServer, sender: Sender, rung):
    autoreply.reply("mail_wrong_password", sender.pk, recipient_hash=JOE.hash)
    smtp.at_recipient = lambda _: "550 5.1.1 nobody"
    assert systemmail.send_due() == 0
    assert SystemMail.objects.get().state == "failed"


def test_a_provider_names_an_envelope_of_its_own(provider: Provider, sender: Sender, rung):
    autoreply.reply("mail_wrong_password", sender.pk, recipient_hash=JOE.hash)
    assert systemmail.send_due() == 1
    [request] = provider.requests
    assert request.headers["Auto-Submitted"] == "auto-replied"
    assert "no-reply@lists.chamber.example" in request.fields["From"]

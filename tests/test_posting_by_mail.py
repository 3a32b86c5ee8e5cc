"""A post by one mail to the list, with the password from the Chamber."""

import pytest
from django.urls import reverse

from chamberlist.models import SystemMail, ThrottleCounter
from posting.models import InboundMail, Post
from posting.submission import senders, submission
from tests import builders
from tests.arriving import LIST, TEXT, a_mail, arrive, everything_stored, sent_by

pytestmark = pytest.mark.django_db

OURS = "mx.chamber.example"  # The front that looks at signatures.
PASS = f"{OURS}; dkim=pass header.d=bloggs.example; dmarc=pass header.from=bloggs.example"
FAIL = f"{OURS}; dkim=fail header.d=bloggs.example; dmarc=fail (p=reject) header.from=bloggs.example"
BROKEN = f"{OURS}; dkim=fail header.d=bloggs.example; dmarc=none header.from=bloggs.example"
UNSIGNED = f"{OURS}; dkim=none; dmarc=none header.from=bloggs.example"


@pytest.fixture(autouse=True)
def _front(settings):
    settings.AUTHSERV_ID = OURS


@pytest.fixture
def sender():
    return builders.a_sender(builders.a_list())


def password(sender) -> str:
    return builders.PASSWORDS[sender.pk]


def a_post(sender, **words) -> bytes:
    words = {"Authentication_Results": PASS, "Approved": password(sender), **words}
    return a_mail(**words)


def test_the_password_in_a_header_makes_a_post(sender, smtp):
    mail = arrive(a_post(sender))
    post = Post.objects.get()
    assert (post.sender, post.state, post.subject, post.body) == (sender, Post.State.HELD, "Spring offers", TEXT.strip())
    assert (mail.state, mail.kind, mail.post) == (InboundMail.State.DONE, "post", post)
    [receipt] = sent_by(smtp)[:1]
    assert {each.recipients for each in sent_by(smtp)} == {("joe@bloggs.example",), ("office@chamber.example",)}
    assert receipt.content


@pytest.mark.parametrize("line", ["Password: {}", "password:{}", "Approved: {}", "  APPROVED :  {}  ", "*Password:* {}"])
def test_the_password_in_the_first_line_makes_a_post(sender, line):
    arrive(a_mail(text=f"\n{line.format(password(sender))}\n\n{TEXT}", Authentication_Results=PASS))
    assert Post.objects.get().body == TEXT.strip()


def test_a_receipt_says_where_the_post_stands_and_nothing_of_the_password(sender, smtp):
    arrive(a_post(sender))
    receipts = [mail for mail in sent_by(smtp) if mail.recipients == ("joe@bloggs.example",)]
    assert len(receipts) == 1
    receipt = receipts[0]
    assert receipt.sender == "<>" and receipt.message["Auto-Submitted"] == "auto-replied"
    assert "Spring offers" in receipt.text and f"/posts/{Post.objects.get().pk}" in receipt.text
    assert password(sender) not in receipt.text


def test_the_password_is_kept_nowhere(sender, smtp):
    secret = password(sender).encode()
    arrive(a_post(sender))
    stored, sent = everything_stored(), b"".join(mail.content for mail in sent_by(smtp))
    for form in (secret, secret.replace(b"-", b"")):
        assert form not in stored and form not in sent


def test_without_moderation_it_is_accepted_at_once(smtp):
    sender = builders.a_sender(builders.a_list(moderation="none"))
    arrive(a_post(sender))
    assert Post.objects.get().state == Post.State.ACCEPTED
    [receipt] = sent_by(smtp)
    assert "accepted" in receipt.text.lower()


def test_from_alone_authorises_nothing(sender, smtp):
    mail = arrive(a_mail(Authentication_Results=PASS))
    assert not Post.objects.exists() and mail.state == InboundMail.State.DONE
    assert [each.recipients for each in sent_by(smtp)] == [("joe@bloggs.example",)]


def test_a_wrong_password_is_told_to_the_contact_address_once_a_day_and_to_nobody_else(sender, smtp):
    for number in range(3):
        arrive(a_post(sender, Approved="wrong-wrong-wrong-wrong", message_id=f"<{number}@evil.example>"), sender="eve@evil.example")
    assert not Post.objects.exists()
    assert [mail.recipients for mail in sent_by(smtp)] == [("joe@bloggs.example",)]


def test_a_stranger_with_a_password_gets_nothing_and_leaves_nothing(sender, smtp):
    mail = arrive(a_post(sender, author="eve@evil.example"), sender="eve@evil.example")
    assert not Post.objects.exists() and not SystemMail.objects.exists() and sent_by(smtp) == []
    assert mail.state == InboundMail.State.DONE
    assert b"eve@evil.example" not in everything_stored()


def test_what_fails_dmarc_is_neither_tried_nor_counted(sender):
    counters = set(ThrottleCounter.objects.values_list("bucket", "hits"))
    mail = arrive(a_post(sender, Authentication_Results=FAIL))
    assert not Post.objects.exists() and "DMARC" in mail.outcome  # Though the password is right.
    assert set(ThrottleCounter.objects.values_list("bucket", "hits")) == counters


def test_forged_mails_lock_nobody_out(sender, client):
    for number in range(15):
        arrive(
            a_post(
                sender, Approved="wrong-wrong-wrong-wrong", Authentication_Results=UNSIGNED, message_id=f"<{number}@evil.example>"
            )
        )
    mail = arrive(a_post(sender, Authentication_Results=UNSIGNED, message_id="<a@bloggs.example>"))
    assert not Post.objects.exists() and "Too many" in mail.outcome
    arrive(a_post(sender, message_id="<b@bloggs.example>"))  # Signed by the sender's own domain.
    assert Post.objects.count() == 1
    assert senders.authenticate("joe@bloggs.example", password(sender)) == sender
    data = {"address": "joe@bloggs.example", "password": password(sender)}
    assert client.post(reverse("sender_sign_in"), data).status_code == 302


def test_a_broken_signature_holds_the_post():
    sender = builders.a_sender(builders.a_list(moderation="none"))
    arrive(a_post(sender, Authentication_Results=BROKEN))
    post = Post.objects.get()
    assert post.state == Post.State.HELD and "DKIM" in post.reasons[0]


def test_what_the_front_did_not_look_at_is_held():
    sender = builders.a_sender(builders.a_list(moderation="none"))
    arrive(a_mail(Approved=password(sender)))
    assert Post.objects.get().state == Post.State.HELD


def test_a_forged_result_of_the_check_is_not_believed(sender):
    arrive(a_post(sender, Authentication_Results=f"evil.example; dmarc=pass header.from=bloggs.example; {PASS.partition(';')[2]}"))
    assert "could not be checked" in str(Post.objects.get().reasons)


def test_the_same_message_twice_is_one_post_with_one_receipt(sender, smtp):
    arrive(a_post(sender))
    again = a_post(sender, Received="from a by b; Wed, 25 Nov 2026 10:00:00 +0000")
    mail = arrive(again)
    assert Post.objects.count() == 1 and "before" in mail.outcome
    assert [each.recipients for each in sent_by(smtp)].count(("joe@bloggs.example",)) == 1


def test_others_in_to_or_cc_hold_the_post_and_the_reason_names_nobody():
    promotions = builders.a_list(moderation="none")
    builders.a_member(promotions, "anne@bakery.example")
    sender = builders.a_sender(promotions)
    arrive(a_post(sender, to=f"{LIST}, anne@bakery.example", Cc="bob@butcher.example"))
    post = Post.objects.get()
    assert post.state == Post.State.HELD and "2 other" in post.reasons[0]
    assert "anne" not in str(post.reasons) and "bob" not in str(post.reasons)


def test_a_post_over_the_limit_of_the_day_is_kept_as_a_draft_and_told(sender, smtp):
    for number in range(4):
        arrive(a_post(sender, message_id=f"<{number}@bloggs.example>", subject=f"Offer {number}"))
    assert Post.objects.filter(state=Post.State.DRAFT).count() == 1
    told = [mail for mail in sent_by(smtp) if mail.recipients == ("joe@bloggs.example",)]
    assert len(told) == 4 and "limit" in told[-1].text and "draft" in told[-1].text


def test_a_list_that_is_not_the_sender_s_is_refused_and_told(sender, smtp):
    builders.a_list("news")
    arrive(a_post(sender, to="news@lists.chamber.example"), "news@lists.chamber.example")
    assert not Post.objects.exists()
    [told] = sent_by(smtp)
    assert told.recipients == ("joe@bloggs.example",) and "may not post to this list" in " ".join(told.text.split())


def test_a_revoked_sender_is_a_stranger(sender):
    secret = a_post(sender)
    senders.revoke(sender, by="a test")
    arrive(secret)
    assert not Post.objects.exists() and not SystemMail.objects.exists()


def test_two_authors_are_nobody(sender):
    arrive(a_post(sender, author="joe@bloggs.example, eve@evil.example"))
    assert not Post.objects.exists() and not SystemMail.objects.exists()


def test_no_header_of_the_mail_reaches_a_copy(sender):
    promotions = sender.lists.get()
    builders.a_member(promotions, "anne@bakery.example")
    arrive(a_post(sender, Bcc="bob@butcher.example", X_Evil="yes", Reply_To="eve@evil.example", Sender="eve@evil.example"))
    assert "evil" not in str(Post.objects.values_list().get())


def test_a_password_that_stands_elsewhere_too_is_refused_and_the_sender_is_told(sender, smtp):
    secret = password(sender)
    mail = arrive(a_post(sender, text=f"{TEXT}\nMy notes: {secret}\n"))
    assert not Post.objects.exists() and mail.state == InboundMail.State.DONE
    assert secret.encode() not in everything_stored()
    [told] = sent_by(smtp)
    assert told.recipients == ("joe@bloggs.example",) and "form" in told.text and secret not in told.text


def test_a_message_that_was_wrong_once_is_not_tried_again(sender):
    arrive(a_post(sender, Approved="wrong-wrong-wrong-wrong"))
    mail = arrive(a_post(sender, X="the same message, altered on its way"))
    assert not Post.objects.exists() and "not tried" in mail.outcome


def test_one_mail_to_two_lists_is_a_post_to_each(sender):
    sender.lists.add(builders.a_list("news"))
    arrive(a_post(sender, to=f"{LIST}, news@lists.chamber.example"), LIST, "news@lists.chamber.example")
    assert sorted(Post.objects.values_list("mailing_list__slug", flat=True)) == ["news", "promotions"]


@pytest.mark.parametrize(
    "author",
    ["=?utf-8?q?joe=40bloggs.example_=28?= <eve@bloggs.example>", "joe@bloggs.example <eve@bloggs.example>"],
)
def test_a_name_that_looks_like_an_address_is_none(sender, author):
    forged = a_post(sender).replace(b"From: joe@bloggs.example", f"From: {author}".encode())
    arrive(forged)
    assert not Post.objects.exists() and not SystemMail.objects.exists()


def test_a_name_with_a_comma_in_it_is_one_author(sender):
    arrive(a_post(sender).replace(b"From: joe@bloggs.example", b"From: =?utf-8?q?M=C3=BCller=2C_Joe?= <Joe@Bloggs.example>"))
    assert Post.objects.count() == 1


def test_a_draft_that_was_over_the_limit_is_held_for_the_same_reasons_later():
    sender = builders.a_sender(builders.a_list(moderation="none"))
    for number in range(4):
        arrive(a_post(sender, message_id=f"<{number}@bloggs.example>", subject=f"Offer {number}", Cc="bob@butcher.example"))
    draft = Post.objects.get(state=Post.State.DRAFT)
    Post.objects.exclude(pk=draft.pk).update(submitted_at=None)
    assert submission.submit(draft, content_hash=draft.content_hash) == ""
    draft.refresh_from_db()
    assert draft.state == Post.State.HELD and "1 other" in draft.reasons[0]

"""What is done with each kind of mail: through the door, as it comes."""

import uuid
from datetime import timedelta

import pytest

from chamberlist import tokens
from chamberlist.models import Alert
from posting.inbound import destinations, examining, room, routing
from posting.inbound.destinations import Destination
from posting.inbound.examining import Arrived
from posting.models import Delivery, InboundMail, Post
from subscriptions.models import Subscription
from tests import builders
from tests.arriving import LIST, a_mail, arrive, everything_stored, sent_by

pytestmark = pytest.mark.django_db
DOMAIN = "lists.chamber.example"
State = Subscription.State


@pytest.fixture
def post():
    promotions = builders.a_list()
    builders.a_member(promotions, "anne@bakery.example")
    post = builders.a_sending_post(builders.a_sender(promotions), promotions)
    post.deliveries.update(state=Delivery.State.SENT)
    return post


@pytest.fixture
def copy(post):
    return post.deliveries.get()


def address(prefix: str, purpose: str, handle) -> str:
    return f"{prefix}-{tokens.make(purpose, handle)}@{DOMAIN}"


def anne() -> Subscription:
    return Subscription.objects.get()


def a_dsn(*, status: str = "5.1.1", said: str = "550 5.1.1 User unknown", action: str = "failed", returned: str = "") -> bytes:
    """A non-delivery notification as Postfix writes it (RFC 3464)."""
    parts = [
        "From: MAILER-DAEMON@mail.bakery.example (Mail Delivery System)",
        "Subject: Undelivered Mail Returned to Sender",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="B"',
        "",
        "--B",
        "Content-Type: text/plain",
        "",
        f"<anne@bakery.example>: host mail.bakery.example said: {said}",
        "",
        "--B",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mail.relay.example",
        "",
        "Final-Recipient: rfc822; anne@bakery.example",
        f"Action: {action}",
        f"Status: {status}",
        f"Diagnostic-Code: smtp; {said}",
        "",
        "--B",
        "Content-Type: text/rfc822-headers",
        "",
        f"Message-ID: {returned}",
        "Subject: Spring offers",
        "",
        "--B--",
        "",
    ]
    return "\r\n".join(parts).encode()


def test_a_bounce_at_our_own_address_of_the_copy_suspends_the_member(copy):
    mail = arrive(a_dsn(), address("b", "bounce", copy.handle), sender="")
    copy.refresh_from_db()
    assert (mail.kind, copy.state, anne().state) == ("bounce", Delivery.State.BOUNCED, State.SUSPENDED)
    assert "anne@bakery.example" not in f"{mail.outcome} {copy.status} {list(copy.events.values())}"


def test_a_bounce_elsewhere_counts_by_the_message_id_and_suspends_after_three_posts(post, copy):
    mail = arrive(a_dsn(returned=f"<{copy.handle.hex}@{DOMAIN}>"), f"no-reply@{DOMAIN}", sender="")
    copy.refresh_from_db()
    assert (mail.kind, copy.state, anne().state) == ("bounce", Delivery.State.BOUNCED, State.ACTIVE)


def test_a_bounce_that_names_no_copy_changes_nothing(copy):
    arrive(a_dsn(), f"no-reply@{DOMAIN}", sender="")
    copy.refresh_from_db()
    assert (copy.state, anne().state) == (Delivery.State.SENT, State.ACTIVE)


@pytest.mark.parametrize(
    ("status", "said", "action"),
    [
        ("4.2.2", "452 4.2.2 Mailbox full", "failed"),
        ("5.7.1", "550 5.7.1 Message blocked as spam", "failed"),
        ("4.4.1", "connect: timed out", "delayed"),
    ],
)
def test_a_bounce_that_is_not_about_the_mailbox_suspends_nobody(copy, status, said, action):
    arrive(a_dsn(status=status, said=said, action=action), address("b", "bounce", copy.handle), sender="")
    assert anne().state == State.ACTIVE


def test_a_forged_bounce_is_refused_before_it_is_read(copy):
    assert destinations.find(f"b-{'a' * 52}@{DOMAIN}") is None
    other = address("b", "bounce", uuid.uuid4())  # Of a copy that there never was.
    mail = arrive(a_dsn(), other, sender="")
    assert (mail.state, anne().state) == (InboundMail.State.DONE, State.ACTIVE)


def test_a_copy_in_doubt_is_settled_by_its_bounce(copy):
    Delivery.objects.filter(pk=copy.pk).update(state=Delivery.State.IN_DOUBT)
    arrive(a_dsn(), address("b", "bounce", copy.handle), sender="")
    copy.refresh_from_db()
    assert copy.state == Delivery.State.BOUNCED


def test_a_vacation_reply_to_the_bounce_address_means_nothing(copy, smtp):
    vacation = a_mail(author="anne@bakery.example", subject="Out of office", Auto_Submitted="auto-replied")
    mail = arrive(vacation, address("b", "bounce", copy.handle), sender="")
    copy.refresh_from_db()
    assert (mail.kind, copy.state, anne().state) == ("automatic", Delivery.State.SENT, State.ACTIVE)
    assert sent_by(smtp) == []


def a_complaint(copy: Delivery) -> bytes:
    """A feedback report (RFC 5965)."""
    lines = [
        "From: fbl@mail.example",
        f"To: abuse@{DOMAIN}",
        "Subject: complaint",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=feedback-report; boundary="B"',
        "",
        "--B",
        "Content-Type: text/plain",
        "",
        "This is an abuse report.",
        "--B",
        "Content-Type: message/feedback-report",
        "",
        "Feedback-Type: abuse",
        "User-Agent: Reporter/1.0",
        "Version: 1",
        "",
        "--B",
        "Content-Type: message/rfc822",
        "",
        f"Message-ID: <{copy.handle.hex}@{DOMAIN}>",
        "Subject: Spring offers",
        "",
        "text",
        "--B--",
        "",
    ]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("place", ["abuse", "bounce"])
def test_a_complaint_unsubscribes_and_suppresses_at_once(copy, place):
    to = f"abuse@{DOMAIN}" if place == "abuse" else address("b", "bounce", copy.handle)
    mail = arrive(a_complaint(copy), to, sender="fbl@mail.example")
    copy.refresh_from_db()
    assert (mail.kind, anne().state, copy.state) == ("complaint", State.UNSUBSCRIBED, Delivery.State.COMPLAINED)
    assert anne().mailing_list.suppressions.filter(reason="complaint").exists()


def test_who_writes_to_the_address_to_leave_has_left_without_a_word(copy, smtp):
    mail = arrive(a_mail(subject="", text=" "), address("leave", "leave", anne().handle), sender="anne@bakery.example")
    assert (mail.kind, anne().state, sent_by(smtp)) == ("leave", State.UNSUBSCRIBED, [])


def test_who_answers_a_copy_with_unsubscribe_has_left(copy, smtp):
    arrive(
        a_mail(author="anne@bakery.example", text="unsubscribe\n"), address("r", "reply", copy.handle), sender="anne@bakery.example"
    )
    assert (anne().state, sent_by(smtp)) == (State.UNSUBSCRIBED, [])


def test_without_a_token_a_signed_wish_to_leave_is_fulfilled(copy, settings, smtp):
    settings.AUTHSERV_ID = "mx.chamber.example"
    result = "mx.chamber.example; dkim=pass header.d=bakery.example; dmarc=pass header.from=bakery.example"
    asked = a_mail(author="anne@bakery.example", subject="unsubscribe", Authentication_Results=result)
    arrive(asked, f"promotions-request@{DOMAIN}", sender="anne@bakery.example")
    assert (anne().state, sent_by(smtp)) == (State.UNSUBSCRIBED, [])


def test_without_token_and_signature_a_link_goes_to_the_member_once_a_day(copy, settings, smtp):
    settings.AUTHSERV_ID = "mx.chamber.example"
    for number in range(3):
        asked = a_mail(author="anne@bakery.example", subject="unsubscribe", message_id=f"<{number}@evil.example>")
        arrive(asked, f"promotions-request@{DOMAIN}", sender="eve@evil.example")
    arrive(a_mail(author="nobody@else.example", subject="unsubscribe"), f"promotions-request@{DOMAIN}", sender="eve@evil.example")
    assert anne().state == State.ACTIVE
    assert [mail.recipients for mail in sent_by(smtp)] == [("anne@bakery.example",)]


def test_our_own_copy_that_comes_back_is_dropped_and_staff_hear_of_it_once(post, copy, smtp):
    for number in range(3):
        back = a_mail(
            author=f"promotions@{DOMAIN}",
            List_Id=f"<promotions.{DOMAIN}>",
            message_id=f"<{copy.handle.hex}@{DOMAIN}>",
            X=str(number),
        )
        mail = arrive(back, LIST, sender="faulty@server.example")
        assert (mail.kind, mail.post) == ("own copy", post)
    assert Alert.objects.count() == 1 and Post.objects.count() == 1
    assert {each.recipients for each in sent_by(smtp)} == {("office@chamber.example",)}


def test_more_than_twenty_in_ten_minutes_stop_that_post_alone(post, copy):
    other = builders.a_sending_post(post.sender, post.mailing_list, subject="Another", body="Quite another text.")
    for number in range(21):
        assert Post.objects.get(pk=post.pk).state == Post.State.SENDING
        arrive(a_mail(message_id=f"<{copy.handle.hex}@{DOMAIN}>", X=str(number)), LIST, sender="faulty@server.example")
    assert Post.objects.get(pk=post.pk).state == Post.State.FROZEN
    assert Post.objects.get(pk=other.pk).state == Post.State.SENDING


def test_a_copy_without_its_headers_is_known_by_its_words(post):
    text = f"{post.body}\n\n--\nBloggs Ltd sent you this through Ambridge Chamber.\n"
    mail = arrive(a_mail(author="anne@bakery.example", subject=f"FW: {post.subject}", text=text), sender="anne@bakery.example")
    assert (mail.kind, mail.post) == ("own copy", post)


def test_a_person_s_answer_goes_to_the_sender_without_the_member_s_address(copy, smtp):
    answer = a_mail(author="Anne Baker <anne@bakery.example>", subject="Re: Spring offers", text="Two for me, please.\n")
    mail = arrive(answer, address("r", "reply", copy.handle), sender="anne@bakery.example")
    [passed] = sent_by(smtp)
    assert mail.kind == "reply" and passed.recipients == ("joe@bloggs.example",)
    assert "Two for me" in passed.text and b"anne" not in passed.content.lower() and b"bakery" not in passed.content


def test_the_two_can_talk_on_and_neither_learns_the_other_s_address(copy, smtp):
    arrive(
        a_mail(author="anne@bakery.example", text="Two for me.\n"), address("r", "reply", copy.handle), sender="anne@bakery.example"
    )
    to_joe = sent_by(smtp)[-1]
    back = to_joe.message["Reply-To"].addresses[0].addr_spec
    again = a_mail(author="joe@bloggs.example", to=back, text="They are yours.\n", message_id="<2@bloggs.example>")
    arrive(again, back)
    to_anne = sent_by(smtp)[-1]
    assert to_anne.recipients == ("anne@bakery.example",) and "They are yours" in to_anne.text
    assert to_anne.message["Reply-To"].addresses[0].addr_spec == address("r", "reply", copy.handle)
    assert b"joe@bloggs.example" not in to_anne.content


@pytest.mark.parametrize("to", [LIST, f"promotions-request@{DOMAIN}", f"promotions-owner@{DOMAIN}", f"postmaster@{DOMAIN}"])
def test_a_robot_is_never_answered(post, smtp, to):
    mail = arrive(
        a_mail(author="anne@bakery.example", subject="Out of office", Auto_Submitted="auto-replied"),
        to,
        sender="anne@bakery.example",
    )
    assert (mail.kind, mail.state) == ("automatic", InboundMail.State.DONE)
    assert sent_by(smtp) == []


@pytest.mark.parametrize("to", [f"promotions-owner@{DOMAIN}", f"postmaster@{DOMAIN}", f"promotions-request@{DOMAIN}"])
def test_what_a_person_writes_to_the_people_behind_the_list_waits_for_staff(post, smtp, to):
    mail = arrive(a_mail(author="anne@bakery.example", subject="A question"), to, sender="anne@bakery.example")
    assert mail.state == InboundMail.State.KEPT
    assert b"anne@bakery.example" not in everything_stored().replace(b"anne@bakery.example,", b"")
    assert all(each.recipients == ("office@chamber.example",) for each in sent_by(smtp))


def to_the_owner(number: int) -> InboundMail:
    raw = a_mail(author="anne@bakery.example", subject="A question", message_id=f"<{number}@bakery.example>")
    return arrive(raw, f"promotions-owner@{DOMAIN}", sender="anne@bakery.example")


def test_staff_are_told_of_mail_to_them_once_an_hour(post):
    for number in range(3):
        to_the_owner(number)
    alert = Alert.objects.get()
    assert (alert.kind, "bakery" in alert.text) == ("mail for you", False)
    builders.later(alert, "created_at", timedelta(hours=1))
    to_the_owner(4)
    assert Alert.objects.filter(kind="mail for you").count() == 2


def test_staff_are_told_once_that_there_is_no_room_for_more_and_what_came_in_time_is_kept(post, monkeypatch):
    monkeypatch.setattr(room, "MOST_LETTERS", 2)
    for number in range(3):
        assert to_the_owner(number).state == InboundMail.State.KEPT
    assert Alert.objects.filter(kind="no room for mail").count() == 1
    monkeypatch.setattr(room, "MOST_KEPT", 3)
    dropped = to_the_owner(4)
    assert (dropped.state, "too many messages" in dropped.outcome) == (InboundMail.State.DONE, True)


def test_what_came_is_gone_once_it_is_read(post):
    mail = arrive(a_mail(author="eve@evil.example", text="a rare word: xylograph\n"), sender="eve@evil.example")
    assert mail.state == InboundMail.State.DONE
    stored = everything_stored()
    assert b"xylograph" not in stored and b"evil.example" not in stored


def test_a_message_delivered_twice_is_taken_once(copy):
    arrive(a_dsn(), address("b", "bounce", copy.handle), sender="")
    arrive(a_dsn(), address("b", "bounce", copy.handle), sender="")
    assert InboundMail.objects.count() == 1 and copy.events.count() == 1


def test_a_copy_is_known_by_its_sender_alone(post, copy):
    mail = arrive(a_mail(subject="changed", text="changed"), LIST, sender=address("b", "bounce", copy.handle))
    assert mail.kind == "own copy"


def test_nobody_writes_to_a_member_under_the_business_s_name(copy, smtp):
    arrive(
        a_mail(author="anne@bakery.example", text="Two for me.\n"), address("r", "reply", copy.handle), sender="anne@bakery.example"
    )
    back = sent_by(smtp)[-1].message["Reply-To"].addresses[0].addr_spec
    mail = arrive(
        a_mail(author="eve@evil.example", text="Pay here.\n", message_id="<2@evil.example>"), back, sender="eve@evil.example"
    )
    assert "not passed on" in mail.outcome
    assert not [each for each in sent_by(smtp) if each.recipients == ("anne@bakery.example",)]


def test_a_mail_whose_way_alone_is_confirmed_leaves_by_the_link(copy, settings, smtp):
    settings.AUTHSERV_ID = "mx.chamber.example"
    result = "mx.chamber.example; spf=pass smtp.mailfrom=bakery.example; dkim=none; dmarc=pass header.from=bakery.example"
    asked = a_mail(author="anne@bakery.example", subject="unsubscribe", Authentication_Results=result)
    arrive(asked, f"promotions-request@{DOMAIN}", sender="anne@bakery.example")
    assert anne().state == State.ACTIVE and [mail.recipients for mail in sent_by(smtp)] == [("anne@bakery.example",)]


@pytest.mark.parametrize("author", ["anne@bakery.example", "nobody@else.example"])
def test_whether_somebody_is_subscribed_asks_no_name_server(copy, author):
    """Who would see the question would learn the answer."""
    mail = builders.a_mail(a_mail(author=author, subject="unsubscribe"), to="promotions-request")
    examined = examining.examine(Arrived(author, "request", mail.content, DOMAIN))
    read = routing.recognised(mail, Destination("request", slug="promotions"), examined)
    assert read.kind == "leave" and routing.question(read) is not None


def test_what_a_person_writes_to_the_bounce_address_is_no_bounce(copy):
    mail = arrive(
        a_mail(author="anne@bakery.example", text="Thank you.\n"), address("b", "bounce", copy.handle), sender="anne@bakery.example"
    )
    copy.refresh_from_db()
    assert (mail.kind, copy.state) == ("rest", Delivery.State.SENT)


def test_a_bounce_of_no_known_form_is_one_and_costs_the_member_nothing(copy):
    odd = a_mail(author="postmaster@bakery.example", subject="Hmm", text="Could not hand it over, sorry.\n")
    mail = arrive(odd, address("b", "bounce", copy.handle), sender="")
    assert (mail.kind, anne().state) == ("bounce", State.ACTIVE)


SECRET = "abcde-fghjk-mnpqr-stuvw"
GIVEN = {
    "first line": {"text": f"Password: {SECRET}\n\nTwo for me, please.\n"},
    "first line, mistyped": {"text": "Password: fluffy rabbit\n\nTwo for me, please.\n"},
    "header": {"Approved": "fluffy rabbit", "text": "Two for me, please.\n"},
    "subject": {"subject": f"Re: Password: {SECRET}", "text": "Two for me, please.\n"},
    "somewhere": {"text": f"Two for me, please.\n\nJoe\n> {SECRET.upper()}\n"},
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_an_answer_with_a_password_is_not_passed_on_and_nothing_of_it_is_kept(copy, smtp, given):
    mail = arrive(a_mail(author="anne@bakery.example", **given), address("r", "reply", copy.handle), sender="anne@bakery.example")
    assert (mail.kind, mail.state) == ("reply", InboundMail.State.DONE)
    assert "A password stands in it, so it was not passed on." in mail.outcome
    stored = everything_stored()
    assert sent_by(smtp) == [] and SECRET.encode() not in stored.lower() and b"fluffy" not in stored


def test_nor_is_a_business_s_answer_with_a_password(copy, smtp):
    arrive(a_mail(author="anne@bakery.example", text="Two.\n"), address("r", "reply", copy.handle), sender="anne@bakery.example")
    back = sent_by(smtp)[-1].message["Reply-To"].addresses[0].addr_spec
    mail = arrive(a_mail(text=f"Password: {SECRET}\n\nThey are yours.\n", message_id="<2@bloggs.example>"), back)
    assert "A password stands in it" in mail.outcome
    assert not [each for each in sent_by(smtp) if each.recipients == ("anne@bakery.example",)]


@pytest.mark.parametrize("to", ["promotions-request", "promotions-owner", "postmaster"])
@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_what_has_a_password_does_not_wait_for_staff(post, to, given):
    mail = arrive(a_mail(**{"subject": "A question", **given}), f"{to}@{DOMAIN}")
    assert (mail.kind, mail.state, mail.sealed_content) == ("for staff", InboundMail.State.DONE, None)
    assert "A password stands in it" in mail.outcome

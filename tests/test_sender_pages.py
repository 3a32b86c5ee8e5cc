"""The senders' pages: each works, refuses, answers a stranger the same, and changes nothing on GET."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import models
from django.test import Client
from django.urls import reverse

from chamberlist import systemmail
from chamberlist.models import SystemMail, ThrottleCounter
from posting import views
from posting.delivery import closing
from posting.models import Delivery, Post, Sender
from posting.moderation import moderation
from posting.submission import senders
from posting.submission.reading import MAX_BODY
from subscriptions.models import MailingList
from tests import builders
from tests.answers import same_answer
from tests.smtpserver import SmtpServer

pytestmark = pytest.mark.django_db
JOE = "joe@bloggs.example"
SIGN_IN = "/senders/sign-in/"
State = Post.State
PAGES = ("sender_post", "edit_post")
ACTIONS = ("submit_post", "withdraw_post", "test_post")


@pytest.fixture
def joe() -> Sender:
    return builders.a_sender(builders.a_list(), address=JOE)


@pytest.fixture
def page(joe: Sender) -> Client:
    """A browser in which Joe is signed in."""
    return signed_in(joe)


def signed_in(sender: Sender) -> Client:
    client = Client()
    response = sign_in(client, sender.address, builders.PASSWORDS[sender.pk])
    assert (response.status_code, response["Location"]) == (302, reverse("sender_posts"))
    return client


def sign_in(client: Client, address: str, password: str, **extra: Any) -> Any:
    return client.post(SIGN_IN, {"address": address, "password": password}, **extra)


def words(mailing_list: MailingList, **changes: Any) -> dict[str, Any]:
    return {"mailing_list": mailing_list.pk, "subject": "Spring offers", "body": "Two loaves.", "key": uuid.uuid4(), **changes}


def the_list() -> MailingList:
    return MailingList.objects.get(slug="promotions")


def rows() -> list[list[dict[str, Any]]]:
    kept: tuple[type[models.Model], ...] = (Post, Sender, SystemMail, ThrottleCounter)
    return [[dict(row) for row in model._default_manager.order_by("pk").values()] for model in kept]


# Signing in


def test_a_sender_signs_in_and_out(joe: Sender):
    client = Client()
    assert client.get(SIGN_IN).status_code == 200
    assert sign_in(client, f" {JOE.upper()} ", builders.PASSWORDS[joe.pk]).status_code == 302
    assert b"Signed in for Bloggs Ltd" in client.get("/senders/").content
    assert client.get("/senders/sign-out/").status_code == 405
    assert client.get("/senders/").status_code == 200
    assert client.post("/senders/sign-out/")["Location"] == SIGN_IN
    assert client.get("/senders/")["Location"] == SIGN_IN


def test_signing_in_changes_the_session_key(joe: Sender):
    client = Client()
    session = client.session
    session["basket"] = 1
    session.save()
    before = session.session_key
    client.cookies["sessionid"] = str(before)
    sign_in(client, JOE, builders.PASSWORDS[joe.pk])
    assert client.session.session_key != before


def test_a_form_of_another_site_signs_nobody_in(joe: Sender):
    client = Client(enforce_csrf_checks=True)
    assert sign_in(client, JOE, builders.PASSWORDS[joe.pk]).status_code == 403


@pytest.mark.parametrize("missing", ["address", "password"])
def test_an_incomplete_form_is_shown_again(missing: str, joe: Sender):
    data = {"address": JOE, "password": "x"} | {missing: ""}
    response = Client().post(SIGN_IN, data)
    assert response.status_code == 422
    assert b"required" in response.content


def test_an_unknown_address_and_a_wrong_password_get_the_same_answer(joe: Sender, django_assert_num_queries: Any):
    revoked = builders.a_sender(address="ann@bloggs.example")
    senders.revoke(revoked, by="a test")
    answers = []
    for address in (JOE, "eve@bloggs.example", "ann@bloggs.example"):
        client = Client()
        client.get(SIGN_IN)
        with django_assert_num_queries(5):  # Three counters, one look-up, and what hashes cost.
            answers.append(sign_in(client, address, "wrong"))
    for answer, address in zip(answers, (JOE, "eve@bloggs.example", "ann@bloggs.example"), strict=True):
        assert answer.status_code == 422
        assert views.WRONG.encode() in answer.content
        assert address.encode() in answer.content
        answer.content = answer.content.replace(address.encode(), JOE.encode())
        assert same_answer(answers[0], answer)


def test_too_many_tries_get_the_same_429_for_an_unknown_address_and_a_known_one(joe: Sender):
    answers = []
    for address, password, network in ((JOE, "wrong", "192.0.2.1"), ("eve@bloggs.example", "wrong", "198.51.100.1")):
        client = Client()
        for _ in range(6):
            assert sign_in(client, address, password, REMOTE_ADDR=network).status_code == 422
        answers.append(sign_in(client, address, password, REMOTE_ADDR=network))
    answers.append(sign_in(Client(), JOE, builders.PASSWORDS[joe.pk], REMOTE_ADDR="192.0.2.1"))
    assert [answer.status_code for answer in answers] == [429] * 3, "the right password as well"
    assert answers[0]["Retry-After"] == "900"
    assert same_answer(answers[0], answers[1]) and same_answer(answers[0], answers[2])


def test_another_network_may_still_try_and_a_quarter_of_an_hour_later_so_may_this_one(joe: Sender):
    for _ in range(7):
        sign_in(Client(), JOE, "wrong", REMOTE_ADDR="192.0.2.1")
    assert sign_in(Client(), JOE, "wrong", REMOTE_ADDR="203.0.113.1").status_code == 422
    assert sign_in(Client(), JOE, "wrong", REMOTE_ADDR="192.0.2.99").status_code == 429, "the same /24"
    for counter in ThrottleCounter.objects.all():
        builders.later(counter, "window", timedelta(minutes=15))
    assert sign_in(Client(), JOE, builders.PASSWORDS[joe.pk], REMOTE_ADDR="192.0.2.1").status_code == 302


def test_one_network_may_try_30_times_in_all():
    answers = [sign_in(Client(), f"eve{number}@x.example", "wrong").status_code for number in range(31)]
    assert answers == [422] * 30 + [429]


def test_one_address_may_be_tried_100_times_from_everywhere(joe: Sender):
    answers = [sign_in(Client(), JOE, "wrong", REMOTE_ADDR=f"10.0.{number}.1").status_code for number in range(101)]
    assert answers == [422] * 100 + [429]


def test_other_spellings_of_the_address_are_no_other_tries(joe: Sender):
    """Wide letters and stops in a domain are the ordinary ones (UTS #46)."""
    spellings = ["joe@ｂloggs.example", "JOE@bloggs。example", '"joe"@bloggs.example', f" {JOE}", JOE.upper()]
    answers = [sign_in(Client(), spelling, "wrong").status_code for spelling in [*spellings, JOE, JOE]]
    assert answers == [422] * 6 + [429]


def test_signing_in_is_not_counted_and_wrong_tries_stay_counted(joe: Sender):
    """Else who tries could see that the true sender came in, and a sender could guess for ever at others' passwords."""
    for _ in range(5):
        sign_in(Client(), JOE, "wrong")
    for _ in range(3):
        signed_in(joe)
    assert [sign_in(Client(), JOE, "wrong").status_code for _ in range(2)] == [422, 429]
    for number in range(23):  # Of the network's 30: the one too many is counted as well.
        assert sign_in(Client(), f"eve{number}@x.example", "wrong").status_code == 422
    assert sign_in(Client(), "eve@x.example", "wrong").status_code == 429


# Who sees what


@pytest.mark.parametrize("name", ["sender_posts", "compose", *PAGES, *ACTIONS])
def test_a_stranger_is_asked_to_sign_in_whether_or_not_there_is_such_a_post(name: str, joe: Sender):
    post = builders.a_draft(joe)
    before = rows()
    arguments = [[post.pk], [post.pk + 1]] if name in PAGES + ACTIONS else [[]]
    for method in ("get", "post") if name not in ACTIONS else ("post",):
        answers = [getattr(Client(), method)(reverse(name, args=numbers)) for numbers in arguments]
        if name in ("sender_posts", "sender_post") and method == "post":
            assert {answer.status_code for answer in answers} == {405}
            continue
        assert all((answer.status_code, answer["Location"]) == (302, SIGN_IN) for answer in answers)
        assert same_answer(answers[0], answers[-1])
        assert "no-store" in answers[0]["Cache-Control"]
    assert rows() == before


@pytest.mark.parametrize("name", [*PAGES, *ACTIONS])
def test_another_senders_post_is_not_there(name: str, page: Client):
    post = builders.a_draft(builders.a_sender(the_list(), address="ann@other.example"))
    before = rows()[0]
    theirs, nobodys = (page.post(reverse(name, args=[pk])) if name in ACTIONS else page.get(reverse(name, args=[pk]))
                       for pk in (post.pk, post.pk + 1))  # fmt: skip
    assert theirs.status_code == 404
    assert same_answer(theirs, nobodys)
    if name == "edit_post":
        assert page.post(reverse(name, args=[post.pk]), words(the_list())).status_code == 404
    assert rows()[0] == before


def test_a_senders_own_posts_are_listed_newest_first_in_pages_of_20(joe: Sender, page: Client):
    builders.a_draft(builders.a_sender(the_list(), address="ann@other.example"), subject="Not mine")
    for number in range(21):
        builders.a_draft(joe, subject=f"Offer {number:02}.")
    first, second = page.get("/senders/").content.decode(), page.get("/senders/?page=2").content.decode()
    assert re.findall(r"Offer (\d\d)\.", first) == [f"{number:02}" for number in range(20, 0, -1)]
    assert re.findall(r"Offer (\d\d)\.", second) == ["00"]
    assert "Not mine" not in first + second
    assert page.get("/senders/?page=nonsense").status_code == 200


@pytest.mark.parametrize("state", [State.DRAFT, State.HELD])
def test_get_and_head_change_nothing(state: str, joe: Sender, page: Client):
    post = builders.a_draft(joe) if state == State.DRAFT else builders.a_held_post(joe)
    before = rows()
    for url in ("/senders/", "/senders/write/", SIGN_IN, *(reverse(name, args=[post.pk]) for name in PAGES)):
        assert page.get(url).status_code == 200
        assert page.head(url).status_code == 200
    for name in ACTIONS:
        assert page.get(reverse(name, args=[post.pk])).status_code == 405
    assert rows() == before


# Writing


def test_the_form_says_how_to_post_by_mail_instead(page: Client, joe: Sender):
    other = builders.a_list("news")
    joe.lists.add(other)
    said = page.get("/senders/write/").content.decode()
    assert said.count(the_list().address) == 2 and said.count(other.address) == 2  # The link and its words.
    assert JOE in said and "<code>Password: …</code>" in said
    draft = builders.a_draft(joe, the_list())
    assert other.address not in page.get(reverse("edit_post", args=[draft.pk])).content.decode()


def test_a_post_is_written_looked_at_changed_and_submitted(joe: Sender, page: Client, rung: Any):
    assert b'name="key"' in page.get("/senders/write/").content
    response = page.post("/senders/write/", words(the_list(), body="Two loaves.\r\n\r\nhttps://bloggs.example/a?b=1&c=2"))
    post = joe.posts.get()
    assert response["Location"] == reverse("sender_post", args=[post.pk])
    preview = page.get(response["Location"]).content.decode()
    assert "Bloggs Ltd via Ambridge Chamber of Commerce" in preview
    assert "<p>Two loaves.</p>" in preview
    assert 'href="https://bloggs.example/a?b=1&amp;c=2"' in preview
    assert "Only you can see it." in preview

    edited = page.post(reverse("edit_post", args=[post.pk]), words(the_list(), subject="Summer offers"), follow=True)
    assert b"Your changes are kept." in edited.content
    match = re.search(r'name="content_hash" value="(\w+)"', edited.content.decode())
    assert match is not None
    submitted = page.post(reverse("submit_post", args=[post.pk]), {"content_hash": match[1]}, follow=True)
    assert b"Your message is with the Chamber." in submitted.content
    assert b"The Chamber reads every message to this list first." in submitted.content
    post.refresh_from_db()
    assert (post.state, post.subject, post.body) == (State.HELD, "Summer offers", "Two loaves.")
    assert not any(word in submitted.content for word in (b"Submit to the Chamber", b"Change it"))


def test_what_a_sender_writes_is_text_and_never_html(page: Client):
    body = "<script>alert(1)</script> <b>bold</b>"
    response = page.post("/senders/write/", words(the_list(), subject="<i>x</i>", body=body), follow=True)
    assert b"<script>alert" not in response.content
    assert b"<b>bold" not in response.content
    assert b"<i>x" not in response.content


def test_a_form_that_is_sent_twice_is_one_draft_with_the_last_text(joe: Sender, page: Client):
    data = words(the_list())
    first, second = page.post("/senders/write/", data), page.post("/senders/write/", data | {"body": "Three loaves."})
    assert first["Location"] == second["Location"]
    assert joe.posts.get().body == "Three loaves."


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": ""},
        {"subject": "x" * 201},
        {"body": " \r\n "},
        {"body": "x" * (MAX_BODY + 1)},
        {"body": "x\0y"},
        {"key": "no-uuid"},
        {"mailing_list": 0},
    ],
)
def test_what_cannot_be_kept_is_shown_again_with_what_was_written(changes: dict[str, Any], joe: Sender, page: Client):
    response = page.post("/senders/write/", words(the_list(), subject="My very own subject") | changes)
    assert response.status_code == 422
    assert "subject" in changes or b"My very own subject" in response.content
    assert not joe.posts.exists()


def test_a_list_that_is_not_the_senders_cannot_be_chosen(joe: Sender, page: Client):
    other = builders.a_list("other")
    assert page.post("/senders/write/", words(other)).status_code == 422
    post = builders.a_draft(joe)
    assert page.post(reverse("edit_post", args=[post.pk]), words(other)).status_code == 422
    post.refresh_from_db()
    assert post.mailing_list == the_list()


def test_an_empty_post_request_shows_the_form(page: Client):
    assert page.post("/senders/write/").status_code == 200


def test_line_ends_in_a_subject_become_blanks(joe: Sender, page: Client):
    page.post("/senders/write/", words(the_list(), subject="Offers\r\nBcc: anne@bakery.example"))
    assert joe.posts.get().subject == "Offers Bcc: anne@bakery.example"


# Submitting


def submit(page: Client, post: Post, content_hash: str | None = None) -> str:
    data = {"content_hash": post.content_hash if content_hash is None else content_hash}
    return page.post(reverse("submit_post", args=[post.pk]), data, follow=True).content.decode()


def test_submitting_twice_is_one_post(joe: Sender, page: Client):
    post = builders.a_draft(joe)
    assert "is with the Chamber" in submit(page, post)
    post.refresh_from_db()
    before = post.submitted_at
    assert "is with the Chamber" in submit(page, post)
    post.refresh_from_db()
    assert (post.state, post.submitted_at) == (State.HELD, before)
    assert SystemMail.objects.filter(purpose="post_waiting").count() == 1


def test_a_late_second_click_takes_no_acceptance_back(joe: Sender, page: Client):
    post = builders.an_accepted_post(joe)
    submit(page, post)
    post.refresh_from_db()
    assert post.state == State.ACCEPTED


@pytest.mark.parametrize("content_hash", ["", "0" * 64])
def test_a_text_that_changed_in_another_window_is_not_submitted(content_hash: str, joe: Sender, page: Client):
    post = builders.a_draft(joe)
    assert "The text has changed since this page was opened." in submit(page, post, content_hash)
    post.refresh_from_db()
    assert post.state == State.DRAFT


def test_who_may_post_to_the_list_no_longer_keeps_the_draft(joe: Sender, page: Client):
    post = builders.a_draft(joe)
    joe.lists.clear()
    shown = submit(page, post)
    assert "You may not post to this list" in shown and "Your text is kept." in shown
    post.refresh_from_db()
    assert post.state == State.DRAFT
    assert page.get(reverse("edit_post", args=[post.pk])).status_code == 200
    assert page.get("/senders/write/").status_code == 200


def test_the_monthly_limit_is_said_and_the_draft_is_kept(joe: Sender, page: Client):
    Sender.objects.update(posts_a_month=2)
    builders.a_held_post(joe)
    builders.a_held_post(joe)
    post = builders.a_draft(joe)
    shown = submit(page, post)
    assert "Your limit is 2 messages in 30 days" in shown and "Your text is kept." in shown
    post.refresh_from_db()
    assert post.state == State.DRAFT


def test_a_post_that_is_held_can_be_withdrawn_and_one_that_is_accepted_cannot(joe: Sender, page: Client):
    held, accepted = builders.a_held_post(joe), builders.an_accepted_post(joe)
    assert b"Withdraw it" in page.get(reverse("sender_post", args=[held.pk])).content
    assert b"Withdraw it" not in page.get(reverse("sender_post", args=[accepted.pk])).content
    assert b"Withdrawn. Nobody has received it." in page.post(reverse("withdraw_post", args=[held.pk]), follow=True).content
    assert b"could not be withdrawn" in page.post(reverse("withdraw_post", args=[accepted.pk]), follow=True).content
    held.refresh_from_db()
    accepted.refresh_from_db()
    assert (held.state, accepted.state) == (State.WITHDRAWN, State.ACCEPTED)
    assert "it was not submitted" in submit(page, held)


def test_only_a_draft_can_be_changed(joe: Sender, page: Client):
    post = builders.a_held_post(joe)
    response = page.post(reverse("edit_post", args=[post.pk]), words(the_list(), body="Something else"), follow=True)
    assert b"no longer a draft" in response.content
    post.refresh_from_db()
    assert post.body.startswith("Two loaves for one.")


# What became of it


@pytest.mark.parametrize("state", [State.DRAFT, State.HELD, State.REJECTED, State.SENDING, State.FROZEN, State.DONE])
def test_the_author_reads_where_the_post_is(state: str, joe: Sender, page: Client):
    builders.members(the_list(), "anne@bakery.example", "bob@cafe.example")
    post = {
        State.DRAFT: builders.a_draft,
        State.HELD: builders.a_held_post,
        State.REJECTED: builders.a_held_post,
    }.get(State(state), builders.a_sending_post)(joe)
    if state == State.REJECTED:
        moderation.reject(post, reason="The price is missing.", by="ann")
    elif state == State.FROZEN:
        closing.freeze(post.pk, "A secret reason.")
    elif state == State.DONE:
        Delivery.objects.update(state=Delivery.State.SENT)
        closing.close_posts()
    response = page.get(reverse("sender_post", args=[post.pk]))
    shown = response.content.decode()
    post.refresh_from_db()
    assert post.state == state
    assert post.state_words in shown
    assert ("The price is missing." in shown) is (state == State.REJECTED)
    assert ("Why it waits" in shown) is (state == State.HELD)
    assert "A secret reason." not in shown
    assert "bakery.example" not in shown
    counts = dict(response.context["counts"])
    assert sum(counts.values()) == (2 if state in (State.SENDING, State.FROZEN, State.DONE) else 0)
    if state == State.DONE:
        assert counts["Handed over"] == 2


def test_every_state_of_a_copy_is_counted_in_one_group():
    counted = [state for _, states in views.COUNTS for state in states]
    assert sorted(counted) == sorted(Delivery.State)


# The test copy


def test_a_test_copy_comes_to_the_author_alone_and_its_links_work(joe: Sender, page: Client, smtp: SmtpServer):
    builders.members(the_list(), "anne@bakery.example")
    post = builders.a_draft(joe)
    response = page.post(reverse("test_post", args=[post.pk]), follow=True)
    assert b"on its way to your contact address, and to nobody else" in response.content
    assert systemmail.send_due() == 1
    (mail,) = smtp.received
    assert mail.recipients == (JOE,)
    assert (mail.message["To"], mail.message["Subject"]) == (JOE, "Test: Spring offers")
    assert not any(mail.message[name] for name in ("Cc", "Bcc"))
    assert "Two loaves for one." in mail.text
    links = set(re.findall(r"http://localhost(/\S*?/(?:leave|choose)/\S+?/|/(?:leave|choose)/\w+/)", mail.text))
    assert len(links) == 2
    html = mail.message.get_body(("html",))
    assert html is not None and all(link in html.get_content() for link in links)
    for link in links:
        assert Client().get(link).status_code == 200
        assert Client().post(link, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert the_list().subscriptions.get().state == "active"


def test_ten_test_copies_a_day_are_enough(joe: Sender, page: Client):
    post = builders.a_draft(joe)
    url = reverse("test_post", args=[post.pk])
    for _ in range(10):
        assert b"on its way" in page.post(url, follow=True).content
    assert b"10th test copy today" in page.post(url, follow=True).content
    assert SystemMail.objects.filter(purpose="test_copy").count() == 10

"""What staff see of the mail that came: facts to all, what it says to those who may and who say why, and nothing by GET."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chamberlist import doctor
from chamberlist.models import Alert, AuditEntry
from posting import notices
from posting.inbound import attending, keeping, showing
from posting.inbound.routing import Outcome
from posting.inbound.sandbox import CannotStart, Exceeded, Sandbox
from posting.models import InboundMail
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]
State = InboundMail.State
LIST = "admin:posting_inboundmail_changelist"
VERBS = ("read", "discard", "discard_all", "again")
LETTER = (
    b"From: Anne <anne@bakery.example>\nSubject: =?utf-8?q?Br=C3=B6tchen?=\nDate: Mon, 4 May 2026 10:00:00 +0000\n"
    b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    b"--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    b"PHNjcmlwdD5hbGVydCgpPC9zY3JpcHQ+IFBsZWFzZSBjYWxsIG1l\n"
    b'--b\nContent-Type: image/png; name="shop.png"\nContent-Disposition: attachment; filename="shop.png"\n\nx\n--b--\n'
)


def somebody(name: str, *permissions: str) -> Client:
    """A browser of a member of staff who has these permissions."""
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def ann() -> Client:
    return somebody("ann", "view_inboundmail", "change_inboundmail", "reveal_address")


@pytest.fixture
def olive() -> Client:
    """May look at rows, and no more."""
    return somebody("olive", "view_inboundmail")


@pytest.fixture
def kept() -> InboundMail:
    return in_state(builders.a_mail(LETTER), State.KEPT, "A letter to the postmaster.")


@pytest.fixture
def unread() -> InboundMail:
    return in_state(builders.a_mail(b"\xff" * 100), State.QUARANTINED, "It is nested too deeply.")


def in_state(mail: InboundMail, to: str, words: str = "") -> InboundMail:
    [claimed] = attending.claim()
    assert claimed == mail
    attending._conclude(claimed, lambda: Outcome(to, "", words))
    mail.refresh_from_db()
    return mail


def do(mail: InboundMail, verb: str) -> str:
    return reverse("admin:posting_inboundmail_do", args=[mail.pk, verb])


def change(mail: InboundMail) -> str:
    return reverse("admin:posting_inboundmail_change", args=[mail.pk])


def test_no_page_but_the_one_that_answers_names_anybody_or_quotes_anything(ann: Client, kept: InboundMail, unread: InboundMail):
    for page in (reverse(LIST), change(kept), change(unread), reverse("admin:index")):
        answer = ann.get(page)
        assert answer.status_code == 200
        for secret in ("anne", "bakery", "postmaster@", "Brötchen", "call me", kept.sealed_recipient):
            assert secret not in answer.content.decode(), page


def test_what_waits_for_a_person_comes_first(ann: Client, kept: InboundMail, unread: InboundMail):
    newer = [in_state(builders.a_mail(b"Subject: %d\n\nx" % number), State.DONE, "Read.") for number in range(2)]
    rows = ann.get(reverse(LIST)).context["cl"].result_list
    assert [row.pk for row in rows] == [unread.pk, kept.pk, newer[1].pk, newer[0].pk]


def test_a_letter_is_read_by_somebody_who_says_why(ann: Client, kept: InboundMail):
    answer = ann.post(do(kept, "read"), {"reason": "She rang up: anne@bakery.example"})
    page = answer.content.decode()
    assert answer.status_code == 200
    for words in (
        "Brötchen",
        "Anne &lt;anne@bakery.example&gt;",
        "Please call me",
        "shop.png",
        "Sent by: anne@bakery.example",
    ):
        assert words in page
    assert "&lt;script&gt;alert()&lt;/script&gt;" in page
    assert "no-store" in answer["Cache-Control"]
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.verb, entry.subject) == ("ann", "read mail", f"inbound mail {kept.pk}")
    assert entry.reason == "She rang up: [address]"
    kept.refresh_from_db()
    assert kept.state == State.KEPT


def test_nobody_reads_without_a_reason(ann: Client, kept: InboundMail):
    answer = ann.post(do(kept, "read"), {"reason": "  "}, follow=True)
    assert "Please write why you read it" in answer.content.decode()
    assert "call me" not in answer.content.decode()
    assert not AuditEntry.objects.exists()


def test_one_account_reads_few_letters_and_whoever_runs_the_server_is_told(kept: InboundMail, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeping, "Sandbox", cannot_start)
    for _ in range(keeping.READS_A_DAY):
        assert not isinstance(keeping.read(kept, by="ann", reason="It waits"), str)
    assert keeping.read(kept, by="ann", reason="One more") == keeping.ENOUGH_READ
    assert AuditEntry.objects.filter(verb="read mail").count() == keeping.READS_A_DAY
    alert = Alert.objects.get()
    assert alert.kind.startswith("letters/") and f"The account ann has read {keeping.READS_A_DAY} letters in a day" in alert.text
    assert not isinstance(keeping.read(kept, by="olive", reason="It waits"), str)


def cannot_start() -> None:
    raise CannotStart("a test")


def test_what_no_reader_makes_out_is_shown_as_it_came(ann: Client, monkeypatch: pytest.MonkeyPatch):
    raw = b"Subject: odd\n\n<b>" + b"x" * showing.MOST_SHOWN
    mail = in_state(builders.a_mail(raw), State.QUARANTINED)

    def exceed(*_: object) -> None:
        raise Exceeded("it is nested too deeply")

    monkeypatch.setattr(Sandbox, "call", exceed)
    page = ann.post(do(mail, "read"), {"reason": "a look"}).content.decode()
    assert "Subject: odd\n\n&lt;b&gt;xxx" in page
    assert "only the beginning is shown" in page
    assert len(page) < showing.MOST_SHOWN + 15_000


def test_html_alone_is_shown_as_text():
    raw = b"Content-Type: text/html\n\n<p>Please <b>call</b> me</p><script>x()</script><img src='https://tracker.example/'>"
    assert showing.show(raw).text == "Please call me"


def test_discarding_leaves_nothing_but_the_fact(ann: Client, kept: InboundMail):
    answer = ann.post(do(kept, "discard"), follow=True)
    assert "Discarded" in answer.content.decode()
    kept.refresh_from_db()
    assert (kept.state, kept.sealed_content, kept.sealed_recipient, kept.sealed_envelope_sender) == (State.DONE, None, "", "")
    assert AuditEntry.objects.get().verb == "discard mail"
    for verb in VERBS:  # A page that was open all the while.
        answer = ann.post(do(kept, verb), {"reason": "late"}, follow=True)
        assert "somebody has dealt with it" in answer.content.decode()
    assert AuditEntry.objects.count() == 1


def test_what_could_not_be_read_is_tried_once_more(ann: Client, unread: InboundMail, rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        ann.post(do(unread, "again"))
    unread.refresh_from_db()
    assert (unread.state, unread.attempts, unread.outcome, unread.ended_at) == (State.WAITING, 0, "", None)
    assert unread.content == b"\xff" * 100
    assert rung == [("posting.tasks.read_mail", ())]
    assert AuditEntry.objects.get().verb == "read mail once more"
    assert attending.claim() == [unread]


def test_a_list_of_messages_loads_nothing_that_they_say(ann: Client, kept: InboundMail, unread: InboundMail, settings: Any):
    settings.DOCTOR_CHECKS = [
        check for check in settings.DOCTOR_CHECKS if check != "chamberlist.doctor.keys"
    ]  # It counts by key id.
    with CaptureQueriesContext(connection) as asked:
        for page in (reverse(LIST), f"{reverse(LIST)}?state__exact=kept", change(kept), reverse("admin:index")):
            assert ann.get(page).status_code == 200
        doctor.examine()
    assert [query for query in asked if "posting_inboundmail" in query["sql"]]
    assert not [query["sql"] for query in asked if "sealed_content" in query["sql"]]


def some_kept(number: int) -> list[InboundMail]:
    return [in_state(builders.a_mail(b"Subject: %d\n\nx" % each), State.KEPT) for each in range(number)]


def test_all_that_wait_are_discarded_at_once_but_none_that_came_since(ann: Client, kept: InboundMail, unread: InboundMail):
    kept, *_ = [kept, *some_kept(2)]
    page = ann.get(f"{reverse(LIST)}?state__exact=kept")
    newest = page.context["newest"]
    assert "3 in all" in page.content.decode()
    [since] = [in_state(builders.a_mail(b"Subject: since\n\nx"), State.KEPT)]
    answer = ann.post(do(newest, "discard_all"), follow=True)
    assert "what they said is gone" in answer.content.decode()
    assert list(InboundMail.objects.filter(state__in=keeping.FOR_STAFF).order_by("pk")) == [unread, since]
    gone = InboundMail.objects.filter(state=State.DONE)
    assert set(gone.values_list("outcome", "sealed_content", "sealed_recipient")) == {("Discarded.", None, "")}
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.verb, entry.subject) == ("ann", "discard all mail", f"inbound mail {newest.pk}")
    assert entry.reason == "3 in the state “For you to read” that came no later."


def test_discarding_all_is_offered_where_exactly_those_are_listed(ann: Client, olive: Client, kept: InboundMail):
    page = f"{reverse(LIST)}?state__exact=kept"
    for client, address in ((ann, reverse(LIST)), (ann, f"{reverse(LIST)}?state__exact=done"), (ann, f"{page}&kind__exact=x")):
        assert "discard_all" not in client.get(address).content.decode()
    assert "discard_all" not in olive.get(page).content.decode()
    assert "discard_all" in ann.get(page).content.decode()


def test_what_was_read_is_not_read_once_more(ann: Client, kept: InboundMail):
    ann.post(do(kept, "again"))
    kept.refresh_from_db()
    assert kept.state == State.KEPT
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("verb", VERBS)
def test_nobody_else_does_any_of_it(verb: str, olive: Client, client: Client, unread: InboundMail):
    before = InboundMail.objects.values().get()
    assert olive.post(do(unread, verb), {"reason": "a look"}).status_code == 403
    assert somebody("nobody").post(do(unread, verb), {"reason": "a look"}).status_code == 403
    stranger = client.post(do(unread, verb), {"reason": "a look"})
    assert (stranger.status_code, "login" in stranger["Location"]) == (302, True)
    assert InboundMail.objects.values().get() == before
    assert not AuditEntry.objects.exists()


def test_an_onlooker_is_offered_nothing(olive: Client, unread: InboundMail):
    assert olive.get(reverse(LIST)).status_code == 200
    page = olive.get(change(unread)).content.decode()
    assert "nested too deeply" in page
    assert "/do/" not in page
    assert somebody("nobody").get(change(unread)).status_code == 403


@pytest.mark.parametrize("verb", VERBS)
def test_looking_changes_nothing(verb: str, ann: Client, unread: InboundMail):
    before = InboundMail.objects.values().get()
    assert ann.get(do(unread, verb)).status_code == 302
    assert ann.get(change(unread)).status_code == 200
    assert ann.get(reverse(LIST)).status_code == 200
    assert InboundMail.objects.values().get() == before


def test_nothing_is_added_edited_or_deleted_by_hand(admin_client: Client, unread: InboundMail):
    assert admin_client.get(reverse("admin:posting_inboundmail_add")).status_code == 403
    assert admin_client.post(change(unread), {"state": "done"}).status_code == 403
    assert admin_client.post(reverse("admin:posting_inboundmail_delete", args=[unread.pk])).status_code == 403


def test_staff_are_told_how_many_wait_for_them(ann: Client, kept: InboundMail, unread: InboundMail):
    assert [notice.text for notice in notices.mail()] == ["1 message waits to be read by you", "1 message could not be read"]
    in_state(builders.a_mail(to="abuse"), State.KEPT)
    in_state(builders.a_mail(to="security"), State.QUARANTINED)
    told = notices.mail()
    assert [notice.text for notice in told] == ["2 messages wait to be read by you", "2 messages could not be read"]
    first = ann.get(reverse("admin:index")).content.decode()
    for notice, number in zip(told, (2, 2), strict=True):
        assert notice.url in first
        assert ann.get(notice.url).context["cl"].result_count == number


def test_staff_are_told_nothing_where_nothing_waits():
    in_state(builders.a_mail(), State.DONE)
    assert notices.mail() == []


def verdict() -> tuple[str, str]:
    found = next(finding for finding in doctor.examine() if finding.check == "inbound mail")
    return found.verdict, found.text


def test_the_doctor_sees_that_nobody_reads():
    mail = builders.a_mail()
    assert verdict() == ("ok", "1 wait to be read, none for long.")
    builders.later(mail, "next_attempt_at", timedelta(minutes=6))
    assert verdict()[0] == "fail"
    assert "is the worker alive" in verdict()[1]


def test_the_doctor_sees_what_could_not_be_read(unread: InboundMail):
    assert verdict() == ("warning", "1 could not be read: the admin shows them under “Inbound mail”.")

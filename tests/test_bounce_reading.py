"""Bounces and complaints are read right, over a corpus of many mail systems: about whom, what was done, whose fault it is."""

import pytest

from chamberlist import parsing
from posting.feedback import arf, causes, dsn
from tests.bounces import letters, samples
from tests.bounces.forms import DOMAIN, FORMS, HANDLE, TOKEN, Refusal, fields, head, report
from tests.bounces.samples import JANE, Sample

OURS, HELD_OUT, OLDEN = list(samples.made("refusals.txt")), list(samples.made("heldout.txt")), list(samples.olden())
CORPUS = [*OURS, *HELD_OUT, *OLDEN]
READERS = [dsn.read, dsn.read_known]


def read(raw, reader=dsn.read):
    return reader(parsing.parse(raw), domain=DOMAIN)


def failures(sample: Sample, reader=dsn.read):
    bounce = read(sample.raw, reader)
    return bounce.failures if bounce else ()


def found(sample: Sample) -> bool:
    return {failure.recipient.lower() for failure in failures(sample)} == sample.recipients


def is_called_permanent(sample: Sample, reader=dsn.read) -> bool:
    return any(failure.cause == "mailbox" or failure.is_permanent for failure in failures(sample, reader))


def is_called_gone(sample: Sample, reader=dsn.read) -> bool:
    return any(failure.cause == "mailbox" and failure.is_permanent for failure in failures(sample, reader))


def wrong(group, is_right):
    return [sample.name for sample in group if not is_right(sample)]


def test_the_corpus_is_large_and_varied():
    assert len(OURS) + len(HELD_OUT) >= 300
    assert len(FORMS) >= 30
    assert len(HELD_OUT) * 3 >= len(OURS)
    assert {sample.name.partition(":")[0] for sample in [*OURS, *HELD_OUT]} == set(FORMS)


def test_the_recipient_is_found_without_our_own_address():
    for group in (OURS, HELD_OUT, OLDEN):
        missed = wrong(group, found)
        assert len(missed) <= 0.02 * len(group), missed


def test_every_bounce_is_one_at_the_address_of_a_copy():
    assert wrong(CORPUS, lambda sample: len(failures(sample, dsn.read_known)) > 0) == []


@pytest.mark.parametrize("reader", READERS)
def test_what_is_passing_is_not_called_permanent(reader):
    for group in (OURS, HELD_OUT, OLDEN):
        passing = [sample for sample in group if sample.causes == {"transient"}]
        called = wrong(passing, lambda sample: not is_called_permanent(sample, reader))
        assert len(called) <= 0.01 * len(passing), called


@pytest.mark.parametrize("reader", READERS)
def test_what_is_permanent_is_called_so(reader):
    for group in (OURS, HELD_OUT, OLDEN):
        gone = [sample for sample in group if sample.causes == {"mailbox"}]
        missed = wrong(gone, lambda sample: is_called_gone(sample, reader))
        assert len(missed) <= 0.03 * len(gone), missed


@pytest.mark.parametrize("reader", READERS)
def test_only_the_mailbox_counts_against_a_member(reader):
    innocent = [sample for sample in CORPUS if sample.causes and "mailbox" not in sample.causes]
    assert wrong(innocent, lambda sample: not is_called_gone(sample, reader)) == []


def test_the_cause_is_the_right_one_where_it_can_be_told():
    told = [sample for sample in [*OURS, *HELD_OUT] if sample.causes]
    missed = wrong(told, lambda sample: {failure.cause for failure in failures(sample)} <= sample.causes)
    assert len(missed) <= 0.03 * len(told), missed


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", [letters.vacation_replies, letters.challenges, letters.receipts])
def test_what_answers_by_itself_is_no_bounce(kind, reader):
    for raw in kind():
        assert read(raw, reader) is None, raw.decode()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("kind", "actions"), [(letters.delays, {"delayed"}), (letters.successes, {"delivered", "relayed", "expanded"})]
)
def test_what_has_not_failed_is_never_permanent(kind, actions, reader):
    for raw in kind():
        bounce = read(raw, reader)
        assert bounce is not None
        assert {failure.action for failure in bounce.failures} <= actions, raw.decode()
        assert not any(failure.is_permanent or failure.cause == "mailbox" for failure in bounce.failures)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", letters.complaints())
def test_a_complaint_is_no_bounce(name, reader):
    assert read(letters.complaints()[name], reader) is None


@pytest.mark.parametrize("name", letters.complaints())
def test_a_complaint_names_the_copy(name):
    complaint = arf.read(parsing.parse(letters.complaints()[name]), domain=DOMAIN)
    assert complaint is not None
    assert complaint.kind == (name if name in ("fraud", "virus") else "abuse")
    assert HANDLE in complaint.handles or f"leave-{TOKEN}" in complaint.tokens


@pytest.mark.parametrize("name", letters.no_complaints())
def test_what_is_no_complaint_is_none(name):
    assert arf.read(parsing.parse(letters.no_complaints()[name]), domain=DOMAIN) is None


@pytest.mark.parametrize("sample", [*OURS, *HELD_OUT], ids=lambda sample: sample.name[:40])
def test_no_bounce_or_vacation_reply_is_a_complaint(sample):
    assert arf.read(parsing.parse(sample.raw), domain=DOMAIN) is None


def test_no_vacation_reply_is_a_complaint():
    for raw in [*letters.vacation_replies(), *letters.delays(), *letters.receipts()]:
        assert arf.read(parsing.parse(raw), domain=DOMAIN) is None


def test_the_copy_is_found_in_what_comes_back_and_nowhere_else():
    raw = FORMS["postfix"](Refusal(JANE, "5.1.1", "550 5.1.1 User unknown"))
    assert read(raw).handles == (HANDLE,)
    assert f"b-{TOKEN}" in read(raw).tokens
    other = raw.replace(HANDLE.encode(), b"f" * 31)
    forged = other.replace(b"Subject: Undelivered", f"In-Reply-To: <{HANDLE}@{DOMAIN}>\nSubject: Undelivered".encode(), 1)
    assert read(forged).handles == ()
    strange = raw.replace(f"{HANDLE}@{DOMAIN}".encode(), f"{HANDLE}@{DOMAIN}.evil.example".encode())
    assert read(strange).handles == ()


@pytest.mark.parametrize("form", FORMS)
def test_what_is_kept_of_a_bounce_names_nobody(form):
    said = f"550 5.1.1 <{JANE}>:\n Recipient rejected: unknown user {JANE} " + "and so on " * 50
    bounce = read(FORMS[form](Refusal(JANE, "5.1.1", said)))
    for failure in bounce.failures:
        assert "@" not in failure.diagnostic
        assert "\n" not in failure.diagnostic
        assert len(failure.diagnostic) <= 300
    assert JANE not in repr(bounce)


def test_each_recipient_of_a_report_has_a_fate_of_their_own():
    first = fields(Refusal(JANE, "5.1.1", "550 5.1.1 User unknown"))
    second = fields(Refusal("kate@recipient.example", "4.2.2", "452 4.2.2 Mailbox full", "delayed")).partition("\n\n")[2]
    raw = report("MAILER-DAEMON@mail.example", "Undelivered", "Two of them.", f"{first}\n{second}", letters.RETURNED)
    assert [(each.recipient, each.action, each.status, each.cause) for each in read(raw).failures] == [
        (JANE, "failed", "5.1.1", "mailbox"),
        ("kate@recipient.example", "delayed", "4.2.2", "transient"),
    ]


def test_the_address_that_we_wrote_to_comes_before_where_it_ended_up():
    block = fields(Refusal("kate@elsewhere.example", "5.1.1", "550 5.1.1 User unknown"), f"Original-Recipient: rfc822;{JANE}")
    raw = report("MAILER-DAEMON@mail.example", "Undelivered", "Not there.", block, letters.RETURNED)
    assert read(raw).failures[0].recipient == JANE


@pytest.mark.parametrize(
    ("status", "said", "cause"),
    [
        ("5.1.1", "452 4.2.2 mailbox full", "transient"),  # The reply counts for more than who reports it.
        ("4.4.7", "550 5.1.1 user unknown", "mailbox"),
        ("5.1.1", "", "mailbox"),
        ("4.1.1", "", "transient"),
        ("5.2.2", "", "transient"),
        ("5.4.6", "", "transient"),
        ("5.7.1", "", "policy"),
        ("5.6.1", "", "content"),
        ("5.0.0", "", "unknown"),
        ("", "", "unknown"),
        ("", "450 user unknown", "transient"),
        ("", "550 spam@blocked.example: user unknown", "mailbox"),  # The words of an address say nothing.
        ("", "550 mailbox of spamfilter.recipient.example is full", "transient"),
    ],
)
def test_words_come_before_codes_and_doubt_is_no_verdict(status, said, cause):
    assert causes.cause(status, said) == cause


def test_what_a_person_writes_is_no_bounce():
    raw = (
        head(f"Jane <{JANE}>", "Re: Bread is cheaper this week")
        + "Content-Type: text/plain\n\nMy mailbox was full, I could not read it.\n"
    )
    assert read(raw.encode()) is None


HOSTILE = (
    "<style>",
    "<!--",
    "a@",
    "a@a.",
    "jane@x.example\n",
    "Received: x\n",
    "the user ",
    "user aaaa bbbb cccc ",
    "-",
    "=?",
    "\n\n",
    "b-" + "a" * 52,
)


@pytest.mark.parametrize("kind", ["text/plain", "text/html", "message/delivery-status", "message/rfc822"])
@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_text_is_read_and_gives_little(words, kind):
    content = words * (400 if words == "\n\n" else 200_000 // len(words))
    raw = (
        head("MAILER-DAEMON@mail.example", "failure notice")
        + f"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: {kind}\n\n{content}\n--b--\n"
    )
    bounce = read(raw.encode(), dsn.read_known)
    assert bounce is None or len(bounce.failures) <= 50
    arf.read(parsing.parse(raw.encode()), domain=DOMAIN)

"""Members from a file, and the command that reads it."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from chamberlist.models import SystemMail
from subscriptions import addresses, importing, lifecycle
from subscriptions.importing import BadFile
from subscriptions.models import ConsentEvent, MailingList, Subscription, SubscriptionRequest, Suppression
from tests import builders, workers

REPOSITORY = Path(__file__).resolve().parent.parent
State = Subscription.State


@pytest.fixture
def promotions(db) -> MailingList:
    return builders.a_list()


def run(tmp_path: Path, content: str | bytes, *options: str, slug: str = "promotions", evidence: str = "Forms of 2026"):
    """The command's counts and its words on standard error."""
    file = tmp_path / "members.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    out, err = io.StringIO(), io.StringIO()
    call_command("importsubscribers", slug, str(file), "--evidence", evidence, *options, stdout=out, stderr=err)
    return json.loads(out.getvalue()), err.getvalue()


def a_file(number: int, bad: dict[int, str] | None = None) -> str:
    """A heading and so many rows; ``bad`` says what stands in which row of the spreadsheet instead."""
    rows = [f"Member {row},member{row}@shop.example" for row in range(2, number + 2)]
    for row, text in (bad or {}).items():
        rows[row - 2] = f"Member {row},{text}"
    return "\n".join(["name,email", *rows]) + "\n"


BAD = {7: "nobody", 300: "eve@", 631: "mallory@shop..example"}


def test_three_bad_rows_of_630_are_named_by_number_and_nothing_is_imported(promotions: MailingList, tmp_path: Path):
    with pytest.raises(CommandError) as refused:
        run(tmp_path, a_file(630, BAD))
    sentence = str(refused.value)
    assert sentence.startswith("Rows 7, 300 and 631 have no usable address. Nothing was imported")
    assert "--skip-bad" in sentence
    assert "@" not in sentence
    assert not any(word in sentence for word in ("nobody", "eve", "mallory", "shop"))
    assert not Subscription.objects.exists()
    assert not ConsentEvent.objects.exists()


def test_the_good_rows_are_imported_when_told_to_skip_the_bad_ones(promotions: MailingList, tmp_path: Path):
    counts, words = run(tmp_path, a_file(630, BAD), "--skip-bad")
    assert (counts["imported"], counts["bad"], sum(counts.values())) == (627, 3, 630)
    assert words.startswith("Rows 7, 300 and 631 have no usable address")
    assert "@" not in words
    assert promotions.subscriptions.filter(state=State.ACTIVE).count() == 627
    events = ConsentEvent.objects.all()
    assert {(event.kind, event.how, event.evidence, event.wording) for event in events} == {
        ("imported", "import", "Forms of 2026", "1/opaque")
    }
    assert not SystemMail.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_command_itself_says_one_sentence_and_ends_with_1(tmp_path: Path):
    builders.a_list()
    file = tmp_path / "members.csv"
    file.write_text(a_file(9, {4: "eve@"}))
    from_database = "Row 4 has no usable address"
    command = [sys.executable, "manage.py", "importsubscribers", "promotions", str(file), "--evidence", "Forms"]
    environment = {**os.environ, "DATABASE_URL": workers.database_url()}
    ended = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert from_database in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert not Subscription.objects.exists()


@pytest.mark.parametrize(
    "content",
    [
        "email\nanne@bakery.example\nbob@butcher.example\n",
        "email\nanne@bakery.example\nbob@butcher.example",
        "\ufeffemail\r\nanne@bakery.example\r\nbob@butcher.example\r\n",
        "Name;E-mail;EMAIL \nAnne;x;anne@bakery.example\nBob;y;bob@butcher.example\n",
        "name\temail\nAnne\tanne@bakery.example\nBob\tbob@butcher.example\n",
        'name,email\n"Baker, Anne","anne@bakery.example"\nBob, bob@butcher.example \n',
        'address,email\n"1 High Street\nAmbridge",anne@bakery.example\n"2 High Street\r\nAmbridge",bob@butcher.example\n',
        "email,name\nanne@bakery.example\n\n,\n   ,  \nbob@butcher.example,Bob,and,more\n",
    ],
    ids=["plain", "no last line end", "BOM and Windows", "semicolons", "tabs", "quotes", "quoted line ends", "ragged"],
)
def test_files_of_all_kinds_of_spreadsheets_are_read(promotions: MailingList, tmp_path: Path, content: str):
    counts, words = run(tmp_path, content)
    assert (counts["imported"], words) == (2, "")
    assert {member.address for member in promotions.subscriptions.all()} == {"anne@bakery.example", "bob@butcher.example"}


def test_rows_are_numbered_as_in_the_spreadsheet_whatever_the_cells_hold():
    content = 'name,email\n"Anne\nBaker",anne@bakery.example\n\n"Bob\n\nButcher",nobody\n,eve@\nMallory\n'
    assert importing.read(io.StringIO(content)).bad == [4, 5, 6]


def test_an_address_twice_in_a_file_counts_once(promotions: MailingList, tmp_path: Path):
    counts, _ = run(tmp_path, "email\nanne@bakery.example\nANNE@Bakery.example\nbob@butcher.example\n")
    assert (counts["imported"], counts["repeated"]) == (2, 1)


@pytest.mark.parametrize("content", ["", "\n", "name,mail\nAnne,anne@bakery.example\n", "anne@bakery.example\n"])
def test_a_file_without_the_column_says_what_to_do(content: str):
    with pytest.raises(BadFile, match="no column named email") as refused:
        importing.read(io.StringIO(content))
    assert "anne" not in str(refused.value)


def test_a_file_that_is_no_csv_names_the_row(promotions: MailingList, tmp_path: Path):
    with pytest.raises(CommandError, match=r"Row 3 cannot be read as CSV .* Nothing was imported") as refused:
        run(tmp_path, 'email\nanne@bakery.example\n"' + "x" * 200_000 + "\n")
    assert "anne" not in str(refused.value)
    assert not Subscription.objects.exists()


def test_a_file_in_another_encoding_says_what_to_do(promotions: MailingList, tmp_path: Path):
    with pytest.raises(CommandError, match="not in UTF-8; save it as"):
        run(tmp_path, "email\nj\xf6rg@bakery.example\n".encode("latin-1"))


def test_a_file_that_is_not_there_is_one_sentence(promotions: MailingList, tmp_path: Path):
    with pytest.raises(CommandError, match="cannot be opened"):
        call_command("importsubscribers", "promotions", str(tmp_path / "none.csv"), "--evidence", "Forms")


def test_no_list_and_no_evidence_are_refused(promotions: MailingList, tmp_path: Path):
    with pytest.raises(CommandError, match="There is no list 'news'"):
        run(tmp_path, a_file(1), slug="news")
    with pytest.raises(CommandError, match="--evidence is empty"):
        run(tmp_path, a_file(1), evidence="  ")
    assert not Subscription.objects.exists()


@pytest.mark.parametrize(("number", "start"), [(1, "Row 2 has"), (2, "Rows 2 and 3 have"), (20, "Rows 2, 3"), (25, "Rows 2, 3, 4")])
def test_bad_rows_are_named_up_to_twenty(promotions: MailingList, tmp_path: Path, number: int, start: str):
    with pytest.raises(CommandError) as refused:
        run(tmp_path, "email\n" + "nobody\n" * number)
    assert str(refused.value).startswith(start)
    assert (" and 5 more have" in str(refused.value)) is (number == 25)


def test_who_left_stays_left_and_who_is_suppressed_stays_so(promotions: MailingList, tmp_path: Path, rung):
    anne, bob, _ = builders.members(promotions, "anne@bakery.example", "bob@butcher.example", "carl@cafe.example")
    lifecycle.unsubscribe(anne.handle, how="page")
    bob.advance(State.SUSPENDED)
    for text, scope in (("dora@dairy.example", promotions), ("eve@eggs.example", None)):
        lifecycle.suppress(addresses.parse(text).hash, scope, Suppression.Reason.COMPLAINT)
    lifecycle.sign_up(promotions, addresses.parse("fred@fish.example"), how="form")
    everybody = "email\n" + "\n".join(
        f"{name}.example"
        for name in ("anne@bakery", "bob@butcher", "carl@cafe", "dora@dairy", "eve@eggs", "fred@fish", "gina@garden")
    )
    before = dict(promotions.subscriptions.values_list("pk", "state"))
    for options in ((), ("--ask",)):
        counts, _ = run(tmp_path, everybody.replace("gina", f"gina{len(options)}"), *options)
        assert (counts["left_before"], counts["suppressed"], counts["already"]) == (2, 2, 2)
        assert counts["imported"] + counts["asked"] == 1
        assert {pk: state for pk, state in promotions.subscriptions.values_list("pk", "state") if pk in before} == before
    assert not promotions.subscriptions.filter(address_hash=addresses.parse("eve@eggs.example").hash).exists()
    assert Suppression.objects.count() == 2


def test_asking_mails_the_question_and_subscribes_nobody(promotions: MailingList, tmp_path: Path, rung):
    lifecycle.sign_up(builders.a_list("news"), addresses.parse("member2@shop.example"), how="form")
    counts, _ = run(tmp_path, a_file(5), "--ask")
    assert (counts["asked"], counts["asked_lately"], counts["imported"]) == (4, 1, 0)
    assert {row.state for row in promotions.subscriptions.all()} == {State.PENDING}
    assert promotions.subscriptions.count() == 4
    assert SystemMail.objects.filter(purpose="confirmation").count() == 5
    asked = ConsentEvent.objects.filter(mailing_list=promotions)
    assert {(event.kind, event.how, event.evidence) for event in asked} == {("requested", "import", "Forms of 2026")}


def test_importing_again_changes_nothing(promotions: MailingList, tmp_path: Path):
    run(tmp_path, a_file(1100))
    counts, _ = run(tmp_path, a_file(1100))
    assert (counts["imported"], counts["already"]) == (0, 1100)
    assert promotions.subscriptions.count() == ConsentEvent.objects.count() == 1100


def test_no_request_of_the_page_comes_of_an_import(promotions: MailingList, tmp_path: Path):
    run(tmp_path, a_file(3))
    assert not SubscriptionRequest.objects.exists()


def test_a_list_is_created_with_its_options(db):
    out = io.StringIO()
    call_command("createlist", "offers", "--name", "Offers", "--moderation", "first", "--replies", "chamber", stdout=out)
    made = MailingList.objects.get()
    assert (made.slug, made.name, made.moderation, made.replies) == ("offers", "Offers", "first", "chamber")
    assert "/lists/offers/" in out.getvalue()


@pytest.mark.parametrize("slug", ["Offers", "two words", "-offers", "promotions", ""])
def test_a_list_with_a_bad_or_taken_name_is_refused_in_a_sentence(promotions: MailingList, slug: str):
    with pytest.raises(CommandError, match="The list was not created: "):
        call_command("createlist", f"--name={slug}", "--", slug)
    assert MailingList.objects.count() == 1

"""The files of a mail: allowed kinds within limits go with the post, under names that are safe."""

import pytest

from posting.delivery.mime import Attachment
from posting.models import InboundMail
from posting.submission import files
from posting.submission.files import MEBIBYTE
from posting.submission.parts import Piece
from tests.mails import WORDS, file, letter, mail, part
from tests.samples import gif, jpeg, pdf, png, stream

CALENDAR = b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"


def sorted_(*pieces: Piece, shown: dict[str, str] | None = None) -> files.Sorted:
    return files.sort(pieces, shown=shown or {})


def one(name: str, kind: str, content: bytes) -> Attachment:
    found = sorted_(Piece(name, kind, content))
    assert found.problems == ()
    return found.kept[0].file


def refused(name: str, kind: str, content: bytes) -> str:
    found = sorted_(Piece(name, kind, content))
    assert found.kept == ()
    return found.problems[0]


ALLOWED = [
    ("offer.pdf", "application/pdf", pdf(stream(b"BT (Bread) Tj ET"))),
    ("loaf.png", "image/png", png()),
    ("loaf.jpg", "image/jpeg", jpeg()),
    ("loaf.gif", "image/gif", gif()),
    ("prices.txt", "text/plain", b"Bread 2"),
    ("prices.csv", "text/csv", b"bread;2"),
    ("fair.ics", "text/calendar", CALENDAR),
]


@pytest.mark.parametrize(("name", "kind", "content"), ALLOWED)
def test_allowed_kinds_are_kept_as_they_are(name: str, kind: str, content: bytes):
    assert one(name, kind, content) == Attachment(name, kind, content)
    found = letter(mail(part(WORDS), file(content, kind, name)))
    assert (found.problem, found.files) == ("", (Attachment(name, kind, content),))


@pytest.mark.parametrize(("name", "kind", "content"), ALLOWED)
def test_where_the_mail_program_is_vague_the_name_says_the_kind(name: str, kind: str, content: bytes):
    assert one(name, "application/octet-stream", content).kind == kind


@pytest.mark.parametrize(("name", "kind", "content"), ALLOWED)
def test_octets_that_are_something_else_are_refused(name: str, kind: str, content: bytes):
    assert f"“{name}” is not what its type says" in refused(name, kind, b"PK\x03\x04\0\0\0\x01")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("menu.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("menu.html", "text/html"),
        ("menu.svg", "image/svg+xml"),
        ("menu.exe", "application/octet-stream"),
        ("menu.zip", "application/zip"),
        ("winmail.dat", "application/ms-tnef"),
        ("menu", "application/x-none"),
    ],
)
def test_other_kinds_are_refused_by_name_and_the_sentence_says_what_is_allowed(name: str, kind: str):
    problem = letter(mail(part(WORDS), file(b"x", kind, name))).problem
    assert f"“{name}”" in problem
    assert "PDF, PNG, JPEG, GIF, plain text, CSV or calendar" in problem


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/passwd.pdf", "passwd.pdf"),
        ("C:\\Users\\joe\\offer.pdf", "offer.pdf"),
        ("offer", "offer.pdf"),
        ("offer.exe", "offer.exe.pdf"),
        ("offer.PDF", "offer.PDF"),
        ("", "file1.pdf"),
        (".pdf", "pdf.pdf"),
        ("...", "file1.pdf"),
        ("a\r\nBcc: b\x00.pdf", "a Bcc- b.pdf"),
        ("fdp\u202eexe.pdf", "fdpexe.pdf"),
        ("a\u200bb\u2066.pdf", "ab.pdf"),
        ("x" * 300 + ".pdf", "x" * 96 + ".pdf"),
        ("Käse für 1 €.pdf", "Käse für 1 €.pdf"),
        ('a"<b>|c?.pdf', "a--b--c-.pdf"),
    ],
)
def test_names_are_cleaned(given: str, name: str):
    assert one(given, "application/pdf", pdf()).name == name


@pytest.mark.parametrize(
    "content", [b"x" * (2 * MEBIBYTE + 1), b"", b"not so", pdf(b"<</S/Launch>>"), pdf(trailer=b"/Encrypt 3 0 R")], ids=range(5)
)
@pytest.mark.parametrize("kind", ["application/pdf", "application/zip"])
def test_a_sentence_about_a_file_has_room_where_it_is_kept(content: bytes, kind: str):
    found = letter(mail(part(WORDS), file(content, kind, "x" * 80 + " of ours.zip.pdf")))
    assert "x" * 40 in found.problem and "of ours.zip.pdf”" in found.problem
    assert len(found.problem) <= (InboundMail._meta.get_field("outcome").max_length or 0)


@pytest.mark.parametrize(
    "header",
    [
        "attachment; filename*=utf-8''K%C3%A4se.pdf",
        "attachment; filename*0*=utf-8''K%C3%A4; filename*1=se.pdf",
        'attachment; filename="=?utf-8?q?K=C3=A4se.pdf?="',
        'attachment; filename="Käse.pdf"',
    ],
)
def test_names_are_read_however_they_are_written(header: str):
    found = letter(mail(part(WORDS), part(pdf(), "application/pdf", code="base64", Content_Disposition=header)))
    assert [each.name for each in found.files] == ["Käse.pdf"]


def test_sizes_and_numbers_have_limits():
    large, text = b"x" * (2 * MEBIBYTE), "text/plain"
    assert one("a.txt", text, large)
    assert "larger than 2 MB" in refused("a.txt", text, large + b"x")
    assert "5 MB together" in sorted_(*[Piece("a.txt", text, large)] * 3).problems[0]
    assert len(sorted_(*[Piece("a.txt", text, b"x")] * 5).kept) == 5
    assert "more than 5 files" in sorted_(*[Piece("a.txt", text, b"x")] * 6).problems[0]
    shown = {str(number): f"picture{number}" for number in range(30)}
    pictures = [Piece("a.png", "image/png", png(), str(number)) for number in range(21)]
    assert "more than 20 pictures" in sorted_(*pictures, shown=shown).problems[0]
    assert "is empty" in refused("a.txt", text, b"")


@pytest.mark.parametrize(
    ("octets", "text"),
    [("Käse".encode(), "Käse"), ("Käse".encode("utf-8-sig"), "Käse"), ("Käse".encode("utf-16"), "Käse"), (b"K\xe4se", "Käse")],
)
def test_texts_are_sent_in_utf_8(octets: bytes, text: str):
    assert one("a.txt", "text/plain", octets).content == text.encode()


@pytest.mark.parametrize("octets", [b"a\0b", b"a\x1b[0m", "Käse".encode("utf-16-le"), b"\xff\xfea"])
def test_what_no_editor_shows_is_no_text(octets: bytes):
    assert "not what its type says" in refused("a.txt", "text/plain", octets)


@pytest.mark.parametrize(
    "content",
    [
        pdf(b"<</S/JavaScript/JS(app.alert(1))>>"),
        pdf(b"<</S/J#61vaScript>>"),
        pdf(b"<</S/Launch/F(cmd.exe)>>"),
        pdf(b"<</Type/EmbeddedFile>>"),
        pdf(catalog=b"/Names<</EmbeddedFiles 3 0 R>>"),
        pdf(catalog=b"/OpenAction<</S/URI/URI(https://x.example)>>"),
        pdf(b"<</S /URI /URI(https://x.example)>>", catalog=b"/OpenAction 2 0 R"),
        pdf(stream(b"<</S/JavaScript>>", b"/Type/ObjStm/Filter/FlateDecode")),
        pdf(stream(b"<</S/Launch>>", b"/Type /ObjStm /Filter [/FlateDecode]")),
    ],
)
def test_a_pdf_that_does_something_is_refused(content: bytes):
    assert "contains a program" in refused("a.pdf", "application/pdf", content)


def test_a_pdf_with_links_and_a_first_page_is_kept():
    link = b"<</Type/Annot/A<</S/URI/URI(https://bloggs.example)>>>>"
    assert one("a.pdf", "application/pdf", pdf(link, stream(b"(JavaScript and /JS in words)"), catalog=b"/OpenAction[3 0 R/Fit]"))


@pytest.mark.parametrize(
    "content",
    [
        pdf(trailer=b"/Encrypt 3 0 R"),
        pdf(trailer=b"/#45ncrypt 3 0 R"),
        pdf(stream(b"x", b"/Filter/Crypt")),
        pdf(stream(b"x", b"/Filter/LZWDecode")),
        pdf(stream(b"x", b"/Filter 9 0 R")),
        pdf(stream(b"not zlib", b"/Filter/Fl")),
        pdf(stream(b"\0" * 9_000_000)),
        pdf(b"<<>>\nstream\nwithout end"),
        pdf(*[b"<<>>stream\n\nendstream"] * 20_001),
        png((b"zTXt", b"x\x9c" * 600)),
    ],
    ids=["encrypted", "escaped", "crypt", "LZW", "filter elsewhere", "no zlib", "bomb", "open", "many", "many starts"],
)
def test_what_cannot_be_looked_into_is_refused(content: bytes):
    kind = "image/png" if content.startswith(b"\x89") else "application/pdf"
    assert "cannot be looked into" in refused("a", kind, content)


def test_pictures_and_typefaces_in_a_pdf_take_no_room():
    image = stream(b"\0" * 9_000_000, b"/Subtype/Image/Filter/FlateDecode")
    assert one("a.pdf", "application/pdf", pdf(image, stream(b"\0" * 9_000_000, b"/Length1 9000000/Filter/FlateDecode")))


def test_the_files_of_a_mail_share_the_room():
    half = Piece("a.pdf", "application/pdf", pdf(stream(b"\0" * 5_000_000)))
    assert len(sorted_(half, half).problems) == 1


@pytest.mark.parametrize("kind", ["application/pkcs7-signature", "application/pgp-signature", "application/pgp-keys"])
def test_signatures_are_dropped(kind: str):
    found = letter(mail(part(WORDS), file(b"x", kind, "signature.asc")))
    assert (found.problem, found.files) == ("", ())


def test_an_invitation_is_a_file_beside_its_text():
    found = letter(mail(part(WORDS), part(CALENDAR, "text/calendar; method=REQUEST"), kind="alternative"))
    assert (found.body, [each.name for each in found.files]) == (WORDS, ["file1.ics"])

"""What a post encloses: kept under names of our own, replaced with the draft, and changed by nobody afterwards."""

import uuid
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from chamberlist import systemmail
from posting.delivery.mime import Attachment
from posting.models import Post
from posting.submission import submission
from tests import builders
from tests.enclosures import BODY, HTML, LIST, LOAF, OFFER, rich
from tests.smtpserver import SmtpServer
from tests.test_sender_pages import signed_in

pytestmark = pytest.mark.django_db


def a_draft(**changes: Any) -> Post:
    return builders.a_draft(builders.a_sender(builders.a_list()), **rich(**changes))


def kept(post: Post) -> list[tuple[str, str, bytes]]:
    return [(file.name, file.kind, bytes(file.content)) for file in post.attachments.all()]


def test_files_are_kept_in_order_and_nothing_of_the_strangers_ids_is_left():
    post = a_draft()
    assert kept(post) == [(file.name, file.kind, file.content) for file in (OFFER, LOAF, LIST)]
    ids = [file.content_id for file in post.attachments.all()]
    assert ids[0] == ids[2] == "" and ids[1].startswith("part1.") and len(ids[1]) > 20
    assert f'src="cid:{ids[1]}"' in post.html
    assert "loaf@" not in post.html + "".join(ids) and "@" not in "".join(ids)


def test_the_same_mail_again_is_the_same_content_and_another_text_replaces_it():
    sender, key = builders.a_sender(builders.a_list()), uuid.uuid4()
    mailing_list = sender.lists.get()

    def write(**changes: Any) -> Post:
        return submission.write(sender, mailing_list, subject="Fair", key=key, **rich(**changes))

    first = write()
    assert write().content_hash == first.content_hash
    assert write(html="<p>x</p>", files=[OFFER]) == first
    assert kept(Post.objects.get()) == [(OFFER.name, OFFER.kind, OFFER.content)]
    assert Post.objects.get().html == "<p>x</p>"
    assert submission.submit(first, content_hash=Post.objects.get().content_hash) == ""
    assert write().html == "<p>x</p>", "what is with the Chamber stays as it is"
    assert len(kept(Post.objects.get())) == 1


@pytest.mark.parametrize(
    ("html", "left"),
    [
        ("<script>x()</script><p onclick=x()>Hi</p>", "<p>Hi</p>"),
        ('<p style="color:red"><font>Hi</font><!-- x --></p>', "<p>Hi</p>"),
        ('<p><img src="https://t.example/p.gif" alt="A loaf">!</p>', "<p>A loaf!</p>"),
        ('<p><img src="cid:none@x.example" alt="">!</p>', "<p>!</p>"),
        ('<p><img src="/etc/passwd">!</p>', "<p>!</p>"),
        ('<a href="javascript:x()">x</a> <a href="/y">y</a> <a href="cid:z">z</a>', "<a>x</a> <a>y</a> <a>z</a>"),
        ("<svg><style><img src=x onerror=x()></style></svg>", ""),
    ],
)
def test_only_what_is_allowed_is_kept(html: str, left: str):
    assert a_draft(html=html).html == left


def test_a_picture_that_the_text_does_not_show_is_a_file_as_any_other():
    post = a_draft(html="<p>Hello</p>")
    assert {file.content_id for file in post.attachments.all()} == {""}


def test_two_files_with_one_id_are_one_picture_and_one_file():
    post = a_draft(files=[LOAF, LOAF._replace(name="other.png")])
    assert [bool(file.content_id) for file in post.attachments.all()] == [True, False]


# The form


def edit(post: Post, **changes: str) -> None:
    page = signed_in(post.sender)
    url = reverse("edit_post", args=[post.pk])
    assert "it goes out as plain text; its pictures and files stay, as attachments." in page.get(url).content.decode()
    data = {"mailing_list": post.mailing_list_id, "subject": post.subject, "body": post.body, "key": post.submission_key}
    assert page.post(url, data | changes).status_code == 302
    post.refresh_from_db()


def test_a_new_subject_leaves_the_formatting():
    post = a_draft()
    html, body = post.html, post.body
    edit(post, subject="Summer fair", body=body.replace("\n", "\r\n"))  # As browsers send it.
    assert (post.subject, post.html, post.body) == ("Summer fair", html, body) and len(kept(post)) == 3


def test_a_new_text_is_plain_text_and_keeps_the_files():
    post = a_draft()
    edit(post, body=f"{BODY}\n\nBring a bag.")
    assert post.html == "" and "Bring a bag." in post.body
    assert [file.content_id for file in post.attachments.all()] == ["", "", ""] and len(kept(post)) == 3


def test_a_post_without_formatting_says_nothing_about_it():
    post = builders.a_draft(builders.a_sender(builders.a_list()))
    assert b"formatting" not in signed_in(post.sender).get(reverse("edit_post", args=[post.pk])).content


def test_what_is_no_draft_is_not_rewritten():
    post = a_draft()
    submission.submit(post, content_hash=post.content_hash)
    assert "no longer a draft" in submission.rewrite(post, post.mailing_list, subject="x", body="y")
    post.refresh_from_db()
    assert post.html and post.attachments.exclude(content_id="").count() == 1


# The pages


def pages(post: Post) -> tuple[str, str]:
    """Where its author and where staff look at it."""
    return reverse("sender_post", args=[post.pk]), reverse("admin:posting_post_change", args=[post.pk])


def files(post: Post) -> list[tuple[str, str]]:
    """The same for each of its files."""
    views = ("post_file", "admin:posting_post_file")
    return [(reverse(views[0], args=[post.pk, n]), reverse(views[1], args=[post.pk, n])) for n in range(post.attachments.count())]


@pytest.fixture
def held() -> Post:
    sender = builders.a_sender(builders.a_list())
    return builders.a_held_post(sender, **rich())


def test_author_and_staff_see_the_message_as_members_get_it(held: Post, admin_client: Client):
    for client, page, which in ((signed_in(held.sender), pages(held)[0], 0), (admin_client, pages(held)[1], 1)):
        content = client.get(page).content.decode()
        assert "<h1>Spring fair</h1>" in content and "<li>Crumpets</li>" in content
        assert f'<img src="{files(held)[1][which]}" alt="A loaf"' in content and "cid:" not in content
        assert 'href="https://bloggs.example/offers" rel="nofollow noopener noreferrer"' in content
        for place, file in enumerate((OFFER, LOAF, LIST)):
            assert f'<a href="{files(held)[place][which]}">{file.name}</a>' in content
        assert "The same as plain text" in content and "see our page (https://bloggs.example/offers)" in content


def test_each_file_comes_as_it_is_and_no_browser_takes_it_for_a_page(held: Post, admin_client: Client):
    author = signed_in(held.sender)
    for place, (file, kind) in enumerate(((OFFER, "application/pdf"), (LOAF, "image/png"), (LIST, "text/csv"))):
        for client, url in ((author, files(held)[place][0]), (admin_client, files(held)[place][1])):
            answer = client.get(url)
            assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, file.content, kind)
            assert answer["X-Content-Type-Options"] == "nosniff"
            assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
            assert answer["Content-Disposition"].startswith("inline" if kind == "image/png" else "attachment")
            assert "no-store" in answer["Cache-Control"]
            assert client.head(url).status_code == 200 and client.post(url).status_code == 405


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript"])
def test_a_file_that_could_be_a_page_is_just_octets(kind: str, held: Post):
    held.attachments.filter(position=0).update(kind=kind)
    answer = signed_in(held.sender).get(files(held)[0][0])
    assert answer["Content-Type"] == "application/octet-stream" and answer["Content-Disposition"].startswith("attachment")


def test_a_stranger_learns_nothing_about_a_file(held: Post, admin_client: Client):
    other = signed_in(builders.a_sender(held.mailing_list, address="eve@evil.example", name="Eve"))
    for mine, staff in files(held):
        assert other.get(mine).status_code == 404
        assert Client().get(mine)["Location"] == reverse("sender_sign_in")
        assert Client().get(staff).status_code == 302
        assert other.get(staff).status_code == 302
    nowhere = reverse("post_file", args=[held.pk, 9]), reverse("post_file", args=[held.pk + 1, 0])
    assert [signed_in(held.sender).get(url).status_code for url in nowhere] == [404, 404]
    assert admin_client.get(reverse("admin:posting_post_file", args=[held.pk, 9])).status_code == 404


def test_staff_without_the_permission_and_drafts_of_others_are_refused(held: Post, admin_client: Client, django_user_model: Any):
    client = Client()
    client.force_login(django_user_model.objects.create_user("bob", is_staff=True))
    assert client.get(files(held)[0][1]).status_code == 403
    draft = builders.a_draft(held.sender, **rich())
    assert admin_client.get(files(draft)[0][1]).status_code == 404


def test_looking_changes_nothing(held: Post, admin_client: Client):
    before = held.content_hash, list(Post.objects.values())
    for client, url in ((signed_in(held.sender), files(held)[0][0]), (admin_client, files(held)[0][1])):
        client.get(url)
    assert (Post.objects.get().content_hash, list(Post.objects.values())) == before


def test_a_page_shows_no_foreign_html_that_came_into_the_database_by_another_way(held: Post, admin_client: Client):
    foreign = "<p>Hi<script>x()</script><img src=https://t.example/p.gif onerror=x()><iframe src=//t.example></iframe></p>"
    builders.overwrite(held, html=foreign + '<a href="javascript:x()">y</a><style>*{display:none}</style>')
    for client, page in zip((signed_in(held.sender), admin_client), pages(held), strict=True):
        content = client.get(page).content.decode()
        assert "t.example" not in content and "x()" not in content and "display:none" not in content


def test_staff_see_in_which_file_an_address_stands(admin_client: Client):
    ics = Attachment("fair.ics", "text/calendar", b"BEGIN:VCALENDAR\r\nORGANIZER:mailto:bob@garage.example\r\n")
    post = builders.a_held_post(builders.a_sender(builders.a_list()), body="Ask jo@x.example", files=[ics])
    content = admin_client.get(pages(post)[1]).content.decode()
    assert 'value="bob@garage.example"' in content and "in the file “fair.ics”" in content
    assert content.count("in the file") == 1 and 'value="jo@x.example"' in content


def test_a_test_copy_has_the_formatted_text_and_the_files(smtp: SmtpServer):
    post = a_draft()
    submission.send_test_copy(post)
    assert systemmail.send_due() == 1
    (mail,) = smtp.received
    page = mail.message.get_body(("html",))
    assert page is not None and mail.recipients == (post.sender.address,)
    content = page.get_content()
    assert ">Crumpets</li>" in content and "cid:" in content
    names = [part.get_filename() for part in mail.message.walk() if part.get_filename()]
    assert names == [file.name for file in post.attachments.all()]


def test_the_domain_of_a_picture_is_ours_in_the_copy_alone(held: Post):
    assert settings.LIST_DOMAIN not in held.html
    assert "cid:part1." in held.html and held.html != HTML

"""What every answer tells a browser, whoever asks for whatever page; and that no request chooses the host in an answer."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from chamberlist import systemmail, throttle
from chamberlist.embedded import watchdog
from chamberlist.embedded.processes import LOOPBACK, answers, free_port
from posting.models import Post
from subscriptions import requests
from subscriptions.models import Subscription
from tests import builders, enclosures, walking, workers
from tests.arriving import sent_by
from tests.smtpserver import SmtpServer

pytestmark = pytest.mark.django_db
WHO = ("stranger", "sender", "staff")
KEPT_IN_CACHES = {"brand", ""}  # The Chamber's colour, and where its icon is: the same for everybody.
TOKEN_PAGES = {"confirm", "leave", "undo_leave", "choose", "manage"}
FRAMED = {"embed", "embed_requested"}  # The form that other sites may show: those that EMBED_ORIGINS names, and no other.
SITES = ("https://www.chamber.example", "https://bakery.example:8443")
ASSETS = {  # Elements that make a browser fetch something, or send something somewhere.
    *(("script", "src"), ("img", "src"), ("img", "srcset"), ("source", "src"), ("source", "srcset"), ("iframe", "src")),
    *(("link", "href"), ("object", "data"), ("embed", "src"), ("video", "src"), ("video", "poster"), ("audio", "src")),
    *(("use", "href"), ("image", "href"), ("form", "action"), ("button", "formaction"), ("input", "src"), ("base", "href")),
}
CSS = Path(systemmail.__file__).parent / "static/chamberlist"


@pytest.fixture(autouse=True)
def sites(settings: Any) -> None:
    """Else the form for other sites does not exist, and no walk comes to it."""
    settings.EMBED_ORIGINS = SITES


@pytest.fixture
def post(rung: list[Any]) -> Post:
    """What pages can be about: a list, a member, a post with a picture that waits for staff, and a letter."""
    promotions = builders.a_list()
    builders.members(promotions, "anne@bakery.example", "bob@cafe.example")
    builders.a_mail()
    return builders.a_held_post(builders.a_sender(promotions), **enclosures.rich())


def addresses(post: Post) -> list[walking.Address]:
    found = walking.addresses(post, Subscription.objects.earliest("pk"))
    names = {address.name for address in found}
    assert {"subscribe", "leave", "sender_post", "post_file", "admin:posting_post_change", "admin:login", "healthz"} <= names
    return found


def visitor(who: str, post: Post, admin_client: Client, **options: Any) -> Client:
    client = Client(raise_request_exception=False, **options)
    if who == "sender":
        data = {"address": post.sender.address, "password": builders.PASSWORDS[post.sender_id]}
        assert client.post(reverse("sender_sign_in"), data).status_code == 302
    elif who == "staff":
        client.cookies = admin_client.cookies
    return client


class Assets(HTMLParser):
    """What a page has a browser fetch, and what is written into it as script or style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [value or "" for name, value in attrs if (tag, name) in ASSETS]
        is_script = tag == "script" and "src" not in given and given.get("type", "") != "application/json"
        handlers = [name for name in given if name == "style" or name.startswith("on")]
        self.inline += handlers + ([tag] if tag == "style" or is_script else [])


def assert_strict(address: walking.Address, response: Any) -> None:
    """The headers of one answer."""
    where = f"{address} {response.status_code}"
    policy = dict(part.strip().partition(" ")[::2] for part in response["Content-Security-Policy"].split(";"))
    assert "unsafe" not in response["Content-Security-Policy"], where
    assert policy["default-src"] == "'none'", where
    is_the_form = address.name in FRAMED and response.status_code != 405
    may_show_it = (" ".join(SITES), None) if is_the_form else ("'none'", "DENY")
    assert (policy.pop("frame-ancestors"), response.headers.get("X-Frame-Options")) == may_show_it, where
    assert not re.search(r"https?:|\*|data:", f"{policy}"), where
    assert response["X-Content-Type-Options"] == "nosniff", where
    is_permission = address.name in TOKEN_PAGES
    assert response["Referrer-Policy"] == ("no-referrer" if is_permission else "same-origin"), where
    assert response.headers.get("X-Robots-Tag") == ("noindex" if is_permission else None), where
    assert response["Cross-Origin-Opener-Policy"] == "same-origin", where
    assert "camera=()" in response["Permissions-Policy"], where
    may_be_kept = address.name in KEPT_IN_CACHES and response.status_code < 400
    assert may_be_kept or "no-store" in response["Cache-Control"], where


def assert_no_other_origin(address: walking.Address, response: Any) -> None:
    if not response["Content-Type"].startswith("text/html"):
        return
    assets = Assets(response.content.decode())
    assert assets.inline == [], address
    for found in assets.found:
        parts = urlsplit(found)
        assert not parts.scheme and not parts.netloc and not found.startswith("//"), f"{address}: {found}"


@pytest.mark.parametrize("who", WHO)
def test_every_page_has_them_whoever_looks(who: str, post: Post, admin_client: Client):
    client = visitor(who, post, admin_client)
    seen: dict[int, int] = {}
    for address in addresses(post):
        response = client.get(address.path)
        seen[response.status_code] = seen.get(response.status_code, 0) + 1
        assert response.status_code < 500, address
        assert_strict(address, response)
        assert_no_other_origin(address, response)
    assert seen[200] >= {"stranger": 10, "sender": 14, "staff": 40}[who], seen


@pytest.mark.parametrize("who", WHO)
def test_so_has_every_answer_to_a_form(who: str, post: Post, admin_client: Client):
    for address in addresses(post):
        client = visitor(who, post, admin_client)
        with mock.patch.object(throttle, "hit", return_value=True):
            response = client.post(address.path)
        assert response.status_code < 500, address
        assert_strict(address, response)
        assert_no_other_origin(address, response)


@pytest.mark.parametrize("kind", ["400", "403", "404", "405", "429", "500"])
def test_so_have_the_error_pages(kind: str, post: Post, monkeypatch: pytest.MonkeyPatch, settings: Any):
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    if kind == "400":
        response = client.get("/", HTTP_HOST="evil.example")
    elif kind == "403":
        response = client.post(reverse("sender_sign_in"), {"address": "x", "password": "x"})
    elif kind == "429":
        response = [Client().post(reverse("lost_password"), {"address": "x"}) for _ in range(11)][-1]
    elif kind == "500":
        monkeypatch.setattr("chamberlist.fence.heard", mock.Mock(side_effect=RuntimeError))
        response = client.get(reverse("healthz"))
    else:
        response = client.get("/nowhere/" if kind == "404" else reverse("sender_sign_out"))
    assert response.status_code == int(kind)
    assert_strict(walking.Address("error", ""), response)
    assert_no_other_origin(walking.Address("error", ""), response)


@pytest.mark.parametrize("page", sorted(TOKEN_PAGES))
def test_an_error_under_a_link_tells_nobody_the_link_either(page: str, post: Post, monkeypatch: pytest.MonkeyPatch):
    client = Client(raise_request_exception=False)
    own = next(address for address in addresses(post) if address.name == page)
    forged = walking.Address(page, reverse(page, args=["promotions", "a" * 52]))
    answers = [client.get(forged.path), client.post(forged.path), client.put(own.path)]
    monkeypatch.setattr("subscriptions.views.render", mock.Mock(side_effect=RuntimeError))
    answers.append(client.get(own.path))
    assert [answer.status_code for answer in answers] == [404, 404, 405, 500]
    for answer in answers:
        assert_strict(own, answer)


def test_no_style_sheet_fetches_anything_from_elsewhere():
    sheets = [path.read_text() for path in CSS.rglob("*.css")] + [Client().get(reverse("brand")).content.decode()]
    assert len(sheets) >= 2
    for sheet in sheets:
        assert not re.search(r"@import|url\(\s*['\"]?(?:https?:)?//", sheet)


# Whose host stands in an answer

ODD: tuple[dict[str, Any], ...] = (
    {"HTTP_HOST": "evil.example"},
    {"HTTP_HOST": "localhost:9999"},
    {"HTTP_HOST": "localhost.evil.example"},
    {"HTTP_HOST": "evil.example@localhost"},
    {"HTTP_X_FORWARDED_HOST": "evil.example"},
    {"HTTP_FORWARDED": "host=evil.example", "HTTP_X_HOST": "evil.example", "HTTP_X_ORIGINAL_HOST": "evil.example"},
    {"SERVER_NAME": "evil.example", "SERVER_PORT": "9999"},
    {"HTTP_X_ORIGINAL_URL": "https://evil.example/", "HTTP_X_REWRITE_URL": "https://evil.example/"},
)


def everything_in(response: Any) -> str:
    return f"{response.headers}{response.cookies}{response.content.decode(errors='replace')}"


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: " ".join(odd.values())[:40])
def test_no_page_names_the_host_that_a_request_made_up(odd: dict[str, Any], post: Post, admin_client: Client):
    for who in WHO:
        client = visitor(who, post, admin_client)
        for address in addresses(post):
            response = client.get(address.path, **odd)
            assert response.status_code == 400 or "evil" not in odd.get("HTTP_HOST", ""), address
            assert not re.search(r"evil\.example|:9999", everything_in(response)), address


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: " ".join(odd.values())[:40])
def test_no_mail_names_it_either(odd: dict[str, Any], post: Post, smtp: SmtpServer):
    Client().post(reverse("subscribe", args=["promotions"]), {"email": "new@cafe.example"}, **odd)
    Client().post(reverse("lost_password"), {"address": post.sender.address}, **odd)
    author = visitor("sender", post, Client())
    author.post(reverse("test_post", args=[post.pk]), **odd)
    requests.take()
    mails = sent_by(smtp)
    assert mails  # The one to staff, that the post waits, is there in any case.
    for mail in mails:
        assert not re.search(rb"evil\.example|:9999", mail.content)
        assert not re.search(rb"evil\.example|:9999", mail.text.encode())


# In production

SITE, EVIL = "lists.chamber.example:8443", "evil.example"


@pytest.fixture
def production(tmp_path: Path, transactional_db: None) -> Iterator[int]:
    """The site as gunicorn serves it behind one proxy, over https; its port."""
    changes = {"SITE_URL": f"https://{SITE}", "PROXY_HOPS": "1", "STATE_DIR": str(tmp_path)}
    environment, port = workers.environment(workers.NOBODY) | changes, free_port()
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v", "0"]
    subprocess.run(collect, cwd=workers.REPOSITORY, env=environment, check=True)
    command = [sys.executable, "-m", "gunicorn", "chamberlist.wsgi", "--bind", f"{LOOPBACK}:{port}", "--no-control-socket"]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, cwd=workers.REPOSITORY, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            assert watchdog.wait_until(lambda: answers(port), 60), (tmp_path / "log").read_text()
            yield port
        finally:
            process.terminate()


def ask(port: int, target: str, *lines: str, host: str = SITE, secure: bool = True, body: str = "") -> str:
    """The whole answer to one request, as it stands on the wire."""
    head = [f"{'POST' if body else 'GET'} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *lines]
    head += ["X-Forwarded-Proto: https"] if secure else []
    head += [f"Content-Length: {len(body)}", "Content-Type: application/x-www-form-urlencoded"] if body else []
    with socket.create_connection((LOOPBACK, port), 30) as client, client.makefile("rb") as file:
        client.sendall("\r\n".join([*head, "", body]).encode())
        return file.read().decode()


def headers(answer: str) -> dict[str, str]:
    return dict(line.partition(": ")[::2] for line in answer.partition("\r\n\r\n")[0].split("\r\n")[1:])


def cookies(answer: str) -> dict[str, tuple[str, set[str]]]:
    """By name: value, and attributes."""
    found = [line.removeprefix("Set-Cookie: ").split("; ") for line in answer.split("\r\n") if line.startswith("Set-Cookie")]
    return {first.partition("=")[0]: (first.partition("=")[2], set(rest)) for first, *rest in found}


@pytest.mark.django_db(transaction=True)
def test_in_production_cookies_are_this_host_s_alone_and_https_is_for_a_year(production: int):
    sender = builders.a_sender(builders.a_list())
    shown = ask(production, reverse("sender_sign_in"))
    assert shown.startswith("HTTP/1.1 200")
    assert headers(shown)["Strict-Transport-Security"] == "max-age=31536000"
    [(name, (secret, attributes))] = cookies(shown).items()
    assert name == "__Host-csrftoken"
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= attributes
    assert not any(each.lower().startswith("domain") for each in attributes)
    form = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', shown)
    assert form
    password = builders.PASSWORDS[sender.pk]
    body = f"csrfmiddlewaretoken={form[1]}&address=joe%40bloggs.example&password={password}"
    lines = (f"Cookie: __Host-csrftoken={secret}", f"Origin: https://{SITE}")
    signed_in = ask(production, reverse("sender_sign_in"), *lines, body=body)
    assert signed_in.startswith("HTTP/1.1 302") and headers(signed_in)["Location"] == "/senders/"
    value, attributes = cookies(signed_in)["__Host-sessionid"]
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=43200"} <= attributes
    assert ask(production, "/senders/", f"Cookie: __Host-sessionid={value}").startswith("HTTP/1.1 200")
    assert ask(production, "/senders/", f"Cookie: sessionid={value}").startswith("HTTP/1.1 302"), "a name that anybody can plant"
    assert ask(production, "/healthz", secure=False).startswith("HTTP/1.1 200")
    for target, host in (("/senders/?next=1", ""), ("/senders/?next=1", EVIL), (f"https://{EVIL}/senders/?next=1", EVIL)):
        answer = ask(production, target, f"X-Forwarded-Host: {EVIL}", secure=False, host=host or SITE)
        assert answer.startswith("HTTP/1.1 301"), answer
        assert headers(answer)["Location"] == f"https://{SITE}/senders/?next=1"
        assert "frame-ancestors 'none'" in headers(answer)["Content-Security-Policy"] and EVIL not in answer
    for target in ("/", "/senders", "/admin", "/admin/", "/senders/sign-in/", "/nowhere", "/lists/promotions"):
        for host in (EVIL, "lists.chamber.example:9999", "lists.chamber.example"):
            for asked in (target, f"https://{EVIL}:9999{target}"):
                answer = ask(production, asked, f"X-Forwarded-Host: {EVIL}:9999", host=host)
                assert not re.search(r"evil\.example|:9999", answer), (asked, host)

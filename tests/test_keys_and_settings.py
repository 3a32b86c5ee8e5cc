"""Secrets and settings: an odd value refuses to start with a sentence that says what to do."""

import base64
import hashlib
import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from django.core.exceptions import ImproperlyConfigured

from chamberlist import keys, relay
from chamberlist import settings as site_settings
from chamberlist.keys import BadKeys
from chamberlist.relay import BadRelay

REPOSITORY = Path(__file__).resolve().parent.parent
NEEDED = (
    *("SECRET_KEY", "ADDRESS_KEYS", "TOKEN_KEYS", "INDEX_KEYS", "SITE_URL", "LIST_DOMAIN", "STATE_DIR"),
    *("CHAMBER_NAME", "CHAMBER_POSTAL_ADDRESS", "CHAMBER_CONTACT", "DATABASE_URL", "REDIS_URL", "SMTP_URL"),
)
KEY = hashlib.sha256(b"a key of the tests").digest()


def encoded(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode()


A_KEY = encoded(KEY)


def start(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> ModuleType:
    """The settings as a process with this environment reads them; None takes a variable away."""
    for name, value in changes.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("settings_of_another_process", site_settings.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    try:
        spec.loader.exec_module(module)
    finally:
        site_settings.env.ENVIRON.files_cache.clear()  # One process reads its files once.
    return module


def test_the_environment_of_the_tests_starts(monkeypatch: pytest.MonkeyPatch):
    assert start(monkeypatch).LIST_DOMAIN == "lists.chamber.example"


@pytest.mark.parametrize("name", NEEDED)
def test_without_a_needed_variable_it_does_not_start_and_names_it(monkeypatch: pytest.MonkeyPatch, name: str):
    with pytest.raises(ImproperlyConfigured, match=f"Set the {name} environment variable"):
        start(monkeypatch, **{name: None})


@pytest.mark.parametrize("name", NEEDED)
def test_each_variable_is_read_from_a_file_as_an_editor_writes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str):
    file = tmp_path / "secret"
    file.write_text(os.environ[name] + "\n")
    plain = start(monkeypatch)
    told = start(monkeypatch, **{name: None, f"{name}_FILE": str(file)})
    for setting in dir(plain):
        if setting.isupper():
            assert repr(getattr(told, setting)) == repr(getattr(plain, setting)), setting
    for ring in ("ADDRESS_KEYS", "TOKEN_KEYS", "INDEX_KEYS"):
        assert getattr(told, ring).keys == getattr(plain, ring).keys


def test_a_file_that_cannot_be_read_is_named_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FILE names a file that cannot be read"):
        start(monkeypatch, SECRET_KEY_FILE=str(tmp_path / "none"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    monkeypatch.delenv("SECRET_KEY_FILE")
    with pytest.raises(ImproperlyConfigured, match="SMTP_URL_FILE names a file that cannot be read"):
        start(monkeypatch, SMTP_URL_FILE=str(tmp_path / "binary"))


GUESSED = (  # Keys of 32 bytes that somebody made by hand.
    b"0" * 32,
    bytes(range(32)),
    bytes(range(0, 96, 3)),
    bytes(range(255, 223, -1)),
    bytes(range(16)) * 2,
    hashlib.sha256(b"x").digest()[:16] * 2,
    (hashlib.sha256(b"x").digest()[:9] * 4)[:32],
    b"correct horse battery staple 123",
    b"0123456789abcdef0123456789ABCDEF",
    hashlib.sha256(b"x").hexdigest()[:32].encode(),
)
CAPS = ("DELIVERY_RATE", "COPIES_AN_HOUR", "MEMBER_COPIES_A_DAY", "CONFIRMATIONS_AN_HOUR")  # None can be switched off.
NO_ORIGINS = (
    *("*", "https://*.chamber.example", "www.chamber.example", "https:", "https://", "ftp://www.chamber.example", "data:"),
    *("http://www.chamber.example", "http://192.0.2.1:8000", "http://localhost.chamber.example", "https://www.chamber.example/"),
    *(
        "https://www.chamber.example/join",
        "https://www.chamber.example?a",
        "https://anne@www.chamber.example",
        "https://WWW.x.example",
    ),
    *(
        "https://www.chamber.example:",
        "https://www.chamber.example:0",
        "https://www.chamber.example:65536",
        "https://bäcker.example",
    ),
    *("https://www.chamber.example;", "https://www.chamber.example 'self'", "https://a..example", "https://-a.example", "'none'"),
    *(
        "https://www.chamber.example\r\nX: y",
        "https://www.chamber.example,",
        ",",
        ",".join(f"https://w{n}.example" for n in range(21)),
    ),
)
OPEN = (
    "server.chamber.example/0",
    "joe@server.chamber.example/0",
    "joe:@10.0.0.7:6379/0",
    "localhost.evil.example/0",
    "[2001:db8::1]/0",
)
ODD = [
    ("SECRET_KEY", "hunter2"),
    ("SECRET_KEY", "a" * 60),
    ("SECRET_KEY", ""),
    ("SECRET_KEY", "kD8vQ2mZr5xW9bN1hT6cJ4yP7fL0gS3aUeoiq"),  # 37 characters.
    ("SECRET_KEY", "django-insecure-kD8vQ2mZr5xW9bN1hT6cJ4yP7fL0gS3aUeoiq"),
    ("SECRET_KEY", "ChangeMe-kD8vQ2mZr5xW9bN1hT6cJ4yP7fL0gS3aUeoiq"),
    ("SECRET_KEY", "my-secret-kD8vQ2mZr5xW9bN1hT6cJ4yP7fL0gS3aUeoiq"),
    ("SECRET_KEY", "kD8vQ2mZr5xW9bN1hT6c" * 3),
    ("SECRET_KEY", "kD8vQ2mZr5xW9bN1hT6c" * 2 + "kD8v"),
    ("SECRET_KEY", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP"),
    ("SECRET_KEY", "zyxwvutsrqponmlkjihgfedcba9876543210ZYXWVUTSRQPO"),
    *(("ADDRESS_KEYS", f"k1:{encoded(key)}") for key in GUESSED),
    ("ADDRESS_KEYS", "k1:nonsense"),
    ("ADDRESS_KEYS", ""),
    ("TOKEN_KEYS", f"k1:{A_KEY},k1:{A_KEY}"),
    ("INDEX_KEYS", f"k1:{A_KEY},k2:{A_KEY}"),
    ("SITE_URL", "lists.chamber.example"),
    ("SITE_URL", "ftp://lists.chamber.example"),
    ("SITE_URL", "https://lists.chamber.example/path"),
    ("SITE_URL", "https://"),
    ("SITE_URL", "https://joe:hunter2@lists.chamber.example"),
    ("SITE_URL", "https://lists.chamber.example#top"),
    ("SITE_URL", "http://lists.chamber.example"),
    ("LIST_DOMAIN", "lists"),
    ("LIST_DOMAIN", "lists.chamber.example."),
    ("LIST_DOMAIN", f"{'x' * 63}.{'x' * 63}.{'x' * 60}.example"),
    ("LIST_DOMAIN", "anne@lists.chamber.example"),
    ("LIST_DOMAIN", "x" * 300 + ".example"),
    ("PROXY_HOPS", "one"),
    ("PROXY_HOPS", "-1"),
    ("PROXY_HOPS", "10"),
    ("PROXY_HOPS", "١"),
    ("CHAMBER_NAME", ""),
    ("CHAMBER_NAME", "Chamber\r\nBcc: x"),
    ("CHAMBER_COLOUR", "teal"),
    ("CHAMBER_COLOUR", "#12345g"),
    ("CHAMBER_CONTACT", "office"),
    ("CHAMBER_ALERTS", "a@x.example, b@x.example"),
    ("LOG_LEVEL", "LOUD"),
    ("DATABASE_URL", "sqlite:///db"),
    ("DATABASE_URL", "nonsense"),
    ("REDIS_URL", ""),
    ("REDIS_URL", "memory://"),
    *(("REDIS_URL", f"{scheme}://{rest}") for scheme in ("redis", "rediss") for rest in OPEN),
    ("REDIS_URL", "redis://:redis@broker.chamber.example/0"),
    ("REDIS_URL", "redis://[::1/0"),
    *(("DATABASE_URL", f"postgres://{rest}") for rest in OPEN),
    ("DATABASE_URL", "postgres://chamberlist@/name?host=db.chamber.example"),
    ("DATABASE_URL", "postgres://chamberlist:Chamberlist@db.chamber.example/name"),
    ("DATABASE_URL", "postgres://hunter2:hunter2@10.0.0.7/name"),
    ("DATABASE_URL", "postgres://joe:pass%77ord@10.0.0.7/name"),
    ("SMTP_URL", "smtp://joe@smtp.chamber.example"),
    ("SMTP_URL", "smtp.chamber.example"),
    ("AUTHSERV_ID", "mx chamber"),
    ("AUTHSERV_ID", "mx.chamber.example; dmarc=pass"),
    ("DNS_RESOLVERS", "dns.chamber.example"),
    ("DNS_RESOLVERS", "192.0.2.1:none"),
    ("DNS_RESOLVERS", "192.0.2.1:70000"),
    ("SIGN_UP_WORK", "25"),
    ("SIGN_UP_WORK", "-1"),
    ("SIGN_UP_WORK", "a little"),
    *(("EMBED_ORIGINS", value) for value in NO_ORIGINS),
    ("DELIVERY_LANES", "0"),
    ("DELIVERY_GROUP", "many"),
    *((name, value) for name in CAPS for value in ("0", "-1", "10000001", "none")),
]


@pytest.mark.parametrize(("name", "value"), ODD, ids=lambda text: text[:24].encode("unicode_escape").decode())
def test_an_odd_value_refuses_to_start_with_a_sentence_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    with pytest.raises(ImproperlyConfigured) as refused:
        start(monkeypatch, **{name: value})
    sentence = str(refused.value)
    assert name in sentence
    assert sentence.endswith(".")
    if name in ("SECRET_KEY", "ADDRESS_KEYS", "TOKEN_KEYS", "INDEX_KEYS", "SMTP_URL", "REDIS_URL", "DATABASE_URL"):
        assert not value or value not in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgres:///name"),
        ("DATABASE_URL", "postgres://joe@/name?host=/run/postgresql"),
        ("DATABASE_URL", "postgres://joe@%2Frun%2Fpostgresql/name"),
        ("DATABASE_URL", "postgres://joe@127.0.0.1:5432/name"),
        ("DATABASE_URL", "postgres://joe:kD8vQ2mZ@db.chamber.example/name"),
        ("DATABASE_URL", "postgres://joe@db.chamber.example/name?passfile=/run/secrets/pgpass"),
        ("REDIS_URL", "redis://localhost:6379/0"),
        ("REDIS_URL", "redis://[::1]:6379/0"),
        ("REDIS_URL", "redis://:kD8vQ2mZ@redis:6379/0"),
        ("REDIS_URL", "rediss://joe:kD8vQ2mZ@broker.chamber.example:6379/0"),
        ("SMTP_URL", "smtp://smtp.chamber.example:25"),  # A relay that knows this machine by its address.
        ("SMTP_URL", "smtp://joe@127.0.0.1/?tls=none"),
    ],
)
def test_a_server_of_this_machine_or_with_a_password_is_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    start(monkeypatch, **{name: value})


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(("ADDRESS_KEYS", "INDEX_KEYS", "TOKEN_KEYS"), 2)])
def test_a_key_belongs_to_one_ring(monkeypatch: pytest.MonkeyPatch, one: str, other: str):
    start(monkeypatch, **{one: keys.fresh("k1"), other: keys.fresh("k1")})
    for text in (f"k1:{A_KEY}", f"k1:{A_KEY}" if "INDEX_KEYS" in (one, other) else f"{keys.fresh('new')},old:{A_KEY}"):
        with pytest.raises(ImproperlyConfigured, match=f"{one} and {other} have a key in common.*makekeys") as refused:
            start(monkeypatch, **{one: f"k2:{A_KEY}", other: text})
        assert A_KEY[:10] not in str(refused.value)


def test_fresh_secrets_are_never_taken_for_guessed_ones():
    for _ in range(300):
        fresh = keys.environment()
        keys.checked_secret_key(fresh["SECRET_KEY"])
        keys.check_apart(**{name: keys.parse(name, fresh[name]) for name in keys.SECRETS})


def test_a_refusal_is_what_the_operator_reads_last_and_quotes_no_secret():
    environment = {**os.environ, "ADDRESS_KEYS": "k1:hunter2-hunter2"}
    command = [sys.executable, "manage.py", "check"]
    ended = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "Key 1 is not of the form id:base64url of 32 bytes. ADDRESS_KEYS: run" in ended.stderr.strip().splitlines()[-1]
    assert "hunter2" not in ended.stderr


def test_https_turns_on_what_browsers_need_and_loopback_does_without(monkeypatch: pytest.MonkeyPatch):
    secure = start(monkeypatch, SITE_URL="https://lists.chamber.example/", PROXY_HOPS="1")
    assert secure.SITE_URL == secure.CHAMBER.site_url == "https://lists.chamber.example"
    assert secure.ALLOWED_HOSTS == ["lists.chamber.example"]
    assert secure.SECURE_SSL_REDIRECT
    assert secure.SECURE_HSTS_SECONDS >= 365 * 24 * 60 * 60
    assert secure.SESSION_COOKIE_SECURE
    assert secure.CSRF_COOKIE_SECURE
    assert (secure.SESSION_COOKIE_NAME, secure.CSRF_COOKIE_NAME) == ("__Host-sessionid", "__Host-csrftoken")
    assert secure.SECURE_SSL_HOST == "lists.chamber.example"
    assert start(monkeypatch, SITE_URL="https://lists.chamber.example:8443").SECURE_SSL_HOST == "lists.chamber.example:8443"
    assert secure.SECURE_PROXY_SSL_HEADER == ("HTTP_X_FORWARDED_PROTO", "https")
    local = start(monkeypatch, SITE_URL="http://127.0.0.1:8000", PROXY_HOPS="0")
    assert not local.SECURE_SSL_REDIRECT
    assert not local.SESSION_COOKIE_SECURE
    assert not hasattr(local, "SESSION_COOKIE_NAME")
    assert local.SECURE_PROXY_SSL_HEADER is None  # Nobody in front of us: a visitor's header is not believed.


@pytest.mark.parametrize("value", ["1", "true", "True", "on"])
def test_debug_is_never_on(monkeypatch: pytest.MonkeyPatch, value: str):
    assert not getattr(start(monkeypatch, DEBUG=value), "DEBUG", False)


def test_passwords_are_kept_with_argon2(monkeypatch: pytest.MonkeyPatch):
    assert start(monkeypatch).PASSWORD_HASHERS == ["django.contrib.auth.hashers.Argon2PasswordHasher"]


def test_the_mail_page_is_the_demo_s_alone(monkeypatch: pytest.MonkeyPatch):
    assert start(monkeypatch).DEMO_MAIL == ""


def test_dns_servers_are_read_with_or_without_ports(monkeypatch: pytest.MonkeyPatch):
    assert start(monkeypatch).DNS_RESOLVERS == ()
    told = start(monkeypatch, DNS_RESOLVERS="192.0.2.1, [2001:db8::1]:5353,2001:db8::2")
    assert told.DNS_RESOLVERS == ("192.0.2.1", "[2001:db8::1]:5353", "2001:db8::2")


def test_the_sites_that_may_frame_the_form_are_read_each_once(monkeypatch: pytest.MonkeyPatch):
    assert start(monkeypatch).EMBED_ORIGINS == ()
    assert start(monkeypatch, EMBED_ORIGINS=" ").EMBED_ORIGINS == ()
    written = "https://www.chamber.example, https://bakery.example:8443,https://www.chamber.example,http://localhost:3000,http://127.0.0.1"
    told = start(monkeypatch, EMBED_ORIGINS=written).EMBED_ORIGINS
    assert list(told) == ["https://www.chamber.example", "https://bakery.example:8443", "http://localhost:3000", "http://127.0.0.1"]


def test_no_work_is_asked_for_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch):
    assert start(monkeypatch).SIGN_UP_WORK == 0
    assert start(monkeypatch, SIGN_UP_WORK="24").SIGN_UP_WORK == 24


def test_alerts_go_to_the_contact_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch):
    assert start(monkeypatch).CHAMBER_ALERTS == "office@chamber.example"
    assert start(monkeypatch, CHAMBER_ALERTS="ops@chamber.example").CHAMBER_ALERTS == "ops@chamber.example"


def test_a_quote_in_the_chamber_s_name_breaks_no_header(monkeypatch: pytest.MonkeyPatch):
    told = start(monkeypatch, CHAMBER_NAME='The "Ambridge" Chamber')
    assert told.DEFAULT_FROM_EMAIL == '"The Ambridge Chamber" <no-reply@lists.chamber.example>'


def test_the_provider_s_own_keys_are_read(monkeypatch: pytest.MonkeyPatch):
    told = start(monkeypatch, EMAIL_PROVIDER="anymail.backends.test.EmailBackend", ANYMAIL_TEST_API_KEY="abc")
    assert told.EMAIL_BACKEND == "anymail.backends.test.EmailBackend"
    assert told.ANYMAIL["TEST_API_KEY"] == "abc"


def test_fresh_keys_are_read_back_and_each_is_another_one():
    fresh = keys.environment()
    assert set(fresh) == {"SECRET_KEY", *keys.SECRETS}
    assert len({keys.parse(name, fresh[name]).first[1] for name in keys.SECRETS}) == 3
    assert keys.environment() != fresh
    assert len(fresh["SECRET_KEY"]) >= 50


def test_a_ring_keeps_its_order_and_does_not_show_its_keys():
    ring = keys.parse("TOKEN_KEYS", f" {keys.fresh('new')} , old:{A_KEY},")
    assert list(ring.keys) == ["new", "old"]
    assert ring.first[0] == "new"
    assert ring.keys["old"] == KEY
    assert A_KEY not in repr(ring)
    assert repr(KEY) not in repr(ring)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "There is no key"),
        (" , ", "There is no key"),
        ("nonsense", "Key 1 is not of the form"),
        (f":{A_KEY}", "Key 1 is not of the form"),
        (f"k 1:{A_KEY}", "Key 1 is not of the form"),
        (f"k1:{A_KEY[:-4]}", "Key 1 is not of the form"),
        (f"k1:{A_KEY[:20]}!{A_KEY[20:]}", "Key 1 is not of the form"),
        ("k1:é", "Key 1 is not of the form"),
        (f"k1:{A_KEY},k2:", "Key 2 is not of the form"),
        *((f"k1:{A_KEY},k2:{encoded(key)}", "Key 2 is not random") for key in GUESSED),
        (f"k1:{A_KEY},k1:{A_KEY}", "Two keys have the same id k1"),
    ],
)
def test_what_is_no_ring_is_refused_without_quoting_a_secret(text: str, sentence: str):
    with pytest.raises(BadKeys) as refused:
        keys.parse("TOKEN_KEYS", text)
    assert str(refused.value).startswith(sentence)
    assert "TOKEN_KEYS: run `" in str(refused.value)
    assert A_KEY[:10] not in str(refused.value)


def test_makekeys_prints_a_block_with_every_variable_that_has_no_default():
    command = [sys.executable, "manage.py", "makekeys"]
    bare = {"PATH": os.environ["PATH"]}
    ended = subprocess.run(command, cwd=REPOSITORY, env=bare, capture_output=True, text=True, timeout=60, check=True)
    block = dict(line.split("=", 1) for line in ended.stdout.splitlines() if line and not line.startswith("#"))
    assert set(NEEDED) <= set(block)
    for name in keys.SECRETS:
        keys.parse(name, block[name])


def test_makekeys_prints_one_more_key_to_be_put_before_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    command = [sys.executable, "manage.py", "makekeys", "--address-key"]
    ended = subprocess.run(command, cwd=REPOSITORY, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True)
    key, old, file = ended.stdout.strip(), os.environ["ADDRESS_KEYS"], tmp_path / "address_keys"
    file.write_text(f"{key},{old}\n")
    ring = start(monkeypatch, ADDRESS_KEYS=None, ADDRESS_KEYS_FILE=str(file)).ADDRESS_KEYS
    assert ring.first[0] == key.partition(":")[0]
    assert set(keys.parse("ADDRESS_KEYS", old).keys) < set(ring.keys)


def test_makekeys_explains_itself_and_refuses_what_it_does_not_know():
    command, bare = [sys.executable, "manage.py", "makekeys"], {"PATH": os.environ["PATH"]}
    told = subprocess.run([*command, "--help"], cwd=REPOSITORY, env=bare, capture_output=True, text=True, check=True)
    assert "--address-key" in told.stdout
    refused = subprocess.run([*command, "--nonsense"], cwd=REPOSITORY, env=bare, capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "--nonsense" in refused.stderr and not refused.stdout


@pytest.mark.parametrize("key_id", ["", "k-1", "kéy", "k" * 33])
def test_a_key_id_is_short_and_of_plain_letters_and_digits(key_id: str):
    with pytest.raises(BadKeys):
        keys.parse("ADDRESS_KEYS", f"{key_id}:{A_KEY}")


def test_the_block_of_makekeys_starts_the_site(monkeypatch: pytest.MonkeyPatch):
    block = dict(line.split("=", 1) for line in keys.block().splitlines() if line and not line.startswith("#"))
    assert start(monkeypatch, **block).SITE_URL.startswith("https://")


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("smtp://anne:p%40ss%2Fword@smtp.chamber.example", ("smtp.chamber.example", 587, "starttls", "anne", "p@ss/word")),
        ("smtp://smtp.chamber.example:2525/?tls=starttls", ("smtp.chamber.example", 2525, "starttls", "", "")),
        ("smtp://smtp.chamber.example?tls=implicit", ("smtp.chamber.example", 465, "implicit", "", "")),
        ("smtp://127.0.0.1:25/?tls=none", ("127.0.0.1", 25, "none", "", "")),
        ("smtp://[::1]:25/?tls=none", ("::1", 25, "none", "", "")),
        ("smtp://relay.localhost/?tls=none", ("relay.localhost", 587, "none", "", "")),
    ],
)
def test_the_relay_is_read_from_its_url(url: str, parts: tuple[str | int, ...]):
    found = relay.parse(url)
    assert (found.host, found.port, found.tls, found.username, found.password) == parts
    assert "p@ss" not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "smtp.chamber.example",
        "smtp://",
        "smtps://anne:hunter2@smtp.chamber.example",
        "http://anne:hunter2@smtp.chamber.example",
        "smtp://anne:hunter2@smtp.chamber.example:port",
        "smtp://anne:hunter2@smtp.chamber.example:99999",
        "smtp://anne:hunter2@smtp.chamber.example/path",
        "smtp://anne:hunter2@smtp.chamber.example/?tls=maybe",
        "smtp://anne:hunter2@smtp.chamber.example/?ssl=1",
        "smtp://anne:hunter2@smtp.chamber.example/?tls=none",
        "smtp://anne:hunter2@10.0.0.1/?tls=none",
        "smtp://anne:hunter2@localhost.evil.example/?tls=none",
    ],
)
def test_a_relay_that_is_odd_or_in_the_clear_is_refused_without_the_password(url: str):
    with pytest.raises(BadRelay, match="SMTP_URL") as refused:
        relay.parse(url)
    assert "hunter2" not in str(refused.value)

"""The site's settings. Everything that differs between two installations comes from the environment, each name also as NAME_FILE.

Secrets, hosts and domains have no default; an odd value refuses to start with a sentence that says what to do.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import django_stubs_ext
import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from chamberlist import dkim, keys, log, origins, providers, relay, resolvers, servers

django_stubs_ext.monkeypatch()  # Lets a class name the model that Django's generic bases are about.

BASE_DIR = Path(__file__).resolve().parent.parent
Value = TypeVar("Value")


class Environment(environ.FileAwareEnv):  # type: ignore[misc]
    """The environment, and the files that NAME_FILE names, whose last line may end with a line break."""

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        try:
            value = super().get_value(var, *args, **kwargs)
        except (OSError, UnicodeDecodeError):
            raise ImproperlyConfigured(f"{var}_FILE names a file that cannot be read as text.") from None
        return value.strip() if isinstance(value, str) else value


env = Environment()


def checked(read: Callable[[], Value]) -> Value:
    """What ``read`` gives; its ValueError becomes the sentence that Django prints before it refuses to start."""
    try:
        return read()
    except ValueError as error:
        raise ImproperlyConfigured(str(error)) from None


def whole_number(name: str, default: int, *, low: int, high: int) -> int:
    """An environment variable as a number from ``low`` to ``high``."""
    text = env.str(name, default=str(default))
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ImproperlyConfigured(f"{name} takes a whole number from {low} to {high}, not {text!r}.")
    return int(text)


# Secrets
SECRET_KEY = checked(lambda: keys.checked_secret_key(env.str("SECRET_KEY")))
ADDRESS_KEYS = checked(lambda: keys.parse("ADDRESS_KEYS", env.str("ADDRESS_KEYS")))
TOKEN_KEYS = checked(lambda: keys.parse("TOKEN_KEYS", env.str("TOKEN_KEYS")))
INDEX_KEYS = checked(lambda: keys.parse("INDEX_KEYS", env.str("INDEX_KEYS")))
if len(INDEX_KEYS.keys) != 1:
    raise ImproperlyConfigured("INDEX_KEYS takes one key, for ever: under another one no address would be found again.")
checked(lambda: keys.check_apart(ADDRESS_KEYS=ADDRESS_KEYS, INDEX_KEYS=INDEX_KEYS, TOKEN_KEYS=TOKEN_KEYS))

# Where we are
SITE_URL = env.str("SITE_URL").rstrip("/")
SITE = urlsplit(SITE_URL)
if SITE.scheme not in ("http", "https") or not SITE.hostname or SITE.path or SITE.query or SITE.fragment or "@" in SITE.netloc:
    raise ImproperlyConfigured("SITE_URL is the site's address without a path, for example https://lists.chamber.example.")
if SITE.scheme == "http" and not relay.is_loopback(SITE.hostname):
    raise ImproperlyConfigured("SITE_URL: http:// is for this machine alone; write https:// for any other.")
LIST_DOMAIN = env.str("LIST_DOMAIN").lower()
# The longest address of ours, leave-TOKEN@, has 254 octets with 195 of the domain (RFC 5321 section 4.5.3.1.3).
if not re.fullmatch(r"(?=.{4,195}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", LIST_DOMAIN):
    raise ImproperlyConfigured("LIST_DOMAIN is the domain of the lists' addresses, for example lists.chamber.example.")
SECURE = SITE.scheme == "https"
ALLOWED_HOSTS = [SITE.hostname]
PROXY_HOPS = whole_number("PROXY_HOPS", 0, low=0, high=9)  # How many proxies in front of us set X-Forwarded-For.
STATE_DIR = Path(env.str("STATE_DIR"))


@dataclass(frozen=True)
class Chamber:
    """The Chamber as its pages and mails name it."""

    name: str
    postal_address: str
    contact: str
    site_url: str
    colour: str


CHAMBER = Chamber(
    name=env.str("CHAMBER_NAME"),
    postal_address=env.str("CHAMBER_POSTAL_ADDRESS"),
    contact=env.str("CHAMBER_CONTACT"),
    site_url=SITE_URL,
    colour=env.str("CHAMBER_COLOUR", default="#1d5c63"),
)
if not CHAMBER.name or not CHAMBER.name.isprintable():
    raise ImproperlyConfigured("CHAMBER_NAME is the Chamber's name, on one line.")
if not re.fullmatch(r"#[0-9a-fA-F]{6}", CHAMBER.colour):
    raise ImproperlyConfigured("CHAMBER_COLOUR is a colour of the form #1d5c63.")
CHAMBER_ALERTS = env.str("CHAMBER_ALERTS", default=CHAMBER.contact)
for name, address in (("CHAMBER_CONTACT", CHAMBER.contact), ("CHAMBER_ALERTS", CHAMBER_ALERTS)):
    if not address.isascii() or not re.fullmatch(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+", address):
        raise ImproperlyConfigured(f"{name} is one mail address, for example office@chamber.example.")

# Apps
INSTALLED_APPS = [
    "posting",
    "subscriptions",
    "chamberlist.apps.ChamberlistConfig",
    "chamberlist.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "csp",
]
MIDDLEWARE = [
    "chamberlist.headers.on_every_answer",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "chamberlist.urls"
WSGI_APPLICATION = "chamberlist.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "chamberlist.pages.chamber",
            ]
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.str("TIME_ZONE", default="Europe/London")
USE_TZ = True
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
    raise ImproperlyConfigured("LOG_LEVEL takes DEBUG, INFO, WARNING, ERROR or CRITICAL.")
LOGGING, LOGGING_CONFIG = log.configuration(LOG_LEVEL), "chamberlist.log.configure"

# Postgres is the queue, and a durable one: a commit is on disk before anything that it marked is sent.
if urlsplit(env.str("DATABASE_URL")).scheme not in ("postgres", "postgresql"):
    raise ImproperlyConfigured("DATABASE_URL is not of the form postgres://user:password@host:5432/name.")
checked(
    lambda: servers.checked(
        "DATABASE_URL",
        env.str("DATABASE_URL"),
        advice="Give the database's user one, and write postgres://user:password@host:5432/name.",
    )
)
DATABASES = {"default": env.db_url("DATABASE_URL", engine="django.db.backends.postgresql")}
DATABASES["default"].setdefault("CONN_MAX_AGE", 60)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# What is committed stays, whatever the server's own default: a copy leaves after its mark is on disk.
_options = DATABASES["default"].setdefault("OPTIONS", {})
# A process that was frozen in mid-transaction keeps its rows from the others for no longer than a lease.
# What a lane asks again and again (``delivery.prepared``) is planned once: to plan it each time costs as much as to do it.
_promised = "-c synchronous_commit=on -c idle_in_transaction_session_timeout=60s -c plan_cache_mode=force_generic_plan"
_options["options"] = f"{_options.get('options', '')} {_promised}".strip()

# The broker only rings the bell; nobody waits long for it.
CELERY_BROKER_URL = env.str("REDIS_URL")
if not re.match(r"rediss?://[^/]", CELERY_BROKER_URL):
    raise ImproperlyConfigured("REDIS_URL is not of the form redis://:password@host:6379/0 (rediss:// with TLS).")
checked(
    lambda: servers.checked(
        "REDIS_URL", CELERY_BROKER_URL, advice="Give the broker one (requirepass), and write redis://:password@host:6379/0."
    )
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 2,
    "socket_timeout": 10,
    "socket_keepalive": True,
    "max_retries": 1,  # Of a connection, within one ring; by default a ring would wait six seconds for a broker that is down.
    "interval_start": 0,
    "interval_step": 0,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "send system mail": {"task": "chamberlist.tasks.send_system_mail", "schedule": 20.0, "options": {"expires": 20}},
    "prune": {"task": "chamberlist.tasks.prune", "schedule": timedelta(hours=6)},
    "take requests": {"task": "subscriptions.tasks.take_requests", "schedule": 10.0, "options": {"expires": 10}},
    "sweep subscriptions": {"task": "subscriptions.tasks.sweep", "schedule": timedelta(minutes=10)},
    "reckon": {"task": "posting.tasks.reckon", "schedule": 60.0, "options": {"expires": 60}},
    "sweep posts": {"task": "posting.tasks.sweep", "schedule": 5.0, "options": {"expires": 5}},
    "weigh refusals": {"task": "posting.tasks.weigh_refusals", "schedule": 60.0, "options": {"expires": 60}},
    "forget what was passed on": {"task": "posting.tasks.forget_passed_mail", "schedule": 60.0, "options": {"expires": 60}},
    "take password requests": {"task": "posting.tasks.take_password_requests", "schedule": 20.0, "options": {"expires": 20}},
    "read mail": {"task": "posting.tasks.read_mail", "schedule": 10.0, "options": {"expires": 10}},
    "prune mail": {"task": "posting.tasks.prune", "schedule": timedelta(hours=6)},
    "discard stale posts": {"task": "posting.tasks.discard_stale", "schedule": timedelta(hours=1)},
}

# Mail
RELAY = checked(lambda: relay.parse(env.str("SMTP_URL")))
DKIM = checked(lambda: dkim.parse(env.str("DKIM_SELECTOR", default=""), env.str("DKIM_KEY", default="")))
# Who judges the senders of incoming mail: the mail server in front, known by its id (RFC 8601), or we, by asking the DNS.
AUTHSERV_ID = env.str("AUTHSERV_ID", default="")
if not re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]{0,252})?", AUTHSERV_ID):
    raise ImproperlyConfigured(
        "AUTHSERV_ID is the name that your mail server writes its results under, such as mx.chamber.example."
    )
DNS_RESOLVERS = checked(lambda: resolvers.parse(env.str("DNS_RESOLVERS", default="")))
EMAIL_PROVIDER = env.str("EMAIL_PROVIDER", default="")
if EMAIL_PROVIDER:  # It hands over the mail that it took for us in one request, files and all.
    DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
EMAIL_BACKEND = EMAIL_PROVIDER or "chamberlist.smtp.EmailBackend"
EMAIL_HOST, EMAIL_PORT = RELAY.host, RELAY.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = RELAY.username, RELAY.password
EMAIL_USE_TLS, EMAIL_USE_SSL = RELAY.tls == "starttls", RELAY.tls == "implicit"
EMAIL_TIMEOUT = 60
DEFAULT_FROM_EMAIL = f'"{CHAMBER.name.replace(chr(34), "")}" <no-reply@{LIST_DOMAIN}>'
SERVER_EMAIL = f"no-reply@{LIST_DOMAIN}"
_named = {name.removesuffix("_FILE") for name in env.ENVIRON if name.startswith("ANYMAIL_")} - {"ANYMAIL"}
_given = {name.removeprefix("ANYMAIL_"): env.str(name) for name in _named}
ANYMAIL = checked(lambda: providers.read(env.str("ANYMAIL", default=""), _given))
ANYMAIL["REQUESTS_TIMEOUT"] = whole_number("ANYMAIL_REQUESTS_TIMEOUT", 60, low=1, high=600)
SYSTEM_MAILS = {  # Who renders which mail of ours: this package names the apps only in strings.
    "alert": "chamberlist.systemmail.render_alert",
    "confirmation": "subscriptions.mails.confirmation",
    "already": "subscriptions.mails.already",
    "manage": "subscriptions.mails.manage",
    "leave_link": "subscriptions.mails.leave_by_link",
    "post_waiting": "posting.mails.post_waiting",
    "password_wanted": "posting.mails.password_wanted",
    "post_rejected": "posting.mails.post_rejected",
    "post_discarded": "posting.mails.post_discarded",
    "test_copy": "posting.mails.test_copy",
    "mail_receipt": "posting.mails.mail_receipt",
    "mail_refused": "posting.mails.mail_refused",
    "mail_wrong_password": "posting.mails.mail_wrong_password",
    "passed_to_sender": "posting.feedback.mails.passed_to_sender",
    "passed_to_member": "posting.feedback.mails.passed_to_member",
}
ASKING_MAILS = (
    "confirmation",
    "already",
    "manage",
)  # Anybody can cause these by typing an address: CONFIRMATIONS_AN_HOUR counts them.
AUTOMATIC_MAILS = ("leave_link", "mail_wrong_password")  # A mail to us can cause these: one per address a day.

# What staff find on the first page of the admin, in this order.
STAFF_NOTICES = [
    "chamberlist.notices.halted",
    "chamberlist.notices.keys",
    "posting.notices.waiting",
    "posting.notices.frozen",
    "posting.notices.passwords",
    "posting.notices.mail",
    "chamberlist.notices.alerts",
]

# What `manage.py doctor` looks at, in this order.
DOCTOR_CHECKS = [
    "chamberlist.doctor.database",
    "chamberlist.doctor.migrations",
    "chamberlist.doctor.clock",
    "chamberlist.doctor.broker",
    "chamberlist.doctor.heartbeat",
    "chamberlist.doctor.relay",
    "chamberlist.doctor.signatures",
    "chamberlist.doctor.state_folder",
    "chamberlist.doctor.armed",
    "chamberlist.doctor.sending",
    "posting.doctor.lanes",
    "posting.doctor.speed",
    "posting.doctor.posts",
    "posting.doctor.waiting_copies",
    "posting.doctor.copies_in_doubt",
    "posting.doctor.inbound_mail",
    "chamberlist.doctor.keys",
    "chamberlist.doctor.alerts",
]

# Delivery
DELIVERY_LANES = whole_number("DELIVERY_LANES", 2, low=1, high=64)
DELIVERY_CONNECTIONS = whole_number("DELIVERY_CONNECTIONS", 4, low=1, high=64)
DELIVERY_GROUP = whole_number("DELIVERY_GROUP", 16, low=1, high=1000)

# Caps. Each has a largest value, and none can be switched off.
DELIVERY_RATE = whole_number("DELIVERY_RATE", 600, low=1, high=1_000_000)  # Copies a minute.
COPIES_AN_HOUR = whole_number("COPIES_AN_HOUR", 30_000, low=1, high=10_000_000)
MEMBER_COPIES_A_DAY = whole_number("MEMBER_COPIES_A_DAY", 5, low=1, high=100)
CONFIRMATIONS_AN_HOUR = whole_number("CONFIRMATIONS_AN_HOUR", 1_000, low=1, high=100_000)

# Signing up
SIGN_UP_WORK = whole_number("SIGN_UP_WORK", 0, low=0, high=24)  # Zero bits that a browser must find; each more is twice the work.
EMBED_ORIGINS = checked(lambda: origins.parse(env.str("EMBED_ORIGINS", default="")))

# Signing in
AUTHENTICATION_BACKENDS = ["chamberlist.staffsite.StaffBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"  # Not Strict: the links in mails to staff and senders lead to their pages.
if SECURE:  # Browsers take these names from this very host alone: no site beside or below it can plant a cookie of ours.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
CSRF_FAILURE_VIEW = "chamberlist.pages.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# What browsers are told
SECURE_SSL_REDIRECT = SECURE
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PROXY_HOPS else None
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_SSL_HOST = SITE.netloc  # Else the redirect to https would lead to whatever host the request names.
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if SECURE else 0
# For this host alone: what lies below it is not ours, and a Chamber's name may well have an old site in the clear below it.
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIR / "static"
STORAGES = {"staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}}

# Only the demo has this: the file in which its mail catcher keeps what it received, shown at /dev/mail/.
DEMO_MAIL = env.str("DEMO_MAIL", default="")

"""Providers: whose interfaces, of those that django-anymail speaks, can carry our mail, and what must be set for that."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.mail import EmailMessage
from django.urls import URLPattern

SHORTEST_SECRET = 20
FORM = "user:password, of 20 characters or more"


@dataclass(frozen=True)
class Provider:
    """What one of them can do and needs."""

    switches_tracking: bool = True  # For each message; otherwise it is the account that says whether links are rewritten.
    webhook_keys: tuple[str, ...] = ()  # What proves its reports beside WEBHOOK_SECRET; django-anymail does without none of them.


# Each keeps metadata with a message and tells it again, and sends List-Unsubscribe and List-Unsubscribe-Post as they are given.
FIT = {
    "mailgun": Provider(webhook_keys=("MAILGUN_WEBHOOK_SIGNING_KEY",)),
    "mandrill": Provider(webhook_keys=("MANDRILL_WEBHOOK_KEY",)),
    "postmark": Provider(),
    "resend": Provider(switches_tracking=False),
    "sparkpost": Provider(),
}
UNFIT = {
    "amazon_ses": "its client repeats a request by itself, so that a member could get two copies; use its SMTP relay instead",
    "brevo": "it puts a picture that reports the reader into every mail, and has no switch for that",
    "mailersend": "it keeps no metadata, so that no report could be told from another",
    "mailjet": "it puts a List-Unsubscribe of its own in the place of ours: a member who leaves there would not have left here",
    "mailtrap": "nothing says that it sends List-Unsubscribe-Post as it is given",
    "postal": "it keeps no metadata, so that no report could be told from another; use its SMTP relay instead",
    "scaleway": "django-anymail reads no reports of it, so that a copy in doubt would stay there",
    "sendgrid": "django-anymail has dropped its support for it",
    "unisender_go": "it takes no List-Unsubscribe-Post, so that nobody could leave with one click (RFC 8058)",
}
UNWANTED = {  # By the end of their names: most can be set for one provider too.
    "IGNORE_UNSUPPORTED_FEATURES": "would drop headers that members rely on",
    "SEND_DEFAULTS": "would add to every copy what nobody accepted, recipients and tracking too",
    "DEBUG_API_REQUESTS": "would print members' addresses",
    "USE_BULK_API": "would hand a copy to a queue that does not say whether it took it",
}


def read(text: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """The settings of django-anymail: lines ``NAME=value``, and what stands in the environment; raises ValueError."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not all("=" in line for line in lines):
        raise ValueError("ANYMAIL takes lines of the form POSTMARK_SERVER_TOKEN=value.")
    pairs = [line.split("=", 1) for line in lines]
    given = {name.strip().removeprefix("ANYMAIL_"): value.strip() for name, value in pairs}
    if "REQUESTS_TIMEOUT" in given:
        raise ValueError("ANYMAIL takes no REQUESTS_TIMEOUT; set ANYMAIL_REQUESTS_TIMEOUT instead.")
    return given | dict(environment)


def name_of(backend: str) -> str:
    """``postmark`` of ``anymail.backends.postmark.EmailBackend``; "" of anything else."""
    before, _, after = backend.partition("anymail.backends.")
    name, _, cls = after.partition(".")
    return name if not before and cls == "EmailBackend" else ""


def untracked(backend: str) -> dict[str, bool]:
    """What a message says against a picture that reports the reader, and against rewritten links; empty where it cannot say so."""
    provider = FIT.get(name_of(backend))
    return {"track_opens": False, "track_clicks": False} if provider is not None and provider.switches_tracking else {}


def mark(message: EmailMessage, metadata: dict[str, str]) -> None:
    """What comes back with every report about the message."""
    message.metadata = metadata  # type: ignore[attr-defined]


def switch_tracking_off(message: EmailMessage, backend: str) -> None:
    """Say so in a message."""
    for name, value in untracked(backend).items():
        setattr(message, name, value)


def webhooks(backend: str, patterns: Iterable[URLPattern]) -> list[URLPattern]:
    """Of all places that django-anymail knows, those for this provider's reports, and for mail that it took for us."""
    names = {f"{name_of(backend)}_{kind}_webhook" for kind in ("tracking", "inbound")}
    return [pattern for pattern in patterns if pattern.name in names]


def unfit(backend: str) -> str:
    """Why the interface cannot carry copies, or ""."""
    name = name_of(backend)
    if name in FIT:
        return ""
    fit = ", ".join(sorted(FIT))
    why = UNFIT.get(name, "nothing is known of its metadata, its headers and its reports")
    return f"EMAIL_PROVIDER: {backend} cannot carry copies: {why}. Fit are, as anymail.backends.NAME.EmailBackend: {fit}."


def unwanted(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The settings of django-anymail that must not be there, and for each what it would do."""
    for name in options:
        for end, why in UNWANTED.items():
            if name == end or name.endswith(f"_{end}"):
                yield name, f"ANYMAIL_{name} {why}."


def open_to_anybody(backend: str, options: Mapping[str, Any]) -> str:
    """Why anybody could forge the provider's reports, or ""."""
    user, colon, password = str(options.get("WEBHOOK_SECRET", "")).partition(":")
    if not user or not colon or len(password) < SHORTEST_SECRET - len("user:"):
        return f"ANYMAIL_WEBHOOK_SECRET is missing, or is not of the form {FORM}: anybody could forge reports about copies."
    provider = FIT.get(name_of(backend))
    missing = [key for key in (provider.webhook_keys if provider else ()) if not options.get(key)]
    return f"ANYMAIL_{missing[0]} is missing: anybody could forge reports about copies." if missing else ""


def problem(backend: str, options: Mapping[str, Any]) -> str:
    """The first reason why nothing may be sent through this interface, or ""."""
    first = next((why for _, why in unwanted(options)), "")
    return unfit(backend) or open_to_anybody(backend, options) or first

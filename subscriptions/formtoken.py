"""The token in a subscribe form: it says that the form is ours, for which list and how old. No cookie: the page is anonymous.

It is the signed answer to a form that another site, or a robot without the page, sends; and what a browser's work is done for.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from django.http import HttpRequest

from chamberlist import throttle
from subscriptions.models import MailingList

SALT = "subscriptions.formtoken"  # Django derives a key of its own from SECRET_KEY for each salt.
LIFETIME = timedelta(hours=12)
USES = 5  # A person goes back and mends a slip.
OURS = ("same-origin", "none")


@dataclass(frozen=True)
class FormToken:
    """A token that is ours and not too old."""

    nonce: str
    made_at: datetime


def make(mailing_list: MailingList) -> str:
    """A fresh token for the form of a list: list, random nonce, time and signature."""
    return _signer().sign(f"{mailing_list.pk}:{secrets.token_urlsafe(16)}")


def read(mailing_list: MailingList, text: str) -> FormToken | None:
    """What ``text`` proves; None where it is forged, of another list, or older than ``LIFETIME``."""
    try:
        signed = _signer().unsign(text, max_age=LIFETIME)
        made_at = datetime.fromtimestamp(signing.b62_decode(text.split(":")[2]), UTC)
    except signing.BadSignature:
        return None
    number, _, nonce = signed.partition(":")
    return FormToken(nonce, made_at) if number == str(mailing_list.pk) else None


def use(token: FormToken) -> bool:
    """Count one use; False when it was used up before."""
    return throttle.use("form token", token.nonce, since=token.made_at) <= USES


def spend_work(token: FormToken) -> bool:
    """Count the work that was done for a form; False when a request was taken for it before: one address, one piece of work."""
    return throttle.use("form work", token.nonce, since=token.made_at) == 1


def is_from_our_page(request: HttpRequest) -> bool:
    """Whether the browser says that one of our pages sent the form; a program that says nothing is believed.

    So nobody who has a token of ours can put it into a page of their own, and let its visitors' browsers spend it. Browsers say it
    by Fetch Metadata, older ones by the origin alone, which is ours in the frame as well.
    """
    site = request.headers.get("Sec-Fetch-Site")
    return site in OURS if site is not None else _is_ours(request.headers.get("Origin"))


def _is_ours(origin: str | None) -> bool:
    return origin is None or _place(origin) == _place(settings.SITE_URL)


def _place(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port (RFC 6454 section 4); ``null`` is nowhere."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return "", None, None


def _signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=SALT)

"""Approved senders and the passwords that the Chamber issues to them."""

import secrets

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils.crypto import salted_hmac

from chamberlist import audit, passwords
from chamberlist.clock import Now
from posting.models import Sender
from subscriptions import addresses
from subscriptions.addresses import Address, BadAddress
from subscriptions.models import MailingList

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # Nothing that looks like something else when it is read out on the telephone.
GROUPS, GROUP_LENGTH = 4, 5  # 31^20: 99 bits.


@transaction.atomic
def approve(address: Address, *, name: str, lists: list[MailingList], by: str) -> tuple[Sender, str]:
    """Make a business a sender on ``lists``; the sender and the password, which is nowhere kept."""
    sender = Sender(name=" ".join(name.split()), address_hash=address.hash)
    sender.address = address.text
    sender.full_clean(exclude=["sealed_address", "address_hash", "password"])
    sender.save()
    sender.lists.set(lists)
    audit.record(by, "approve", sender)
    return sender, issue_password(sender, by=by)


@transaction.atomic
def issue_password(sender: Sender, *, by: str) -> str:
    """A new password, the only time it is shown; the old one and every sign-in with it end."""
    password = "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
    Sender.objects.filter(pk=sender.pk).update(
        password=make_password(password), password_issued_at=Now(), password_asked_at=None, revoked_at=None
    )
    sender.refresh_from_db()
    audit.record(by, "issue password", sender)
    return password


@transaction.atomic
def revoke(sender: Sender, *, by: str) -> None:
    """The business may post no longer; it is signed out everywhere."""
    Sender.objects.filter(pk=sender.pk).update(revoked_at=Now(), password="")
    sender.refresh_from_db()
    audit.record(by, "revoke", sender)


def authenticate(address_text: str, password: str) -> Sender | None:
    """The sender with that contact address and password, or None: the same statements, and the same Argon2, in every case."""
    try:
        wanted = addresses.parse(address_text).hash
    except BadAddress:
        wanted = b""
    password = password.strip()
    sender = Sender.objects.filter(address_hash=wanted, revoked_at=None).exclude(password="").first()
    is_right = passwords.is_right(password, sender.password if sender else "", Sender.objects.all())
    if sender is None or not is_right:
        return None
    if passwords.is_dated(sender.password):
        if not Sender.objects.filter(pk=sender.pk, password=sender.password).update(password=make_password(password)):
            return None  # Another one was issued meanwhile, or it was taken away.
        sender.refresh_from_db()
    return sender


def meant_by(address_text: str) -> str:
    """The address as all its spellings share it, for counting who tries; what is none, as it was typed."""
    try:
        return addresses.parse(address_text).normalised
    except BadAddress:
        return address_text.strip().lower()


def sign_in_mark(sender: Sender) -> str:
    """What a session keeps beside the sender's number; another password makes another mark."""
    return salted_hmac("posting.sender.session", sender.password, algorithm="sha256").hexdigest()

"""A post by mail: who may, with which password, and what the sender is told. Verbs give what became of it, as a sentence for staff.

A mail's From proves nothing: only the password does. Nobody but an approved sender, at the contact address that the Chamber knows,
is ever sent anything.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid5

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.db import transaction

from chamberlist import autoreply, throttle
from posting.models import Post, Sender
from posting.submission import submission
from posting.submission.reading import Letter
from subscriptions import addresses
from subscriptions.addresses import BadAddress
from subscriptions.models import MailingList

DAY = timedelta(days=1)
WRONG_A_DAY = 10  # Passwords that are tried for one sender; the form has counters of its own.
REFUSALS_A_DAY = 3  # Mails to one proven sender about posts that could not be taken.


@dataclass(frozen=True)
class Trust:
    """What is known of where a mail comes from: ``problem`` is a reason to hold its post, or ""."""

    is_forged: bool = False  # It fails the DMARC rules of its author's domain.
    is_proven: bool = False  # Its author's domain confirms it.
    problem: str = ""


@dataclass(frozen=True)
class Taken:
    """What became of it. ``is_refused``: the sender is proven, and to be told ``words``."""

    words: str
    sender: Sender | None = None
    post: Post | None = None
    is_refused: bool = False


def sender_of(author: str) -> Sender | None:
    """The approved sender whose contact address this is."""
    try:
        wanted = addresses.parse(author).hash
    except BadAddress:
        return None
    return Sender.objects.filter(address_hash=wanted, revoked_at=None).exclude(password="").first()


@transaction.atomic
def take(mailing_list: MailingList, author: str, letter: Letter, trust: Trust) -> Taken:
    """Make a post of a mail to the list, if its password is the one of the sender whose contact address it comes from."""
    sender = sender_of(author)
    if sender is None:
        return Taken("It comes from nobody who may post. It was dropped, and nobody was told.")
    if trust.is_forged:
        return _not_authorised(
            sender, "It breaks the rules of the domain that it claims to come from (DMARC); its password was not tried."
        )
    if not letter.password:
        return _not_authorised(sender, "It has no password.")
    tries = f"{sender.pk}/{'proven' if trust.is_proven else 'unproven'}"  # A forger uses up the tries of forgers.
    if throttle.is_over("password of a mail", str(letter.key), limit=1, per=DAY):
        return Taken("The same message came with a wrong password before, so this one was not tried.", sender)
    if throttle.is_over("password by mail", tries, limit=WRONG_A_DAY, per=DAY):
        return _not_authorised(sender, "Too many wrong passwords came by mail today, so this one was not tried.")
    if not check_password(letter.password, sender.password):
        throttle.hit("password by mail", tries, limit=WRONG_A_DAY, per=DAY)
        throttle.hit(
            "password of a mail", str(letter.key), limit=1, per=DAY
        )  # A signed mail of theirs may be sent on, and altered.
        return _not_authorised(sender, "Its password is wrong.")
    return _submit(sender, mailing_list, letter, trust)


def _submit(sender: Sender, mailing_list: MailingList, letter: Letter, trust: Trust) -> Taken:
    """The sender is proven; everything from here on is told to them."""
    key = uuid5(letter.key, mailing_list.slug)  # To two lists it is two posts.
    known = Post.objects.filter(sender=sender, submission_key=key).exclude(state=Post.State.DRAFT).first()
    if known is not None:
        return Taken("It came before: one message is one post.", sender, known)
    if letter.problem:
        return Taken(letter.problem, sender, is_refused=True)
    if not sender.lists.filter(pk=mailing_list.pk).exists():
        return Taken("You may not post to this list; please ask the Chamber. Nothing was kept.", sender, is_refused=True)
    post = submission.write(
        sender, mailing_list, subject=letter.subject, body=letter.body, html=letter.html, files=letter.files, key=key
    )
    submission.keep_reasons(post, _reasons(post, letter, trust))
    problem = submission.submit(post, content_hash=post.content_hash)
    if problem:
        return Taken(f"{problem} The text is kept as a draft among your posts.", sender, post, is_refused=True)
    autoreply.receipt("mail_receipt", post.pk, recipient_hash=bytes(sender.address_hash))
    return Taken("It became a post.", sender, post)


def _reasons(post: Post, letter: Letter, trust: Trust) -> list[str]:
    """Why a post by mail is held beside what the rules say: whose addresses they are, the sender is not told."""
    ours = {post.mailing_list.address, post.sender.address, settings.CHAMBER.contact}
    known = {_normalised(address) for address in ours}
    others = [address for address in letter.addressed if _normalised(address) not in known]
    reasons = [f"The mail was also addressed to {len(others)} other address(es), outside of this list."] if others else []
    return [*reasons, trust.problem] if trust.problem else reasons


def _not_authorised(sender: Sender, words: str) -> Taken:
    """Nothing was sent; the true sender hears of it, once a day."""
    autoreply.reply("mail_wrong_password", sender.pk, recipient_hash=bytes(sender.address_hash))
    return Taken(words, sender)


def tell_why(sender: Sender, mail_id: int) -> None:
    """Mail a proven sender why that inbound mail did not become a post; some times a day."""
    if throttle.hit("refused by mail", str(sender.pk), limit=REFUSALS_A_DAY, per=DAY):
        autoreply.receipt("mail_refused", mail_id, recipient_hash=bytes(sender.address_hash))


def _normalised(text: str) -> str:
    try:
        return addresses.parse(text).normalised
    except BadAddress:
        return text.lower()

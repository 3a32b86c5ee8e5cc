"""The mails in which the words of one side are passed to the other: from an address of ours that leads back here."""

from email.utils import formataddr

from django.conf import settings

from chamberlist import tokens
from chamberlist.systemmail import Mail, render
from posting.delivery import copies
from posting.feedback import replies
from posting.models import PassedMail


def passed_to_sender(mail_id: int) -> Mail | None:
    """To the business: what a reader answered to its post."""
    mail = _mail(mail_id, PassedMail.To.SENDER)
    if mail is None:
        return None
    post = mail.conversation.delivery.post
    if post.sender.revoked_at is not None:
        return None
    name = f"A reader of {post.mailing_list.name} via {settings.CHAMBER.name}"
    return _rendered(mail, post.sender.address, name, f"c-{tokens.make('talk', mail.conversation.handle)}")


def passed_to_member(mail_id: int) -> Mail | None:
    """To the reader: what the business answered. None where the reader has left by now."""
    mail = _mail(mail_id, PassedMail.To.MEMBER)
    if mail is None:
        return None
    delivery = mail.conversation.delivery
    if delivery.post.sender.revoked_at is not None or not replies.may_hear(delivery.subscription):
        return None
    assert delivery.subscription is not None
    name = copies.author_name(delivery.post)
    return _rendered(mail, delivery.subscription.address, name, f"r-{tokens.make('reply', delivery.handle)}")


def _mail(mail_id: int, to: PassedMail.To) -> PassedMail | None:
    found = PassedMail.objects.filter(pk=mail_id, to=to, sealed_content__isnull=False)
    delivery = "conversation__delivery"
    related = (f"{delivery}__post__sender", f"{delivery}__post__mailing_list", f"{delivery}__subscription__mailing_list")
    return found.select_related(*related).first()


def _rendered(mail: PassedMail, to: str, name: str, local_part: str) -> Mail:
    text, files, left_out = replies.read(mail)
    post = mail.conversation.delivery.post
    author = formataddr((name, f"{local_part}@{settings.LIST_DOMAIN}"))
    context = {"post": post, "sender": post.sender, "mailing_list": post.mailing_list, "text": text, "left_out": left_out}
    template = f"passed_to_{mail.to}"
    return render(template, to, context, author=author, reply_to=author, files=files, written="no")

"""Routing: what is done with a message once it is read. One transaction; the caller writes down the outcome in the same one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from django.conf import settings

from chamberlist import systemmail, throttle
from posting.delivery import closing
from posting.feedback import replies, returns
from posting.inbound import destinations, recognition
from posting.inbound.authentication import Answer, Question
from posting.inbound.destinations import Destination
from posting.inbound.examining import Examined
from posting.models import Delivery, InboundMail, Post, Sender
from posting.submission import bymail
from posting.submission.bymail import Trust
from subscriptions import addresses, leaving, lifecycle
from subscriptions.addresses import BadAddress
from subscriptions.models import MailingList

State = InboundMail.State

COPIES_BACK, IN = 20, timedelta(minutes=10)  # More of one post's copies that come back stop that post.
MOST_KEPT = 500  # Messages that wait for staff; nobody would read more.
DROPPED = "It was dropped, and nobody was told."


@dataclass(frozen=True)
class Read:
    """A message, where it came to, what was learnt from it, and whether its author is proven (where that was asked)."""

    mail: InboundMail
    destination: Destination
    examined: Examined
    answer: Answer | None = None

    @property
    def author(self) -> str:
        return self.examined.facts.author

    @property
    def is_proven(self) -> bool:
        """A signature of the author's own domain holds."""
        return self.answer is not None and self.answer.dkim == "pass" and self.answer.aligned and self.answer.dmarc != "fail"


class TryLater(Exception):
    """It cannot be done now, and may be in so many ``seconds``: nothing is written, and the message waits."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:.0f} seconds")
        self.seconds = seconds


@dataclass(frozen=True)
class Outcome:
    """What became of a message: the state that its row ends in, what it was taken for, and a sentence without addresses."""

    state: str
    kind: str
    words: str
    sender: Sender | None = None
    post: Post | None = None
    is_told: bool = False  # The sentence is what its sender is told.


def recognise(examined: Examined) -> tuple[str, str]:
    """What the message is, and why."""
    facts, print_ = examined.facts, examined.fingerprint
    is_our_text = bool(print_) and Post.objects.filter(fingerprint=print_).exists()
    is_from_us = any(destinations.find(address) for address in (facts.envelope_sender, facts.author))
    return recognition.recognise(replace(facts, is_our_text=is_our_text, is_from_us=is_from_us))


def question(mail: InboundMail, destination: Destination, examined: Examined) -> Question | None:
    """What must be asked of the author's domain before ``route``; None where the answer would change nothing."""
    kind, _ = recognise(examined)
    author = examined.facts.author
    letter = examined.letter
    may_matter = (kind == "post" and letter is not None and letter.password and bymail.sender_of(author) is not None) or (
        kind == "leave" and destination.handle is None and _subscribed(destination, author)
    )
    return Question(mail.content, author, settings.AUTHSERV_ID) if may_matter else None


def route(mail: InboundMail, destination: Destination, examined: Examined, answer: Answer | None) -> Outcome:
    """Do what the message asks for."""
    kind, why = recognise(examined)
    outcome = ROUTES[kind](Read(mail, destination, examined, answer))
    words = outcome.words if outcome.is_told else f"{why} {outcome.words}"
    return replace(outcome, kind=kind, words=words[:300])


def _own_copy(read: Read) -> Outcome:
    """Dropped and counted: a server out there sends our copies on."""
    post = _post_of(read)
    number = post.pk if post else 0
    systemmail.alert(
        f"copies come back/{number}",
        "Copies of ours come back",
        f"A mail server out there sends copies of {f'post {number}' if post else 'our mails'} back to us. They are dropped, and nobody "
        f"gets anything twice. More than {COPIES_BACK} in ten minutes stop that post for a check.",
    )
    is_within = throttle.hit("copies come back", str(number), limit=COPIES_BACK, per=IN)
    if not is_within and post is not None and post.state in (Post.State.ACCEPTED, Post.State.SENDING):
        closing.freeze(post.pk, f"More than {COPIES_BACK} of its copies came back within ten minutes.")
    return Outcome(State.DONE, "", DROPPED, post=post)


def _post_of(read: Read) -> Post | None:
    """Whose copy it is, by its Message-ID, by the address that it came to, or by its words."""
    handles = [read.destination.handle] if read.destination.place in ("bounce", "reply") else []
    if handle := returns.handle_in(read.examined.facts.message_id):
        handles.append(handle)
    copy = Delivery.objects.select_related("post").filter(handle__in=handles).first() if handles else None
    if copy is not None:
        return copy.post
    print_ = read.examined.fingerprint
    return Post.objects.filter(fingerprint=print_).order_by("-pk").first() if print_ else None


def _bounce(read: Read) -> Outcome:
    bounce = read.examined.bounce
    if read.destination.place == "bounce":
        words = returns.settle([read.destination.handle], bounce, proof="address", key=read.examined.key)
    elif bounce is not None and bounce.handles:
        words = returns.settle(bounce.handles, bounce, proof="message-id", key=read.examined.key)
    else:
        words = "It names no copy of ours, so it changes nothing."
    return Outcome(State.DONE, "", words)


def _complaint(read: Read) -> Outcome:
    complaint = read.examined.complaint
    assert complaint is not None
    words = returns.complain(complaint, copy=read.destination.handle if read.destination.place == "bounce" else None)
    return Outcome(State.DONE, "", words)


def _automatic(read: Read) -> Outcome:
    return Outcome(State.DONE, "", DROPPED)


def _leave(read: Read) -> Outcome:
    destination = read.destination
    if destination.place == "leave":
        assert destination.handle is not None
        has_left = lifecycle.unsubscribe(destination.handle, how="mail")
        return Outcome(State.DONE, "", "Done, silently." if has_left else "There was nothing to leave.")
    if destination.place == "reply":
        copy = Delivery.objects.select_related("subscription").filter(handle=destination.handle).first()
        if copy is not None and copy.subscription is not None:
            lifecycle.unsubscribe(copy.subscription.handle, how="mail")
        return Outcome(State.DONE, "", "Done, silently.")
    mailing_list = MailingList.objects.get(slug=destination.slug)
    try:
        address = addresses.parse(read.author)
    except BadAddress:
        return Outcome(State.DONE, "", DROPPED)
    if read.is_proven:
        leaving.leave_verified(mailing_list, address)
        return Outcome(State.DONE, "", "The author's domain has signed it: done, silently, if that address was subscribed.")
    leaving.offer_leave_link(mailing_list, address)
    return Outcome(State.DONE, "", "Its author is not proven: if that address is subscribed, a link to leave goes to it.")


def _post(read: Read) -> Outcome:
    letter = read.examined.letter
    assert letter is not None
    mailing_list = MailingList.objects.get(slug=read.destination.slug)
    taken = bymail.take(mailing_list, read.author, letter, _trust(read))
    if taken.is_refused and taken.sender is not None and bymail.may_refuse(taken.sender):
        systemmail.queue("mail_refused", read.mail.pk, recipient_hash=bytes(taken.sender.address_hash))
    return Outcome(State.DONE, "", taken.words, taken.sender, taken.post, is_told=taken.is_refused)


def _trust(read: Read) -> Trust:
    """What the check of signatures means for a post."""
    answer = read.answer
    if answer is None:
        return Trust()
    problem = ""
    if answer.dkim == "fail":
        problem = "The mail's signature (DKIM) does not hold: it may have been changed on its way, or forged."
    elif "error" in (answer.dkim, answer.dmarc):
        problem = "Whether the mail comes from where it says could not be checked."
    return Trust(is_forged=answer.dmarc == "fail", is_proven=read.is_proven, problem=problem)


def _reply(read: Read) -> Outcome:
    words, handle = read.examined.words, read.destination.handle
    assert words is not None and handle is not None
    pass_on = replies.pass_to_sender if read.destination.place == "reply" else replies.pass_to_member
    said = pass_on(handle, key=read.examined.key, text=words.text, files=words.files, left_out=words.left_out)
    return Outcome(State.DONE, "", said)


def _for_staff(read: Read) -> Outcome:
    if InboundMail.objects.filter(state=State.KEPT).count() >= MOST_KEPT:
        return Outcome(State.DONE, "", f"It was dropped: {MOST_KEPT} messages wait to be read already.")
    return Outcome(State.KEPT, "", "It waits for you.")


def _rest(read: Read) -> Outcome:
    return Outcome(State.DONE, "", DROPPED)


ROUTES: dict[str, Callable[[Read], Outcome]] = {
    "own copy": _own_copy,
    "bounce": _bounce,
    "complaint": _complaint,
    "automatic": _automatic,
    "leave": _leave,
    "post": _post,
    "reply": _reply,
    "for staff": _for_staff,
    "rest": _rest,
}


def _subscribed(destination: Destination, author: str) -> bool:
    try:
        address = addresses.parse(author)
    except BadAddress:
        return False
    return leaving.is_subscribed(MailingList.objects.get(slug=destination.slug), address)

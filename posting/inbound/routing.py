"""Routing: what is done with a message once it is read. One transaction; the caller writes down the outcome in the same one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from django.conf import settings

from chamberlist import systemmail
from chamberlist.clock import Now
from posting.delivery import closing
from posting.feedback import events, replies, returns
from posting.inbound import destinations, letters, recognition, room
from posting.inbound.authentication import Answer, Question
from posting.inbound.destinations import Destination
from posting.inbound.examining import Examined
from posting.models import Conversation, Delivery, DeliveryEvent, InboundMail, Post, Sender
from posting.submission import bymail
from posting.submission.bymail import Trust
from subscriptions import addresses, leaving, lifecycle
from subscriptions.addresses import BadAddress
from subscriptions.models import MailingList

State, Proof = InboundMail.State, DeliveryEvent.Proof

OWN_COPY = "own copy"
COPIES_BACK, IN = 20, timedelta(minutes=10)  # More of one post's copies that come back stop that post.
TRIES, TRY_AGAIN = 3, 300  # How often, and after how many seconds, a post's author is looked up again; then staff decide.
MOST_COPIES = 3  # That one report may be about.
DROPPED = "It was dropped, and nobody was told."


class TryLater(Exception):
    """What it takes to decide cannot be asked at the moment: read it again in ``seconds``."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True)
class Read:
    """A message, where it came to, what was learnt from it and taken for, and, where it was asked, who confirms its author."""

    mail: InboundMail
    destination: Destination
    examined: Examined
    kind: str
    why: str
    answer: Answer | None = None

    @property
    def author(self) -> str:
        return self.examined.facts.author

    @property
    def is_signed(self) -> bool:
        """A signature of the author's own domain holds (DKIM); the front's word for the way that it came is not enough."""
        return self.answer is not None and self.answer.dkim == "pass" and self.answer.aligned


@dataclass(frozen=True)
class Outcome:
    """What became of a message: the state that its row ends in, what it was taken for, and a sentence without addresses."""

    state: str
    kind: str
    words: str
    sender: Sender | None = None
    post: Post | None = None
    is_told: bool = False  # The sentence is what its sender is told.


def recognised(mail: InboundMail, destination: Destination, examined: Examined) -> Read:
    """The message with what it is, and why."""
    facts, print_ = examined.facts, examined.fingerprint
    # What has no sender is answered by nobody and relayed by nothing here: its words need not be known.
    is_our_text = bool(print_ and facts.envelope_sender) and Post.objects.filter(fingerprint=print_).exists()
    is_from_us = any(destinations.find(address) for address in (facts.envelope_sender, facts.author))
    kind, why = recognition.recognise(replace(facts, is_our_text=is_our_text, is_from_us=is_from_us))
    return Read(mail, destination, examined, kind, why)


def question(read: Read) -> Question | None:
    """What must be asked of the author's domain before ``route``; None where the answer would change nothing.

    Whoever is subscribed, or may post: a question that is asked can be seen.
    """
    letter = read.examined.letter
    if read.kind == "post":
        matters = bool(letter and letter.password)
    elif read.kind == "leave":
        matters = read.destination.handle is None
    else:
        matters = read.destination.place == "talk"
    return Question(read.mail.content, read.author, settings.AUTHSERV_ID, settings.DNS_RESOLVERS) if matters else None


def route(read: Read, answer: Answer | None) -> Outcome:
    """Do what the message asks for."""
    outcome = ROUTES[read.kind](replace(read, answer=answer))
    words = outcome.words if outcome.is_told else f"{read.why} {outcome.words}"
    return replace(outcome, kind=read.kind, words=words[:300])


def _own_copy(read: Read) -> Outcome:
    """Dropped and counted: a server out there sends our copies on."""
    post = _post_of(read)
    before = InboundMail.objects.filter(kind=OWN_COPY, post=post, received_at__gt=Now() - IN).count()
    if not before:
        name = f"post {post.pk}" if post else "our mails"
        systemmail.alert(
            f"copies come back/{post.pk if post else 0}",
            "Copies of ours come back",
            f"A mail server out there sends copies of {name} back to us. They are dropped, and nobody gets anything twice. "
            f"More than {COPIES_BACK} in ten minutes stop that post for a check.",
        )
    if before >= COPIES_BACK and post is not None and post.state in (Post.State.ACCEPTED, Post.State.SENDING):
        closing.freeze(post.pk, f"More than {COPIES_BACK} of its copies came back within ten minutes.")
    return Outcome(State.DONE, "", DROPPED, post=post)


def _post_of(read: Read) -> Post | None:
    """Whose copy it is, by its Message-ID, by the address that it came to, or by its words."""
    handle = events.handle_in(read.examined.facts.message_id)
    if handle is None and read.destination.place in ("bounce", "reply"):
        handle = read.destination.handle
    copy = Delivery.objects.select_related("post").filter(handle=handle).first() if handle is not None else None
    if copy is not None:
        return copy.post
    print_ = read.examined.fingerprint
    return Post.objects.filter(fingerprint=print_).order_by("-pk").first() if print_ else None


def _bounce(read: Read) -> Outcome:
    """What its own address shows is proven; what it returns shows a copy's random number, which only its recipient has."""
    bounce = read.examined.bounce
    failures = bounce.failures if bounce else ()
    if read.destination.place == "bounce":
        assert read.destination.handle is not None
        return Outcome(State.DONE, "", returns.settle(read.destination.handle, failures, proof=Proof.ADDRESS))
    copies = _copies(*(bounce.handles, bounce.tokens) if bounce else ((), ()))
    words = [returns.settle(copy, failures, proof=Proof.MESSAGE_ID) for copy in copies]
    return Outcome(State.DONE, "", " ".join(words) or "It shows no copy of ours, so it changes nothing.")


def _complaint(read: Read) -> Outcome:
    complaint, destination = read.examined.complaint, read.destination
    assert complaint is not None
    copies = _copies(complaint.handles, complaint.tokens)
    if destination.place == "bounce" and destination.handle is not None:
        copies = [destination.handle]
    words = [returns.complaint(copy, proof=Proof.MESSAGE_ID) for copy in copies]
    if not words:
        left = [handle for handle in _handles("leave", complaint.tokens) if lifecycle.complain(handle, how="complaint")]
        words = [f"{len(left)} subscription(s) ended for good."] if left else ["It shows no copy of ours, so it changes nothing."]
    return Outcome(State.DONE, "", " ".join(words))


def _copies(ids: Sequence[str], shown: Sequence[str]) -> list[UUID]:
    """The copies that a report shows, by our Message-IDs and by tokens with a good MAC; one report is about a few at most."""
    found = [*(UUID(each) for each in ids), *_handles("bounce", shown), *_handles("reply", shown)]
    return list(dict.fromkeys(found))[:MOST_COPIES]


def _handles(place: str, shown: Sequence[str]) -> list[UUID]:
    found = [destinations.find(f"{local}@{settings.LIST_DOMAIN}") for local in shown]
    return [each.handle for each in found if each is not None and each.place == place and each.handle is not None]


def _automatic(read: Read) -> Outcome:
    return Outcome(State.DONE, "", DROPPED)


def _leave(read: Read) -> Outcome:
    destination = read.destination
    if destination.place == "leave":
        assert destination.handle is not None
        has_left = lifecycle.unsubscribe(destination.handle, how="mail")
        return Outcome(State.DONE, "", "Done, silently." if has_left else "There was nothing to leave.")
    if destination.place == "reply":
        assert destination.handle is not None
        copy = Delivery.objects.select_related("subscription").filter(handle=destination.handle).first()
        if copy is not None and copy.subscription is not None:
            lifecycle.unsubscribe(copy.subscription.handle, how="mail")
        return Outcome(State.DONE, "", "Done, silently.")
    mailing_list = MailingList.objects.get(slug=destination.slug)
    try:
        address = addresses.parse(read.author)
    except BadAddress:
        return Outcome(State.DONE, "", DROPPED)
    if read.is_signed:
        leaving.leave_verified(mailing_list, address)
        return Outcome(State.DONE, "", "The author's domain has signed it: done, silently, if that address was subscribed.")
    leaving.offer_leave_link(mailing_list, address)
    return Outcome(State.DONE, "", "Its author is not proven: if that address is subscribed, a link to leave goes to it.")


def _post(read: Read) -> Outcome:
    letter = read.examined.letter
    assert letter is not None
    if _is_unanswered(read) and read.mail.attempts < TRIES:
        raise TryLater(TRY_AGAIN)
    mailing_list = MailingList.objects.get(slug=read.destination.slug)
    taken = bymail.take(mailing_list, read.author, letter, _trust(read))
    if taken.is_refused and taken.sender is not None:
        bymail.tell_why(taken.sender, read.mail.pk)
    return Outcome(State.DONE, "", taken.words, taken.sender, taken.post, is_told=taken.is_refused)


def _is_unanswered(read: Read) -> bool:
    """The DNS gave no answer; what the front did not say, it will not say later either."""
    return read.answer is not None and read.answer.dmarc == "error" and not settings.AUTHSERV_ID


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
    return Trust(is_forged=answer.dmarc == "fail", is_proven=answer.aligned, problem=problem)


def _reply(read: Read) -> Outcome:
    """Between a member and a business. Under the business's name only what its own contact address sends is passed on."""
    words, handle = read.examined.words, read.destination.handle
    assert words is not None
    assert handle is not None
    if read.examined.has_password:
        return Outcome(State.DONE, "", "A password stands in it, so it was not passed on.")
    is_answered = read.destination.place == "talk"
    if is_answered and not _is_of_the_business(read, handle):
        return Outcome(State.DONE, "", "It does not come from the business's contact address, so it was not passed on.")
    pass_on = replies.pass_to_member if is_answered else replies.pass_to_sender
    said = pass_on(handle, key=read.examined.key, text=words.text, files=words.files, left_out=words.left_out)
    return Outcome(State.DONE, "", said)


def _is_of_the_business(read: Read, conversation: UUID) -> bool:
    sender = bymail.sender_of(read.author)
    if sender is None or (read.answer is not None and read.answer.dmarc == "fail"):
        return False
    return Conversation.objects.filter(handle=conversation, delivery__post__sender=sender).exists()


def _for_staff(read: Read) -> Outcome:
    if read.examined.has_password:
        return Outcome(State.DONE, "", f"A password stands in it, which nobody here should see. {DROPPED}")
    if room.is_full(State.KEPT):  # The door has let in more than it should.
        return Outcome(State.DONE, "", "It was dropped: too many messages wait to be read already.")
    letters.tell_staff()
    return Outcome(State.KEPT, "", "It waits for you.")


def _rest(read: Read) -> Outcome:
    return Outcome(State.DONE, "", DROPPED)


ROUTES: dict[str, Callable[[Read], Outcome]] = {
    OWN_COPY: _own_copy,
    "bounce": _bounce,
    "complaint": _complaint,
    "automatic": _automatic,
    "leave": _leave,
    "post": _post,
    "reply": _reply,
    "for staff": _for_staff,
    "rest": _rest,
}

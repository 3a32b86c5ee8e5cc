"""What goes by mail and comes by mail: posts, copies, wishes, bounces, complaints, answers, robots, letters to staff."""

from pathlib import Path
from typing import Any
from unittest import mock

from chamberlist import tokens
from posting.delivery import audience, copies, dispatch
from posting.delivery.mime import Attachment
from posting.models import Conversation, GateRefusal, InboundMail, Post
from tests import builders, doorkeeper
from tests.canary.browsers import as_octets
from tests.canary.scene import FRONT, Scene, letter, rich_letter
from tests.enclosures import LOAF, a_pdf
from tests.providerserver import SECRET
from tests.rawclient import RawClient
from tests.test_inbound_webhooks import at, by_postmark
from tests.test_provider_reports import again
from tests.test_receivemail import connects

DOMAIN = "lists.chamber.example"
REPORT = (
    "From: MAILER-DAEMON@x.example\r\nSubject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/report; report-type={kind}; boundary="B"\r\n\r\n--B\r\nContent-Type: text/plain\r\n\r\n{text}\r\n'
    "--B\r\nContent-Type: message/{kind}\r\n\r\n{fields}\r\n"
    "--B\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{handle}@{domain}>\r\nTo: {to}\r\nSubject: Buns\r\n\r\nx\r\n--B--\r\n"
)
CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260501T100000Z\r\n"
    "DTSTART:20260501T100000Z\r\nSUMMARY:Fair\r\nATTENDEE:mailto:{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
HTML = '<p>Two for one, <b>ask</b> <a href="mailto:{address}">{address}</a>.</p><p><img src="cid:{picture}" alt="A loaf"></p>'
RICH = "Spring fair"


def refused(scene: Scene) -> None:
    """Two posts that the gate stops: one was changed behind its acceptance, one has copies that name another member."""
    changed = builders.an_accepted_post(scene.sender, scene.events, subject="Changed")
    Post.objects.filter(pk=changed.pk).update(accepted_hash="x" * 64)
    leaking = builders.an_accepted_post(scene.sender, scene.events, subject="Leaking")
    built = copies.build

    def with_a_leak(*given: Any) -> copies.Copy:
        copy = built(*given)
        return copy._replace(data=copy.data.replace(b"Precedence:", f"Cc: {scene.members[7]}\r\nPrecedence:".encode(), 1))

    for post in (changed, leaking):
        assert audience.expand(post.pk)
        with mock.patch.object(copies, "build", with_a_leak):
            dispatch.run_lane(1, seconds=20)
        post.refresh_from_db()
        assert post.state == Post.State.FROZEN and post.refusals.exists()
    assert scene.smtp.received == []
    assert {GateRefusal.Half.POST, GateRefusal.Half.COPY} <= set(GateRefusal.objects.values_list("half", flat=True))


def proven(scene: Scene, **more: str) -> dict[str, str]:
    """The headers of a mail that is the sender's own, as the server in front found it."""
    domain = scene.contact.partition("@")[2]
    results = f"{FRONT}; dkim=pass header.d={domain}; dmarc=pass header.from={domain}"
    return {"author": scene.contact, "Authentication_Results": results} | more


def approved(scene: Scene, **more: str) -> dict[str, str]:
    """The same of a post, with the password."""
    return proven(scene, **{"Approved": scene.password(scene.sender)} | more)


def with_files(scene: Scene) -> Post:
    """A post by mail with formatted text, a picture, and files, each of which names somebody. It waits for staff."""
    named = [scene.aviary.address("f") for _ in range(3)]
    person = scene.aviary.address("n")
    files = [
        Attachment("Who.csv", "text/csv", f"Name;Mail\r\nJo;{named[0]}\r\n".encode()),
        Attachment("who.pdf", "application/pdf", a_pdf(f"BT (Ask {named[1]}) Tj ET".encode())),
        Attachment("who.ics", "text/calendar", CALENDAR.format(named[2]).encode()),
    ]
    html = HTML.format(address=person, picture=LOAF.content_id)
    raw = rich_letter(**approved(scene, subject=RICH), text=f"Ask {person}.\n", html=html, picture=LOAF, files=files)
    scene.arrives(raw, f"events@{DOMAIN}", sender=scene.contact)
    scene.settle()
    post = Post.objects.get(state=Post.State.HELD, mailing_list=scene.events)
    assert post.subject == RICH and post.html and post.attachments.count() == 4
    return post


def by_mail(scene: Scene, post: Post) -> None:
    """One of each kind, about copies that have left."""
    sent = list(post.deliveries.filter(state="sent").select_related("subscription").order_by("pk")[:6])
    people = [copy.subscription.address for copy in sent if copy.subscription]
    named = f"Ask {scene.aviary.address('n')}.\r\n"
    for more in ({"subject": "By mail"}, {"subject": "Wrong", "Approved": "wrong"}, {"subject": ""}):
        scene.arrives(letter(**approved(scene, **more), text=named), f"promotions@{DOMAIN}", sender=scene.contact)

    def address(prefix: str, purpose: str, place: int) -> str:
        return f"{prefix}-{tokens.make(purpose, sent[place].handle)}@{DOMAIN}"

    def report(kind: str, place: int) -> bytes:
        fields = (
            f"Reporting-MTA: dns; x.example\r\n\r\nFinal-Recipient: rfc822; {people[place]}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
            f"Diagnostic-Code: smtp; 550 5.1.1 <{people[place]}> unknown\r\n"
            if kind == "delivery-status"
            else f"Feedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\nOriginal-Rcpt-To: {people[place]}\r\n"
        )
        text = f"<{people[place]}>: user unknown"
        filled = REPORT.format(kind=kind, text=text, fields=fields, handle=sent[place].handle.hex, domain=DOMAIN, to=people[place])
        return filled.encode()

    scene.arrives(report("delivery-status", 0), address("b", "bounce", 0), sender="")
    scene.arrives(report("feedback-report", 1), address("b", "bounce", 1), sender="feedback@x.example")
    scene.arrives(
        letter(author=people[2], subject="Re: Buns", text=f"I am {people[2]}. Two, please!\r\n"),
        address("r", "reply", 2),
        sender=people[2],
    )
    scene.arrives(
        letter(author=people[3], subject="Away", Auto_Submitted="auto-replied"), address("r", "reply", 3), sender=people[3]
    )
    scene.arrives(letter(author=people[4], subject="unsubscribe"), f"promotions-request@{DOMAIN}", sender=people[4])
    scene.arrives(letter(author=people[5], List_Id=f"<promotions.{DOMAIN}>"), f"promotions@{DOMAIN}", sender=people[5])
    scene.arrives(
        letter(author=scene.aviary.address("i"), text=scene.aviary.address("i")), f"postmaster@{DOMAIN}", sender=people[0]
    )
    scene.arrives(letter(author=scene.aviary.address("i")), f"no-reply@{DOMAIN}", sender=scene.aviary.address("i"))
    scene.settle()
    talk = Conversation.objects.get()
    answer = letter(**proven(scene, subject="Re: Re: Buns"), text=f"Yes. {scene.contact}\r\n")
    scene.arrives(answer, f"c-{tokens.make('talk', talk.handle)}@{DOMAIN}", sender=scene.contact)
    scene.settle()


def at_the_door(scene: Scene) -> None:
    """The real commands, over SMTP, LMTP and as a pipe: what they say to known and unknown recipients."""
    mail = letter(author=scene.aviary.address("i"), text=scene.aviary.address("i"))
    path = scene.folder / "lmtp"
    log = scene.folder / "door.log"
    with doorkeeper.command(
        "--lmtp", str(path), log=log, ready=lambda: connects(path), LOG_LEVEL="DEBUG", REDIS_URL=scene.stack.broker.url
    ) as door:
        client = RawClient(str(path), hello="LHLO x.example")
        said = [client.say(f"MAIL FROM:<{scene.aviary.address('i')}>")]
        said += [client.say(f"RCPT TO:<{to}>") for to in (*scene.members[:3], f"nobody@{DOMAIN}", scene.contact, f"abuse@{DOMAIN}")]
        said += [client.say("DATA"), client.say(mail + b"\r\n."), client.say(f"VRFY {scene.members[0]}"), client.say("QUIT")]
        client.file.close()
        client.socket.close()
        scene.haul.add("the door's replies", "\n".join(said).encode())
        scene.haul.add("processes", Path(f"/proc/{door.pid}/cmdline").read_bytes())
    with doorkeeper.open_door() as port:
        client = RawClient(port)
        said = [client.say(f"MAIL FROM:<{scene.aviary.address('i')}>")]
        said += [client.say(f"RCPT TO:<{to}>") for to in (*scene.members[:3], f"nobody@{DOMAIN}", f"security@{DOMAIN}")]
        said += [client.say("DATA"), client.say(mail + b"\r\n.")]
        client.file.close()
        client.socket.close()
        scene.haul.add("the door's replies", "\n".join(said).encode())
    scene.command("receivemail", "--stdin", "--sender", scene.members[5], "--recipient", f"hostmaster@{DOMAIN}", stdin=mail)
    scene.command("receivemail", "--stdin", "--sender", "", "--recipient", scene.members[6], stdin=mail)
    scene.settle()
    letters = InboundMail.objects.filter(state=InboundMail.State.KEPT).order_by("pk")
    InboundMail.objects.filter(pk=letters[1].pk).update(state=InboundMail.State.QUARANTINED)  # As if it had been too odd to read.


def by_webhook(scene: Scene, settings: Any) -> None:
    """A provider hands over a mail, rightly and without the secret."""
    at("postmark", settings)
    for secret in (SECRET, "reports:wrong"):
        raw = letter(author=scene.aviary.address("i"), subject="By webhook").decode()
        answer = by_postmark(raw, f"abuse@{DOMAIN}", scene.aviary.address("i"), secret)
        scene.haul.add("HTTP, provider", as_octets(answer))
    settings.EMAIL_PROVIDER = ""
    again()
    scene.settle()

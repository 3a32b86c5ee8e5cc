"""What members, visitors and senders do on the site."""

import re
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse

from chamberlist import tokens
from posting.models import Post
from subscriptions import lifecycle
from subscriptions.models import Subscription
from tests.canary.browsers import as_octets
from tests.canary.haul import SENDER_SEES, May, kinds, nothing
from tests.canary.scene import NAMED, Scene, Visitor
from tests.signingup import BUSINESS, token_in, work_for

HOUR = timedelta(hours=1)
BITS = 4


def sign_up(visitor: Visitor, name: str, typed: str, *, may: May = nothing, **fields: str) -> Any:
    """Fetch the page and send its form, with the work that it asks for."""
    page = reverse(name, args=["promotions"])
    token = token_in(visitor.get(page))
    done = work_for(token, bits=settings.SIGN_UP_WORK) if settings.SIGN_UP_WORK else ""
    return visitor.post(page, {"token": token, "email": typed, "work": done, **fields}, may=may)


def members(scene: Scene, configured: Any) -> None:
    """Subscribe, confirm, choose, pause, resume, leave, undo; rightly and wrongly."""
    visitor = scene.browser("stranger")
    visitor.get("/"), visitor.get("/healthz"), visitor.get("/brand.css"), visitor.get("/favicon.ico")
    signing_up(scene, visitor, configured)
    scene.settle()
    confirming(scene, visitor)
    by_links(scene, visitor)
    scene.settle()


def signing_up(scene: Scene, visitor: Visitor, configured: Any) -> None:
    """On the page, in the frame, and where work is asked for; new addresses, known ones, slips, robots and old forms."""
    configured.EMBED_ORIGINS = (BUSINESS,)
    for name, after in (("subscribe", "requested"), ("embed", "embed_requested")):
        for typed in (scene.aviary.address("v"), scene.members[0], scene.members[9]):
            assert sign_up(visitor, name, typed).status_code == 302
        slip = scene.aviary.address("v") + "@"
        assert sign_up(visitor, name, slip, may=kinds("v")).status_code == 422  # What was typed stands in the form.
        assert sign_up(visitor, name, scene.members[2], token="old", may=kinds("m")).status_code == 422
        sign_up(visitor, name, scene.members[3], website="x")
        visitor.get(reverse(after, args=["promotions"]))
    configured.SIGN_UP_WORK = BITS
    assert sign_up(visitor, "subscribe", scene.aviary.address("v")).status_code == 302
    configured.SIGN_UP_WORK = 0


def confirming(scene: Scene, visitor: Visitor) -> None:
    """By the link in the mail: rightly, with "this was not me", with a forged one and an old one."""
    waiting = list(scene.promotions.subscriptions.filter(state=Subscription.State.PENDING).order_by("pk"))
    assert len(waiting) >= 3
    wanted = [tokens.make("confirm", row.confirmation) for row in waiting if row.confirmation]
    old = tokens.make("confirm", waiting[2].handle, lifetime=-HOUR)
    for token, data in ((wanted[0], {}), (wanted[1], {"answer": "not_me"}), ("forged", {}), (old, {})):
        visitor.get(reverse("confirm", args=["promotions", token]))
        visitor.post(reverse("confirm", args=["promotions", token]), data)
    waiting[0].refresh_from_db()
    assert waiting[0].state == Subscription.State.ACTIVE


def by_links(scene: Scene, visitor: Visitor) -> None:
    """What the links in copies and in mails of ours lead to."""
    rows = list(scene.promotions.subscriptions.filter(state=Subscription.State.ACTIVE).order_by("pk")[20:27])

    def page(name: str, place: int, purpose: str = "", lifetime: timedelta | None = None) -> str:
        token = tokens.make(purpose or name, rows[place].handle, lifetime=lifetime)
        return reverse(name, args=["promotions", token])

    for place, data in enumerate(({"pause": "14"}, {"pause": "30"}, {"pause": "x"}, {"settings": "1"})):
        visitor.get(page("choose", place))
        visitor.post(page("choose", place), data)
    managed = page("manage", 0, lifetime=HOUR)
    for wish in ({"resume": "1"}, {"pause": "90"}, {"leave": "1"}):
        visitor.get(managed)
        visitor.post(managed, wish)
    visitor.get(managed), visitor.get(page("manage", 1, lifetime=-HOUR))
    for act in (visitor.get, visitor.post):
        act(page("leave", 4)), act(page("undo_leave", 4, "undo"))
    visitor.post(page("leave", 5), {"List-Unsubscribe": "One-Click"})
    lifecycle.pause(rows[6].handle, days=14)
    states = [row.state for row in Subscription.objects.filter(pk__in=[rows[place].pk for place in (0, 1, 5)]).order_by("pk")]
    assert states == ["unsubscribed", "paused", "unsubscribed"]


def senders(scene: Scene) -> None:
    """Sign in wrongly and rightly, lose the password, write, change, submit, test, withdraw."""
    stranger = scene.browser("stranger")
    signing = reverse("sender_sign_in")
    stranger.get(signing)
    for address in (scene.aviary.address("v"), scene.contact, scene.members[1]):
        stranger.post(signing, {"address": address, "password": "wrong"}, may=kinds("vsm"))  # Shown again in the form.
    lost = reverse("lost_password")
    stranger.get(lost)
    for address in (scene.aviary.address("v"), scene.contact, scene.members[1]):
        assert stranger.post(lost, {"address": address}).status_code == 302
    stranger.post(lost, {"address": scene.members[1] + "x" * 320}, may=kinds("m"))
    stranger.get(reverse("lost_password_sent"))
    author = scene.browser("sender", kinds(SENDER_SEES + NAMED))
    author.post(signing, {"address": scene.contact, "password": scene.password(scene.sender)})
    author.get(reverse("sender_posts"))
    writing(scene, author)
    author.post(reverse("sender_sign_out"))
    scene.settle()


def writing(scene: Scene, author: Visitor) -> None:
    """One post from the empty form to its being taken back, and one that waits for staff."""
    form = author.get(reverse("compose"))
    key = re.search(r'name="key" value="([\w-]+)"', form.content.decode())
    assert key is not None
    words = {"mailing_list": scene.promotions.pk, "subject": "Buns", "key": key[1], "body": f"Ask {scene.aviary.address('n')}."}
    assert author.post(reverse("compose"), words | {"subject": ""}).status_code == 422
    assert author.post(reverse("compose"), words).status_code == 302
    draft = Post.objects.get(submission_key=key[1])
    author.get(reverse("sender_post", args=[draft.pk])), author.get(reverse("edit_post", args=[draft.pk]))
    author.post(reverse("edit_post", args=[draft.pk]), words | {"body": f"Or {scene.aviary.address('n')}."})
    author.post(reverse("test_post", args=[draft.pk]))
    draft.refresh_from_db()
    author.post(reverse("submit_post", args=[draft.pk]), {"content_hash": draft.content_hash})
    draft.refresh_from_db()
    assert draft.state == Post.State.HELD
    author.get(reverse("sender_post", args=[draft.pk]))
    author.post(reverse("withdraw_post", args=[draft.pk]))
    author.get(reverse("sender_post", args=[draft.pk]))


def looks_at_files(scene: Scene, post: Post) -> None:
    """What the author sees of a post that came by mail."""
    author = scene.browser("sender", kinds(SENDER_SEES + NAMED))
    author.post(reverse("sender_sign_in"), {"address": scene.contact, "password": scene.password(scene.sender)})
    author.get(reverse("sender_post", args=[post.pk]))
    for position in post.attachments.values_list("position", flat=True):
        assert author.get(reverse("post_file", args=[post.pk, position])).status_code == 200


def errors(scene: Scene) -> None:
    """400, 403, 404, 405, 422, 429; what the visitor typed stands in the address that was asked for."""
    visitor = scene.browser("stranger")
    asked = [f"/lists/{scene.members[0]}/", f"/?email={scene.members[1]}", f"/lists/promotions/leave/{scene.members[2]}/"]
    for path in ("/no/such/page/", *asked):
        visitor.get(path)
        visitor.post(path)
    elsewhere = visitor.client.get("/", headers={"Host": scene.aviary.address("u")})
    scene.haul.add("HTTP, stranger", as_octets(elsewhere))
    visitor.client.handler.enforce_csrf_checks = True
    visitor.post(reverse("lost_password"), {"address": scene.members[3]})
    visitor.client.handler.enforce_csrf_checks = False
    page, typed = reverse("subscribe", args=["events"]), {"email": scene.members[4]}
    answers = [visitor.post(page, typed, may=kinds("m")) for _ in range(45)]  # 422, and at last 429: the form keeps what was typed.
    assert answers[-1].status_code == 429

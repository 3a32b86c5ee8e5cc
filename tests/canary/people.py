"""What members, visitors and senders do on the site."""

from django.urls import reverse

from chamberlist import tokens
from posting.models import Post
from subscriptions import lifecycle
from subscriptions.models import Subscription
from tests import builders
from tests.canary.haul import SENDER_SEES, kinds
from tests.canary.scene import Scene


def members(scene: Scene) -> None:
    """Subscribe, confirm, choose, pause, resume, leave, undo; rightly and wrongly."""
    visitor = scene.browser("stranger")
    visitor.get("/"), visitor.get("/healthz"), visitor.get("/brand.css"), visitor.get("/favicon.ico")
    page = reverse("subscribe", args=["promotions"])
    visitor.get(page)
    new, wrong = scene.aviary.address("v"), scene.aviary.address("v") + "@"
    for typed in (new, scene.members[0]):
        visitor.post(page, {"email": typed})
    visitor.post(page, {"email": wrong}, may=kinds("v"))  # 422: what was typed stands in the form.
    visitor.get(reverse("requested", args=["promotions"]))
    scene.settle()
    pending = scene.promotions.subscriptions.get(state=Subscription.State.PENDING)
    assert pending.confirmation is not None
    for token in (tokens.make("confirm", pending.confirmation), "forged"):
        visitor.get(reverse("confirm", args=[token]))
        visitor.post(reverse("confirm", args=[token]))
    rows = list(scene.promotions.subscriptions.filter(state=Subscription.State.ACTIVE).order_by("pk")[20:26])
    for row, data in zip(rows, ({"pause": "14"}, {"pause": "30"}, {"pause": "x"}), strict=False):
        visitor.get(reverse("choose", args=[tokens.make("choose", row.handle)]))
        visitor.post(reverse("choose", args=[tokens.make("choose", row.handle)]), data)
    visitor.post(reverse("choose", args=[tokens.make("choose", rows[0].handle)]), {"resume": "1"})
    scene.settle()
    for act in (visitor.get, visitor.post):
        act(reverse("resume", args=[tokens.make("resume", rows[0].handle)]))
        act(reverse("leave", args=[tokens.make("leave", rows[3].handle)]))
        act(reverse("undo_leave", args=[tokens.make("undo", rows[3].handle)]))
    visitor.post(reverse("leave", args=[tokens.make("leave", rows[4].handle)]), {"List-Unsubscribe": "One-Click"})
    lifecycle.pause(rows[5].handle, days=14)


def senders(scene: Scene) -> None:
    """Sign in wrongly and rightly, write, change, submit, test, withdraw."""
    stranger = scene.browser("stranger")
    signing = reverse("sender_sign_in")
    stranger.get(signing)
    for address, password in ((scene.aviary.address("v"), "wrong"), (scene.contact, "wrong"), (scene.members[1], "wrong")):
        stranger.post(signing, {"address": address, "password": password}, may=kinds("vsm"))  # Shown again in the form.
    author = scene.browser("sender", kinds(SENDER_SEES))
    author.post(signing, {"address": scene.contact, "password": scene.password(scene.sender)})
    author.get(reverse("sender_posts")), author.get(reverse("compose"))
    author.post(reverse("compose"), {"subject": "", "body": scene.aviary.address("n")})
    draft = builders.a_draft(scene.sender, scene.promotions, body=f"Ask {scene.aviary.address('n')}.")
    author.get(reverse("sender_post", args=[draft.pk]))
    author.get(reverse("post_file", args=[draft.pk, 0]))
    words = {
        "mailing_list": scene.promotions.pk,
        "subject": "Buns",
        "body": f"Ask {scene.aviary.address('n')}.",
        "key": draft.submission_key,
    }
    author.get(reverse("edit_post", args=[draft.pk]))
    author.post(reverse("edit_post", args=[draft.pk]), words)
    author.post(reverse("test_post", args=[draft.pk]))
    draft = Post.objects.get(pk=draft.pk)
    author.post(reverse("submit_post", args=[draft.pk]), {"content_hash": draft.content_hash})
    author.post(reverse("withdraw_post", args=[draft.pk]))
    author.post(reverse("sender_sign_out"))
    scene.settle()


def errors(scene: Scene) -> None:
    """400, 403, 404, 405, 429; what the visitor typed stands in the address that was asked for."""
    visitor = scene.browser("stranger")
    for path in ("/no/such/page/", f"/lists/{scene.members[0]}/", f"/?email={scene.members[1]}", f"/leave/{scene.members[2]}/"):
        visitor.get(path)
        visitor.post(path)
    visitor.client.get("/", headers={"Host": scene.aviary.address("u").partition("@")[2]})
    visitor.client.handler.enforce_csrf_checks = True
    visitor.post(reverse("subscribe", args=["promotions"]), {"email": scene.members[3]})
    visitor.client.handler.enforce_csrf_checks = False
    for _ in range(45):
        visitor.post(reverse("subscribe", args=["events"]), {"email": scene.members[4]})

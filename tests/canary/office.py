"""What staff do in the admin, by role, and what the operator's commands do."""

import json
import re
from datetime import timedelta

from django.contrib.auth.models import Group
from django.db.models import Model
from django.urls import reverse

from chamberlist import halt
from chamberlist.models import Halt
from posting.delivery import closing
from posting.models import InboundMail
from posting.moderation import moderation
from tests import builders
from tests.canary.browsers import Browser, every_admin_page, staff
from tests.canary.haul import READERS_SEE, STAFF_SEE, kinds
from tests.canary.scene import Scene

ROLES: dict[str, tuple[str, ...]] = {"onlooker": ("view_",), "moderator": ("view_", "change_"), "nobody in particular": ()}


def looks(scene: Scene) -> None:
    """Every page, as each role sees it."""
    Group.objects.create(name="Office")
    scene.look_at_notices()
    for role, permissions in ROLES.items():
        browser = scene.browser(f"staff, {role}", kinds(STAFF_SEE))
        browser.client.force_login(staff(scene.aviary.address("o"), *permissions))
        every_admin_page(browser)
    boss = scene.browser("staff, superuser", kinds(STAFF_SEE))
    boss.get(reverse("admin:login"))
    boss.client.force_login(staff("boss", is_superuser=True))
    every_admin_page(boss)
    acts(scene, boss)
    boss.post(reverse("admin:logout"))
    every_admin_page(scene.browser("stranger"))


def do(browser: Browser, row: Model, verb: str, **data: object) -> None:
    """One verb, once."""
    meta, pk = row._meta, row.pk
    browser.post(reverse(f"admin:{meta.app_label}_{meta.model_name}_do", args=[pk, verb]), {"reason": "because", **data})


def acts(scene: Scene, boss: Browser) -> None:
    """Each verb."""
    for address in (scene.members[30], scene.aviary.address("v"), "no address"):
        boss.post(reverse("admin:subscriptions_subscription_find"), {"address": address})
    do(boss, scene.promotions.subscriptions.filter(state="active").latest("pk"), "unsubscribe")
    row, _ = Halt.objects.get_or_create(pk=Halt.BY_PEOPLE)
    do(boss, row, "halt", reason=f"as {scene.members[31]} asked")
    scene.look_at_notices()
    do(boss, row, "resume")
    late = builders.a_held_post(scene.sender, scene.events, subject="Taken back")
    for verb in ("accept", "undo", "accept", "hurry", "recall"):
        late.refresh_from_db()
        do(boss, late, verb, content_hash=late.content_hash)
    for verb in ("reject", "discard"):
        do(boss, builders.a_held_post(scene.sender, scene.events, subject=verb, body=f"Ask {scene.aviary.address('n')}"), verb)
    post = builders.an_accepted_post(scene.sender, scene.events, subject="Frozen")
    closing.freeze(post.pk, f"A server said <{scene.members[32]}>.")
    scene.look_at_notices()
    for verb in ("thaw", "resend", "leave"):
        do(boss, post, verb)
    boss.get(reverse("admin:posting_post_file", args=[post.pk, 0]))
    for verb in ("read", "again", "discard", "discard_all"):
        mail = InboundMail.objects.filter(state=InboundMail.State.KEPT).first()
        if mail is not None:
            boss.may = kinds(READERS_SEE + "mv") if verb == "read" else boss.may
            do(boss, mail, verb)
            boss.may = kinds(STAFF_SEE)
    other = builders.a_sender(scene.events, address=scene.aviary.address("s"), name="Other Ltd")
    answer = boss.post(reverse("admin:posting_sender_do", args=[other.pk, "issue"]))
    assert re.search(rb"(\w{5}-){3}\w{5}", answer.content)
    do(boss, other, "revoke")


def commands(scene: Scene) -> None:
    """Each, rightly and wrongly; those that read standard input in processes of their own."""
    file = scene.folder / "members.csv"
    file.write_text("email\n" + "\n".join(["no address", scene.members[0], *scene.members[990:]]) + "\n")
    scene.command("createlist", "fairs", "--name", "Fairs")
    scene.command("createlist", scene.members[0], "--name", "x")
    scene.command("importsubscribers", "fairs", file, "--evidence", "on paper")
    scene.command("importsubscribers", "fairs", file, "--evidence", "on paper", "--skip-bad", "--ask")
    password = scene.command("addsender", "fairs", scene.aviary.address("s"), "--name", "Third Ltd")
    assert password
    scene.command("addsender", "fairs", scene.contact, "--name", "Third Ltd")
    message = f"From: {scene.contact}\r\nSubject: By command\r\n\r\nTwo for one.\r\n".encode()
    number = scene.manage(
        "submitpost", "events", "--from", scene.contact, stdin=message, POSTING_PASSWORD=scene.password(scene.sender)
    )
    scene.manage("submitpost", "events", "--from", scene.members[3], stdin=message, POSTING_PASSWORD="wrong")
    scene.command("acceptpost", number)
    scene.command("poststatus", number, "--json"), scene.command("poststatus", number)
    scene.command("recallpost", number, "--reason", f"for {scene.members[4]}")
    scene.command("resolvedoubt", number, "--leave")
    scene.command("rejectpost", builders.a_held_post(scene.sender, scene.events, subject="No").pk, "--reason", "no price")
    scene.command("halt", "--reason", f"as {scene.members[5]} asked")
    scene.command("resume", "--reason", "all well")
    assert not halt.is_on()
    stale = builders.a_held_post(scene.sender, scene.events, subject="Forgotten")
    builders.later(stale, "submitted_at", timedelta(days=15))
    moderation.discard_stale()
    scene.command("arm")
    scene.command("doctor")
    json.loads(scene.command("doctor", "--json"))
    scene.settle()

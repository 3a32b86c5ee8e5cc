"""What staff do in the admin, by role, and what the operator's commands do."""

import json
import re
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import override_settings
from django.urls import reverse

from chamberlist import halt, keys, roles
from chamberlist.models import Halt
from posting.models import Delivery, InboundMail, Post, Sender
from posting.moderation import moderation
from subscriptions.models import MailingList, Subscription
from tests import builders
from tests.canary.browsers import every_admin_page, staff
from tests.canary.haul import READERS_SEE, kinds
from tests.canary.scene import NAMED, Scene, Visitor
from tests.test_whole import wait_for

POSTS = "s" + NAMED  # Who may see posts and senders: published contacts, and whom a post names.
ROLES = {"Moderators": POSTS, "Membership": "", "Auditors": POSTS, "": ""}  # Each group, and what it may be shown; "" is none.


def looks(scene: Scene) -> None:
    """Every page, as each role sees it."""
    roles.found()
    scene.look_at_notices()
    for role, may in ROLES.items():
        browser = scene.browser(f"staff, {role or 'nobody in particular'}", kinds(may))
        person = staff(f"one of {role or 'none'}")
        person.groups.set(Group.objects.filter(name=role))
        browser.client.force_login(person)
        every_admin_page(browser)
    every_admin_page(scene.browser("stranger"))


def acts(scene: Scene, doubtful: Post, rich: Post) -> None:
    """Each verb and form, by one who may do everything."""
    boss = scene.browser("staff, superuser", kinds(POSTS))
    signs_in(scene, boss, staff("boss", is_superuser=True))
    for step in (about_members, about_sending, about_mail, about_senders, about_accounts):
        step(scene, boss)
    about_posts(scene, boss, doubtful, rich)
    every_admin_page(boss)
    boss.post(reverse("admin:logout"))


def signs_in(scene: Scene, boss: Visitor, account: User) -> None:
    """Wrongly and rightly."""
    page, password = reverse("admin:login"), "correct horse battery"
    account.set_password(password)
    account.save()
    boss.get(page)
    for name in ("boss", scene.members[33]):
        boss.post(page, {"username": name, "password": "wrong"}, may=kinds("m"))  # Shown again in the form.
    assert boss.post(f"{page}?next={reverse('admin:index')}", {"username": "boss", "password": password}).status_code == 302


def do(browser: Visitor, row: Model, verb: str, **data: object) -> Any:
    """One verb, once."""
    meta, pk = row._meta, row.pk
    page = reverse(f"admin:{meta.app_label}_{meta.model_name}_do", args=[pk, verb])
    return browser.post(page, {"reason": "because", **data})


def write(browser: Visitor, page: str, *arguments: object, **fields: object) -> None:
    """One form of the admin, rightly: it leads away."""
    answer = browser.post(reverse(f"admin:{page}", args=arguments), fields)
    assert answer.status_code in (200, 302) and b"errorlist" not in answer.content, page


def about_members(scene: Scene, boss: Visitor) -> None:
    """Look up, reveal, ask once more, unsubscribe."""
    typed = [scene.members[30], scene.members[30].rpartition("@")[2], scene.aviary.address("v"), "no address"]
    for each in typed:
        boss.post(reverse("admin:subscriptions_subscription_find"), {"address": each})
    row = scene.promotions.subscriptions.filter(state="active").order_by("pk")[31]
    do(boss, row, "reveal", reason="")
    permitted, boss.may = boss.may, kinds("", scene.aviary.of(row.address))
    assert row.address in do(boss, row, "reveal", reason=f"{scene.members[32]} rang up").content.decode()
    boss.may = permitted
    do(boss, row, "unsubscribe", reason=f"{scene.members[32]} rang up")
    do(boss, row, "ask")
    assert Subscription.objects.get(pk=row.pk).state == Subscription.State.PENDING


def about_sending(scene: Scene, boss: Visitor) -> None:
    """Stop everything, and let it go on."""
    row, _ = Halt.objects.get_or_create(pk=Halt.BY_PEOPLE)
    do(boss, row, "halt", reason=f"as {scene.members[31]} asked")
    scene.look_at_notices()
    scene.exercised.note_doctor()
    do(boss, row, "resume")
    assert not halt.is_on()


def about_mail(scene: Scene, boss: Visitor) -> None:
    """What came by mail and was kept, or could not be read."""
    kept = list(InboundMail.objects.filter(state=InboundMail.State.KEPT).order_by("pk"))
    permitted, boss.may = boss.may, kinds(READERS_SEE + "mv")
    for mail in kept:
        assert do(boss, mail, "read").status_code == 200
    boss.may = permitted
    do(boss, kept[0], "discard")
    do(boss, kept[-1], "discard_all")
    odd = InboundMail.objects.filter(state=InboundMail.State.QUARANTINED).first()
    assert odd is not None
    do(boss, odd, "again")
    scene.settle()


def about_senders(scene: Scene, boss: Visitor) -> None:
    """Approve one, change it, issue a password, take it away."""
    words = {"name": "Other Ltd", "lists": [scene.events.pk], "posts_a_day": 3, "posts_a_month": 9}
    write(boss, "posting_sender_add", **words, contact=scene.aviary.address("s"))
    other = Sender.objects.get(name="Other Ltd")
    write(boss, "posting_sender_change", other.pk, **words | {"name": "Another Ltd"})
    assert re.search(rb"(\w{5}-){3}\w{5}", do(boss, other, "issue").content)
    do(boss, other, "revoke")


def about_accounts(scene: Scene, boss: Visitor) -> None:
    """Lists, accounts and groups; names with an address are refused."""
    [kept] = MailingList.objects.filter(pk=scene.events.pk).values()
    fields = {name: value for name, value in kept.items() if value is not None}
    write(boss, "subscriptions_mailinglist_add", **fields | {"name": "Jobs", "slug": "jobs"})
    jobs = MailingList.objects.get(slug="jobs")
    write(boss, "subscriptions_mailinglist_change", jobs.pk, **fields | {"name": "Work", "slug": "jobs"})
    password = {"usable_password": "true", "password1": "correct horse battery", "password2": "correct horse battery"}
    typed = scene.aviary.address("v")
    boss.post(reverse("admin:auth_user_add"), {"username": typed, **password}, may=kinds(POSTS + "v"))
    assert not User.objects.filter(username=typed).exists()
    write(boss, "auth_user_add", username="ann", **password)
    ann = User.objects.get(username="ann")
    write(boss, "auth_user_change", ann.pk, is_active="on", is_staff="on")
    write(boss, "auth_user_password_change", ann.pk, **password)
    write(boss, "auth_group_add", name="Office")
    office = Group.objects.get(name="Office")
    write(boss, "auth_group_change", office.pk, name="The office")
    write(boss, "auth_group_delete", office.pk, post="yes")
    others = [Group.objects.create(name=f"Others {number}").pk for number in (1, 2)]
    write(boss, "auth_group_changelist", action="delete_selected", _selected_action=others, post="yes")


def about_posts(scene: Scene, boss: Visitor, doubtful: Post, rich: Post) -> None:
    """Each verb of a post; the one with files goes out with those addresses that were allowed by name."""
    late = builders.a_held_post(scene.sender, scene.events, subject="Taken back")
    for verb in ("accept", "undo", "accept", "hurry", "recall"):
        late.refresh_from_db()
        do(boss, late, verb, content_hash=late.content_hash)
    for verb in ("reject", "discard"):
        do(boss, builders.a_held_post(scene.sender, scene.events, subject=verb, body=f"Ask {scene.aviary.address('n')}"), verb)
    for post in Post.objects.filter(state=Post.State.FROZEN):
        boss.get(reverse("admin:posting_post_change", args=[post.pk]))
    do(boss, Post.objects.filter(state=Post.State.FROZEN).latest("pk"), "thaw", reason=f"{scene.members[34]} says so")
    assert doubtful.deliveries.filter(state=Delivery.State.IN_DOUBT).exists()
    for verb in ("leave", "resend"):
        do(boss, doubtful, verb)
    page = boss.get(reverse("admin:posting_post_change", args=[rich.pk])).content.decode()
    for position in rich.attachments.values_list("position", flat=True):
        assert boss.get(reverse("admin:posting_post_file", args=[rich.pk, position])).status_code == 200
    named = re.findall(r'name="allow" value="([^"]+)"', page)
    assert len(named) == 4
    do(boss, rich, "accept", content_hash=rich.content_hash, allow=named[:2])  # Two are missing: nothing is accepted.
    assert Post.objects.get(pk=rich.pk).state == Post.State.HELD
    do(boss, rich, "accept", content_hash=rich.content_hash, allow=named)
    do(boss, rich, "hurry")
    scene.allowed = [scene.aviary.of(each) for each in named]
    wait_for(str(rich.pk), Post.State.DONE)
    wait_for(str(doubtful.pk), Post.State.DONE)


def commands(scene: Scene) -> None:
    """Each, rightly and wrongly; those that read standard input in processes of their own."""
    file = scene.folder / "members.csv"
    file.write_text("email\n" + "\n".join(["no address", scene.members[0], *scene.members[990:]]) + "\n")
    scene.command("createlist", "fairs", "--name", "Fairs")
    scene.command("createlist", scene.members[0], "--name", "x")
    scene.command("createsuperuser", "--noinput", "--username", scene.members[7])
    scene.command("createsuperuser", "--noinput", "--username", "mary")
    scene.command("importsubscribers", "fairs", file, "--evidence", "on paper")
    scene.command("importsubscribers", "fairs", file, "--evidence", "on paper", "--skip-bad", "--ask")
    password = scene.command("addsender", "fairs", scene.aviary.address("s"), "--name", "Third Ltd")
    assert password
    scene.command("addsender", "fairs", scene.contact, "--name", "Third Ltd")
    message = f"From: {scene.contact}\r\nSubject: By command\r\n\r\nTwo for one.\r\n".encode()
    number = scene.manage(
        "submitpost", "events", "--from", scene.contact, stdin=message, POSTING_PASSWORD=scene.password(scene.sender)
    )
    scene.command("submitpost", "events", "--from", scene.members[3], stdin=message, POSTING_PASSWORD="wrong")
    scene.command("acceptpost", number)
    scene.command("poststatus", number, "--json"), scene.command("poststatus", number)
    scene.command("recallpost", number, "--reason", f"for {scene.members[4]}")
    scene.command("resolvedoubt", number, "--resend")
    scene.command("rejectpost", builders.a_held_post(scene.sender, scene.events, subject="No").pk, "--reason", "no price")
    scene.command("halt", "--reason", f"as {scene.members[5]} asked")
    scene.command("resume", "--reason", "all well")
    assert not halt.is_on()
    stale = builders.a_held_post(scene.sender, scene.events, subject="Forgotten")
    builders.later(stale, "submitted_at", timedelta(days=15))
    moderation.discard_stale()
    scene.command("arm")
    scene.command("arm", "--yes", "--reason", f"{scene.members[6]} said so")
    well = [path for path in settings.DOCTOR_CHECKS if path != "chamberlist.doctor.database"]
    with override_settings(
        DOCTOR_CHECKS=well
    ):  # It rightly fails the tests' own Postgres, which keeps nothing through a loss of power.
        assert scene.command("doctor")
    json.loads(scene.command("doctor", "--json"))
    scene.settle()


def doubts(scene: Scene, post: Post) -> None:
    """On the command line: copies of which nobody knows whether they arrived."""
    assert post.deliveries.filter(state=Delivery.State.IN_DOUBT).exists()
    assert "1 in doubt" in scene.command("resolvedoubt", post.pk, "--leave", "--reason", f"{scene.members[35]} has it")


def rotating(scene: Scene, configured: Any) -> None:
    """A new key, while everything is still under the old one; then all is sealed anew. The worker has ended."""
    configured.ADDRESS_KEYS = keys.parse("ADDRESS_KEYS", scene.keys.partition(",")[0])
    scene.look_at_notices()  # The old key is missing: nothing can be opened, and staff are told.
    configured.ADDRESS_KEYS = keys.parse("ADDRESS_KEYS", scene.keys)
    scene.exercised.note_doctor()
    scene.command("rotatekeys", "--check")  # There is much to do, and it refuses to call that done.
    assert scene.command("rotatekeys")

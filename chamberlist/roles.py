"""What the Chamber's staff do, as three groups of permissions to begin with. The Chamber may change them afterwards."""

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

ROLES: dict[str, tuple[str, ...]] = {
    "Moderators": (
        *("posting.view_post", "posting.change_post", "posting.view_named_subscribers"),
        *("posting.view_sender", "posting.add_sender", "posting.change_sender"),
        *("posting.view_inboundmail", "subscriptions.view_mailinglist"),
        *("chamberlist.view_halt", "chamberlist.change_halt", "chamberlist.view_alert"),
    ),
    "Membership": (
        *("subscriptions.view_subscription", "subscriptions.change_subscription", "subscriptions.reveal_address"),
        *("subscriptions.view_suppression", "subscriptions.view_mailinglist"),
        *("posting.view_inboundmail", "posting.change_inboundmail"),
        *("chamberlist.view_halt", "chamberlist.view_alert", "chamberlist.view_systemmail"),
    ),
    "Auditors": (
        *("posting.view_post", "posting.view_named_subscribers", "posting.view_sender", "posting.view_inboundmail"),
        *("subscriptions.view_mailinglist", "subscriptions.view_subscription", "subscriptions.view_suppression"),
        *("chamberlist.view_halt", "chamberlist.view_alert", "chamberlist.view_auditentry", "chamberlist.view_systemmail"),
        *("auth.view_user", "auth.view_group"),
    ),
}


@transaction.atomic
def found() -> None:
    """Make the groups that are missing. One that is there stays as it is: the Chamber may have changed it."""
    for name, wanted in ROLES.items():
        group, is_new = Group.objects.get_or_create(name=name)
        if is_new:
            group.permissions.set([_permission(each) for each in wanted])


def _permission(natural: str) -> Permission:
    app, _, codename = natural.partition(".")
    return Permission.objects.get(Q(content_type__app_label=app), codename=codename)

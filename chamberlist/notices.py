"""What the site itself has to say to staff."""

from datetime import timedelta

from django.urls import reverse

from chamberlist import rotation
from chamberlist.clock import Now
from chamberlist.models import Alert, Halt
from chamberlist.staffsite import Notice


def halted() -> list[Notice]:
    """That sending is stopped, and why."""
    stopped = Halt.objects.filter(halted_at__isnull=False).order_by("-pk").first()
    url, permission = reverse("admin:chamberlist_halt_changelist"), "chamberlist.view_halt"
    if stopped is None:
        return [Notice("Sending is running. Stop everything here if you must.", url, "chamberlist.change_halt")]
    return [Notice(f"All sending is stopped: {stopped.reason}", url, permission, is_urgent=True)]


def keys() -> list[Notice]:
    """That something cannot be opened, and which key is missing."""
    url = reverse("admin:index")
    return [
        Notice(f"Please tell whoever runs the server: {trouble}", url, "chamberlist.view_halt", is_urgent=True)
        for trouble in rotation.troubles()
    ]


def alerts() -> list[Notice]:
    """The alerts of the last day."""
    recent = Alert.objects.filter(created_at__gt=Now() - timedelta(days=1)).order_by("-pk")[:10]
    return [Notice(alert.headline, _page(alert), "chamberlist.view_alert", is_urgent=True) for alert in recent]


def _page(alert: Alert) -> str:
    return reverse("admin:chamberlist_alert_change", args=[alert.pk])

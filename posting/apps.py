"""What is said, and each copy's fate."""

from anymail.signals import inbound, tracking
from django.apps import AppConfig
from django.utils.module_loading import import_string


class PostingConfig(AppConfig):
    name = "posting"
    verbose_name = "Posts and senders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        tracking.connect(import_string("posting.feedback.events.receive"))
        inbound.connect(import_string("posting.inbound.webhook.receive"))

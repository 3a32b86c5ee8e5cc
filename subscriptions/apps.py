"""Who has agreed to receive what."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    name = "subscriptions"
    verbose_name = "Lists and members"
    default_auto_field = "django.db.models.BigAutoField"

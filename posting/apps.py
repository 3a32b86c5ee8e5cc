"""What is said, and each copy's fate."""

from django.apps import AppConfig


class PostingConfig(AppConfig):
    name = "posting"
    verbose_name = "Posts and senders"
    default_auto_field = "django.db.models.BigAutoField"

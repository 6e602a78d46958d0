"""App configuration of `mirror`."""

from django.apps import AppConfig


class MirrorConfig(AppConfig):
    """Copies the engine's events into the books, exactly once, and proves that both agree."""

    name = "apps.mirror"
    label = "mirror"
    verbose_name = "Mirror"
    default_auto_field = "django.db.models.BigAutoField"

"""App configuration of `core`."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Health of processes, and what all apps share."""

    name = "apps.core"
    label = "core"
    verbose_name = "System"
    default_auto_field = "django.db.models.BigAutoField"

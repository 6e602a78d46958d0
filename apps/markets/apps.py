"""App configuration of `markets`."""

from django.apps import AppConfig


class MarketsConfig(AppConfig):
    """What is traded and on what grid: assets and markets as the engine states them."""

    name = "apps.markets"
    label = "markets"
    verbose_name = "Markets"
    default_auto_field = "django.db.models.BigAutoField"

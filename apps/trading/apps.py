"""App configuration of `trading`."""

from django.apps import AppConfig


class TradingConfig(AppConfig):
    """Orders and trades as the engine reported them."""

    name = "apps.trading"
    label = "trading"
    verbose_name = "Trading"
    default_auto_field = "django.db.models.BigAutoField"

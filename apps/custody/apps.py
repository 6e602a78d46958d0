"""App configuration of `custody`."""

from django.apps import AppConfig


class CustodyConfig(AppConfig):
    """Deposits: addresses, the custodian's webhooks, credits."""

    name = "apps.custody"
    label = "custody"
    verbose_name = "Custody"
    default_auto_field = "django.db.models.BigAutoField"

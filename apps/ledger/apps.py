"""App configuration of `ledger`."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """The books: double-entry transactions, and balances that follow from them."""

    name = "apps.ledger"
    label = "ledger"
    verbose_name = "Ledger"
    default_auto_field = "django.db.models.BigAutoField"

"""App configuration of `accounts`."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Logins of people, and trading accounts as the engine states them."""

    name = "apps.accounts"
    label = "accounts"
    verbose_name = "Accounts"
    default_auto_field = "django.db.models.BigAutoField"

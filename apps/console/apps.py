"""App configuration of `console`."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Dashboard and health sampling."""

    name = "apps.console"
    label = "console"
    verbose_name = "Console"

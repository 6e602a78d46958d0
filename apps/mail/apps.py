"""The application's registration."""

from __future__ import annotations

from django.apps import AppConfig


class MailConfig(AppConfig):
    """Mail to people."""

    name = "apps.mail"
    label = "mail"

"""App configuration of `audit`."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The record of every change that a person or a job made, and of every refused one."""

    name = "apps.audit"
    label = "audit"
    verbose_name = "Audit"
    default_auto_field = "django.db.models.BigAutoField"

"""App configuration of `api`."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The REST API, and what it remembers of requests that carry an idempotency key."""

    name = "apps.api"
    label = "api"
    verbose_name = "API"
    default_auto_field = "django.db.models.BigAutoField"

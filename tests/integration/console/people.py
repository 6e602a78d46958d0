"""People who look at the console."""

from __future__ import annotations

from django.contrib.auth.models import Permission
from django.test import Client

from apps.accounts.models import User
from apps.accounts.roles import Role


def logged_in(user: User) -> Client:
    """Return a browser in which `user` is logged in."""
    client = Client()
    client.force_login(user)
    return client


def staff_user() -> User:
    """Return a member of the support staff."""
    return User.objects.create_user("staff", "staff@example.org", is_staff=True, role=Role.SUPPORT)


def permission(label: str) -> Permission:
    """Return the permission to view a model ('ledger.transaction')."""
    app, _, model = label.partition(".")
    return Permission.objects.get(content_type__app_label=app, codename=f"view_{model}")

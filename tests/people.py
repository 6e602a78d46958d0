"""People with logins, one of each role, for tests."""

from __future__ import annotations

from apps.accounts.models import User
from apps.accounts.roles import STAFF_ROLES, Role

PASSWORD = "a long and lonely road"


def person(role: str, name: str = "") -> User:
    """Return a new login of this role: `operator@example.org` with PASSWORD, unless named."""
    email = f"{name or role}@example.org"
    return User.objects.create_user(
        email, email, PASSWORD, role=Role(role), is_staff=Role(role) in STAFF_ROLES
    )

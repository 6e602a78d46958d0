"""Django's own way in: who logs in at the console, and what permissions a login has.

Invariant: permissions come from the role, and passwords are checked where the API's are.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from apps.accounts.limits import LimitReachedError
from apps.accounts.login import credentials_check
from apps.accounts.models import User
from apps.accounts.roles import ROLE_PREFIXES, role_has_permission

_LOG: Final = structlog.get_logger("quantatrade.login")


class RoleBackend(ModelBackend):
    """Logs people in, and gives each the permissions of its role."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **_others: Any,
    ) -> User | None:
        """Return the login if name and password are right; PermissionDenied beyond the limits.

        SessionsUnavailableError if attempts cannot be counted: then nobody can log in, and to say
        that the password is wrong would be a lie (`middleware` answers it with 503).
        Without a request there is no stranger: a command of ours asks, and nothing is counted.
        """
        if username is None or password is None:
            return None
        if request is None:
            user = super().authenticate(request, username, password)
            return user if isinstance(user, User) else None
        address = request.META.get("REMOTE_ADDR", "unknown")
        try:
            return credentials_check(login=username, password=password, address=address)
        except LimitReachedError as error:
            _LOG.warning("console_login_refused", ip=address, error=str(error))
            raise PermissionDenied from error

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Tell whether the login has `perm`, by its role or by a grant of its own."""
        if not user_obj.is_active:
            return False
        role = getattr(user_obj, "role", "")
        return role_has_permission(role, perm) or super().has_perm(user_obj, perm, obj)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Tell whether the login may open an app's list of pages."""
        if not user_obj.is_active:
            return False
        role = getattr(user_obj, "role", "")
        return bool(ROLE_PREFIXES.get(role)) or super().has_module_perms(user_obj, app_label)

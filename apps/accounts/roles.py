"""What each role may do. The one source: no permission is stored in the database.

Invariant: a trader has no permission of the console; support may look and change nothing; an
operator may look and act. A permission is recognised by the first word of its codename, so a new
page or action is covered the moment it exists, and anything else is refused to all roles.
"""

from __future__ import annotations

from typing import Final

from django.db import models

LOOK: Final = "view_"
ACT: Final = "operate_"
OPERATOR_ONLY_VIEWS: Final = frozenset({"accounts.view_personal_data"})


class Role(models.TextChoices):
    """What kind of person a login belongs to."""

    TRADER = "trader", "Trader"
    SUPPORT = "support", "Support"
    OPERATOR = "operator", "Operator"


STAFF_ROLES: Final = (Role.SUPPORT, Role.OPERATOR)
ROLE_PREFIXES: Final[dict[str, tuple[str, ...]]] = {
    Role.TRADER: (),
    Role.SUPPORT: (LOOK,),
    Role.OPERATOR: (LOOK, ACT),
}


def role_has_permission(role: str, permission: str) -> bool:
    """Tell whether a role has the permission `app.codename`."""
    codename = permission.partition(".")[2]
    if role != Role.OPERATOR and permission in OPERATOR_ONLY_VIEWS:
        return False
    return codename.startswith(ROLE_PREFIXES.get(role, ())) and bool(codename)

"""Which role may do what: the whole matrix."""

from __future__ import annotations

import pytest

from apps.accounts.actions import UserActivate, UserSetRole, UserSuspend
from apps.accounts.roles import Role, role_has_permission

LOOKS = ("accounts.view_user", "ledger.view_leg", "audit.view_auditentry")
ACTS = (UserSuspend.permission, UserActivate.permission, UserSetRole.permission)
NEVER = (
    "accounts.add_user",
    "accounts.change_user",
    "accounts.delete_user",
    "auth.change_group",
    "accounts",
    "accounts.",
    "",
)
PERSONAL = "accounts.view_personal_data"


@pytest.mark.parametrize("role", list(Role))
def test_the_matrix_of_roles_and_permissions(role: Role) -> None:
    may_look = role is not Role.TRADER
    may_act = role is Role.OPERATOR
    assert [role_has_permission(role, each) for each in LOOKS] == [may_look] * len(LOOKS)
    assert [role_has_permission(role, each) for each in ACTS] == [may_act] * len(ACTS)
    assert [role_has_permission(role, each) for each in NEVER] == [False] * len(NEVER)
    assert role_has_permission(role, PERSONAL) is may_act


def test_an_unknown_role_may_nothing() -> None:
    assert not any(role_has_permission("emperor", each) for each in (*LOOKS, *ACTS, PERSONAL))

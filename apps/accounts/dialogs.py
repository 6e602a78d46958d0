"""How the console asks for actions on people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django import forms
from django.utils.safestring import SafeString

from apps.accounts.actions import UserActivate, UserSetRole, UserSuspend
from apps.accounts.models import TradingAccount, User
from apps.accounts.roles import STAFF_ROLES, Role
from apps.audit.dialogs import (
    ActionForm,
    Change,
    Dialog,
    Subject,
    UnknownSubjectError,
    dialogs_register,
)
from apps.core.readonly import display
from apps.core.readonly.personal import masked
from engine.proto.records import INT64_MAX, UserStatus

STATUS_TONES: Final = {
    UserStatus.ACTIVE.name: display.GOOD,
    UserStatus.SUSPENDED.name: display.BAD,
}


def _number(object_id: str) -> int:
    is_number = object_id.isascii() and object_id.isdecimal() and int(object_id) <= INT64_MAX
    if not is_number:
        raise UnknownSubjectError(f"There is no user {object_id[:20]}.")
    return int(object_id)


def status_pill(status: str) -> SafeString:
    """Return a trading account's status in its colour."""
    return display.pill(display.words(status), STATUS_TONES[status])


def _title(user_id: int, login: str | None) -> str:
    return f"user {user_id} ({masked(login)})" if login else f"user {user_id}"


def _status_subject(after: UserStatus) -> Callable[[str], Subject]:
    def subject(object_id: str) -> Subject:
        user_id = _number(object_id)
        login = User.objects.filter(pk=user_id).values_list("username", flat=True).first()
        account = TradingAccount.objects.filter(pk=user_id).first()
        if login is None and account is None:
            raise UnknownSubjectError(f"There is no user {user_id}.")
        before = status_pill(account.status) if account else display.pill("No trading account yet")
        model = "accounts_user" if login else "accounts_tradingaccount"
        return Subject(
            _title(user_id, login),
            [Change("Trading", before, status_pill(after.name))],
            display.record_url(model, user_id),
        )

    return subject


class RoleForm(ActionForm):
    """The new role. A trader's login keeps its role, so only those of staff can be chosen."""

    role = forms.ChoiceField(choices=[(role.value, role.label) for role in STAFF_ROLES])


def _role_subject(object_id: str) -> Subject:
    user = User.objects.filter(pk=_number(object_id)).first()
    if user is None:
        raise UnknownSubjectError(f"There is no user {object_id}.")
    return Subject(
        _title(user.pk, user.username),
        [Change("Role", Role(user.role).label, field="role")],
        display.record_url("accounts_user", user.pk),
        {"role": user.role},
    )


def _role_make(object_id: str, asked: Any) -> UserSetRole:
    return UserSetRole(user_id=_number(object_id), role=Role(asked["role"]))


dialogs_register(
    Dialog(
        action=UserSuspend,
        effect="No new orders of this trader are taken. Cancels and reductions still work, and"
        " orders in the book stay there and can trade.",
        subject=_status_subject(UserStatus.SUSPENDED),
        make=lambda object_id, _asked: UserSuspend(user_id=_number(object_id)),
        tone=display.BAD,
    ),
    Dialog(
        action=UserActivate,
        effect="This trader can place orders again at once.",
        subject=_status_subject(UserStatus.ACTIVE),
        make=lambda object_id, _asked: UserActivate(user_id=_number(object_id)),
        tone=display.GOOD,
    ),
    Dialog(
        action=UserSetRole,
        effect="The new rights hold at once, and all sessions of this login end.",
        subject=_role_subject,
        make=_role_make,
        form=RoleForm,
        tone=display.WARN,
    ),
)

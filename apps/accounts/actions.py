"""What operators can do to a person: suspend and reactivate trading, change the role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.db import transaction
from django.db.models import Q

from apps.accounts.models import TradingAccount, User
from apps.accounts.roles import STAFF_ROLES, Role
from apps.accounts.selectors import user_email, user_is_registered
from apps.accounts.tokens import SessionsUnavailableError, sessions_end
from apps.audit.actions import ActionRefusedError, OperatorAction, engine_result
from apps.audit.types import ActionResult, Actor
from apps.core.engine_gateway import engine_command
from apps.mail.services import mail_queue
from engine.proto.records import UserStatus

OBJECT_TYPE: Final = "user"
STATUS_MAILS: Final = {
    UserStatus.SUSPENDED: (
        "Hello,\n\nan operator has suspended your trading. Your coins are where they were, and"
        " you can\nstill cancel orders. Write to us if you want to know why.\n"
    ),
    UserStatus.ACTIVE: "Hello,\n\nan operator has opened your account for trading again.\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _SetStatus(OperatorAction):
    """Set the status of a trading account in the engine, which owns it."""

    user_id: int
    object_type: ClassVar[str] = OBJECT_TYPE
    status: ClassVar[UserStatus]

    @property
    def object_id(self) -> str:
        """The user's number."""
        return str(self.user_id)

    def check(self, actor: Actor) -> None:
        """The user must be a trader whom the engine knows."""
        del actor
        known = TradingAccount.objects.filter(pk=self.user_id).exists()
        if not known and not user_is_registered(self.user_id):
            raise ActionRefusedError("unknown_user", f"User {self.user_id} has no trading account.")

    def execute(self, actor: Actor) -> ActionResult:
        """Send the command; the mirror writes the row."""
        del actor
        row = TradingAccount.objects.filter(pk=self.user_id).first()
        before = row.status if row is not None else UserStatus.ACTIVE.name
        outcome = engine_command(
            lambda engine: engine.set_user_status(user_id=self.user_id, status=self.status)
        )
        with transaction.atomic():
            mail_queue(
                to_address=user_email(self.user_id),
                subject=f"Your trading account is {self.status.name.lower()}",
                body=STATUS_MAILS[self.status],
            )
        return engine_result(
            outcome,
            f"User {self.user_id} is {self.status.name.lower()}.",
            before={"status": before},
            after={"status": self.status.name},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSuspend(_SetStatus):
    """Stop a user from trading: cancels and reductions still work, resting orders stay."""

    name: ClassVar[str] = "user.suspend"
    label: ClassVar[str] = "Suspend trading"
    permission: ClassVar[str] = "accounts.operate_suspend_user"
    status: ClassVar[UserStatus] = UserStatus.SUSPENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class UserActivate(_SetStatus):
    """Let a suspended user trade again."""

    name: ClassVar[str] = "user.activate"
    label: ClassVar[str] = "Reactivate trading"
    permission: ClassVar[str] = "accounts.operate_activate_user"
    status: ClassVar[UserStatus] = UserStatus.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSetRole(OperatorAction):
    """Make a member of staff of another role. Their sessions end, so that it holds at once."""

    user_id: int
    role: Role
    name: ClassVar[str] = "user.set_role"
    label: ClassVar[str] = "Change role"
    permission: ClassVar[str] = "accounts.operate_set_role"
    object_type: ClassVar[str] = OBJECT_TYPE

    @property
    def object_id(self) -> str:
        """The user's number."""
        return str(self.user_id)

    def parameters(self) -> Mapping[str, Any]:
        """The role asked for."""
        return {"role": self.role.value}

    def check(self, actor: Actor) -> None:
        """Nobody changes their own role."""
        if actor.user_id == self.user_id:
            raise ActionRefusedError("own_role", "Nobody changes their own role.")
        if not User.objects.filter(pk=self.user_id).exists():
            raise ActionRefusedError("unknown_user", f"There is no user {self.user_id}.")

    def execute(self, actor: Actor) -> ActionResult:
        """Change the row, and end the sessions that carry the old role."""
        del actor
        with transaction.atomic():
            # All operators, so that two who demote each other cannot leave none.
            staff = User.objects.filter(Q(role=Role.OPERATOR) | Q(pk=self.user_id))
            locked = {row.pk: row for row in staff.select_for_update().order_by("pk")}
            user = locked[self.user_id]
            before = Role(user.role)
            self._check_change(user, before)
            user.role = self.role
            user.is_staff = self.role in STAFF_ROLES
            user.is_superuser = user.is_superuser and self.role is Role.OPERATOR
            user.save(update_fields=["role", "is_staff", "is_superuser"])
            try:
                ended = sessions_end(user_id=self.user_id)
            except SessionsUnavailableError as error:
                raise ActionRefusedError(
                    "sessions_unavailable",
                    "The user's sessions cannot be ended now, so nothing was changed.",
                ) from error
        return ActionResult(
            message=f"User {self.user_id} is {self.role.value}; {ended} sessions ended.",
            before={"role": before.value},
            after={"role": self.role.value, "sessions_ended": ended},
        )

    def _check_change(self, user: User, before: Role) -> None:
        if before is self.role:
            raise ActionRefusedError("nothing_changes", f"The role is {before.value} already.")
        if Role.TRADER in (before, self.role):
            raise ActionRefusedError(
                "trader_stays_trader",
                "A trader's login keeps its role, and staff get no trading account:"
                " make another login.",
            )
        others = User.objects.filter(role=Role.OPERATOR, is_active=True).exclude(pk=user.pk)
        if before is Role.OPERATOR and not others.exists():
            raise ActionRefusedError("last_operator", "The last operator keeps the role.")

"""Making logins of traders, and telling the engine of them.

Invariant: login, its row of registration and its audit record are one transaction; the engine is
told afterwards, again and again until it has the user. Telling it twice does nothing.
"""

from __future__ import annotations

from typing import Final

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import F

from apps.accounts.models import ERROR_CHARS_MAX, EngineRegistration, User
from apps.accounts.roles import STAFF_ROLES, Role
from apps.accounts.selectors import user_facts
from apps.accounts.types import UserFacts
from apps.audit.services import audit_record
from apps.audit.types import Actor, system_actor
from apps.core.engine_gateway import engine_command
from apps.core.wake import task_wake
from apps.mail.services import mail_queue
from engine.client import EngineError

EMAIL_CHARS_MAX: Final = 150  # it is the name of the login as well
PASSWORD_CHARS_MAX: Final = 256
REGISTRATIONS_PER_RUN_MAX: Final = 100
WELCOME: Final = """\
Hello,

your account is open. Deposit coins at your own address and place your first order.

If it was not you who registered, somebody else has used your address: write to us.
"""
REGISTER_TASK: Final = "accounts.register_with_engine"


class EmailRefusedError(ValueError):
    """It is not an e-mail address that a login can have."""


class EmailTakenError(Exception):
    """Somebody has a login with this e-mail address."""


class PasswordRefusedError(ValueError):
    """The password is too weak; `reasons` says in plain words why."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


def user_register(
    *,
    email: str,
    password: str,
    role: Role = Role.TRADER,
    actor: Actor | None = None,
    request_id: str = "",
    address: str = "",
) -> UserFacts:
    """Make a login and return at once; a trader's account is opened in the engine right after.

    `actor` is who does it, the new user if None. Raises EmailRefusedError, EmailTakenError or
    PasswordRefusedError, and nothing is made.
    """
    email = _email(email)
    _check_password(email, password)
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                email, email, password, role=role, is_staff=role in STAFF_ROLES
            )
            if role is Role.TRADER:
                EngineRegistration.objects.create(user=user)
                mail_queue(to_address=email, subject="Welcome to QuantaTrade", body=WELCOME)
                transaction.on_commit(lambda: task_wake(REGISTER_TASK, user.pk), robust=True)
            audit_record(
                actor=actor or Actor(user_id=user.pk, name=email, role=role),
                action="user.register",
                object_type="user",
                object_id=user.pk,
                after={"email": email, "role": role.value},
                request_id=request_id,
                address=address,
            )
    except IntegrityError as error:
        if User.objects.filter(email__iexact=email).exists():
            raise EmailTakenError(f"{email} has a login already.") from error
        raise
    return user_facts(user.pk)


def _email(stated: str) -> str:
    email = stated.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise EmailRefusedError("This is not an e-mail address.") from error
    if len(email) > EMAIL_CHARS_MAX:
        raise EmailRefusedError(
            f"The e-mail address had {len(email)} characters, expected at most {EMAIL_CHARS_MAX}."
        )
    return email


def _check_password(email: str, password: str) -> None:
    if len(password) > PASSWORD_CHARS_MAX:
        raise PasswordRefusedError(
            [f"It had {len(password)} characters, expected at most {PASSWORD_CHARS_MAX}."]
        )
    try:
        validate_password(password, User(username=email, email=email))
    except ValidationError as error:
        raise PasswordRefusedError(list(error.messages)) from error


def registration_run(*, user_id: int) -> bool:
    """Tell the engine of one trader; True if it knows the user now. Failures are on the row."""
    open_row = EngineRegistration.objects.filter(pk=user_id, engine_event_seq__isnull=True)
    if not open_row.exists():
        return True
    try:
        outcome = engine_command(lambda engine: engine.add_user(user_id=user_id))
    except EngineError as error:
        open_row.update(attempts=F("attempts") + 1, last_error=str(error)[:ERROR_CHARS_MAX])
        return False
    with transaction.atomic():
        updated = open_row.update(
            attempts=F("attempts") + 1, last_error="", engine_event_seq=outcome.first_event_seq
        )
        if updated:  # of several that told the engine, one records it
            audit_record(
                actor=system_actor("registration"),
                action="user.open_account",
                object_type="user",
                object_id=user_id,
                after={"status": "ACTIVE"},
                engine_command_seq=outcome.command_seq,
            )
    return True


def registrations_run() -> int:
    """Tell the engine of the traders that it does not know yet; returns how many it knows now.

    The first failure ends the run: the others would fail alike, and the next run is a second away.
    """
    waiting = EngineRegistration.objects.filter(engine_event_seq__isnull=True)
    done = 0
    for user_id in waiting.order_by("attempts", "pk").values_list("pk", flat=True)[
        :REGISTRATIONS_PER_RUN_MAX
    ]:
        if not registration_run(user_id=user_id):
            break
        done += 1
    return done

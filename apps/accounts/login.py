"""Logging in, staying logged in, logging out.

Invariant: every check of a password, of the API and of the console, passes `credentials_check`,
which counts attempts by account and address first and takes as long for a login that does not
exist as for one that does.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models.functions import Lower, Now

from apps.accounts.limits import (
    LOGINS_OF_ACCOUNT,
    LOGINS_OF_ADDRESS,
    limit_restore,
    limit_spend,
)
from apps.accounts.models import User
from apps.accounts.principal import Principal
from apps.accounts.selectors import user_facts
from apps.accounts.tokens import session_end, tokens_issue, tokens_rotate
from apps.accounts.types import TokenPair, UserFacts
from apps.audit.services import audit_record
from apps.audit.types import Actor


class InvalidCredentialsError(Exception):
    """No active login has this name and password. Which of them is wrong is told to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """Who logged in, and with which tokens."""

    user: UserFacts
    tokens: TokenPair


def credentials_check(*, login: str, password: str, address: str) -> User | None:
    """Return the active login of this e-mail address or name if the password is its own.

    LimitReachedError after too many attempts; SessionsUnavailableError if they cannot be counted.
    """
    account = login.strip().lower()
    limit_spend(LOGINS_OF_ADDRESS, address)
    limit_spend(LOGINS_OF_ACCOUNT, account, address)
    user = _find(account, login.strip())
    if user is None:
        make_password(password)
        return None
    if not user.check_password(password) or not user.is_active:
        return None
    limit_restore(LOGINS_OF_ACCOUNT, account, address)
    return user


def _find(account: str, login: str) -> User | None:
    users = User.objects.alias(lowered=Lower("email"))
    return users.filter(lowered=account).first() or users.filter(username=login).first()


def login(*, email: str, password: str, address: str, request_id: str) -> LoggedIn:
    """Open a session. InvalidCredentialsError; also what `credentials_check` raises."""
    user = credentials_check(login=email, password=password, address=address)
    if user is None:
        raise InvalidCredentialsError("The e-mail address or the password is wrong.")
    return session_begin(user=user, address=address, request_id=request_id)


def session_begin(*, user: User, address: str, request_id: str) -> LoggedIn:
    """Open a session for somebody whose identity has been proved."""
    tokens = tokens_issue(user_id=user.pk, role=user.role)
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(last_login=Now())
        audit_record(
            actor=Actor(user_id=user.pk, name=user.get_username(), role=user.role),
            action="session.begin",
            object_type="user",
            object_id=user.pk,
            request_id=request_id,
            address=address,
        )
    return LoggedIn(user=user_facts(user.pk), tokens=tokens)


def refresh(*, refresh_token: str) -> TokenPair:
    """Exchange a refresh token for the next pair. TokenError if it is not the session's newest."""
    return tokens_rotate(refresh_token=refresh_token)


def logout(*, principal: Principal, address: str, request_id: str) -> None:
    """End the session of an access token."""
    with transaction.atomic():
        audit_record(
            actor=principal.actor(),
            action="session.end",
            object_type="user",
            object_id=principal.user_id,
            request_id=request_id,
            address=address,
        )
        # Within the transaction: if the session cannot be ended, nothing says that it was.
        session_end(session_id=principal.session_id, user_id=principal.user_id)

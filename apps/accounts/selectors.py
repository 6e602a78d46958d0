"""Reads of logins and trading accounts."""

from __future__ import annotations

from apps.accounts.models import EngineRegistration, TradingAccount, User
from apps.accounts.types import UserFacts


class UnknownUserError(LookupError):
    """There is no such login."""


def user_facts(user_id: int) -> UserFacts:
    """Return a login. UnknownUserError if there is none."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise UnknownUserError(f"no login has the number {user_id}")
    known = EngineRegistration.objects.filter(pk=user_id).values_list("engine_event_seq", flat=True)
    registration = list(known)
    account = TradingAccount.objects.filter(pk=user_id).first()
    return UserFacts(
        user_id=user.pk,
        email=user.email,
        role=user.role,
        is_active=user.is_active,
        is_registered=registration[0] is not None if registration else None,
        status=account.status if account is not None else "",
        tier=user.tier,
        joined_at=user.date_joined,
    )


def user_is_registered(user_id: int) -> bool:
    """Tell whether the engine knows the user."""
    rows = EngineRegistration.objects.filter(pk=user_id, engine_event_seq__isnull=False)
    return rows.exists()


def user_email(user_id: int) -> str:
    """Return where mail to a user goes; empty if there is no such login."""
    return User.objects.filter(pk=user_id).values_list("email", flat=True).first() or ""

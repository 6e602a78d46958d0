"""Logins of people.

Invariant: an e-mail address belongs to at most one login, however its letters are cased.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower

from apps.accounts.trading_account import TradingAccount

__all__ = ["TradingAccount", "User"]


class User(AbstractUser):
    """A person who can log in: operator, support, trader."""

    email = models.EmailField("e-mail address")

    class Meta(AbstractUser.Meta):
        swappable = "AUTH_USER_MODEL"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                Lower("email"),
                name="accounts_user_email_unique",
                violation_error_message="A login with this e-mail address already exists.",
            )
        ]

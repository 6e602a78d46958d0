"""Logins of people, and how far the engine knows them.

Invariants: an e-mail address belongs to at most one login, however its letters are cased; only
support and operators reach the console.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from apps.accounts.roles import STAFF_ROLES, Role
from apps.accounts.tiers import Tier
from apps.accounts.trading_account import TradingAccount
from apps.core.choices import enum_check

__all__ = ["ApiKey", "EngineRegistration", "TradingAccount", "User"]

ERROR_CHARS_MAX = 500
KEY_ID_CHARS = 32
KEY_LABEL_CHARS_MAX = 64


class UserManager(DjangoUserManager["User"]):
    """Makes logins; who may see the console is staff of the role given, operator for superusers."""

    def create_superuser(
        self,
        username: str,
        email: str | None = None,
        password: str | None = None,
        **extra_fields: Any,
    ) -> User:
        """Make an operator who may do everything."""
        extra_fields.setdefault("role", Role.OPERATOR)
        return super().create_superuser(username, email, password, **extra_fields)


class User(AbstractUser):
    """A person who can log in: operator, support, trader."""

    email = models.EmailField("e-mail address")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.TRADER)
    tier = models.PositiveSmallIntegerField(choices=Tier.choices, default=Tier.ZERO)

    objects: ClassVar[UserManager] = UserManager()

    class Meta(AbstractUser.Meta):
        swappable = "AUTH_USER_MODEL"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                Lower("email"),
                name="accounts_user_email_unique",
                violation_error_message="A login with this e-mail address already exists.",
            ),
            enum_check("role", Role.values, name="accounts_user_role_known"),
            enum_check("tier", Tier.values, name="accounts_user_tier_known"),
            models.CheckConstraint(
                condition=Q(is_staff=False) | Q(role__in=list(STAFF_ROLES)),
                name="accounts_user_staff_has_role",
            ),
            models.CheckConstraint(
                condition=Q(is_superuser=False) | Q(role=Role.OPERATOR),
                name="accounts_user_superuser_is_operator",
            ),
        ]


class EngineRegistration(models.Model):
    """That the engine has to know a trader, and whether it does.

    The row is made with the login, in one transaction; a job asks the engine until it has it.
    """

    user = models.OneToOneField(User, on_delete=models.PROTECT, primary_key=True)
    requested_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=ERROR_CHARS_MAX, blank=True)
    engine_event_seq = models.BigIntegerField(
        null=True, help_text="The event with which the engine added the user."
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["user_id"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(engine_event_seq__isnull=True) | Q(engine_event_seq__gte=1),
                name="accounts_engineregistration_event_from_one",
            )
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["user"],
                condition=Q(engine_event_seq__isnull=True),
                name="accounts_registration_open",
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)


class ApiKey(models.Model):
    """With what a trader's program signs its requests. Every key may read; some may trade.

    Its secret is sealed (`sealing`) and was shown once. A key is never deleted, only revoked.
    """

    key_id = models.CharField(max_length=KEY_ID_CHARS, unique=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_keys")
    label = models.CharField(max_length=KEY_LABEL_CHARS_MAX)
    sealed = models.BinaryField()
    may_trade = models.BooleanField(default=False)
    addresses = models.JSONField(
        default=list, help_text="Networks from which it is accepted; empty: from anywhere."
    )
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-pk"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(key_id__regex=rf"^[0-9a-f]{{{KEY_ID_CHARS}}}$"),
                name="accounts_apikey_id_is_hex",
            ),
            models.CheckConstraint(
                condition=~Q(label=""), name="accounts_apikey_label_is_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return self.key_id

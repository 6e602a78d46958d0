"""Trading accounts as the engine states them.

A projection: the engine owns the fact that an account exists and whether it may trade, the mirror
writes the row, everybody else reads.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.core.choices import enum_check, enum_choices, enum_names
from engine.proto.records import UserStatus


class TradingAccount(models.Model):
    """One user of the engine. A suspended one can cancel and reduce, and nothing else."""

    user_id = models.BigIntegerField(primary_key=True)
    status = models.CharField(max_length=16, choices=enum_choices(UserStatus))
    added_event_seq = models.BigIntegerField()

    class Meta:
        app_label = "accounts"
        ordering: ClassVar[list[str]] = ["user_id"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(user_id__gte=1), name="accounts_tradingaccount_user_is_trader"
            ),
            enum_check(
                "status", enum_names(UserStatus), name="accounts_tradingaccount_status_known"
            ),
        ]

    def __str__(self) -> str:
        return str(self.user_id)

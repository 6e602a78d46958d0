"""Figures that charts are made of, counted beforehand so that no page reads a large table.

All of it follows from other tables and can be counted again. Invariant: a trade is counted in one
minute once: the newest trade that was counted is kept with the minutes, in the same statement.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from apps.core.amounts import wide_field
from apps.core.choices import enum_check


class Series(models.TextChoices):
    """What a sample is a value of."""

    MIRROR_LAG_MS = "mirror_lag_ms", "Mirror lag, ms"
    NEW_TRADERS = "new_traders", "New traders of a day"
    DEPOSITS = "deposits", "Deposits of a day"


class MarketMinute(models.Model):
    """What was traded in one market within one minute."""

    market_id = models.IntegerField()
    minute = models.DateTimeField()
    trades = models.BigIntegerField()
    quote_volume = wide_field(help_text="Sum of price x quantity.")
    last_event_seq = models.BigIntegerField(help_text="The newest trade that is counted here.")

    class Meta:
        ordering: ClassVar[list[str]] = ["-minute", "market_id"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["minute", "market_id"], name="console_marketminute_once"
            ),
            models.CheckConstraint(condition=Q(trades__gte=1), name="console_marketminute_traded"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["last_event_seq"], name="console_marketminute_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.market_id} {self.minute:%Y-%m-%d %H:%M}"


class Sample(models.Model):
    """One value of a series: at an instant, or of the day that begins then."""

    series = models.CharField(max_length=16, choices=Series.choices)
    at = models.DateTimeField()
    value = models.BigIntegerField()

    class Meta:
        ordering: ClassVar[list[str]] = ["-at", "series"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["series", "at"], name="console_sample_once"),
            enum_check("series", Series.values, name="console_sample_series_known"),
        ]

    def __str__(self) -> str:
        return f"{self.series} {self.at.isoformat()}"

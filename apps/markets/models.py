"""Assets and markets as the engine states them.

Projections: the engine owns these facts, the mirror writes the rows, everybody else reads.
Invariant: a row is what the events up to the mirror's cursor say, and nothing else.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.core.amounts import amount_field
from apps.core.choices import enum_check, enum_choices, enum_names
from engine.proto.records import DECIMALS_MAX, MarketState


class Asset(models.Model):
    """Something that can be held. One atom is 10 ** -decimals of it."""

    asset_id = models.IntegerField(primary_key=True)
    code = models.CharField(max_length=20, unique=True)
    decimals = models.SmallIntegerField()
    max_total = amount_field(help_text="The most this exchange may hold.")
    added_event_seq = models.BigIntegerField()

    class Meta:
        ordering: ClassVar[list[str]] = ["asset_id"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(decimals__range=(0, DECIMALS_MAX)),
                name="markets_asset_decimals_range",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Market(models.Model):
    """A pair. The grid and the bounds are integers as in the engine; a bound of 0 is none."""

    market_id = models.IntegerField(primary_key=True)
    symbol = models.CharField(max_length=30, unique=True)
    base_asset = models.ForeignKey(
        Asset, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    quote_asset = models.ForeignKey(
        Asset, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    tick_atoms = models.BigIntegerField(help_text="Quote atoms per whole unit of base.")
    lot_atoms = models.BigIntegerField(help_text="Base atoms.")
    maker_fee = models.BigIntegerField(help_text="Parts per million, or quote atoms per lot.")
    taker_fee = models.BigIntegerField(help_text="Parts per million, or quote atoms per lot.")
    fee_in_quote = models.BooleanField()
    fee_per_lot = models.BooleanField()
    state = models.CharField(max_length=16, choices=enum_choices(MarketState))
    min_price_ticks = models.BigIntegerField()
    max_price_ticks = models.BigIntegerField()
    min_quantity_lots = models.BigIntegerField()
    max_quantity_lots = models.BigIntegerField()
    min_notional_atoms = models.BigIntegerField()
    added_event_seq = models.BigIntegerField()

    class Meta:
        ordering: ClassVar[list[str]] = ["market_id"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            enum_check("state", enum_names(MarketState), name="markets_market_state_known"),
        ]

    def __str__(self) -> str:
        return self.symbol

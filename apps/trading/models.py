"""Orders and trades as the engine reported them, and candles that were imported.

The mirror writes orders and trades, everybody else reads. Invariants: an order is in exactly one of
two tables. It is open until its closing event moves it to history, where nothing changes any more.
What was imported is in a table of its own and is never counted as trading on this exchange.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from apps.core.amounts import amount_field, wide_field
from apps.core.choices import enum_check, enum_choices, enum_names
from apps.trading.types import ClosedStatus
from engine.proto.records import (
    CLIENT_ORDER_ID_CHARS_MAX,
    OrderType,
    Reason,
    Side,
    StpMode,
    TimeInForce,
)

SOURCE_CHARS_MAX = 80


def _term_checks(table: str) -> list[models.BaseConstraint]:
    return [
        enum_check("side", enum_names(Side), name=f"{table}_side_known"),
        enum_check("order_type", enum_names(OrderType), name=f"{table}_type_known"),
        enum_check("time_in_force", enum_names(TimeInForce), name=f"{table}_tif_known"),
        enum_check("stp_mode", enum_names(StpMode), name=f"{table}_stp_known"),
    ]


class OrderTerms(models.Model):
    """What an open and a closed order have in common.

    At every moment `quantity = executed + removed + leaves`. Prices are quote per whole unit of
    base; 0 stands for no price, no ceiling and no budget. Both fees are in `fee_asset`.
    """

    order_id = models.BigIntegerField(primary_key=True)
    market_id = models.IntegerField()
    user_id = models.BigIntegerField()
    side = models.CharField(max_length=4, choices=enum_choices(Side))
    order_type = models.CharField(max_length=20, choices=enum_choices(OrderType))
    time_in_force = models.CharField(max_length=4, choices=enum_choices(TimeInForce))
    price = wide_field(help_text="The limit now; 0 if the order has none.")
    ceiling_price = wide_field(help_text="Price up to which a bid holds funds; 0 = its price.")
    budget = amount_field(help_text="Of FOK_BUDGET, in quote; otherwise 0.")
    quantity = amount_field(help_text="As accepted, or as its owner amended it last.")
    executed_quantity = amount_field()
    removed_quantity = amount_field(help_text="Taken off without trading.")
    executed_quote = wide_field(help_text="Sum of price x quantity over its fills.")
    fee_asset_id = models.IntegerField()
    maker_fee = wide_field(help_text="Paid so far as maker.")
    taker_fee = wide_field(help_text="Paid so far as taker.")
    client_order_id = models.CharField(max_length=CLIENT_ORDER_ID_CHARS_MAX, blank=True)
    accepted_event_seq = models.BigIntegerField()
    accepted_at = models.DateTimeField()
    stop_price = wide_field(null=True, help_text="The last price at which it triggers.")
    trailing_bips = models.IntegerField(
        null=True, help_text="How far the stop price trails the market, in hundredths of a percent."
    )
    display_quantity = amount_field(null=True, help_text="The most of it that the book shows.")
    expires_at = models.DateTimeField(null=True, help_text="When a GTD order ends.")
    list_id = models.BigIntegerField(null=True, help_text="The first order of its list.")
    quote_amount = amount_field(null=True, help_text="Of a market order by quote amount.")
    stp_mode = models.CharField(
        max_length=16, choices=enum_choices(StpMode), db_default=StpMode.NONE.name
    )
    session_id = models.BigIntegerField(
        null=True, help_text="The session with whose end it is canceled."
    )
    triggered_event_seq = models.BigIntegerField(
        null=True, help_text="The event after which it waited no longer."
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.order_id)


class OpenOrder(OrderTerms):
    """An order that rests in the engine's book, or waits outside of it, at the mirror's cursor."""

    leaves_quantity = amount_field()
    reserved = amount_field(help_text="Held: quote of a bid, base of an ask.")
    last_event_seq = models.BigIntegerField(help_text="The event that changed it last.")
    is_parked = models.BooleanField(
        db_default=False, help_text="Waits for its trigger or its list; not in the book."
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["-order_id"]
        default_permissions = ("view",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user_id", "order_id"], name="trading_openorder_of_user"),
            models.Index(fields=["market_id", "order_id"], name="trading_openorder_of_market"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            *_term_checks("trading_openorder"),
            models.CheckConstraint(
                condition=(Q(leaves_quantity__gt=0) | Q(quote_amount__isnull=False))
                & Q(quantity=F("executed_quantity") + F("removed_quantity") + F("leaves_quantity")),
                name="trading_openorder_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(reserved__gte=0), name="trading_openorder_reserved_not_negative"
            ),
        ]


class OrderHistory(OrderTerms):
    """An order that has ended."""

    status = models.CharField(max_length=10, choices=enum_choices(ClosedStatus))
    reason = models.CharField(max_length=32, choices=enum_choices(Reason))
    by_operator = models.BooleanField(help_text="Canceled by an operator.")
    closed_event_seq = models.BigIntegerField()
    closed_at = models.DateTimeField()
    day = models.DateField(help_text="UTC day of acceptance.")

    class Meta:
        ordering: ClassVar[list[str]] = ["-order_id"]
        default_permissions = ("view",)
        verbose_name_plural = "order history"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user_id", "order_id"], name="trading_history_of_user"),
            models.Index(fields=["closed_event_seq"], name="trading_history_closed"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            *_term_checks("trading_orderhistory"),
            enum_check("status", enum_names(ClosedStatus), name="trading_history_status_known"),
            enum_check("reason", enum_names(Reason), name="trading_history_reason_known"),
            models.CheckConstraint(
                condition=Q(quantity=F("executed_quantity") + F("removed_quantity")),
                name="trading_history_adds_up",
            ),
        ]


class Trade(models.Model):
    """One fill. `trade_id` rises by one per market."""

    event_seq = models.BigIntegerField(primary_key=True)
    market_id = models.IntegerField()
    trade_id = models.BigIntegerField()
    taker_side = models.CharField(max_length=4, choices=enum_choices(Side))
    maker_order_id = models.BigIntegerField()
    taker_order_id = models.BigIntegerField()
    maker_user_id = models.BigIntegerField()
    taker_user_id = models.BigIntegerField()
    price = wide_field()
    quantity = amount_field()
    quote_quantity = amount_field(help_text="price x quantity")
    maker_fee = amount_field()
    taker_fee = amount_field()
    maker_fee_asset_id = models.IntegerField()
    taker_fee_asset_id = models.IntegerField()
    executed_at = models.DateTimeField()
    day = models.DateField(help_text="UTC day of the trade.")

    class Meta:
        ordering: ClassVar[list[str]] = ["-event_seq"]
        default_permissions = ("view",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["maker_user_id", "event_seq"], name="trading_trade_of_maker"),
            models.Index(fields=["taker_user_id", "event_seq"], name="trading_trade_of_taker"),
            models.Index(
                fields=["market_id", "executed_at", "event_seq"],
                include=["price", "quantity", "quote_quantity"],
                name="trading_trade_of_market",
            ),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["market_id", "trade_id"], name="trading_trade_once"),
            enum_check("taker_side", enum_names(Side), name="trading_trade_side_known"),
        ]

    def __str__(self) -> str:
        return f"{self.market_id}/{self.trade_id}"


class ImportedCandle(models.Model):
    """A minute of a market's past that happened elsewhere: for charts, and for nothing else."""

    market_id = models.IntegerField()
    opened_at = models.DateTimeField()
    open = wide_field()
    high = wide_field()
    low = wide_field()
    close = wide_field()
    volume = amount_field(help_text="In base, as the source states it.")
    source = models.CharField(max_length=SOURCE_CHARS_MAX, help_text="Where it comes from.")

    class Meta:
        ordering: ClassVar[list[str]] = ["market_id", "opened_at"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["market_id", "opened_at"], name="trading_importedcandle_once"
            ),
            models.CheckConstraint(
                condition=Q(low__gt=0)
                & Q(low__lte=F("open"))
                & Q(low__lte=F("close"))
                & Q(high__gte=F("open"))
                & Q(high__gte=F("close"))
                & Q(volume__gte=0),
                name="trading_importedcandle_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.market_id}/{self.opened_at.isoformat()}"

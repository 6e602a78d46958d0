"""Console pages of trades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Column, Fact, FactSection, Section, TableSection
from apps.core.readonly.period import DayRangeFilter, period_filter
from apps.ledger.console_reads import transaction_of_event
from apps.markets.list_filters import MarketFilter
from apps.trading.console_reads import (
    trades_named,
)
from apps.trading.models import Trade


@admin.register(Trade)
class TradeAdmin(ReadOnlyModelAdmin):
    """Trades, newest first."""

    list_display: ClassVar[Sequence[str]] = (
        "trade",
        "executed",
        "market",
        "taker_side_",
        "amount_price",
        "amount_quantity",
        "amount_quote",
        "maker_order",
        "taker_order",
        "number_event",
    )
    list_filter: ClassVar[Sequence[Any]] = (
        MarketFilter,
        "taker_side",
        period_filter("executed_at"),
        ("executed_at", DayRangeFilter),
    )
    search_help_text = "Event or account number"
    search_integers = ("event_seq", "maker_user_id", "taker_user_id")
    sortable_by = ("number_event",)

    def get_queryset(self, _request: HttpRequest) -> QuerySet[Any]:
        """Read symbol and codes with each trade."""
        return trades_named()

    @admin.display(description="Trade")
    def trade(self, trade: Trade) -> SafeString:
        """Its number in its market."""
        return display.identity(trade.trade_id)

    @admin.display(description="Time (UTC)")
    def executed(self, trade: Trade) -> SafeString:
        """When it happened."""
        return display.instant(trade.executed_at)

    @admin.display(description="Market")
    def market(self, trade: Any) -> str:
        """The market's symbol."""
        return str(trade.symbol)

    @admin.display(description="Taker")
    def taker_side_(self, trade: Trade) -> SafeString:
        """Whether the taker bought or sold."""
        return display.side(trade.taker_side)

    @admin.display(description="Price")
    def amount_price(self, trade: Any) -> SafeString:
        """The maker's price."""
        return display.amount(trade.price, trade.quote)

    @admin.display(description="Quantity")
    def amount_quantity(self, trade: Any) -> SafeString:
        """How much changed hands."""
        return display.amount(trade.quantity, trade.base)

    @admin.display(description="Quote")
    def amount_quote(self, trade: Any) -> SafeString:
        """Price times quantity."""
        return display.amount(trade.quote_quantity, trade.quote)

    @admin.display(description="Maker order")
    def maker_order(self, trade: Trade) -> SafeString:
        """The resting order."""
        return display.record_link("trading_openorder", trade.maker_order_id)

    @admin.display(description="Taker order")
    def taker_order(self, trade: Trade) -> SafeString:
        """The incoming order."""
        return display.record_link("trading_openorder", trade.taker_order_id)

    @admin.display(description="Event", ordering="event_seq")
    def number_event(self, trade: Trade) -> SafeString:
        """The event that reported it."""
        return display.record_link("mirror_engineevent", trade.event_seq)

    def record_title(self, record: Any) -> str:
        """Name the trade."""
        return f"Trade {record.trade_id} · {record.symbol}"

    def sections(self, _request: HttpRequest, record: Any) -> Sequence[Section]:
        """Show the trade, both its sides, and where it is in the books."""
        posted = transaction_of_event(record.event_seq)
        transaction = (
            display.NOTHING
            if posted is None
            else display.record_link("ledger_transaction", posted[0], posted[1])
        )
        terms = [
            Fact("Market", display.record_link("markets_market", record.market_id, record.symbol)),
            Fact("Time (UTC)", self.executed(record)),
            Fact("Price", self.amount_price(record), "the maker's"),
            Fact("Quantity", self.amount_quantity(record)),
            Fact("Quote", self.amount_quote(record), "price x quantity"),
            Fact("Event", self.number_event(record)),
            Fact("Transaction", transaction),
        ]
        maker_side = "ASK" if record.taker_side == "BID" else "BID"
        sides = [
            [
                role,
                display.side(side),
                order,
                display.record_link("accounts_tradingaccount", user_id),
                display.amount(fee, code),
            ]
            for role, side, order, user_id, fee, code in (
                (
                    "Maker",
                    maker_side,
                    self.maker_order(record),
                    record.maker_user_id,
                    record.maker_fee,
                    record.maker_fee_code,
                ),
                (
                    "Taker",
                    record.taker_side,
                    self.taker_order(record),
                    record.taker_user_id,
                    record.taker_fee,
                    record.taker_fee_code,
                ),
            )
        ]
        columns = [
            Column("Role"),
            Column("Side"),
            Column("Order"),
            Column("Account"),
            Column("Fee", is_numeric=True),
        ]
        return [FactSection("Trade", terms), TableSection("Sides", columns, sides)]

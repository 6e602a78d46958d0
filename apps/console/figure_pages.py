"""Console pages of the figures that charts are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.console.models import MarketMinute, Sample
from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Fact, FactSection, Section
from apps.markets.expressions import market_symbol, quote_code


@admin.register(MarketMinute)
class MarketMinuteAdmin(ReadOnlyModelAdmin):
    """What was traded in each minute."""

    list_display: ClassVar[Sequence[str]] = (
        "minute_", "market", "number_trades", "amount_volume", "number_newest",
    )  # fmt: skip
    search_help_text = "Number of the market"
    search_integers = ("market_id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read symbol and code with each minute."""
        rows: QuerySet[Any] = super().get_queryset(request)
        found: QuerySet[Any] = rows.annotate(symbol=market_symbol(), quote=quote_code())
        return found

    @admin.display(description="Minute (UTC)")
    def minute_(self, row: MarketMinute) -> SafeString:
        """Which minute."""
        return display.instant(row.minute)

    @admin.display(description="Market")
    def market(self, row: Any) -> str:
        """Where."""
        return str(row.symbol)

    @admin.display(description="Trades")
    def number_trades(self, row: MarketMinute) -> SafeString:
        """How many."""
        return display.number(row.trades)

    @admin.display(description="Volume")
    def amount_volume(self, row: Any) -> SafeString:
        """Price x quantity, summed."""
        return display.amount(row.quote_volume, row.quote)

    @admin.display(description="Newest trade")
    def number_newest(self, row: MarketMinute) -> SafeString:
        """Up to where it is counted."""
        return display.record_link("trading_trade", row.last_event_seq)

    def sections(self, _request: HttpRequest, record: Any) -> Sequence[Section]:
        """Show the minute."""
        facts = [
            Fact("Minute (UTC)", self.minute_(record)),
            Fact("Market", self.market(record)),
            Fact("Trades", self.number_trades(record)),
            Fact("Volume", self.amount_volume(record)),
            Fact("Newest trade", self.number_newest(record)),
        ]
        return [FactSection("Traded", facts)]


@admin.register(Sample)
class SampleAdmin(ReadOnlyModelAdmin):
    """Values that were sampled or counted."""

    list_display: ClassVar[Sequence[str]] = ("at_", "series_", "number_value")
    list_filter: ClassVar[Sequence[str]] = ("series",)

    @admin.display(description="At (UTC)")
    def at_(self, row: Sample) -> SafeString:
        """When, or which day."""
        return display.instant(row.at)

    @admin.display(description="Series")
    def series_(self, row: Sample) -> str:
        """Of what."""
        return str(row.get_series_display())

    @admin.display(description="Value")
    def number_value(self, row: Sample) -> SafeString:
        """How much."""
        return display.number(row.value)

    def sections(self, _request: HttpRequest, record: Sample) -> Sequence[Section]:
        """Show the value."""
        facts = [
            Fact("Series", self.series_(record)),
            Fact("At (UTC)", self.at_(record)),
            Fact("Value", self.number_value(record)),
        ]
        return [FactSection("Sample", facts)]

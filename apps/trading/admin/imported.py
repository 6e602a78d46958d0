"""Console pages of imported candles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Fact, FactSection, Section
from apps.markets.list_filters import MarketFilter
from apps.trading.console_reads import named
from apps.trading.models import ImportedCandle


@admin.register(ImportedCandle)
class ImportedCandleAdmin(ReadOnlyModelAdmin):
    """Imported minutes, the last imported first."""

    list_display: ClassVar[Sequence[str]] = (
        "opened", "market", "amount_open", "amount_high", "amount_low", "amount_close",
        "amount_volume", "source_",
    )  # fmt: skip
    list_filter: ClassVar[Sequence[Any]] = (MarketFilter,)

    def get_queryset(self, _request: HttpRequest) -> QuerySet[Any]:
        """Read symbol and codes with each candle."""
        return named(ImportedCandle.objects.order_by("-id"))

    @admin.display(description="Minute (UTC)")
    def opened(self, candle: ImportedCandle) -> SafeString:
        """When it opened."""
        return display.instant(candle.opened_at)

    @admin.display(description="Market")
    def market(self, candle: Any) -> str:
        """The market's symbol."""
        return str(candle.symbol)

    @admin.display(description="Open")
    def amount_open(self, candle: Any) -> SafeString:
        """The first price."""
        return display.amount(candle.open, candle.quote)

    @admin.display(description="High")
    def amount_high(self, candle: Any) -> SafeString:
        """The highest price."""
        return display.amount(candle.high, candle.quote)

    @admin.display(description="Low")
    def amount_low(self, candle: Any) -> SafeString:
        """The lowest price."""
        return display.amount(candle.low, candle.quote)

    @admin.display(description="Close")
    def amount_close(self, candle: Any) -> SafeString:
        """The last price."""
        return display.amount(candle.close, candle.quote)

    @admin.display(description="Volume")
    def amount_volume(self, candle: Any) -> SafeString:
        """What was traded elsewhere."""
        return display.amount(candle.volume, candle.base)

    @admin.display(description="Source")
    def source_(self, candle: ImportedCandle) -> str:
        """Where it comes from."""
        return candle.source

    def record_title(self, record: Any) -> str:
        """Name the candle."""
        return f"Imported minute · {record.symbol}"

    def sections(self, _request: HttpRequest, record: Any) -> Sequence[Section]:
        """Show all of it."""
        facts = [
            Fact("Market", display.record_link("markets_market", record.market_id, record.symbol)),
            Fact("Minute (UTC)", self.opened(record)),
            Fact("Open", self.amount_open(record)),
            Fact("High", self.amount_high(record)),
            Fact("Low", self.amount_low(record)),
            Fact("Close", self.amount_close(record)),
            Fact("Volume", self.amount_volume(record), "of the source, not of this exchange"),
            Fact("Source", record.source),
        ]
        return [FactSection("Imported minute", facts)]

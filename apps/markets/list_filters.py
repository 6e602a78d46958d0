"""Console filters by market and by asset, listing what there is by its name."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.markets.models import Asset, Market


class _IdFilter(SimpleListFilter):
    """Rows whose `parameter_name` column equals the chosen id."""

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        if not value.isdecimal():
            return queryset
        return queryset.filter(**{str(self.parameter_name): int(value)})


class MarketFilter(_IdFilter):
    """By market."""

    title = "market"
    parameter_name = "market_id"

    def lookups(
        self, _request: HttpRequest, _model_admin: ModelAdmin[Any]
    ) -> list[tuple[str, str]]:
        """Return every market."""
        rows = Market.objects.order_by("symbol").values_list("market_id", "symbol")
        return [(str(key), symbol) for key, symbol in rows]


class AssetFilter(_IdFilter):
    """By asset."""

    title = "asset"
    parameter_name = "asset_id"

    def lookups(
        self, _request: HttpRequest, _model_admin: ModelAdmin[Any]
    ) -> list[tuple[str, str]]:
        """Return every asset."""
        rows = Asset.objects.order_by("code").values_list("asset_id", "code")
        return [(str(key), code) for key, code in rows]

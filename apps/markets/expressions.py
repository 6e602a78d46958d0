"""SQL expressions that name assets and markets in the rows of other apps.

They are scalar look-ups in the primary keys of two small tables, so a list of any length shows
symbols and codes in the one query that reads it.
"""

from __future__ import annotations

from django.db.models import OuterRef, Subquery

from apps.markets.models import Asset, Market


def asset_code(field: str) -> Subquery:
    """Return the code of the asset whose id is in `field`."""
    return Subquery(Asset.objects.filter(pk=OuterRef(field)).values("code")[:1])


def market_symbol(field: str = "market_id") -> Subquery:
    """Return the symbol of the market whose id is in `field`."""
    return Subquery(Market.objects.filter(pk=OuterRef(field)).values("symbol")[:1])


def base_code(field: str = "market_id") -> Subquery:
    """Return the code of the base asset of the market whose id is in `field`."""
    return Subquery(Market.objects.filter(pk=OuterRef(field)).values("base_asset__code")[:1])


def quote_code(field: str = "market_id") -> Subquery:
    """Return the code of the quote asset of the market whose id is in `field`."""
    return Subquery(Market.objects.filter(pk=OuterRef(field)).values("quote_asset__code")[:1])

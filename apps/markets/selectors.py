"""Reads of assets and markets: the rows of the projection as frozen values."""

from __future__ import annotations

from typing import Final

from apps.core.amounts import decimal_atoms
from apps.markets.catalogue import tick_lot_atoms
from apps.markets.listed import UnknownMarketError
from apps.markets.models import Asset, Market
from apps.markets.types import AssetTerms, MarketTerms

MARKETS_MAX: Final = 1_000


def markets_list() -> list[MarketTerms]:
    """Return all markets by id, in one query."""
    rows = Market.objects.select_related("base_asset", "quote_asset").order_by("market_id")
    return [_market_terms(row) for row in rows[:MARKETS_MAX]]


def market_get(symbol: str) -> MarketTerms:
    """Return one market. UnknownMarketError if there is none of this symbol."""
    rows = Market.objects.select_related("base_asset", "quote_asset")
    row = rows.filter(symbol=symbol).first()
    if row is None:
        raise UnknownMarketError(symbol)
    return _market_terms(row)


def asset_get(code: str) -> AssetTerms | None:
    """Return the asset of this code, None if none is listed."""
    row = Asset.objects.filter(code=code).first()
    return None if row is None else _asset_terms(row)


def _asset_terms(row: Asset) -> AssetTerms:
    total = decimal_atoms(row.max_total, row.decimals)
    return AssetTerms(row.asset_id, row.code, row.decimals, total, row.added_event_seq)


def _market_terms(row: Market) -> MarketTerms:
    base = _asset_terms(row.base_asset)
    return MarketTerms(
        market_id=row.market_id,
        symbol=row.symbol,
        base=base,
        quote=_asset_terms(row.quote_asset),
        tick_atoms=row.tick_atoms,
        lot_atoms=row.lot_atoms,
        tick_lot_atoms=tick_lot_atoms(row.tick_atoms, row.lot_atoms, base.decimals),
        maker_fee=row.maker_fee,
        taker_fee=row.taker_fee,
        fee_in_quote=row.fee_in_quote,
        fee_per_lot=row.fee_per_lot,
        added_event_seq=row.added_event_seq,
        state=row.state,
        min_price_ticks=row.min_price_ticks,
        max_price_ticks=row.max_price_ticks,
        min_quantity_lots=row.min_quantity_lots,
        max_quantity_lots=row.max_quantity_lots,
        min_notional_atoms=row.min_notional_atoms,
    )

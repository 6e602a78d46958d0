"""Loads the catalogue from its projections and stores what events changed in it."""

from __future__ import annotations

from typing import Any, Final

from psycopg import Connection, Cursor

from apps.core.amounts import atoms_decimal
from apps.markets import sql
from apps.markets.catalogue import Catalogue, tick_lot_atoms
from apps.markets.types import AssetTerms, MarketTerms

_AFTER_GRID: Final = MarketTerms._fields.index("maker_fee")


def catalogue_load(connection: Connection) -> Catalogue:
    """Return the catalogue as stored, with nothing marked as changed."""
    assets = {row[0]: AssetTerms._make(row) for row in connection.execute(sql.LOAD_ASSETS)}
    markets = [_market(row, assets) for row in connection.execute(sql.LOAD_MARKETS)]
    return Catalogue(assets.values(), markets)


def _market(row: tuple[Any, ...], assets: dict[int, AssetTerms]) -> MarketTerms:
    market_id, symbol, base_id, quote_id, tick_atoms, lot_atoms, *rest = row
    base = assets[base_id]
    tick_lot = tick_lot_atoms(tick_atoms, lot_atoms, base.decimals)
    return MarketTerms(
        market_id, symbol, base, assets[quote_id], tick_atoms, lot_atoms, tick_lot, *rest
    )


def catalogue_store(cursor: Cursor, catalogue: Catalogue) -> None:
    """Write the changed assets and markets, and mark them as stored."""
    for asset_id in sorted(catalogue.changed_assets):
        asset = catalogue.assets[asset_id]
        total = atoms_decimal(asset.max_total_atoms, asset.decimals)
        cursor.execute(
            sql.STORE_ASSET,
            (asset_id, asset.code, asset.decimals, total, asset.added_event_seq),
        )
    for market_id in sorted(catalogue.changed_markets):
        cursor.execute(sql.STORE_MARKET, market_row(catalogue.markets[market_id]))
    catalogue.changed_assets.clear()
    catalogue.changed_markets.clear()


def market_row(market: MarketTerms) -> tuple[object, ...]:
    """Return a market's columns in the order of LOAD_MARKETS."""
    ids = (market.market_id, market.symbol, market.base.asset_id, market.quote.asset_id)
    return (*ids, market.tick_atoms, market.lot_atoms, *market[_AFTER_GRID:])

"""Statements about assets and markets that the mirror and `verify` run."""

from __future__ import annotations

from typing import Final

LOAD_ASSETS: Final = """
SELECT asset_id, code, decimals, (max_total * 10::numeric ^ decimals)::bigint, added_event_seq
  FROM markets_asset
"""

LOAD_MARKETS: Final = """
SELECT market_id, symbol, base_asset_id, quote_asset_id, tick_atoms, lot_atoms,
       maker_fee, taker_fee, fee_in_quote, fee_per_lot, added_event_seq, state,
       min_price_ticks, max_price_ticks, min_quantity_lots, max_quantity_lots, min_notional_atoms
  FROM markets_market
"""

STORE_ASSET: Final = """
INSERT INTO markets_asset (asset_id, code, decimals, max_total, added_event_seq)
VALUES (%s, %s, %s, %s, %s)
"""

STORE_MARKET: Final = """
INSERT INTO markets_market (
    market_id, symbol, base_asset_id, quote_asset_id, tick_atoms, lot_atoms,
    maker_fee, taker_fee, fee_in_quote, fee_per_lot, added_event_seq, state,
    min_price_ticks, max_price_ticks, min_quantity_lots, max_quantity_lots, min_notional_atoms)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (market_id) DO UPDATE SET
    maker_fee = excluded.maker_fee, taker_fee = excluded.taker_fee, state = excluded.state,
    min_price_ticks = excluded.min_price_ticks, max_price_ticks = excluded.max_price_ticks,
    min_quantity_lots = excluded.min_quantity_lots, max_quantity_lots = excluded.max_quantity_lots,
    min_notional_atoms = excluded.min_notional_atoms
"""

"""What other apps are told about assets and markets, as frozen values."""

from __future__ import annotations

from typing import NamedTuple

from engine.proto.records import MarketState


class AssetTerms(NamedTuple):
    """An asset as the engine states it."""

    asset_id: int
    code: str
    decimals: int
    max_total_atoms: int
    added_event_seq: int


class MarketTerms(NamedTuple):
    """A market as the engine states it. `tick_lot_atoms` are quote atoms of one tick x one lot."""

    market_id: int
    symbol: str
    base: AssetTerms
    quote: AssetTerms
    tick_atoms: int
    lot_atoms: int
    tick_lot_atoms: int
    maker_fee: int
    taker_fee: int
    fee_in_quote: bool
    fee_per_lot: bool
    added_event_seq: int
    state: str = MarketState.TRADING.name
    min_price_ticks: int = 0
    max_price_ticks: int = 0
    min_quantity_lots: int = 0
    max_quantity_lots: int = 0
    min_notional_atoms: int = 0

    def fee_asset(self, *, is_bid: bool) -> AssetTerms:
        """Return the asset that fees of this side are taken from: quote, or what it receives."""
        if is_bid and not (self.fee_in_quote or self.fee_per_lot):
            return self.base
        return self.quote

    def held_asset(self, *, is_bid: bool) -> AssetTerms:
        """Return the asset that an order of this side reserves."""
        return self.quote if is_bid else self.base

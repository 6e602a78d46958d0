"""Assets and markets as the engine lists them, kept current by events: no restart, no SQL.

Invariant: every market in it has both its assets; ids, symbols and grids never change, state, rates
and bounds are those of the last event applied.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.markets.types import AssetTerms, MarketTerms
from engine.client import Asset, Market
from engine.proto.records import (
    AssetAdded,
    CommandFlag,
    EventBody,
    EventHeader,
    MarketAdded,
    MarketFeesSet,
    MarketFiltersSet,
    MarketState,
    MarketStateSet,
)


class Listings:
    """What is traded here."""

    def __init__(self) -> None:
        self.assets: dict[int, AssetTerms] = {}
        self.markets: dict[int, MarketTerms] = {}

    def load(self, assets: Iterable[Asset], markets: Iterable[Market]) -> None:
        """Replace everything by what the engine answered."""
        self.assets = {
            asset.asset_id: AssetTerms(
                asset.asset_id, asset.code, asset.decimals, asset.max_total_atoms, 0
            )
            for asset in assets
        }
        self.markets = {market.market_id: self._terms(market) for market in markets}

    def apply(self, header: EventHeader, body: EventBody) -> bool:
        """Move on by one event; False if it does not concern listings."""
        if isinstance(body, AssetAdded):
            code = body.text.decode("ascii")
            self.assets[body.asset_id] = AssetTerms(
                body.asset_id, code, body.decimals, body.max_total_atoms, header.event_seq
            )
        elif isinstance(body, MarketAdded):
            self.markets[header.market_id] = self._added(header, body)
        elif isinstance(body, MarketStateSet):
            self._set(header, {"state": MarketState(body.state).name})
        elif isinstance(body, MarketFeesSet | MarketFiltersSet):
            self._set(header, body._asdict())
        else:
            return False
        return True

    def _set(self, header: EventHeader, changes: dict[str, Any]) -> None:
        self.markets[header.market_id] = self.markets[header.market_id]._replace(**changes)

    def _added(self, header: EventHeader, body: MarketAdded) -> MarketTerms:
        base, quote = self.assets[body.base_asset_id], self.assets[body.quote_asset_id]
        flags = CommandFlag(body.fee_flags)
        per_lot = CommandFlag.FEE_PER_LOT in flags
        return MarketTerms(
            market_id=header.market_id,
            symbol=body.text.decode("ascii"),
            base=base,
            quote=quote,
            tick_atoms=body.tick_atoms,
            lot_atoms=body.lot_atoms,
            tick_lot_atoms=body.tick_atoms * body.lot_atoms // 10**base.decimals,
            maker_fee=body.maker_fee,
            taker_fee=body.taker_fee,
            fee_in_quote=per_lot or CommandFlag.FEE_IN_QUOTE in flags,
            fee_per_lot=per_lot,
            added_event_seq=header.event_seq,
        )

    def _terms(self, market: Market) -> MarketTerms:
        return MarketTerms(
            market_id=market.market_id,
            symbol=market.symbol,
            base=self.assets[market.base_asset_id],
            quote=self.assets[market.quote_asset_id],
            tick_atoms=market.tick_atoms,
            lot_atoms=market.lot_atoms,
            tick_lot_atoms=market.tick_lot_atoms,
            maker_fee=market.maker_fee,
            taker_fee=market.taker_fee,
            fee_in_quote=market.fee_in_quote,
            fee_per_lot=market.fee_per_lot,
            added_event_seq=0,
            state=MarketState(market.state).name,
            min_price_ticks=market.min_price_ticks,
            max_price_ticks=market.max_price_ticks,
            min_quantity_lots=market.min_quantity_lots,
            max_quantity_lots=market.max_quantity_lots,
            min_notional_atoms=market.min_notional_atoms,
        )

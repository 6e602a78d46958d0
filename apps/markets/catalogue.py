"""All assets and markets at one event sequence, carried forward by events.

Pure: no database. Invariant: `assets` and `markets` are what the events so far say; the `changed_*`
sets name the rows in which that differs from what was last stored.
"""

from __future__ import annotations

from collections.abc import Iterable

from apps.markets.types import AssetTerms, MarketTerms
from engine.proto.records import (
    AssetAdded,
    CommandFlag,
    EventHeader,
    MarketAdded,
    MarketFeesSet,
    MarketFiltersSet,
    MarketState,
    MarketStateSet,
)

MarketFact = AssetAdded | MarketAdded | MarketFeesSet | MarketFiltersSet | MarketStateSet
MARKET_FACTS = (AssetAdded, MarketAdded, MarketFeesSet, MarketFiltersSet, MarketStateSet)


class Catalogue:
    """Lookups raise KeyError for an id that no event has added."""

    def __init__(
        self, assets: Iterable[AssetTerms] = (), markets: Iterable[MarketTerms] = ()
    ) -> None:
        self.assets = {asset.asset_id: asset for asset in assets}
        self.markets = {market.market_id: market for market in markets}
        self.changed_assets: set[int] = set()
        self.changed_markets: set[int] = set()

    def apply(self, header: EventHeader, body: MarketFact) -> None:
        """Take in one event about assets or markets."""
        if isinstance(body, AssetAdded):
            self._add_asset(header, body)
            return
        if isinstance(body, MarketAdded):
            market = self._market_added(header, body)
        else:
            market = _market_changed(self.markets[header.market_id], body)
        self.markets[market.market_id] = market
        self.changed_markets.add(market.market_id)

    def _add_asset(self, header: EventHeader, body: AssetAdded) -> None:
        self.assets[body.asset_id] = AssetTerms(
            asset_id=body.asset_id,
            code=body.text.decode("ascii"),
            decimals=body.decimals,
            max_total_atoms=body.max_total_atoms,
            added_event_seq=header.event_seq,
        )
        self.changed_assets.add(body.asset_id)

    def _market_added(self, header: EventHeader, body: MarketAdded) -> MarketTerms:
        base = self.assets[body.base_asset_id]
        return MarketTerms(
            market_id=header.market_id,
            symbol=body.text.decode("ascii"),
            base=base,
            quote=self.assets[body.quote_asset_id],
            tick_atoms=body.tick_atoms,
            lot_atoms=body.lot_atoms,
            tick_lot_atoms=tick_lot_atoms(body.tick_atoms, body.lot_atoms, base.decimals),
            maker_fee=body.maker_fee,
            taker_fee=body.taker_fee,
            fee_in_quote=bool(body.fee_flags & CommandFlag.FEE_IN_QUOTE),
            fee_per_lot=bool(body.fee_flags & CommandFlag.FEE_PER_LOT),
            added_event_seq=header.event_seq,
        )


def _market_changed(
    market: MarketTerms, body: MarketFeesSet | MarketFiltersSet | MarketStateSet
) -> MarketTerms:
    if isinstance(body, MarketStateSet):
        return market._replace(state=MarketState(body.state).name)
    return market._replace(**body._asdict())


def tick_lot_atoms(tick_atoms: int, lot_atoms: int, base_decimals: int) -> int:
    """Return the quote atoms of one tick x one lot; ValueError if that is no whole number."""
    unit: int = 10**base_decimals
    atoms, rest = divmod(tick_atoms * lot_atoms, unit)
    if rest or atoms < 1:
        raise ValueError(
            f"tick {tick_atoms} x lot {lot_atoms} was {tick_atoms * lot_atoms} / "
            f"10**{base_decimals} quote atoms, expected a whole number"
        )
    return atoms

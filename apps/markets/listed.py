"""The markets as the engine lists them now, kept in the process for the way of an order.

It exists so that placing an order costs no SQL and does not wait for the mirror: the engine is
asked, and what it said is used again. Invariant: ids, grid and decimals are the engine's own and
never change there, so an old copy converts prices exactly; state, rates and bounds in it are at
most `AGE_MAX_S` old while the engine answers.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from apps.core.engine_gateway import engine_query
from apps.markets.types import AssetTerms, MarketTerms
from engine.client import Asset, EngineClient, Market
from engine.proto.records import MarketState

AGE_MAX_S: Final = 1.0
_guard: Final = threading.Lock()


class UnknownMarketError(LookupError):
    """No market has this symbol."""

    def __init__(self, symbol: str) -> None:
        super().__init__(f"market {symbol[:40]!r} is unknown")
        self.symbol = symbol


@dataclass(frozen=True, slots=True)
class Listing:
    """All assets and markets, as heard at a moment of the monotonic clock."""

    assets: dict[int, AssetTerms]
    markets: dict[str, MarketTerms]
    symbols: dict[int, str]
    heard_s: float


_heard: Final[dict[str, Listing]] = {}  # by the engine's address


def listing_now() -> Listing:
    """Return the engine's listing, at most `AGE_MAX_S` old; EngineUnavailable."""
    kept = _heard.get(settings.ENGINE_ADDRESS)
    if kept is not None and time.monotonic() - kept.heard_s < AGE_MAX_S:
        return kept
    return _ask(kept)


def market_listed(symbol: str) -> MarketTerms:
    """Return a market for converting numbers. UnknownMarketError; EngineUnavailable.

    The engine is asked again only for a symbol that was not there, and at most once in `AGE_MAX_S`.
    """
    kept = _heard.get(settings.ENGINE_ADDRESS)
    if kept is not None and symbol in kept.markets:
        return kept.markets[symbol]
    found = listing_now().markets.get(symbol)
    if found is None:
        raise UnknownMarketError(symbol)
    return found


def market_fresh(symbol: str) -> MarketTerms:
    """Return a market with the state, rates and bounds it has now. Errors as `market_listed`."""
    found = listing_fresh().markets.get(symbol)
    if found is None:
        raise UnknownMarketError(symbol)
    return found


def listing_fresh() -> Listing:
    """Return the engine's listing, asked now: for whoever is about to change it."""
    listing_forget()
    return listing_now()


def listing_forget() -> None:
    """Ask the engine at the next need: something was just changed there."""
    _heard.clear()


def _ask(kept: Listing | None) -> Listing:
    address = settings.ENGINE_ADDRESS
    with _guard:  # one asks, the others use its answer
        newer = _heard.get(address)
        if newer is None or newer is kept:
            assets, markets = engine_query(_both)
            _heard[address] = newer = _listing(assets, markets)
        return newer


async def _both(engine: EngineClient) -> tuple[tuple[Asset, ...], tuple[Market, ...]]:
    # Markets first: every asset of theirs was there before them.
    markets = await engine.list_markets()
    return await engine.list_assets(), markets


def _listing(assets: tuple[Asset, ...], markets: tuple[Market, ...]) -> Listing:
    known = {
        asset.asset_id: AssetTerms(
            asset_id=asset.asset_id,
            code=asset.code,
            decimals=asset.decimals,
            max_total_atoms=asset.max_total_atoms,
            added_event_seq=0,
        )
        for asset in assets
    }
    by_symbol = {market.symbol: _terms(market, known) for market in markets}
    return Listing(
        assets=known,
        markets=by_symbol,
        symbols={market.market_id: market.symbol for market in markets},
        heard_s=time.monotonic(),
    )


def _terms(market: Market, assets: dict[int, AssetTerms]) -> MarketTerms:
    return MarketTerms(
        market_id=market.market_id,
        symbol=market.symbol,
        base=assets[market.base_asset_id],
        quote=assets[market.quote_asset_id],
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

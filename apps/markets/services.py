"""Listing of assets and markets, and what may be changed of a market.

The engine owns these facts: each service is an idempotent command to it, and the rows of the
projection follow by the mirror. Invariant: what exists is never changed by listing it again; other
terms under the same name are an error that says which.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, TypeVar

from apps.core.engine_gateway import engine_command
from apps.markets.listed import UnknownMarketError, listing_forget, listing_fresh
from apps.markets.types import AssetTerms, MarketTerms
from engine.client import EngineClient, EngineRefused, Outcome
from engine.proto.records import ASSET_ID_MAX, INT64_MAX, MARKET_ID_MAX, MarketState, Reason

ASSET_DECIMALS_DEFAULT: Final = 8
ID_ATTEMPTS_MAX: Final = 5  # two listings at once choose the same free id

Terms = TypeVar("Terms", AssetTerms, MarketTerms)


class ListingConflictError(ValueError):
    """An asset or market of this name exists with other terms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketGrid:
    """Terms of a market. Fees in parts per million of the received asset; a bound of 0: none."""

    tick_atoms: int
    lot_atoms: int
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    min_notional_atoms: int = 0


@dataclass(frozen=True, slots=True)
class Listed(Generic[Terms]):
    """An asset or market that the engine has now.

    The sequences are those of the first command of this call, None if it was listed before.
    """

    terms: Terms
    command_seq: int | None
    event_seq: int | None

    @property
    def is_new(self) -> bool:
        """Whether this call listed it."""
        return self.event_seq is not None


def asset_ensure(
    *, code: str, decimals: int = ASSET_DECIMALS_DEFAULT, max_total_atoms: int = INT64_MAX
) -> Listed[AssetTerms]:
    """Return an asset, listed with these terms if it was not there.

    ListingConflictError if it has other decimals; EngineRefused; EngineUnavailable.
    """
    added: Outcome | None = None
    for _ in range(ID_ATTEMPTS_MAX):
        listing = listing_fresh()
        for asset in listing.assets.values():
            if asset.code == code and asset.decimals != decimals:
                raise ListingConflictError(
                    f"asset {code} has {asset.decimals} decimals, expected {decimals}"
                )
            if asset.code == code:
                return _listed(asset, added)
        asset_id = _free_id(listing.assets, ASSET_ID_MAX)
        added = _add(
            partial(
                EngineClient.add_asset,
                asset_id=asset_id,
                code=code,
                decimals=decimals,
                max_total_atoms=max_total_atoms,
            )
        )
    raise ListingConflictError(f"asset {code} could not be listed in {ID_ATTEMPTS_MAX} attempts")


def market_ensure(
    *, symbol: str, base_asset_id: int, quote_asset_id: int, grid: MarketGrid
) -> Listed[MarketTerms]:
    """Return a market, listed with these terms if it was not there.

    ListingConflictError if its assets or grid are others; EngineRefused; EngineUnavailable.
    """
    added: Outcome | None = None
    for _ in range(ID_ATTEMPTS_MAX):
        listing = listing_fresh()
        market = listing.markets.get(symbol)
        if market is None:
            market_id = _free_id(listing.symbols, MARKET_ID_MAX)
            added = _add(
                partial(
                    EngineClient.add_market,
                    market_id=market_id,
                    symbol=symbol,
                    base_asset_id=base_asset_id,
                    quote_asset_id=quote_asset_id,
                    tick_atoms=grid.tick_atoms,
                    lot_atoms=grid.lot_atoms,
                    maker_fee=grid.maker_fee_ppm,
                    taker_fee=grid.taker_fee_ppm,
                )
            )
            continue
        stated = (market.base.asset_id, market.quote.asset_id, market.tick_atoms, market.lot_atoms)
        expected = (base_asset_id, quote_asset_id, grid.tick_atoms, grid.lot_atoms)
        if stated != expected:
            raise ListingConflictError(
                f"market {symbol} has (base, quote, tick, lot) {stated}, expected {expected}"
            )
        if added is not None and grid.min_notional_atoms and not market.min_notional_atoms:
            _set_min_notional(market.market_id, grid.min_notional_atoms)
            continue
        return _listed(market, added)
    raise ListingConflictError(f"market {symbol} could not be listed in {ID_ATTEMPTS_MAX} attempts")


def _add(tell: Callable[[EngineClient], Awaitable[Outcome]]) -> Outcome | None:
    """Return the engine's outcome; None if somebody else just took the id or the name."""
    try:
        return engine_command(tell)
    except EngineRefused as refusal:
        if refusal.reason is not Reason.ALREADY_EXISTS:
            raise
        return None


def _listed(terms: Terms, added: Outcome | None) -> Listed[Terms]:
    if added is None:
        return Listed(terms, None, None)
    return Listed(terms, added.command_seq, added.first_event_seq)


def _set_min_notional(market_id: int, min_notional_atoms: int) -> None:
    engine_command(
        lambda engine: engine.set_market_filters(
            market_id=market_id, min_notional_atoms=min_notional_atoms
        )
    )


def market_state_set(*, symbol: str, state: MarketState) -> Outcome:
    """Halt, resume or make cancel-only. EngineRefused NOTHING_CHANGES if it is so already."""
    market_id = _market_id(symbol)
    return _changed(lambda engine: engine.set_market_state(market_id=market_id, state=state))


def market_fees_set(*, symbol: str, maker_fee: int, taker_fee: int) -> Outcome:
    """Set the rates of orders accepted from now on; units as the market has them."""
    market_id = _market_id(symbol)
    return _changed(
        lambda engine: engine.set_market_fees(
            market_id=market_id, maker_fee=maker_fee, taker_fee=taker_fee
        )
    )


def _changed(tell: Callable[[EngineClient], Awaitable[Outcome]]) -> Outcome:
    try:
        return engine_command(tell)
    finally:
        listing_forget()


def _market_id(symbol: str) -> int:
    market = listing_fresh().markets.get(symbol)
    if market is None:
        raise UnknownMarketError(symbol)
    return market.market_id


def _free_id(taken: Mapping[int, object], id_max: int) -> int:
    free = max(taken, default=0) + 1
    if free > id_max:
        raise ListingConflictError(f"all {id_max} ids are taken")
    return free

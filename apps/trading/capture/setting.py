"""Brings the exchange to where a replay can begin: assets, markets, a liquidity account, funds.

Everything is asked for only if it is not there yet, so the replay may run again and again.
Invariant: a market that exists with another grid is an error and never changed, and money enters by
business ids that follow from what it is for, so a repeated deposit is recognised by the engine.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from apps.markets.listings import (
    ASSET_DECIMALS,
    AssetListing,
    MarketListing,
    asset_listings,
)
from apps.markets.recorded import DepthSnapshot, StreamMessage
from apps.trading.capture.book import steps
from apps.trading.capture.errors import ReplayError
from engine.client import EngineClient, EngineRefused, Market
from engine.proto.records import Command, CommandType, MarketState, Reason, Side

LIQUIDITY_USER_ID: Final = 900_001
FUNDS_MULTIPLE: Final = (
    2  # of the most that is ever locked: small additions are placed larger first
)
DEPOSITS_PER_ASSET_MAX: Final = 1_000
OPEN_ORDERS_MAX: Final = 100_000
CANCEL_ROUNDS_MAX: Final = 10
CANCEL_BATCH: Final = 4_096


@dataclass(frozen=True, slots=True)
class ReplayMarket:
    """A market as it is listed in the engine, and its id there."""

    market_id: int
    listing: MarketListing


async def ensure_assets(engine: EngineClient, wanted: Iterable[AssetListing]) -> dict[str, int]:
    """Return the asset ids by code, after adding the assets that were missing."""
    found = {asset.code: asset for asset in await engine.list_assets()}
    ids = {asset.asset_id for asset in found.values()}
    for listing in wanted:
        asset = found.get(listing.code)
        if asset is None:
            asset_id = max(ids, default=0) + 1
            ids.add(asset_id)
            await engine.add_asset(
                asset_id=asset_id,
                code=listing.code,
                decimals=listing.decimals,
                max_total_atoms=listing.max_total_atoms,
            )
        elif asset.decimals != listing.decimals:
            raise ReplayError(
                f"asset {asset.code} has {asset.decimals} decimals, expected {listing.decimals}"
            )
    return {asset.code: asset.asset_id for asset in await engine.list_assets()}


async def ensure_markets(
    engine: EngineClient, wanted: Mapping[str, MarketListing]
) -> dict[str, ReplayMarket]:
    """Return the markets by symbol, after listing those that were missing."""
    asset_ids = await ensure_assets(engine, asset_listings(wanted.values()))
    found = {market.symbol: market for market in await engine.list_markets()}
    ids = {market.market_id for market in found.values()}
    for listing in wanted.values():
        if listing.symbol not in found:
            market_id = max(ids, default=0) + 1
            ids.add(market_id)
            await engine.add_market(
                market_id=market_id,
                symbol=listing.symbol,
                base_asset_id=asset_ids[listing.base_code],
                quote_asset_id=asset_ids[listing.quote_code],
                tick_atoms=listing.tick_atoms,
                lot_atoms=listing.lot_atoms,
                maker_fee=listing.maker_fee_ppm,
                taker_fee=listing.taker_fee_ppm,
            )
    return {
        market.symbol: await _as_listed(engine, market, wanted[market.symbol], asset_ids)
        for market in await engine.list_markets()
        if market.symbol in wanted
    }


async def _as_listed(
    engine: EngineClient, market: Market, listing: MarketListing, asset_ids: Mapping[str, int]
) -> ReplayMarket:
    """Return a market with the filters it has; one that has none yet gets the listing's."""
    grid = (market.base_asset_id, market.quote_asset_id, market.tick_atoms, market.lot_atoms)
    base_id, quote_id = asset_ids[listing.base_code], asset_ids[listing.quote_code]
    expected = (base_id, quote_id, listing.tick_atoms, listing.lot_atoms)
    if grid != expected:
        raise ReplayError(
            f"market {market.symbol} is listed with (base, quote, tick, lot) {grid}, "
            f"expected {expected}"
        )
    if market.state != MarketState.TRADING:
        raise ReplayError(
            f"market {market.symbol} is {MarketState(market.state).name}, expected TRADING"
        )
    filtered = replace(
        listing,
        min_price_ticks=market.min_price_ticks,
        max_price_ticks=market.max_price_ticks,
        min_quantity_lots=market.min_quantity_lots,
        max_quantity_lots=market.max_quantity_lots,
        min_notional_atoms=market.min_notional_atoms,
    )
    if filtered.has_filters:
        return ReplayMarket(market.market_id, filtered)
    await engine.set_market_filters(
        market_id=market.market_id,
        min_price_ticks=listing.min_price_ticks,
        max_price_ticks=listing.max_price_ticks,
        min_quantity_lots=listing.min_quantity_lots,
        max_quantity_lots=listing.max_quantity_lots,
        min_notional_atoms=listing.min_notional_atoms,
    )
    return ReplayMarket(market.market_id, listing)


async def cancel_open_orders(
    engine: EngineClient, user_id: int, markets: Mapping[str, ReplayMarket]
) -> int:
    """Cancel all open orders of an account in these markets and return how many there were.

    ReplayError if a market still holds orders afterwards: they are somebody else's.
    """
    canceled = 0
    for market in markets.values():
        for _ in range(CANCEL_ROUNDS_MAX):
            held = await engine.list_open_orders(
                user_id=user_id, market_id=market.market_id, limit=OPEN_ORDERS_MAX
            )
            if not held.orders:
                break
            ids = [order.order_id for order in held.orders]
            for start in range(0, len(ids), CANCEL_BATCH):
                batch = [
                    Command(
                        CommandType.CANCEL,
                        market_id=market.market_id,
                        user_id=user_id,
                        order_id=order_id,
                    )
                    for order_id in ids[start : start + CANCEL_BATCH]
                ]
                await asyncio.gather(*(engine.submit(command) for command in batch))
            canceled += len(ids)
        book = await engine.get_book(market.market_id, depth=1)
        if book.bids or book.asks:
            raise ReplayError(
                f"market {market.listing.symbol} holds orders of other accounts, expected none"
            )
    return canceled


def funds_needed(
    markets: Mapping[str, ReplayMarket],
    snapshots: Iterable[DepthSnapshot],
    messages: Iterable[StreamMessage],
) -> dict[str, int]:
    """Return the most atoms of each asset that the recorded books ever lock, with room to spare."""
    locked: dict[str, Decimal] = defaultdict(Decimal)
    most: dict[str, Decimal] = defaultdict(Decimal)
    for step, _ in steps(snapshots, messages):
        listing = markets[step.symbol].listing
        for change in step.changes:
            more = change.after - change.before
            if change.side is Side.BID:
                locked[listing.quote_code] += more * change.price
            else:
                locked[listing.base_code] += more
        for code in (listing.quote_code, listing.base_code):
            most[code] = max(most[code], locked[code])
    return {
        code: FUNDS_MULTIPLE * int(amount.scaleb(ASSET_DECIMALS)) for code, amount in most.items()
    }


async def ensure_funds(
    engine: EngineClient, user_id: int, needed: Mapping[str, int]
) -> dict[str, int]:
    """Deposit what the account lacks and return the atoms deposited, by asset code.

    A deposit is named by account, asset and number, so one whose answer was lost is recognised.
    """
    asset_ids = {asset.code: asset.asset_id for asset in await engine.list_assets()}
    deposited = {}
    for code, amount in sorted(needed.items()):
        balances = (await engine.get_balances(user_id)).balances
        asset_id = asset_ids[code]
        lack = amount - sum(b.available_atoms for b in balances if b.asset_id == asset_id)
        if lack > 0:
            await _deposit(engine, user_id, asset_id, code, lack)
            deposited[code] = lack
    return deposited


async def _deposit(
    engine: EngineClient, user_id: int, asset_id: int, code: str, amount_atoms: int
) -> None:
    for number in range(1, DEPOSITS_PER_ASSET_MAX + 1):
        reference = f"capture-liquidity:{number}"
        identity = f"replay_capture:{user_id}:{code}:{number}"
        try:
            outcome = await engine.deposit(
                user_id=user_id,
                asset_id=asset_id,
                amount_atoms=amount_atoms,
                business_id=hashlib.blake2b(identity.encode(), digest_size=16).digest(),
                reference=reference,
            )
        except EngineRefused as refusal:
            if refusal.reason is not Reason.REQUEST_ID_REUSED:
                raise
            continue
        if not outcome.replayed:
            return
    raise ReplayError(f"{code} has been deposited {DEPOSITS_PER_ASSET_MAX} times, expected fewer")

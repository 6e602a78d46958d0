"""Bands: how far from a price orders may be placed, and trades may go (rules 29 and 30).

Invariant: what a bound comes to is an exact fraction of a price, rounded towards that price; a
market without bands is asked for none of this.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.kernel.codes import (
    AUCTION,
    FOK_BUDGET,
    MARKET_BANDS_SET,
    MARKET_STATE_SET,
    NOTHING_CHANGES,
    OK,
    TIMER_MARKET,
    UNKNOWN_MARKET,
    VOLATILITY,
)
from engine.kernel.limits import PAUSE_US_MAX
from engine.kernel.reference.checks import Fields
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.model import NO_BANDS, Bands, Market, Order
from engine.kernel.reference.timers import arm, disarm
from engine.proto.records import INT64_MAX, PPM, Reason


class Limits(NamedTuple):
    """How far a taker may trade, 0 = anywhere: by all that holds, and by volatility alone."""

    price: int
    volatility: int


def set_market_bands(x: Exchange, fields: Fields) -> int:
    market = x.markets.get(fields[6])
    if market is None:
        return UNKNOWN_MARKET
    reference, bid, ask = fields[10], fields[11], fields[12]
    numbers = (reference, bid, ask, fields[13], fields[9], fields[14])
    if min(numbers) < 0:
        return Reason.INVALID_BAND
    bands = Bands(
        *(reference, bid % 2**32, bid >> 32, ask % 2**32, ask >> 32),
        *(fields[13], fields[9], fields[14]),
    )
    if not _are_bands(bands):
        return Reason.INVALID_BAND
    if bands == market.bands:
        return NOTHING_CHANGES
    market.bands = bands if any(bands) else NO_BANDS
    x.emit(MARKET_BANDS_SET, market.market_id, 0, OK, *bands)
    return OK


def _are_bands(bands: Bands) -> bool:
    return (
        (not bands.bid_highest_ppm or bands.bid_lowest_ppm <= bands.bid_highest_ppm)
        and (not bands.ask_highest_ppm or bands.ask_lowest_ppm <= bands.ask_highest_ppm)
        and max(bands.slippage_ppm, bands.volatility_ppm) < PPM
        and bands.pause_us <= PAUSE_US_MAX
    )


def band_refusal(market: Market, price: int, *, is_bid: bool) -> int:
    """Whether a price is too far from the reference price for an order of this side (rule 29)."""
    bands, reference = market.bands, market.reference_price
    lowest, highest = bands[1:3] if is_bid else bands[3:5]
    if not reference:
        return OK
    if lowest and price < _scaled(reference, lowest, up=True):
        return Reason.PERCENT_PRICE
    if highest and price > _scaled(reference, highest, up=False):
        return Reason.PERCENT_PRICE
    return OK


def _scaled(price: int, ppm: int, *, up: bool) -> int:
    """Return a fraction of a price, rounded up or down, INT64_MAX if it leaves int64."""
    return min(-(-price * ppm // PPM) if up else price * ppm // PPM, INT64_MAX)


def _worst(taker: Order, price: int, ppm: int) -> int:
    """Return how far from a price a taker may go, 0 = anywhere."""
    if not price or not ppm:
        return 0
    return _scaled(price, PPM + ppm if taker.is_bid else PPM - ppm, up=not taker.is_bid)


def limits_of(taker: Order, limit_price: int) -> Limits:
    """Return the limits of a taker whose own price is `limit_price`, as they are now."""
    market = taker.market
    volatility = _worst(taker, market.reference_price, market.bands.volatility_ppm)
    slippage = 0
    if not limit_price and taker.order_type != FOK_BUDGET and taker.opposite.prices:
        best = taker.opposite.prices[taker.opposite.best_index]
        slippage = _worst(taker, best, market.bands.slippage_ppm)
    limits = [limit for limit in (limit_price, volatility, slippage) if limit]
    nearest = min(limits, default=0) if taker.is_bid else max(limits, default=0)
    return Limits(nearest, volatility)


def pause(x: Exchange, market: Market) -> None:
    """Send a market into an auction, for as long as its bands say (0: until it is told)."""
    market.state_before_pause = market.state
    market.set_state(AUCTION)
    if market.bands.pause_us:
        market.pause_until_us = x.time_us + market.bands.pause_us
        arm(x, market.pause_until_us, TIMER_MARKET, market.market_id)
    x.emit(MARKET_STATE_SET, market.market_id, 0, VOLATILITY, AUCTION)


def forget_pause(x: Exchange, market: Market) -> None:
    """Let a pause have no end of its own any more."""
    if market.pause_until_us:
        disarm(x, market.pause_until_us, TIMER_MARKET, market.market_id)
        market.pause_until_us = market.state_before_pause = 0

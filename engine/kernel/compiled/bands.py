# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""Bands: how far from a price orders may be placed, and trades may go (rules 29 and 30).

A market's `cares` counts why orders meet there with care: its icebergs, and one for its bands.
Invariant: what a bound comes to is an exact fraction of a price, rounded towards that price; a
market without bands is asked for none of this.
"""

import cython

from engine.kernel.codes import (
    AUCTION,
    FOK_BUDGET,
    INT64_MAX,
    INVALID_BAND,
    MARKET_BANDS_SET,
    MARKET_STATE_SET,
    NOTHING_CHANGES,
    OK,
    PAUSE_US_MAX,
    PERCENT_PRICE,
    PPM,
    TIMER_MARKET,
    VOLATILITY,
)
from engine.kernel.compiled.auction import reference_price, uncross
from engine.kernel.compiled.events import emit_clear
from engine.kernel.compiled.fees import higher, product, sum_of
from engine.kernel.compiled.gates import enter_state
from engine.kernel.compiled.layout import (
    CommandPtr,
    CorePtr,
    EventPtr,
    MarketPtr,
    OrderPtr,
    i64,
    u32,
)
from engine.kernel.compiled.levels import key_of
from engine.kernel.compiled.lookups import find_market
from engine.kernel.compiled.restoring import refuse_row
from engine.kernel.compiled.rows import market_indices
from engine.kernel.compiled.symbols import BANDS, NO_KEY, SLIPPAGE_BAND
from engine.kernel.compiled.timers import arm_timer, disarm_timer, reserve_timers, timer_key


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def set_market_bands(core: CorePtr, command: CommandPtr, market: MarketPtr) -> u32:
    bands: i64[8]
    if command.price < 0 or command.quantity < 0 or command.amount < 0:
        return INVALID_BAND
    if command.ceiling < 0 or command.order_id < 0 or command.spare < 0:
        return INVALID_BAND
    bands[0] = command.price
    bands[1] = cython.cast(u32, command.quantity)
    bands[2] = command.quantity >> 32
    bands[3] = cython.cast(u32, command.amount)
    bands[4] = command.amount >> 32
    bands[5] = command.ceiling
    bands[6] = command.order_id
    bands[7] = command.spare
    if (bands[2] and bands[1] > bands[2]) or (bands[4] and bands[3] > bands[4]):
        return INVALID_BAND
    if bands[5] >= PPM or bands[6] >= PPM or bands[7] > PAUSE_US_MAX:
        return INVALID_BAND
    changes: cython.bint = False
    field: u32
    for field in range(BANDS):
        changes = changes or bands[field] != market.bands[field]
    if not changes:
        return NOTHING_CHANGES
    keep_bands(market, bands)
    event: EventPtr = emit_clear(core, MARKET_BANDS_SET, market.market_id)
    for field in range(BANDS):
        event.body[field] = bands[field]
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def keep_bands(market: MarketPtr, bands: cython.pointer(i64)) -> cython.void:
    any_set: i64 = 0
    field: u32
    for field in range(BANDS):
        market.bands[field] = bands[field]
        any_set |= bands[field]
    market.cares -= market.has_bands
    market.has_bands = any_set != 0
    market.cares += market.has_bands


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def band_refusal(market: MarketPtr, is_bid: u32, price: i64) -> u32:
    """Whether a price is too far from the reference price for an order of this side (rule 29)."""
    reference: i64 = reference_price(market)
    lowest: i64 = market.bands[1] if is_bid else market.bands[3]
    highest: i64 = market.bands[2] if is_bid else market.bands[4]
    if not reference:
        return OK
    if lowest and price < scaled(reference, lowest, 1):
        return PERCENT_PRICE
    if highest and price > scaled(reference, highest, 0):
        return PERCENT_PRICE
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def scaled(price: i64, ppm: i64, is_up: u32) -> i64:
    """Return a fraction of a price, rounded up or down, INT64_MAX if it leaves int64."""
    part: i64 = price % PPM * ppm
    if is_up:
        part += PPM - 1
    whole: i64 = sum_of(product(price // PPM, ppm), part // PPM)
    return whole if whole >= 0 else INT64_MAX


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def worst_from(is_bid: u32, price: i64, ppm: i64) -> i64:
    """Return the key of how far from a price a taker may go, as low as it can be if anywhere."""
    if not price or not ppm:
        return NO_KEY + 1
    if is_bid:
        return key_of(0, scaled(price, PPM + ppm, 0))
    return key_of(1, scaled(price, PPM - ppm, 1))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def volatility_key(core: CorePtr, taker: OrderPtr) -> i64:
    market: MarketPtr = core.markets + taker.market
    return worst_from(taker.is_bid, reference_price(market), market.bands[6])


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def banded_key(core: CorePtr, taker: OrderPtr, worst_key: i64) -> i64:
    """Return the lowest key that a taker may hit, with a limit of its own and in these bands."""
    market: MarketPtr = core.markets + taker.market
    worst_key = higher(worst_key, volatility_key(core, taker))
    best_key: i64 = market.sides[not taker.is_bid].best_key
    if taker.price or taker.order_type == FOK_BUDGET or best_key == NO_KEY:
        return worst_key
    best: i64 = best_key if best_key > 0 else -best_key
    return higher(worst_key, worst_from(taker.is_bid, best, market.bands[SLIPPAGE_BAND]))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_for_pause(core: CorePtr) -> cython.bint:
    """Make room for the timer of a pause, before a taker may cause one."""
    if not reserve_timers(core, 1):
        core.is_out_of_memory = 1
        return False
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def pause(core: CorePtr, market_index: u32) -> cython.void:
    """Send a market into an auction, for as long as its bands say (0: until it is told)."""
    market: MarketPtr = core.markets + market_index
    market.state_before_pause = market.state
    enter_state(market, AUCTION)
    if market.bands[7] and not core.is_out_of_memory:
        market.pause_until = core.time_us + market.bands[7]
        core.paused_count += 1
        arm_timer(core, market.pause_until, timer_key(TIMER_MARKET, market.market_id))
    event: EventPtr = emit_clear(core, MARKET_STATE_SET, market.market_id)
    event.reason = VOLATILITY
    event.body[0] = AUCTION


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def forget_pause(core: CorePtr, market: MarketPtr) -> cython.void:
    """Let a pause have no end of its own any more."""
    if market.pause_until:
        disarm_timer(core, timer_key(TIMER_MARKET, market.market_id))
        core.paused_count -= 1
        market.pause_until = 0
        market.state_before_pause = 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def end_pause(core: CorePtr, market_index: u32) -> cython.void:
    """Let a market that volatility paused trade again, as it did before; there is room."""
    market: MarketPtr = core.markets + market_index
    state: u32 = market.state_before_pause
    forget_pause(core, market)
    enter_state(market, state)
    event: EventPtr = emit_clear(core, MARKET_STATE_SET, market.market_id)
    event.reason = VOLATILITY
    event.body[0] = state
    uncross(core, market_index, 1)


@cython.cfunc
def band_rows(core: CorePtr) -> list:
    """Return markets with bands, and paused ones, by market id."""
    rows = []
    for index in market_indices(core):
        market: MarketPtr = core.markets + cython.cast(u32, index)
        if market.has_bands or market.pause_until:
            bands = [market.bands[field] for field in range(BANDS)]
            rows.append((market.market_id, *bands, market.pause_until, market.state_before_pause))
    return rows


@cython.cfunc
def restore_bands(core: CorePtr, state_: object) -> object:
    bands: i64[8]
    field: u32
    for place, row in enumerate(state_.rows(b"BAND")):
        index: u32 = find_market(core, row.market_id)
        if not index:
            raise refuse_row("bands", place)
        market: MarketPtr = core.markets + index
        for field in range(BANDS):
            bands[field] = row[1 + field]
        keep_bands(market, bands)
        market.pause_until = row.pause_until_us
        market.state_before_pause = row.state_before_pause
        if market.pause_until:
            if not reserve_for_pause(core):
                raise MemoryError("no memory for the timer of a pause")
            core.paused_count += 1
            arm_timer(core, market.pause_until, timer_key(TIMER_MARKET, market.market_id))
    return None

# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""Auctions: the one price at which a book that crosses is uncrossed (rule 32).

Invariant: afterwards the book does not cross; every trade is at the auction's price, both sides
pay the maker's rate, and no trade is between orders of which the later prevents self-trades.
"""

import cython

from engine.kernel.codes import IN_AUCTION, MARKET_UNCROSSED, STP
from engine.kernel.compiled.crossing import (
    drop_first,
    expire,
    is_self_trade,
    leave_first,
)
from engine.kernel.compiled.events import emit_clear
from engine.kernel.compiled.icebergs import shown_lots, use_shown
from engine.kernel.compiled.layout import (
    BookSidePtr,
    CorePtr,
    EventPtr,
    LevelPtr,
    MarketPtr,
    Outcome,
    OutcomePtr,
    i64,
    u32,
)
from engine.kernel.compiled.levels import (
    best_level,
    close_level,
    level_below,
    level_from,
    side_of,
)
from engine.kernel.compiled.matching import fill_at, free_order, lower
from engine.kernel.compiled.memory import reserve_events
from engine.kernel.compiled.symbols import EVENTS_PER_COMMAND, MAKER, NO_KEY


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_for_uncross(core: CorePtr) -> cython.bint:
    """Make room for the events of an auction: each ends an order or a tranche."""
    return reserve_events(core, 2 * (core.order_table.count + core.tranches) + EVENTS_PER_COMMAND)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def uncross(core: CorePtr, market_index: u32, was_auction: cython.bint) -> cython.void:
    """Trade until the book does not cross; `reserve_for_uncross` has made room.

    Only orders that end by prevention can leave it crossed behind one price: then there is another.
    """
    market: MarketPtr = core.markets + market_index
    best: Outcome
    is_told: cython.bint = False
    reference: i64 = reference_price(market)
    while is_crossed(market):
        find_outcome(core, market, reference, cython.address(best))
        best.lots = execute_auction(core, market_index, best.price)
        emit_uncrossed(core, market, cython.address(best))
        is_told = True
    if was_auction and not is_told:
        best.price = best.lots = best.imbalance = best.reference = 0
        emit_uncrossed(core, market, cython.address(best))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reference_price(market: MarketPtr) -> i64:
    """Return the price that others are measured by; 0: there is none yet."""
    return market.bands[0] if market.bands[0] else market.last_price


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_crossed(market: MarketPtr) -> cython.bint:
    if market.sides[0].best_key == NO_KEY or market.sides[1].best_key == NO_KEY:
        return False
    return market.sides[1].best_key >= -market.sides[0].best_key


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def emit_uncrossed(core: CorePtr, market: MarketPtr, outcome: OutcomePtr) -> cython.void:
    event: EventPtr = emit_clear(core, MARKET_UNCROSSED, market.market_id)
    event.body[0] = outcome.price
    event.body[1] = outcome.lots
    event.body[2] = outcome.imbalance
    event.body[3] = outcome.reference


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def find_outcome(core: CorePtr, market: MarketPtr, reference: i64, best: OutcomePtr) -> cython.void:
    """Find the price with the most volume, then the least imbalance, then nearest to the reference
    (0 = there is none), then the lowest: among those of orders, and between two of them, where
    volume and imbalance do not change, the one nearest to the reference."""
    bids: BookSidePtr = cython.address(market.sides[1])
    asks: BookSidePtr = cython.address(market.sides[0])
    price: i64 = -asks.best_key
    demand: i64 = lots_from(core, bids, price)
    supply: i64 = 0
    best.lots = -1
    best.reference = reference
    while price:
        supply += lots_at(core, asks, -price)
        weigh(best, price, demand, supply)
        demand -= lots_at(core, bids, price)
        above: i64 = next_price(core, market, price)
        if above - price > 1:
            between: i64 = reference
            if between <= price:
                between = price + 1
            weigh(best, lower(between, above - 1), demand, supply)
        price = above


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def lots_from(core: CorePtr, bids: BookSidePtr, price: i64) -> i64:
    """Return the lots that bids want at this price or a higher one."""
    lots: i64 = 0
    index: u32 = level_from(core, bids, price)
    while index:
        lots += core.levels[index].lots
        index = level_from(core, bids, core.levels[index].price + 1)
    return lots


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def lots_at(core: CorePtr, side: BookSidePtr, key: i64) -> i64:
    """Return the lots of the level with this key, 0 if there is none."""
    index: u32 = level_from(core, side, key)
    if not index:
        return 0
    price: i64 = key if key > 0 else -key
    return core.levels[index].lots if core.levels[index].price == price else 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def next_price(core: CorePtr, market: MarketPtr, price: i64) -> i64:
    """Return the next price above at which there are orders, up to the best bid; 0: none."""
    found: i64 = 0
    bid: u32 = level_from(core, cython.address(market.sides[1]), price + 1)
    if bid:
        found = core.levels[bid].price
    ask: u32 = level_below(core, cython.address(market.sides[0]), -price)
    if ask and found:
        found = lower(found, core.levels[ask].price)
    return found


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def weigh(best: OutcomePtr, price: i64, demand: i64, supply: i64) -> cython.void:
    """Take a price if it is better than the best so far, which is a lower one."""
    lots: i64 = lower(demand, supply)
    imbalance: i64 = demand - supply
    is_better: cython.bint = lots > best.lots
    if lots == best.lots:
        is_better = size_of(imbalance) < size_of(best.imbalance)
        if size_of(imbalance) == size_of(best.imbalance) and best.reference:
            is_better = size_of(price - best.reference) < size_of(best.price - best.reference)
    if is_better:
        best.price = price
        best.lots = lots
        best.imbalance = imbalance


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def size_of(number: i64) -> i64:
    return number if number >= 0 else -number


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def execute_auction(core: CorePtr, market_index: u32, price: i64) -> i64:
    """Let the orders within the price meet, first come first served; return the lots traded."""
    bids: BookSidePtr = side_of(core, market_index, 1)
    asks: BookSidePtr = side_of(core, market_index, 0)
    traded: i64 = 0
    while bids.best_key >= price and asks.best_key >= -price:
        bid_level: u32 = best_level(core, bids)
        ask_level: u32 = best_level(core, asks)
        bid: u32 = core.levels[bid_level].first
        ask: u32 = core.levels[ask_level].first
        if core.orders[bid].order_id < core.orders[ask].order_id:
            traded += meet(core, bid, core.levels + bid_level, ask, core.levels + ask_level, price)
        else:
            traded += meet(core, ask, core.levels + ask_level, bid, core.levels + bid_level, price)
        if not core.levels[bid_level].count:
            close_level(core, bids, bid_level, bids.best_key)
        if not core.levels[ask_level].count:
            close_level(core, asks, ask_level, asks.best_key)
    return traded


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def meet(
    core: CorePtr,
    earlier: u32,
    earlier_level: LevelPtr,
    later: u32,
    later_level: LevelPtr,
    price: i64,
) -> i64:
    """Trade the first orders of two levels, or end the later one; return the lots traded."""
    if is_self_trade(core, core.orders + later, core.orders + earlier):
        later_level.lots -= core.orders[later].leaves
        drop_first(core, later_level)
        expire(core, later, STP)
        free_order(core, later)
        return 0
    lots: i64 = lower(shown_lots(core, earlier), shown_lots(core, later))
    fill_at(core, later, earlier, lots, price, MAKER)
    refilled: i64 = use_shown(core, earlier, lots)
    event: EventPtr = core.events + (core.event_count - 1)
    event.flags |= IN_AUCTION
    event.body[11] = refilled
    earlier_level.lots -= lots
    leave_first(core, earlier_level, refilled)
    later_level.lots -= lots
    leave_first(core, later_level, use_shown(core, later, lots))
    return lots

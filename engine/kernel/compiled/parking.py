# mypy: ignore-errors
"""Parked orders of the compiled kernel: where they wait, and what makes them due.

Those with a fixed stop price lie in price levels, one side for falling and one for rising prices,
so that a trade looks at the nearest trigger only; those that follow the price are a list that every
change of the price goes through. Both use an order's links, which nothing else needs meanwhile.
Invariant: nothing here takes memory, so it may run in the middle of a match; `parked_count` counts
the orders whose `wait` is not 0.
"""

import cython

from engine.kernel.codes import (
    BIPS,
    INT64_MAX,
    LIMIT_ONLY,
    OK,
    ORDER_IN_LIST,
    ORDER_IS_PARKED,
    PARKED,
    STOP_LOSS,
    STOP_LOSS_LIMIT,
    TRADING,
    WAIT_DUE,
    WAIT_STOP,
    WAIT_TRAIL,
)
from engine.kernel.compiled.extras import arm_expiry, extra_of
from engine.kernel.compiled.fees import sum_of
from engine.kernel.compiled.layout import (
    BookSidePtr,
    CorePtr,
    ExtraPtr,
    LevelPtr,
    MarketPtr,
    OrderPtr,
    i64,
    u32,
)
from engine.kernel.compiled.levels import best_level, close_level, level_at
from engine.kernel.compiled.symbols import NO_KEY, TRAIT_EXTRA, TRAIT_LIST


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def wait_of(core: CorePtr, index: u32) -> u32:
    """Return why an open order is not in the book, 0 if it is."""
    if not core.orders[index].traits & TRAIT_EXTRA:
        return 0
    return extra_of(core, index).wait


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def bound_refusal(core: CorePtr, index: u32) -> u32:
    """Whether an order cannot be changed because it waits or belongs to a list."""
    if not core.orders[index].traits & TRAIT_EXTRA:
        return OK
    if extra_of(core, index).wait:
        return ORDER_IS_PARKED
    return ORDER_IN_LIST if core.orders[index].traits & TRAIT_LIST else OK


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_rising(order_type: u32, is_bid: u32) -> u32:
    """Whether an order waits for a price at or above its stop price, not at or below it."""
    is_stop_loss: cython.bint = order_type in (STOP_LOSS, STOP_LOSS_LIMIT)
    return is_bid if is_stop_loss else not is_bid


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def trigger_key(rising: u32, stop: i64) -> i64:
    """Return the key of a stop price: the sooner it is reached, the higher."""
    return -stop if rising else stop


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def part_of(amount: i64, bips: i64) -> i64:
    """Return amount x bips / 10000 rounded down; no step leaves 64 bits."""
    return amount // BIPS * bips + amount % BIPS * bips // BIPS


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def raised(price: i64, bips: i64) -> i64:
    """Return a price with so much on top, rounded up, or TOO_MUCH."""
    return sum_of(price, price // BIPS * bips + (price % BIPS * bips + BIPS - 1) // BIPS)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def trail_trigger(is_bid: u32, extreme: i64, delta: i64) -> i64:
    """Return the price at which a trailing stop that follows from `extreme` becomes due."""
    if not is_bid:
        return part_of(extreme, BIPS - delta)
    trigger: i64 = raised(extreme, delta)
    return trigger if trigger >= 0 else INT64_MAX


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def link_between(core: CorePtr, index: u32, before: u32, after: u32) -> cython.void:
    core.orders[index].prev = before
    core.orders[index].next = after
    if before:
        core.orders[before].next = index
    if after:
        core.orders[after].prev = index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def unlink(core: CorePtr, index: u32) -> cython.void:
    order: OrderPtr = core.orders + index
    if order.prev:
        core.orders[order.prev].next = order.next
    if order.next:
        core.orders[order.next].prev = order.prev


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def wait_for_stop(core: CorePtr, index: u32) -> cython.void:
    """Put an order behind those that were parked before it with the same stop price."""
    order: OrderPtr = core.orders + index
    extra: ExtraPtr = extra_of(core, index)
    rising: u32 = is_rising(order.order_type, order.is_bid)
    side: BookSidePtr = cython.address(core.markets[order.market].triggers[rising])
    order.level = level_at(core, side, trigger_key(rising, extra.stop), extra.stop)
    level: LevelPtr = core.levels + order.level
    before: u32 = level.last
    while before and extra_of(core, before).sequence > extra.sequence:
        before = core.orders[before].prev
    after: u32 = core.orders[before].next if before else level.first
    link_between(core, index, before, after)
    if not before:
        level.first = index
    if not after:
        level.last = index
    level.count += 1
    extra.wait = WAIT_STOP


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def leave_stop(core: CorePtr, index: u32) -> cython.void:
    order: OrderPtr = core.orders + index
    rising: u32 = is_rising(order.order_type, order.is_bid)
    side: BookSidePtr = cython.address(core.markets[order.market].triggers[rising])
    level: LevelPtr = core.levels + order.level
    unlink(core, index)
    if level.first == index:
        level.first = order.next
    if level.last == index:
        level.last = order.prev
    level.count -= 1
    if not level.count:
        close_level(core, side, order.level, trigger_key(rising, level.price))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def follow_price(core: CorePtr, index: u32, extreme: i64) -> cython.void:
    """Let a trailing stop follow the price from here on (0: from the next trade on)."""
    market: MarketPtr = core.markets + core.orders[index].market
    extra: ExtraPtr = extra_of(core, index)
    extra.wait = WAIT_TRAIL
    extra.extreme = extreme
    link_between(core, index, 0, market.first_trailing)
    market.first_trailing = index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def leave_trail(core: CorePtr, index: u32) -> cython.void:
    market: MarketPtr = core.markets + core.orders[index].market
    unlink(core, index)
    if market.first_trailing == index:
        market.first_trailing = core.orders[index].next


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def runs_before(core: CorePtr, index: u32, other: u32) -> cython.bint:
    one: ExtraPtr = extra_of(core, index)
    two: ExtraPtr = extra_of(core, other)
    return one.extreme < two.extreme or (one.extreme == two.extreme and one.sequence < two.sequence)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def make_due(core: CorePtr, index: u32, trigger_price: i64) -> cython.void:
    """Put an order among the due ones, by (trigger price, sequence)."""
    market_index: u32 = core.orders[index].market
    market: MarketPtr = core.markets + market_index
    extra: ExtraPtr = extra_of(core, index)
    extra.wait = WAIT_DUE
    extra.extreme = trigger_price
    if not market.due_first:
        market.next_due = core.due_markets
        core.due_markets = market_index
    before: u32 = market.due_hint
    if before and runs_before(core, index, before):
        before = 0
    after: u32 = core.orders[before].next if before else market.due_first
    while after and not runs_before(core, index, after):
        before = after
        after = core.orders[after].next
    link_between(core, index, before, after)
    if not before:
        market.due_first = index
    market.due_hint = index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def leave_due(core: CorePtr, index: u32) -> cython.void:
    market_index: u32 = core.orders[index].market
    market: MarketPtr = core.markets + market_index
    unlink(core, index)
    if market.due_hint == index:
        market.due_hint = 0
    if market.due_first != index:
        return
    market.due_first = core.orders[index].next
    if market.due_first:
        return
    if core.due_markets == market_index:
        core.due_markets = market.next_due
        return
    before: u32 = core.due_markets
    while core.markets[before].next_due != market_index:
        before = core.markets[before].next_due
    core.markets[before].next_due = market.next_due


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def park(core: CorePtr, index: u32) -> cython.void:
    """Let an order wait for its stop price, or follow the price at once if there is none."""
    order: OrderPtr = core.orders + index
    extra: ExtraPtr = extra_of(core, index)
    last: i64 = core.markets[order.market].last_price
    extra.sequence = core.event_seq
    is_begun: cython.bint = not extra.stop or is_reached(order, extra.stop, last)
    if extra.delta and is_begun:
        follow_price(core, index, last)
    else:
        wait_for_stop(core, index)
    count_parked(core, index)
    arm_expiry(core, index)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def count_parked(core: CorePtr, index: u32) -> cython.void:
    core.parked_count += 1
    core.markets[core.orders[index].market].parked_count += 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_reached(order: OrderPtr, stop: i64, price: i64) -> cython.bint:
    """Whether a price (0 = there is none) is at the stop price or beyond it."""
    if not price:
        return False
    if is_rising(order.order_type, order.is_bid):
        return price >= stop
    return price <= stop


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def unpark(core: CorePtr, index: u32) -> u32:
    """Take an order away from where it waits; return the flag that says so of its next event."""
    extra: ExtraPtr = extra_of(core, index)
    wait: u32 = extra.wait
    if not wait:
        return 0
    if wait == WAIT_STOP:
        leave_stop(core, index)
    elif wait == WAIT_TRAIL:
        leave_trail(core, index)
    elif wait == WAIT_DUE:
        leave_due(core, index)
    extra.wait = 0
    core.parked_count -= 1
    core.markets[core.orders[index].market].parked_count -= 1
    return PARKED


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def note_price(core: CorePtr, market_index: u32, price: i64) -> cython.void:
    """Take in a trade at another price than the last: who waits for it follows it, or is due."""
    market: MarketPtr = core.markets + market_index
    index: u32 = market.first_trailing
    while index:
        following: u32 = core.orders[index].next
        take_step(core, index, price)
        index = following
    rising: u32
    for rising in range(2):
        side: BookSidePtr = cython.address(market.triggers[rising])
        while side.best_key != NO_KEY and side.best_key >= trigger_key(rising, price):
            reach_stop(core, core.levels[best_level(core, side)].first, price)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reach_stop(core: CorePtr, index: u32, price: i64) -> cython.void:
    extra: ExtraPtr = extra_of(core, index)
    leave_stop(core, index)
    if extra.delta:
        follow_price(core, index, price)
    else:
        make_due(core, index, extra.stop)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_step(core: CorePtr, index: u32, price: i64) -> cython.void:
    """Let a trailing stop follow one trade."""
    extra: ExtraPtr = extra_of(core, index)
    is_bid: u32 = core.orders[index].is_bid
    if not extra.extreme or (price < extra.extreme if is_bid else price > extra.extreme):
        extra.extreme = price
    trigger: i64 = trail_trigger(is_bid, extra.extreme, extra.delta)
    if price >= trigger if is_bid else price <= trigger:
        leave_trail(core, index)
        make_due(core, index, trigger)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def first_runnable(core: CorePtr, market: MarketPtr) -> u32:
    """Return the due order of a market that comes first of those that its state lets in."""
    if market.state == TRADING:
        return market.due_first
    index: u32 = market.due_first if market.state == LIMIT_ONLY else 0
    while index and not core.orders[index].price:
        index = core.orders[index].next
    return index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def next_due(core: CorePtr) -> u32:
    """Return the due order that may run and comes first: by market, trigger price, sequence."""
    first: u32 = 0
    first_id: u32 = 0
    market_index: u32 = core.due_markets
    while market_index:
        market: MarketPtr = core.markets + market_index
        index: u32 = first_runnable(core, market)
        if index and (not first or market.market_id < first_id):
            first = index
            first_id = market.market_id
        market_index = market.next_due
    return first

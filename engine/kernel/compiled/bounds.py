# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""SET_MARKET_LIMITS: what one user may have and ask in a market (rule 29).

What a user has open is counted afresh for each order that a bound on it meets: such a market pays
with a walk over the open orders, all others with nothing. Invariant: open orders are never touched
by a new bound, which counts for what comes in from now on.
"""

import cython

from engine.kernel.codes import (
    INVALID_FILTER,
    MARKET,
    MARKET_LIMITS_SET,
    MARKET_LOT_SIZE,
    MAX_NUM_ALGO_ORDERS,
    MAX_NUM_ORDERS,
    MAX_POSITION,
    NOTHING_CHANGES,
    NOTIONAL,
    OK,
    STOP_LOSS,
)
from engine.kernel.compiled.accounts import find_account
from engine.kernel.compiled.events import emit_clear
from engine.kernel.compiled.fees import product, sum_of
from engine.kernel.compiled.layout import (
    CommandPtr,
    CorePtr,
    EventPtr,
    MarketPtr,
    OrderPtr,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.symbols import (
    BOUND_MAX_ALGOS,
    BOUND_MAX_LOTS,
    BOUND_MAX_NOTIONAL,
    BOUND_MAX_ORDERS,
    BOUND_MAX_POSITION,
    BOUND_MIN_LOTS,
    BOUND_TO_MARKET,
    BOUNDS,
    GATE_LIMITS,
    TRAIT_AMOUNT,
)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def set_market_limits(core: CorePtr, command: CommandPtr, market: MarketPtr) -> u32:
    """Set all bounds of a market at once; 0 = no bound."""
    bounds: i64[7]
    bounds[BOUND_MIN_LOTS] = command.quantity
    bounds[BOUND_MAX_LOTS] = command.order_id
    bounds[BOUND_MAX_NOTIONAL] = command.amount
    bounds[BOUND_MAX_ORDERS] = command.price
    bounds[BOUND_MAX_ALGOS] = command.ceiling
    bounds[BOUND_MAX_POSITION] = command.spare
    bounds[BOUND_TO_MARKET] = command.side
    changes: cython.bint = False
    field: u32
    for field in range(BOUNDS):
        if bounds[field] < 0:
            return INVALID_FILTER
        if bounds[field] != market.bounds[field]:
            changes = True
    if bounds[BOUND_TO_MARKET] > 3 or 0 < bounds[BOUND_MAX_LOTS] < bounds[BOUND_MIN_LOTS]:
        return INVALID_FILTER
    if not changes:
        return NOTHING_CHANGES
    put_bounds(market, bounds)
    event: EventPtr = emit_clear(core, MARKET_LIMITS_SET, market.market_id)
    for field in range(BOUNDS):
        event.body[field] = bounds[field]
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_bounds(market: MarketPtr, bounds: cython.pointer(i64)) -> cython.void:
    """Give a market its bounds, and the gate that belongs to them."""
    market.gate &= ~GATE_LIMITS
    field: u32
    for field in range(BOUNDS):
        market.bounds[field] = bounds[field]
        if bounds[field]:
            market.gate |= GATE_LIMITS


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_bounded(market: MarketPtr) -> cython.bint:
    return (market.gate & GATE_LIMITS) != 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def market_order_refusal(core: CorePtr, order: OrderPtr, value: i64) -> u32:
    market: MarketPtr = core.markets + order.market
    largest: i64 = market.bounds[BOUND_MAX_LOTS]
    is_small: cython.bint = order.leaves < market.bounds[BOUND_MIN_LOTS]
    if not order.traits & TRAIT_AMOUNT and (is_small or 0 < largest < order.leaves):
        return MARKET_LOT_SIZE
    if market.bounds[BOUND_TO_MARKET] & 1 and 0 < value < market.notional_min:
        return NOTIONAL
    return notional_refusal(market, value) if market.bounds[BOUND_TO_MARKET] & 2 else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def notional_refusal(market: MarketPtr, value: i64) -> u32:
    """Whether a value (below 0: beyond int64) is more than the market lets one order be worth."""
    most: i64 = market.bounds[BOUND_MAX_NOTIONAL]
    return NOTIONAL if most and (value < 0 or value > most) else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def bounds_refusal(
    core: CorePtr, index: u32, value: i64, freed: cython.pointer(u32), more: u32
) -> u32:
    """Whether a new order worth `value` (0: nobody knows) is out of its market's bounds.

    The two `freed` orders (0: none) are about to end, and `more` new ones come in before this one.
    """
    order: OrderPtr = core.orders + index
    market: MarketPtr = core.markets + order.market
    reason: u32
    if order.order_type == MARKET:
        reason = market_order_refusal(core, order, value)
    else:
        reason = notional_refusal(market, value)
    if reason:
        return reason
    if market.bounds[BOUND_MAX_ORDERS] | market.bounds[BOUND_MAX_ALGOS]:
        reason = count_refusal(core, order, freed, more)
    if reason or not order.is_bid or not market.bounds[BOUND_MAX_POSITION]:
        return reason
    return position_refusal(core, order, order.leaves, freed)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_counted(
    core: CorePtr, order: OrderPtr, index: u32, freed: cython.pointer(u32)
) -> cython.bint:
    """Whether an open order is of this order's user and market, and stays."""
    if core.orders[index].user != order.user or core.orders[index].market != order.market:
        return False
    return not freed or (index != freed[0] and index != freed[1])


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def count_refusal(core: CorePtr, order: OrderPtr, freed: cython.pointer(u32), more: u32) -> u32:
    """Whether the user has as many orders, or orders with a stop, as he may."""
    market: MarketPtr = core.markets + order.market
    count: i64 = more
    algos: i64 = 0
    place: u64
    for place in range(core.order_table.mask + 1):
        index: u32 = core.order_table.slots[place].value
        if index and is_counted(core, order, index, freed):
            count += 1
            algos += core.orders[index].order_type >= STOP_LOSS
    if market.bounds[BOUND_MAX_ORDERS] and count >= market.bounds[BOUND_MAX_ORDERS]:
        return MAX_NUM_ORDERS
    if order.order_type < STOP_LOSS or not market.bounds[BOUND_MAX_ALGOS]:
        return OK
    return MAX_NUM_ALGO_ORDERS if algos >= market.bounds[BOUND_MAX_ALGOS] else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def position_refusal(core: CorePtr, order: OrderPtr, lots: i64, freed: cython.pointer(u32)) -> u32:
    """Whether what the user has of the base asset and bids for, and `lots` more, are too much."""
    market: MarketPtr = core.markets + order.market
    user_id: i64 = core.users[order.user].user_id
    account: u32 = find_account(core, user_id, market.base_asset_id)
    position: i64 = product(lots, market.lot_atoms)
    if account:
        held: i64 = core.accounts[account].available + core.accounts[account].locked
        position = sum_of(position, held)
    place: u64
    for place in range(core.order_table.mask + 1):
        index: u32 = core.order_table.slots[place].value
        if index and core.orders[index].is_bid and is_counted(core, order, index, freed):
            position = sum_of(position, core.orders[index].leaves * market.lot_atoms)
    most: i64 = market.bounds[BOUND_MAX_POSITION]
    return MAX_POSITION if position < 0 or position > most else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def amended_refusal(core: CorePtr, index: u32, value: i64, leaves: i64) -> u32:
    """Whether an open order that is worth `value` with `leaves` from now on is out of bounds."""
    order: OrderPtr = core.orders + index
    market: MarketPtr = core.markets + order.market
    reason: u32 = notional_refusal(market, value)
    if reason or not order.is_bid or leaves <= order.leaves:
        return reason
    if not market.bounds[BOUND_MAX_POSITION]:
        return OK
    return position_refusal(core, order, leaves - order.leaves, cython.NULL)

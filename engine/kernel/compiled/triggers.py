# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""Triggered orders of the compiled kernel: how those that are due run, and how stops come in.

What a command makes due runs when the command is done, by (trigger price, sequence); a triggered
order that trades can make others due. After one command at most TRIGGERS_PER_COMMAND_MAX run; what
is left runs before the next command. Invariant: a due order whose market lets it in is never passed
over; one whose market does not waits, in the same order.
"""

import cython

from engine.kernel.codes import (
    CAPACITY,
    DUPLICATE_CLIENT_ORDER_ID,
    FOK,
    GTC,
    GTD,
    INSUFFICIENT_BALANCE,
    INVALID_STOP_PRICE,
    INVALID_TRAILING_DELTA,
    NOTIONAL,
    OK,
    ORDER_EXPIRED,
    ORDER_REDUCED,
    ORDER_TRIGGERED,
    OVERFLOW,
    PPM,
    SLIPPAGE,
    TIME_IN_FORCE,
    TRAILING_DELTA_BIPS_MAX,
    WOULD_TRIGGER,
)
from engine.kernel.compiled.accounts import available_in, find_account
from engine.kernel.compiled.bounds import bounds_refusal, is_bounded
from engine.kernel.compiled.events import emit_changed
from engine.kernel.compiled.extras import extra_of
from engine.kernel.compiled.fees import notional_of, product, sum_of
from engine.kernel.compiled.gates import entry_refusal
from engine.kernel.compiled.layout import (
    BookSidePtr,
    CommandPtr,
    CorePtr,
    MarketPtr,
    OrderPtr,
    Sweep,
    SweepPtr,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.levels import enqueue, reserve_section, side_of
from engine.kernel.compiled.list_life import part_from_list, settle_lists
from engine.kernel.compiled.lookups import find_market
from engine.kernel.compiled.matching import end_order, is_crossing, match, survey
from engine.kernel.compiled.memory import reserve_events, reserve_levels
from engine.kernel.compiled.parking import is_reached, is_rising, next_due, park, raised, unpark
from engine.kernel.compiled.placing import (
    accept,
    content_refusal,
    draft_order,
    enter_index,
    extra_refusal,
    first_reserve,
    is_text_in_use,
    is_within_price_filter,
    lacks_room,
)
from engine.kernel.compiled.symbols import (
    EVENTS_PER_COMMAND,
    SLIPPAGE_BAND,
    TRAIT_AMOUNT,
    TRAIT_LIST,
)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def place_stop(core: CorePtr, command: CommandPtr, user: u32) -> u32:
    """Park an order until its stop price; it holds from now on what it will need then (rule 27)."""
    market_index: u32 = find_market(core, command.market_id)
    reason: u32 = entry_refusal(core, command, user, market_index)
    if reason:
        return reason
    market: MarketPtr = core.markets + market_index
    reason = content_refusal(core, command, market)
    if not reason:
        reason = extra_refusal(core, command)
    if reason or core.is_out_of_memory:
        return reason
    index: u32 = draft_order(core, command, user, market_index)
    order: OrderPtr = core.orders + index
    reason = stop_filter_refusal(core, command, index)
    if reason:
        return reason
    if is_text_in_use(core, user, command.text):
        return DUPLICATE_CLIENT_ORDER_ID
    base_account: u32 = find_account(core, command.user_id, market.base_asset_id)
    quote_account: u32 = find_account(core, command.user_id, market.quote_asset_id)
    if order.reserved > available_in(core, quote_account if order.is_bid else base_account):
        return INSUFFICIENT_BALANCE
    if lacks_room(core, base_account, quote_account):
        return CAPACITY
    rising: u32 = is_rising(order.order_type, order.is_bid)
    if not reserve_events(core, EVENTS_PER_COMMAND) or not reserve_section(
        core, cython.address(market.triggers[rising])
    ):
        return OK
    accept(core, command, index, order.reserved)
    enter_index(core, index)
    park(core, index)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def stop_filter_refusal(core: CorePtr, command: CommandPtr, index: u32) -> u32:
    """Check what a stop order has beyond others, and note what it must hold."""
    reason: u32 = stop_refusal(core, command, index)
    return reason if reason else stop_value_refusal(core, command, index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def stop_refusal(core: CorePtr, command: CommandPtr, index: u32) -> u32:
    """Check stop price and trailing delta, and that the last price is not beyond the stop."""
    order: OrderPtr = core.orders + index
    market: MarketPtr = core.markets + order.market
    stop: i64 = command.amount
    if command.asset_id > TRAILING_DELTA_BIPS_MAX:
        return INVALID_TRAILING_DELTA
    if stop < 0 or (not stop and not command.asset_id):
        return INVALID_STOP_PRICE
    if stop and not is_within_price_filter(market, stop):
        return INVALID_STOP_PRICE
    if not stop and not market.last_price and order.is_bid and not order.price:
        return INVALID_STOP_PRICE  # nothing says what it would have to hold
    if not command.asset_id and is_reached(order, stop, market.last_price):
        return WOULD_TRIGGER
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def stop_value_refusal(core: CorePtr, command: CommandPtr, index: u32) -> u32:
    """Set what the order must hold; say why it cannot be."""
    order: OrderPtr = core.orders + index
    market: MarketPtr = core.markets + order.market
    price: i64 = order.price if order.price else command.amount
    if not order.price and (order.is_bid or not command.amount):
        worst: i64 = worst_price(market, command.amount, command.asset_id)
        if worst < 0:
            return OVERFLOW
        if order.is_bid:
            order.ceiling = worst
        if not price:
            price = worst
    order.reserved = first_reserve(core, index, 0, cython.NULL)
    value: i64 = notional_of(market, price, order.leaves)
    if order.reserved < 0 or value < 0:
        return OVERFLOW
    if 0 < value < market.notional_min:
        return NOTIONAL
    return bounds_refusal(core, index, value, cython.NULL, 0) if is_bounded(market) else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def worst_price(market: MarketPtr, stop: i64, delta: u32) -> i64:
    """Return the price up to which an order with a stop and without a limit holds (rule 6)."""
    worst: i64 = raised(stop if stop else market.last_price, delta)
    share: i64 = PPM + market.bands[SLIPPAGE_BAND]
    if worst < 0 or share == PPM:
        return worst
    return sum_of(product(worst // PPM, share), (worst % PPM * share + PPM - 1) // PPM)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def run_due(core: CorePtr, most: u64) -> u64:
    """Run up to so many due orders, those included that they make due; return how many."""
    count: u64 = 0
    settle_lists(core)
    while core.due_markets and count < most:
        index: u32 = next_due(core)
        if not index:
            break
        trigger_order(core, index)
        settle_lists(core)
        if core.is_out_of_memory:
            break
        count += 1
    return count


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def trigger_order(core: CorePtr, index: u32) -> cython.void:
    """Run one due order; its memory is reserved before it changes anything."""
    sweep: Sweep
    sweep.amount = 0
    survey(core, index, cython.address(sweep))
    if not reserve_run(core, index, cython.address(sweep)):
        return
    order: OrderPtr = core.orders + index
    unpark(core, index)
    if order.traits & TRAIT_LIST:
        part_from_list(core, index)
    if not order.price:
        order.ceiling = 0  # what it holds is a fixed sum from now on
    emit_changed(core, ORDER_TRIGGERED, order, 0, 0, OK)
    if order.price or not order.is_bid or fit_into_hold(core, index, sweep.quantity):
        run_order(core, index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_run(core: CorePtr, index: u32, sweep: SweepPtr) -> cython.bint:
    """Make room for an open order to trade and to rest."""
    order: OrderPtr = core.orders + index
    side: BookSidePtr = side_of(core, order.market, order.is_bid)
    if not reserve_section(core, side):
        return False
    if not reserve_levels(core, 1):
        core.is_out_of_memory = 1
        return False
    return reserve_events(core, sweep.events + EVENTS_PER_COMMAND)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def fit_into_hold(core: CorePtr, index: u32, wanted: i64) -> cython.bint:
    """Take off what the hold does not pay for at the book's prices (rule 6); whether some is left.

    What the book does not offer at all is not taken off here: it expires like any remainder.
    """
    order: OrderPtr = core.orders + index
    sweep: Sweep
    sweep.amount = order.reserved
    order.traits |= TRAIT_AMOUNT
    survey(core, index, cython.address(sweep))
    order.traits &= 0xFF - TRAIT_AMOUNT
    if sweep.quantity >= wanted:
        return True
    if not sweep.quantity:
        end_order(core, index, ORDER_EXPIRED, 0, SLIPPAGE)
        return False
    removed: i64 = order.leaves - sweep.quantity
    order.leaves = sweep.quantity
    emit_changed(core, ORDER_REDUCED, order, removed, 0, SLIPPAGE)
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def run_order(core: CorePtr, index: u32) -> cython.void:
    """Let an open order that was parked meet the book, and rest or expire as its terms say."""
    order: OrderPtr = core.orders + index
    tif: u32 = extra_of(core, index).time_in_force
    sweep: Sweep
    sweep.amount = 0
    if tif == FOK:
        survey(core, index, cython.address(sweep))
        if sweep.lots < order.leaves:
            end_order(core, index, ORDER_EXPIRED, 0, TIME_IN_FORCE)
            return
    if is_crossing(core, order):
        match(core, index)
        if not order.leaves:
            return
    if tif in (GTC, GTD):
        enqueue(core, index)
    else:
        end_order(core, index, ORDER_EXPIRED, 0, TIME_IN_FORCE)

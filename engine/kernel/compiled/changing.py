# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""CANCEL, REDUCE and MOVE of an open order.

Invariant: after each, an account's `locked` is the sum of the `reserved` of its owner's open orders
that are held in that asset; a refused move leaves the order and its place in the queue alone.
"""

import cython

from engine.kernel.codes import (
    AUCTION,
    BY_OPERATOR,
    INSUFFICIENT_BALANCE,
    INVALID_PRICE,
    INVALID_QUANTITY,
    LIMIT_MAKER,
    NOTHING_CHANGES,
    OK,
    ONLY_NEW,
    ONLY_PARTIALLY_FILLED,
    OPERATOR,
    ORDER_CANCELED,
    ORDER_IN_LIST,
    ORDER_IS_PARKED,
    ORDER_MOVED,
    ORDER_REDUCED,
    OVERFLOW,
    PARKED,
    PERCENT_PRICE,
    POST_ONLY,
    PRICE_ABOVE_CEILING,
    PRICE_FILTER,
    UNKNOWN_ORDER,
    WOULD_TAKE,
)
from engine.kernel.compiled.accounts import available_in, lock
from engine.kernel.compiled.bands import band_refusal
from engine.kernel.compiled.events import emit_changed
from engine.kernel.compiled.fees import bid_hold, notional_of
from engine.kernel.compiled.gates import entry_refusal
from engine.kernel.compiled.icebergs import fit_shown
from engine.kernel.compiled.layout import (
    BookSidePtr,
    CommandPtr,
    CorePtr,
    MarketPtr,
    OrderPtr,
    Sweep,
    TermsPtr,
    i64,
    u32,
)
from engine.kernel.compiled.levels import dequeue, enqueue, key_of, reserve_section, side_of
from engine.kernel.compiled.lookups import find_market
from engine.kernel.compiled.matching import end_order, fit_reserve, match, survey, take_out
from engine.kernel.compiled.memory import reserve_events
from engine.kernel.compiled.parking import wait_of
from engine.kernel.compiled.placing import is_within_price_filter
from engine.kernel.compiled.symbols import EVENTS_PER_COMMAND, TRAIT_ICEBERG, TRAIT_LIST


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def cancel(core: CorePtr, command: CommandPtr, index: u32) -> u32:
    by: u32 = BY_OPERATOR if command.flags & OPERATOR else 0
    end_order(core, index, ORDER_CANCELED, by | take_out(core, index), OK)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_restricted(core: CorePtr, index: u32, flags: u32) -> cython.bint:
    """Whether a cancel with these flags spares the order (rule 21)."""
    is_new: cython.bint = core.orders[index].leaves == core.terms[index].quantity
    if is_new:
        return (flags & ONLY_PARTIALLY_FILLED) != 0
    return (flags & ONLY_NEW) != 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reduce(core: CorePtr, command: CommandPtr, index: u32) -> u32:
    """Take lots off an order, which keeps its place in the queue."""
    order: OrderPtr = core.orders + index
    if order.traits & TRAIT_LIST:
        return ORDER_IN_LIST
    if command.quantity <= 0:
        return INVALID_QUANTITY
    if command.quantity >= order.leaves:
        end_order(core, index, ORDER_REDUCED, take_out(core, index), OK)
        return OK
    order.leaves -= command.quantity
    flags: u32 = PARKED if wait_of(core, index) else 0
    if not flags:
        core.levels[order.level].lots -= command.quantity
    fit_reserve(core, index)
    emit_changed(core, ORDER_REDUCED, order, command.quantity, flags, OK)
    return OK


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def new_price_refusal(core: CorePtr, command: CommandPtr, market: MarketPtr, index: u32) -> u32:
    order: OrderPtr = core.orders + index
    if wait_of(core, index):
        return ORDER_IS_PARKED
    if order.traits & TRAIT_LIST:
        return ORDER_IN_LIST
    if command.price <= 0:
        return INVALID_PRICE
    if not is_within_price_filter(market, command.price):
        return PRICE_FILTER
    if market.has_bands and band_refusal(market, order.is_bid, command.price):
        return PERCENT_PRICE
    if command.price == order.price and not command.flags:
        return NOTHING_CHANGES
    if order.ceiling:  # up to it everything was checked when the order came in
        return PRICE_ABOVE_CEILING if command.price > order.ceiling else OK
    value: i64
    if order.is_bid:
        value = bid_hold(market, core.terms + index, command.price, order.leaves)
    else:
        value = notional_of(market, command.price, order.leaves)
    return OVERFLOW if value < 0 else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def can_hold(core: CorePtr, index: u32, price: i64) -> cython.bint:
    """Whether a bid's owner has what its hold at this price, which fits, takes beyond the old."""
    order: OrderPtr = core.orders + index
    terms: TermsPtr = core.terms + index
    hold: i64 = bid_hold(core.markets + order.market, terms, price, order.leaves)
    return hold - order.reserved <= available_in(core, terms.quote_account)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def hold_anew(core: CorePtr, index: u32, price: i64) -> cython.void:
    """Hold for a bid what it needs at this price, no more and no less."""
    order: OrderPtr = core.orders + index
    terms: TermsPtr = core.terms + index
    hold: i64 = bid_hold(core.markets + order.market, terms, price, order.leaves)
    lock(core, terms.quote_account, hold - order.reserved)
    order.reserved = hold


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def move(core: CorePtr, command: CommandPtr, user: u32, index: u32) -> u32:
    """Send an order to the back of another level, where it may trade as a taker."""
    market_index: u32 = find_market(core, command.market_id)
    reason: u32 = entry_refusal(core, command, user, market_index)
    if reason:
        return reason
    order: OrderPtr = core.orders + index
    market: MarketPtr = core.markets + market_index
    if not index or order.user != user or order.market != market_index:
        return UNKNOWN_ORDER
    reason = new_price_refusal(core, command, market, index)
    if reason:
        return reason
    opposite: BookSidePtr = side_of(core, market_index, not order.is_bid)
    crosses: cython.bint = (
        opposite.best_key >= key_of(not order.is_bid, command.price) and market.state != AUCTION
    )
    if crosses and (order.order_type == LIMIT_MAKER or market.state == POST_ONLY):
        return WOULD_TAKE
    if order.is_bid and not order.ceiling and not can_hold(core, index, command.price):
        return INSUFFICIENT_BALANCE
    if not reserve_section(core, side_of(core, market_index, order.is_bid)):
        return OK
    if crosses and not reserve_for_taker(core, index, command.price):
        return OK
    if order.is_bid and not order.ceiling:
        hold_anew(core, index, command.price)
    dequeue(core, index)
    order.price = command.price
    emit_changed(core, ORDER_MOVED, order, 0, 0, OK)
    if crosses:
        match(core, index)
        if not order.leaves:
            return OK
    if order.traits & TRAIT_ICEBERG:
        fit_shown(core, index)
    enqueue(core, index)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_for_taker(core: CorePtr, index: u32, price: i64) -> cython.bint:
    """Make room for the trades of an order that is about to be moved across the book."""
    order: OrderPtr = core.orders + index
    sweep: Sweep
    old_price: i64 = order.price
    order.price = price
    survey(core, index, cython.address(sweep))
    order.price = old_price
    return reserve_events(core, sweep.events + EVENTS_PER_COMMAND)

# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""AMEND of an open order: another total quantity, another price, or both (rules 18 to 20).

Everything is decided before anything changes. Invariant: a refused amend leaves the order and its
place in the queue alone; quantity - leaves, which is what has traded or was taken off, stays.
"""

import cython

from engine.kernel.codes import (
    AUCTION,
    ICEBERG_TRANCHES_MAX,
    INSUFFICIENT_BALANCE,
    INVALID_ICEBERG,
    INVALID_PRICE,
    INVALID_QUANTITY,
    LIMIT_MAKER,
    LOT_SIZE,
    NOTHING_CHANGES,
    NOTIONAL,
    OK,
    ORDER_AMENDED,
    ORDER_CANCELED,
    OVERFLOW,
    PERCENT_PRICE,
    POST_ONLY,
    PRICE_ABOVE_CEILING,
    PRICE_FILTER,
    UNKNOWN_MARKET,
    UNKNOWN_ORDER,
    WOULD_TAKE,
)
from engine.kernel.compiled.accounts import available_in, lock
from engine.kernel.compiled.bands import band_refusal
from engine.kernel.compiled.bounds import amended_refusal, is_bounded
from engine.kernel.compiled.events import emit_changed
from engine.kernel.compiled.fees import bid_hold, higher, notional_of, product
from engine.kernel.compiled.gates import entry_refusal, owner_refusal
from engine.kernel.compiled.icebergs import count_tranches, fit_shown, tranches_with
from engine.kernel.compiled.layout import (
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
from engine.kernel.compiled.matching import end_order, fit_reserve, held_account, match, survey
from engine.kernel.compiled.memory import reserve_events
from engine.kernel.compiled.parking import bound_refusal
from engine.kernel.compiled.placing import is_within_price_filter
from engine.kernel.compiled.symbols import TRAIT_ICEBERG


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def amend(core: CorePtr, command: CommandPtr, user: u32, index: u32) -> u32:
    market_index: u32 = find_market(core, command.market_id)
    if not market_index:
        return UNKNOWN_MARKET
    order: OrderPtr = core.orders + index
    if not index or order.user != user or order.market != market_index:
        return UNKNOWN_ORDER
    bound: u32 = bound_refusal(core, index)
    if bound:
        return bound
    if command.price < 0 or command.quantity < 0:
        return INVALID_PRICE if command.price < 0 else INVALID_QUANTITY
    terms: TermsPtr = core.terms + index
    price: i64 = command.price if command.price else order.price
    quantity: i64 = command.quantity if command.quantity else terms.quantity
    if price == order.price and quantity == terms.quantity:
        return NOTHING_CHANGES
    leaves: i64 = order.leaves - terms.quantity + quantity
    is_smaller_only: cython.bint = price == order.price and leaves < order.leaves
    reason: u32
    if is_smaller_only or leaves <= 0:
        reason = owner_refusal(core, core.markets + market_index)
    else:
        reason = entry_refusal(core, command, user, market_index)
    if leaves <= 0 and not reason:
        dequeue(core, index)
        end_order(core, index, ORDER_CANCELED, 0, OK)
        return OK
    if not reason:
        reason = amend_refusal(core, index, price, quantity, leaves)
    if reason:
        return reason
    if not is_smaller_only:
        return renew(core, index, price, quantity, leaves)
    removed_lots: i64 = order.leaves - leaves
    terms.quantity = quantity
    if order.traits & TRAIT_ICEBERG:
        count_tranches(core, index)
    order.leaves = leaves
    core.levels[order.level].lots -= removed_lots
    fit_reserve(core, index)
    emit_changed(core, ORDER_AMENDED, order, removed_lots, 0, OK)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def amend_refusal(core: CorePtr, index: u32, price: i64, quantity: i64, leaves: i64) -> u32:
    """Check what changes against the filters, and that the products fit."""
    order: OrderPtr = core.orders + index
    market: MarketPtr = core.markets + order.market
    if price != order.price and not is_within_price_filter(market, price):
        return PRICE_FILTER
    if price != order.price and market.has_bands and band_refusal(market, order.is_bid, price):
        return PERCENT_PRICE
    if order.ceiling and price > order.ceiling:
        return PRICE_ABOVE_CEILING
    is_resized: cython.bint = quantity != core.terms[index].quantity
    if is_resized and (quantity < market.quantity_min or quantity > market.quantity_max):
        return LOT_SIZE
    if order.traits & TRAIT_ICEBERG and tranches_with(core, index, quantity) > ICEBERG_TRANCHES_MAX:
        return INVALID_ICEBERG
    if product(quantity, market.lot_atoms) < 0:
        return OVERFLOW
    if notional_of(market, higher(price, order.ceiling), quantity) < 0:
        return OVERFLOW
    if amended_hold(core, index, price, leaves) < 0:
        return OVERFLOW
    value: i64 = notional_of(market, price, quantity)
    if value < market.notional_min:
        return NOTIONAL
    return amended_refusal(core, index, value, leaves) if is_bounded(market) else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def amended_hold(core: CorePtr, index: u32, price: i64, leaves: i64) -> i64:
    """Return what the order must hold with these terms, or TOO_MUCH."""
    order: OrderPtr = core.orders + index
    market: MarketPtr = core.markets + order.market
    if not order.is_bid:
        return leaves * market.lot_atoms
    bound: i64 = order.ceiling if order.ceiling else price
    return bid_hold(market, core.terms + index, bound, leaves)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def renew(core: CorePtr, index: u32, price: i64, quantity: i64, leaves: i64) -> u32:
    """Send an order with its new terms to the back of a level, where it may trade as a taker."""
    order: OrderPtr = core.orders + index
    key: i64 = key_of(not order.is_bid, price)
    crosses: cython.bint = (
        price != order.price and side_of(core, order.market, not order.is_bid).best_key >= key
    )
    is_post_only: cython.bint = core.markets[order.market].state == POST_ONLY
    crosses = crosses and core.markets[order.market].state != AUCTION
    if crosses and (order.order_type == LIMIT_MAKER or is_post_only):
        return WOULD_TAKE
    more: i64 = amended_hold(core, index, price, leaves) - order.reserved
    if more > available_in(core, held_account(core, index)):
        return INSUFFICIENT_BALANCE
    if not reserve_section(core, side_of(core, order.market, order.is_bid)):
        return OK
    if crosses and not reserve_for_terms(core, index, price, leaves):
        return OK
    lock(core, held_account(core, index), more)
    order.reserved += more
    dequeue(core, index)
    removed_lots: i64 = order.leaves - leaves
    order.price = price
    order.leaves = leaves
    core.terms[index].quantity = quantity
    if order.traits & TRAIT_ICEBERG:
        count_tranches(core, index)
    emit_changed(core, ORDER_AMENDED, order, removed_lots, 0, OK)
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
def reserve_for_terms(core: CorePtr, index: u32, price: i64, leaves: i64) -> cython.bint:
    """Make room for the events of an order that is about to take with new terms."""
    order: OrderPtr = core.orders + index
    sweep: Sweep
    old_price: i64 = order.price
    old_leaves: i64 = order.leaves
    order.price = price
    order.leaves = leaves
    survey(core, index, cython.address(sweep))
    order.price = old_price
    order.leaves = old_leaves
    return reserve_events(core, sweep.events)

"""CANCEL, REDUCE and MOVE of an open order.

Everything is decided before anything changes. Invariant: after each, an account's `locked` is the
sum of the `reserved` of its owner's open orders that are held in that asset; a refused move leaves
the order and its place in the queue alone.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from engine.kernel.codes import (
    AUCTION,
    BY_OPERATOR,
    CANCEL,
    LIMIT_MAKER,
    MALFORMED,
    OK,
    ONLY_NEW,
    ONLY_PARTIALLY_FILLED,
    OPERATOR,
    ORDER_CANCELED,
    ORDER_MOVED,
    ORDER_REDUCED,
    PARKED,
    POST_ONLY,
    REDUCE,
    REQUEUE,
)
from engine.kernel.reference.bands import band_refusal
from engine.kernel.reference.checks import NO_TEXT, Fields
from engine.kernel.reference.controls import owner_refusal
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.fees import bid_hold
from engine.kernel.reference.icebergs import fit_shown
from engine.kernel.reference.matching import end_order, fit_reserve, match, take_out
from engine.kernel.reference.model import NO_BANDS, Market, Order, User
from engine.kernel.reference.parking import bound_refusal
from engine.kernel.reference.placing import entry_refusal
from engine.kernel.reference.requests import apply_once
from engine.proto.records import INT64_MAX, NO_REQUEST_ID, Reason

_CANCEL_FLAGS: Final = OPERATOR | ONLY_NEW | ONLY_PARTIALLY_FILLED


def apply_change(x: Exchange, fields: Fields) -> int:
    """Check form, user and request id of a CANCEL or REDUCE, then change the order."""
    (kind, side, order_type, tif, flags, stp, _, asset_id, user_id, _, price, quantity,
     amount, ceiling, spare, request_id, text) = fields  # fmt: skip
    if side or order_type or tif or stp or asset_id or price or amount or ceiling or spare:
        return MALFORMED
    if text != NO_TEXT or (quantity and kind != REDUCE):
        return MALFORMED
    if flags and not _are_cancel_flags(kind, flags, user_id):
        return MALFORMED
    user = x.users.get(user_id)
    if user is None:
        if not flags & OPERATOR:
            return Reason.UNKNOWN_USER
        user = x.house  # an operator's cancel, which names no user
    if request_id != NO_REQUEST_ID:
        return apply_once(x, user, fields, partial(_change, x, user, fields))
    return _change(x, user, fields)


def _are_cancel_flags(kind: int, flags: int, user_id: int) -> bool:
    """Whether these are flags of a CANCEL; an operator's names no user."""
    return kind == CANCEL and not flags & ~_CANCEL_FLAGS and not (flags & OPERATOR and user_id)


def is_restricted(order: Order, flags: int) -> bool:
    """Whether a cancel with these flags spares the order (rule 21)."""
    is_new = order.leaves == order.quantity
    return bool(flags & ONLY_NEW and not is_new) or bool(flags & ONLY_PARTIALLY_FILLED and is_new)


def _change(x: Exchange, user: User, fields: Fields) -> int:
    """Find the order and change it."""
    kind, flags = fields[0], fields[4]
    market = x.markets.get(fields[6])
    if market is None:
        return Reason.UNKNOWN_MARKET
    if market.is_barred and not flags & OPERATOR and owner_refusal(market):
        return owner_refusal(market)
    order = x.orders.get(fields[9])
    if order is None or order.market is not market:
        return Reason.UNKNOWN_ORDER
    if order.user is not user and not flags & OPERATOR:
        return Reason.UNKNOWN_ORDER
    if kind == REDUCE:
        return _reduce(x, order, fields[11])
    if flags and is_restricted(order, flags):
        return Reason.CANCEL_RESTRICTED
    parked = take_out(x, order)
    by = BY_OPERATOR if flags & OPERATOR else 0
    end_order(x, order, ORDER_CANCELED, flags=parked | by)
    return OK


def _reduce(x: Exchange, order: Order, lots: int) -> int:
    """Take lots off an order, which keeps its place in the queue."""
    if order.extra and order.extra.list_id:
        return Reason.ORDER_IN_LIST
    if lots <= 0:
        return Reason.INVALID_QUANTITY
    if lots >= order.leaves:
        end_order(x, order, ORDER_REDUCED, flags=take_out(x, order))
        return OK
    order.leaves -= lots
    fit_reserve(order)
    x.emit_changed(ORDER_REDUCED, order, lots, PARKED if order.extra and order.extra.wait else 0)
    return OK


def apply_move(x: Exchange, fields: Fields) -> int:
    """Check form, user and request id of a MOVE, then move the order."""
    (_, side, order_type, tif, flags, stp, market_id, asset_id, user_id, order_id, price,
     quantity, amount, ceiling, spare, request_id, text) = fields  # fmt: skip
    if side or order_type or tif or stp or asset_id or quantity or amount or ceiling or spare:
        return MALFORMED
    if text != NO_TEXT or flags & ~REQUEUE:
        return MALFORMED
    if user_id not in x.users:
        return Reason.UNKNOWN_USER
    user = x.users[user_id]
    if request_id == NO_REQUEST_ID:
        return _move(x, user, fields, market_id, order_id, price)
    act = partial(_move, x, user, fields, market_id, order_id, price)
    return apply_once(x, user, fields, act)


def _move(
    x: Exchange, user: User, fields: Fields, market_id: int, order_id: int, price: int
) -> int:
    """Send an order to the back of another level, where it may trade as a taker."""
    if market_id not in x.markets:
        return Reason.UNKNOWN_MARKET
    market = x.markets[market_id]
    if user.is_barred or market.is_barred or x.is_killed:
        reason = entry_refusal(x, user, market, fields)
        if reason:
            return reason
    if order_id not in x.orders:
        return Reason.UNKNOWN_ORDER
    order = x.orders[order_id]
    if order.user is not user or order.market is not market:
        return Reason.UNKNOWN_ORDER
    if order.extra and bound_refusal(order):
        return bound_refusal(order)
    is_plain = market.price_min <= price <= market.price_max and market.bands is NO_BANDS
    reason = OK if is_plain and price > 0 else _price_refusal(market, order, price)
    prices = order.opposite.prices
    crosses = prices and (price >= prices[0] if order.is_bid else price <= prices[-1])
    if crosses and market.state == AUCTION:
        crosses = False
    reason = reason or _prepare_move(order, price, fields[4], crosses)
    if reason:
        return reason
    order.side.requeue(order, price)
    x.emit_changed(ORDER_MOVED, order, 0, 0)
    if crosses:
        order.side.remove(order)
        match(x, order)
        if order.leaves:
            fit_shown(order)
            order.side.add(order)
    return OK


def _price_refusal(market: Market, order: Order, price: int) -> int:
    if price <= 0:
        return Reason.INVALID_PRICE
    if not market.price_min <= price <= market.price_max:
        return Reason.PRICE_FILTER
    return band_refusal(market, price, is_bid=order.is_bid)


def _prepare_move(order: Order, price: int, flags: int, crosses: object) -> int:
    """Say why the order may not go to this price, or hold what a bid needs there."""
    if price == order.price and not flags:
        return Reason.NOTHING_CHANGES
    bound = order.ceiling
    if price > bound:  # up to it everything was checked when the order came in
        if bound:
            return Reason.PRICE_ABOVE_CEILING
        if price * order.leaves * order.market.tick_lot_atoms > INT64_MAX:
            return Reason.OVERFLOW
    is_held_anew = order.is_bid and not bound
    reserve = bid_hold(order, price, order.leaves) if is_held_anew else 0
    if reserve > INT64_MAX:
        return Reason.OVERFLOW
    if crosses and (order.order_type == LIMIT_MAKER or order.market.state == POST_ONLY):
        return Reason.WOULD_TAKE
    if is_held_anew:
        if reserve - order.reserved > order.quote.available:
            return Reason.INSUFFICIENT_BALANCE
        order.quote.reserve(reserve - order.reserved)
        order.reserved = reserve
    return OK

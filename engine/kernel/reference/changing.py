"""CANCEL, REDUCE and MOVE of an open order.

Everything is decided before anything changes. Invariant: after each, an account's `locked` is the
sum of the `reserved` of its owner's open orders that are held in that asset; a refused move leaves
the order and its place in the queue alone.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from engine.kernel.codes import (
    ACTIVE,
    BY_OPERATOR,
    CANCEL,
    LIMIT_MAKER,
    MALFORMED,
    MOVE,
    OK,
    OPERATOR,
    ORDER_CANCELED,
    ORDER_MOVED,
    ORDER_REDUCED,
    REDUCE,
    REQUEUE,
    TRADING,
)
from engine.kernel.reference.checks import NO_TEXT, Fields
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.fees import bid_hold
from engine.kernel.reference.matching import end_order, match
from engine.kernel.reference.model import Order, User
from engine.kernel.reference.placing import entry_refusal
from engine.kernel.reference.requests import apply_once
from engine.proto.records import INT64_MAX, NO_REQUEST_ID, Reason

_FLAG: Final = {CANCEL: OPERATOR, REDUCE: 0, MOVE: REQUEUE}  # the only flag that each type knows


def apply_change(x: Exchange, fields: Fields) -> int:
    """Check form, user and request id of a CANCEL, REDUCE or MOVE, then change the order."""
    (kind, side, order_type, tif, flags, reserved, market_id, asset_id, user_id, order_id, price,
     quantity, amount, ceiling, spare, request_id, text) = fields  # fmt: skip
    if side or order_type or tif or reserved or asset_id or amount or ceiling or spare:
        return MALFORMED
    if text != NO_TEXT or (price and kind != MOVE) or (quantity and kind != REDUCE):
        return MALFORMED
    if flags and (flags != _FLAG[kind] or (kind == CANCEL and user_id)):
        return MALFORMED
    user = x.users.get(user_id)
    if user is None:
        if kind != CANCEL or not flags:
            return Reason.UNKNOWN_USER
        user = x.house  # an operator's cancel, which names no user
    if request_id == NO_REQUEST_ID:
        return _change(x, user, kind, flags, market_id, order_id, price or quantity)
    act = partial(_change, x, user, kind, flags, market_id, order_id, price or quantity)
    return apply_once(x, user, fields, act)


def _change(
    x: Exchange, user: User, kind: int, flags: int, market_id: int, order_id: int, value: int
) -> int:
    """Find the order and change it; `value` is a MOVE's price or the lots of a REDUCE."""
    market = x.markets.get(market_id)
    if market is None:
        return Reason.UNKNOWN_MARKET
    if kind == MOVE and (user.status != ACTIVE or market.state != TRADING):
        return entry_refusal(user, market)
    order = x.orders.get(order_id)
    if order is None or order.market is not market:
        return Reason.UNKNOWN_ORDER
    if order.user is not user and (kind != CANCEL or not flags):
        return Reason.UNKNOWN_ORDER
    if kind == MOVE:
        return _move(x, order, value, flags)
    if kind == REDUCE:
        return _reduce(x, order, value)
    order.side.remove(order)
    end_order(x, order, ORDER_CANCELED, flags=BY_OPERATOR if flags else 0)
    return OK


def _reduce(x: Exchange, order: Order, lots: int) -> int:
    """Take lots off an order, which keeps its place in the queue."""
    if lots <= 0:
        return Reason.INVALID_QUANTITY
    if lots >= order.leaves:
        order.side.remove(order)
        end_order(x, order, ORDER_REDUCED)
        return OK
    order.leaves -= lots
    reserve = order.leaves * order.market.lot_atoms
    if order.is_bid:
        reserve = min(order.reserved, bid_hold(order, order.hold_price, order.leaves))
    order.held_account.release(order.reserved - reserve)
    order.reserved = reserve
    x.emit_changed(ORDER_REDUCED, order, lots, 0)
    return OK


def _move(x: Exchange, order: Order, price: int, flags: int) -> int:
    """Send an order to the back of another level, where it may trade as a taker."""
    if price <= 0:
        return Reason.INVALID_PRICE
    market = order.market
    if price < market.price_min or price > market.price_max:
        return Reason.PRICE_FILTER
    if price == order.price and not flags:
        return Reason.NOTHING_CHANGES
    if price > order.ceiling:  # up to it everything was checked when the order came in
        reason = _beyond_ceiling_refusal(order, price)
        if reason:
            return reason
    crosses = order.opposite.is_within(price)
    if crosses and order.order_type == LIMIT_MAKER:
        return Reason.WOULD_TAKE
    if order.is_bid and not order.ceiling:
        reserve = bid_hold(order, price, order.leaves)
        if reserve - order.reserved > order.quote.available:
            return Reason.INSUFFICIENT_BALANCE
        order.quote.reserve(reserve - order.reserved)
        order.reserved = reserve
    order.side.remove(order)
    order.price = price
    x.emit_changed(ORDER_MOVED, order, 0, 0)
    if crosses:
        match(x, order)
        if not order.leaves:
            return OK
    order.side.add(order)
    return OK


def _beyond_ceiling_refusal(order: Order, price: int) -> int:
    """Whether an order has a ceiling, or its value at this price with its fee leaves int64."""
    if order.ceiling:
        return Reason.PRICE_ABOVE_CEILING
    value = price * order.leaves * order.market.tick_lot_atoms
    if order.is_bid and value <= INT64_MAX:
        value = bid_hold(order, price, order.leaves)
    return Reason.OVERFLOW if value > INT64_MAX else OK

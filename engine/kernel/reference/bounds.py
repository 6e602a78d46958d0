"""SET_MARKET_LIMITS: what one user may have and ask in a market (rule 29).

Invariant: a market without such bounds asks nothing here; open orders are never touched by a new
bound, which counts for what comes in from now on.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    UNKNOWN_MARKET,
)
from engine.kernel.reference.checks import Fields
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.model import Bounds, Order

_MIN_TO_MARKET = 1
_MAX_TO_MARKET = 2


def set_market_limits(x: Exchange, fields: Fields) -> int:
    """Set all bounds of a market at once; 0 = no bound."""
    market = x.markets.get(fields[6])
    if market is None:
        return UNKNOWN_MARKET
    bounds = Bounds(*(fields[at] for at in (11, 9, 12, 10, 13, 14, 1)))
    if min(bounds) < 0 or bounds.to_market > _MIN_TO_MARKET | _MAX_TO_MARKET:
        return INVALID_FILTER
    if 0 < bounds.market_max_lots < bounds.market_min_lots:
        return INVALID_FILTER
    if bounds == market.bounds:
        return NOTHING_CHANGES
    market.bounds = bounds
    x.emit(MARKET_LIMITS_SET, market.market_id, 0, OK, *bounds)
    return OK


def bounds_refusal(
    x: Exchange, order: Order, value: int, freed: Sequence[Order] = (), more: int = 0
) -> int:
    """Whether a new order worth `value` (0: nobody knows) is out of its market's bounds.

    `freed` orders are about to end, and `more` new ones come in before this one.
    """
    bounds = order.market.bounds
    if not any(bounds):
        return OK
    if order.order_type == MARKET:
        reason = _market_order_refusal(order, value)
    else:
        reason = NOTIONAL if 0 < bounds.max_notional_atoms < value else OK
    if reason:
        return reason
    mine = [
        each
        for each in x.orders.values()
        if each.user is order.user and each.market is order.market and each not in freed
    ]
    if bounds.max_orders and len(mine) + more >= bounds.max_orders:
        return MAX_NUM_ORDERS
    algos = sum(each.order_type >= STOP_LOSS for each in mine)
    if bounds.max_algo_orders and order.order_type >= STOP_LOSS and algos >= bounds.max_algo_orders:
        return MAX_NUM_ALGO_ORDERS
    if order.is_bid and bounds.max_position_atoms:
        bids = sum(each.leaves for each in mine if each.is_bid) + order.quantity
        return _position_refusal(x, order, bids)
    return OK


def amended_refusal(x: Exchange, order: Order, value: int, leaves: int) -> int:
    """Whether an open order that is worth `value` with `leaves` from now on is out of bounds."""
    bounds = order.market.bounds
    if 0 < bounds.max_notional_atoms < value:
        return NOTIONAL
    if not order.is_bid or leaves <= order.leaves or not bounds.max_position_atoms:
        return OK
    bids = sum(
        each.leaves
        for each in x.orders.values()
        if each.user is order.user and each.market is order.market and each.is_bid
    )
    return _position_refusal(x, order, bids + leaves - order.leaves)


def _market_order_refusal(order: Order, value: int) -> int:
    bounds = order.market.bounds
    if not order.quote_atoms:
        if order.quantity < bounds.market_min_lots:
            return MARKET_LOT_SIZE
        if 0 < bounds.market_max_lots < order.quantity:
            return MARKET_LOT_SIZE
    if bounds.to_market & _MIN_TO_MARKET and 0 < value < order.market.notional_min:
        return NOTIONAL
    if bounds.to_market & _MAX_TO_MARKET and 0 < bounds.max_notional_atoms < value:
        return NOTIONAL
    return OK


def _position_refusal(x: Exchange, order: Order, bid_lots: int) -> int:
    account = x.accounts.get((order.user.user_id, order.market.base.asset_id))
    held = account.available + account.locked if account else 0
    position = held + bid_lots * order.market.lot_atoms
    return MAX_POSITION if position > order.market.bounds.max_position_atoms else OK

"""PLACE, CANCEL, REDUCE and MOVE of the reference kernel.

A handler first decides and then acts: it returns a reason before it has changed anything, or
changes everything and returns NONE. Invariant: after each command, an account's `locked` is the sum
of the `reserved` of its owner's open orders that are held in that asset.
"""

from __future__ import annotations

from typing import Final

from engine.kernel.codes import (
    ACTIVE,
    BID,
    BY_OPERATOR,
    CANCEL,
    FOK,
    FOK_BUDGET,
    GTC,
    LIMIT,
    LIMIT_MAKER,
    MARKET,
    MOVE,
    OK,
    ORDER_CANCELED,
    ORDER_EXPIRED,
    ORDER_MOVED,
    ORDER_REDUCED,
    PLACE,
    REDUCE,
    REQUEUE,
    TRADING,
)
from engine.kernel.reference.checks import CHECKS, NO_TEXT, Fields, fingerprint
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.fees import bid_hold, sweep_fee
from engine.kernel.reference.matching import (
    end_order,
    lots_within,
    match,
    notional_of_sweep,
)
from engine.kernel.reference.model import Market, Order, Remembered, User
from engine.proto.records import (
    INT64_MAX,
    NO_REQUEST_ID,
    EventType,
    Reason,
)

_PRICED: Final = (LIMIT, LIMIT_MAKER)


def apply_trading(x: Exchange, fields: Fields) -> int:
    """Check form, user and request id of an order command, then hand it to its handler."""
    kind = fields[0]
    if kind == PLACE and fields[9] > x.last_order_id:
        x.last_order_id = fields[9]
    reason = CHECKS[kind](fields)
    if reason:
        return reason
    user = x.users.get(fields[8])
    if user is None:
        if kind != CANCEL or not fields[4]:
            return Reason.UNKNOWN_USER
        user = x.house  # an operator's cancel, which names no user
    if fields[15] == NO_REQUEST_ID:
        return _HANDLERS[kind](x, user, fields)
    return _apply_once(x, user, fields)


def _apply_once(x: Exchange, user: User, fields: Fields) -> int:
    """Apply a command with a request id, or tell the outcome that this id had before."""
    kind, order_id, request_id = fields[0], fields[9], fields[15]
    content = fingerprint(fields)
    for seen in user.window:
        if seen.request_id != request_id:
            continue
        if seen.fingerprint != content:
            return Reason.REQUEST_ID_REUSED
        x.emit(
            EventType.REQUEST_REPLAYED,
            fields[6],
            0,
            seen.reason,
            kind,
            user.user_id,
            seen.order_id,
            seen.first_event_seq,
            request_id,
        )
        return OK
    first_event_seq = x.event_seq + 1
    reason = _HANDLERS[kind](x, user, fields)
    user.window.append(Remembered(request_id, content, order_id, first_event_seq, int(reason)))
    return reason


def _place(x: Exchange, user: User, fields: Fields) -> int:
    (_, side, order_type, tif, _, _, market_id, _, user_id, order_id, price, quantity, budget,
     ceiling, _, _, text) = fields  # fmt: skip
    market = x.markets.get(market_id)
    if market is None:
        return Reason.UNKNOWN_MARKET
    reason = _entry_refusal(user, market) or _content_refusal(x, market, fields)
    if reason:
        return reason
    order = Order(market, user, order_id, order_type, side == BID, price, quantity, ceiling, text)
    reserve = _first_reserve(order, budget)
    if reserve > INT64_MAX and order_type != MARKET:
        return Reason.OVERFLOW
    reason = _notional_refusal(order, budget)
    if reason:
        return reason
    if text != NO_TEXT and (user_id, text) in x.open_texts:
        return Reason.DUPLICATE_CLIENT_ORDER_ID
    if order_type == LIMIT_MAKER and order.opposite.is_within(price):
        return Reason.WOULD_TAKE
    base_id, quote_id = market.base.asset_id, market.quote.asset_id
    held = x.accounts.get((user_id, quote_id if order.is_bid else base_id))
    if reserve > (held.available if held else 0):
        return Reason.INSUFFICIENT_BALANCE
    if len(x.orders) >= x.limits.open_orders_max or x.lacks_room_for_accounts(
        user_id, base_id, quote_id
    ):
        return Reason.CAPACITY
    order.base = x.open_account(user_id, base_id)
    order.quote = x.open_account(user_id, quote_id)
    order.held_account.reserve(reserve)
    order.reserved = reserve
    x.emit_accepted(order, ceiling or budget, order_type | tif << 8)
    _enter_book(x, order, tif, budget)
    return OK


def _entry_refusal(user: User, market: Market) -> int:
    if user.status != ACTIVE:
        return Reason.USER_SUSPENDED
    return OK if market.state == TRADING else Reason.MARKET_NOT_TRADING


def _content_refusal(x: Exchange, market: Market, fields: Fields) -> int:
    """Check id, quantity, price, ceiling and filters of a PLACE, and lots x lot."""
    order_id, price, quantity, ceiling = fields[9], fields[10], fields[11], fields[13]
    if order_id <= 0 or order_id in x.orders:
        return Reason.DUPLICATE_ORDER_ID
    if quantity <= 0:
        return Reason.INVALID_QUANTITY
    if fields[2] in _PRICED:
        if price <= 0 or (ceiling and ceiling < price):
            return Reason.INVALID_PRICE
        if not market.price_min <= price <= market.price_max:
            return Reason.PRICE_FILTER
    if not market.quantity_min <= quantity <= market.quantity_max:
        return Reason.LOT_SIZE
    notional = max(price, ceiling) * quantity * market.tick_lot_atoms
    if quantity * market.lot_atoms > INT64_MAX or notional > INT64_MAX:
        return Reason.OVERFLOW
    return OK


def _first_reserve(order: Order, budget: int) -> int:
    """Return what the order must hold at acceptance."""
    if not order.is_bid:
        return order.quantity * order.market.lot_atoms
    if order.order_type == FOK_BUDGET:
        return budget + sweep_fee(order, budget, order.quantity)
    if order.order_type == MARKET:
        lots, notional = notional_of_sweep(order)
        return notional + sweep_fee(order, notional, lots)
    return bid_hold(order, order.hold_price, order.quantity)


def _notional_refusal(order: Order, budget: int) -> int:
    if order.order_type == MARKET:
        return OK
    market = order.market
    value = budget or order.price * order.quantity * market.tick_lot_atoms
    return Reason.NOTIONAL if value < market.filters.min_notional_atoms else OK


def _enter_book(x: Exchange, order: Order, tif: int, budget: int) -> None:
    """Match an accepted order as its type says, then rest or expire what is left."""
    if tif == FOK and lots_within(order) < order.quantity:
        end_order(x, order, ORDER_EXPIRED, reason=Reason.TIME_IN_FORCE)
        return
    if order.order_type == FOK_BUDGET and not _is_budget_met(order, budget):
        end_order(x, order, ORDER_EXPIRED, reason=Reason.BUDGET)
        return
    if order.opposite.is_within(order.price):
        match(x, order)
        if not order.leaves:
            return
    if tif == GTC or order.order_type == LIMIT_MAKER:
        x.orders[order.order_id] = order
        if order.text != NO_TEXT:
            x.open_texts.add((order.user.user_id, order.text))
        order.side.add(order)
    else:
        end_order(x, order, ORDER_EXPIRED, reason=Reason.TIME_IN_FORCE)


def _is_budget_met(order: Order, budget: int) -> bool:
    """Whether all of it trades at once, for at most (bid) or at least (ask) the budget."""
    lots, notional = notional_of_sweep(order)
    if lots < order.quantity:
        return False
    return notional <= budget if order.is_bid else notional >= budget


def _cancel(x: Exchange, user: User, fields: Fields) -> int:
    is_operator = fields[4] != 0
    order = x.orders.get(fields[9])
    if fields[6] not in x.markets:
        return Reason.UNKNOWN_MARKET
    if order is None or order.market.market_id != fields[6]:
        return Reason.UNKNOWN_ORDER
    if order.user is not user and not is_operator:
        return Reason.UNKNOWN_ORDER
    order.side.remove(order)
    end_order(x, order, ORDER_CANCELED, flags=BY_OPERATOR if is_operator else 0)
    return OK


def _reduce(x: Exchange, user: User, fields: Fields) -> int:
    lots = fields[11]
    order = x.orders.get(fields[9])
    if fields[6] not in x.markets:
        return Reason.UNKNOWN_MARKET
    if order is None or order.user is not user or order.market.market_id != fields[6]:
        return Reason.UNKNOWN_ORDER
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


def _move(x: Exchange, user: User, fields: Fields) -> int:
    price = fields[10]
    order = x.orders.get(fields[9])
    market = x.markets.get(fields[6])
    if market is None:
        return Reason.UNKNOWN_MARKET
    if user.status != ACTIVE or market.state != TRADING:
        return _entry_refusal(user, market)
    if order is None or order.user is not user or order.market is not market:
        return Reason.UNKNOWN_ORDER
    reason = _new_price_refusal(order, price, fields[4])
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


def _new_price_refusal(order: Order, price: int, flags: int) -> int:
    if price <= 0:
        return Reason.INVALID_PRICE
    market = order.market
    if not market.price_min <= price <= market.price_max:
        return Reason.PRICE_FILTER
    if price == order.price and not flags & REQUEUE:
        return Reason.NOTHING_CHANGES
    if order.ceiling:  # up to it everything was checked when the order came in
        return Reason.PRICE_ABOVE_CEILING if price > order.ceiling else OK
    value = price * order.leaves * market.tick_lot_atoms
    if order.is_bid and value <= INT64_MAX:
        value = bid_hold(order, price, order.leaves)
    return Reason.OVERFLOW if value > INT64_MAX else OK


_HANDLERS: Final = {
    PLACE: _place,
    CANCEL: _cancel,
    REDUCE: _reduce,
    MOVE: _move,
}

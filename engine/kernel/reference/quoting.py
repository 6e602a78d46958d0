"""QUOTE: a market maker's bid and ask in one command, in place of those of the last one.

Everything is decided before anything changes. Invariant: `x.quotes` names the orders of each
user's last QUOTE in each market, whether they are open or not.
"""

from __future__ import annotations

from functools import partial

from engine.kernel.codes import (
    ASK,
    BID,
    DECREMENT,
    LIMIT_MAKER,
    MALFORMED,
    OK,
    ORDER_CANCELED,
    QUOTE,
    QUOTE_REPLACED,
)
from engine.kernel.reference.bands import band_refusal
from engine.kernel.reference.bounds import bounds_refusal
from engine.kernel.reference.checks import ADMIN_FORMS, NO_TEXT, Fields
from engine.kernel.reference.controls import owner_refusal
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.fees import bid_hold
from engine.kernel.reference.matching import end_order
from engine.kernel.reference.model import Market, Order, User
from engine.kernel.reference.placing import entry_refusal, rest
from engine.kernel.reference.requests import apply_once
from engine.proto.records import INT64_MAX, NO_REQUEST_ID, Reason


def apply_quote(x: Exchange, fields: Fields) -> int:
    """Check form, user and request id of a QUOTE, then quote."""
    last_id = min(fields[9] + 1, INT64_MAX)  # the ask's
    if last_id > x.last_order_id:
        x.last_order_id = last_id
    reason = ADMIN_FORMS[QUOTE](fields)
    if reason or fields[5] > DECREMENT:
        return MALFORMED
    user = x.users.get(fields[8])
    if user is None:
        return Reason.UNKNOWN_USER
    if fields[15] != NO_REQUEST_ID:
        return apply_once(x, user, fields, partial(_quote, x, user, fields))
    return _quote(x, user, fields)


def _quote(x: Exchange, user: User, fields: Fields) -> int:
    market = x.markets.get(fields[6])
    if market is None:
        return Reason.UNKNOWN_MARKET
    reason = _sides_refusal(x, fields)
    if reason:
        return reason
    new = [each for each in _sides(market, user, fields) if each.price]
    reason = entry_refusal(x, user, market, fields) if new else owner_refusal(market)
    if reason:
        return reason
    old = _open_quote(x, market, user)
    if not new and not old:
        return Reason.NOTHING_CHANGES
    for before, order in enumerate(new):
        reason = _order_refusal(x, order, old, before)
        if reason:
            return reason
    if _lacks_room(x, market, user, len(new), len(old)):
        return Reason.CAPACITY
    for order in old:
        order.side.remove(order)
        end_order(x, order, ORDER_CANCELED, reason=QUOTE_REPLACED)
    for order in new:
        _enter(x, order)
    _remember(x, market, user, new)
    return OK


def _sides_refusal(x: Exchange, fields: Fields) -> int:
    """Check ids, prices and quantities of the two sides by themselves."""
    order_id, bid, bid_lots, ask_lots, ask = fields[9], *fields[10:14]
    if not 0 < order_id < INT64_MAX or order_id in x.orders or order_id + 1 in x.orders:
        return Reason.DUPLICATE_ORDER_ID
    for price, lots in ((bid, bid_lots), (ask, ask_lots)):
        if price < 0 or (lots and not price):
            return Reason.INVALID_PRICE
        if lots < 0 or (price and not lots):
            return Reason.INVALID_QUANTITY
    return Reason.INVALID_PRICE if 0 < ask <= bid else OK


def _sides(market: Market, user: User, fields: Fields) -> tuple[Order, Order]:
    order_id, bid, bid_lots, ask_lots, ask = fields[9], *fields[10:14]
    orders = (
        Order(market, user, order_id, LIMIT_MAKER, bool(BID), bid, bid_lots, 0, NO_TEXT),
        Order(market, user, order_id + 1, LIMIT_MAKER, bool(ASK), ask, ask_lots, 0, NO_TEXT),
    )
    for order in orders:
        order.stp = fields[5]
    return orders


def _open_quote(x: Exchange, market: Market, user: User) -> list[Order]:
    """Return what is open of the last quote, the bid first."""
    order_ids = x.quotes.get((user.user_id, market.market_id), ())
    found = (x.orders.get(order_id) for order_id in order_ids)
    return [order for order in found if order and order.user is user and order.market is market]


def _order_refusal(x: Exchange, order: Order, old: list[Order], before: int) -> int:
    """Check one side as if what is open of the last quote were gone already."""
    market = order.market
    if not market.price_min <= order.price <= market.price_max:
        return Reason.PRICE_FILTER
    if band_refusal(market, order.price, is_bid=order.is_bid):
        return Reason.PERCENT_PRICE
    if not market.quantity_min <= order.quantity <= market.quantity_max:
        return Reason.LOT_SIZE
    notional = order.price * order.quantity * market.tick_lot_atoms
    hold = _hold(order)
    if max(notional, hold, order.quantity * market.lot_atoms) > INT64_MAX:
        return Reason.OVERFLOW
    reason = Reason.NOTIONAL if notional < market.notional_min else OK
    reason = reason or bounds_refusal(x, order, notional, old, before)
    if reason:
        return reason
    makers = order.opposite.orders_within(order.price) if order.crosses(order.price) else ()
    if any(maker not in old for maker in makers):
        return Reason.WOULD_TAKE
    asset = market.quote if order.is_bid else market.base
    account = x.accounts.get((order.user.user_id, asset.asset_id))
    freed = sum(each.reserved for each in old if each.is_bid == order.is_bid)
    available = (account.available if account else 0) + freed
    return Reason.INSUFFICIENT_BALANCE if hold > available else OK


def _hold(order: Order) -> int:
    if not order.is_bid:
        return order.quantity * order.market.lot_atoms
    return bid_hold(order, order.price, order.quantity)


def _lacks_room(x: Exchange, market: Market, user: User, new: int, old: int) -> bool:
    """Whether what a quote adds would pass a limit; one that only takes away never does."""
    if not new:
        return False
    key = (user.user_id, market.market_id)
    assets = (market.base.asset_id, market.quote.asset_id)
    return (
        len(x.orders) - old + new > x.limits.open_orders_max
        or (key not in x.quotes and len(x.quotes) >= x.limits.accounts_max)
        or x.lacks_room_for_accounts(user.user_id, *assets)
    )


def _enter(x: Exchange, order: Order) -> None:
    order.base, order.quote = x.open_accounts(order.market, order.user.user_id)
    order.reserved = _hold(order)
    (order.quote if order.is_bid else order.base).reserve(order.reserved)
    x.emit_accepted(order, 0, LIMIT_MAKER)
    rest(x, order)


def _remember(x: Exchange, market: Market, user: User, new: list[Order]) -> None:
    key = (user.user_id, market.market_id)
    if new:
        ids = {each.is_bid: each.order_id for each in new}
        x.quotes[key] = ids.get(True, 0), ids.get(False, 0)
    else:
        del x.quotes[key]

"""AMEND of an open order: another total quantity, another price, or both (rules 18 to 20).

Everything is decided before anything changes. Invariant: a refused amend leaves the order and its
place in the queue alone; quantity - leaves, which is what has traded or was taken off, stays.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from engine.kernel.codes import (
    AMEND,
    ICEBERG_TRANCHES_MAX,
    LIMIT_MAKER,
    OK,
    ORDER_AMENDED,
    ORDER_CANCELED,
    POST_ONLY,
)
from engine.kernel.reference.bands import band_refusal
from engine.kernel.reference.bounds import amended_refusal
from engine.kernel.reference.checks import ADMIN_FORMS, Fields
from engine.kernel.reference.controls import owner_refusal
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.fees import bid_hold
from engine.kernel.reference.icebergs import fit_shown, tranches
from engine.kernel.reference.matching import end_order, fit_reserve, match
from engine.kernel.reference.model import Order, User
from engine.kernel.reference.parking import bound_refusal
from engine.kernel.reference.placing import entry_refusal
from engine.kernel.reference.requests import apply_once
from engine.proto.records import INT64_MAX, NO_REQUEST_ID, Reason


class _Terms(NamedTuple):
    """What an order is to become."""

    price: int
    quantity: int
    leaves: int


def apply_amend(x: Exchange, fields: Fields) -> int:
    """Check form, user and request id of an AMEND, then amend the order."""
    reason = ADMIN_FORMS[AMEND](fields)
    if reason:
        return reason
    user = x.users.get(fields[8])
    if user is None:
        return Reason.UNKNOWN_USER
    if fields[15] != NO_REQUEST_ID:
        return apply_once(x, user, fields, partial(_amend, x, user, fields))
    return _amend(x, user, fields)


def _amend(x: Exchange, user: User, fields: Fields) -> int:
    market, order = x.markets.get(fields[6]), x.orders.get(fields[9])
    if market is None:
        return Reason.UNKNOWN_MARKET
    if order is None or order.user is not user or order.market is not market:
        return Reason.UNKNOWN_ORDER
    if order.extra and bound_refusal(order):
        return bound_refusal(order)
    price, quantity = fields[10] or order.price, fields[11] or order.quantity
    terms = _Terms(price, quantity, order.leaves + quantity - order.quantity)
    if price < 0 or quantity < 0:
        return Reason.INVALID_PRICE if price < 0 else Reason.INVALID_QUANTITY
    if price == order.price and quantity == order.quantity:
        return Reason.NOTHING_CHANGES
    is_smaller_only = price == order.price and terms.leaves < order.leaves
    if is_smaller_only or terms.leaves <= 0:
        reason = owner_refusal(market)
    else:
        reason = entry_refusal(x, user, market, fields)
    if terms.leaves <= 0 and not reason:
        order.side.remove(order)
        end_order(x, order, ORDER_CANCELED)
        return OK
    reason = reason or _content_refusal(x, order, terms)
    if reason:
        return reason
    if not is_smaller_only:
        return _renew(x, order, terms)
    removed = order.leaves - terms.leaves
    order.quantity, order.leaves = terms.quantity, terms.leaves
    fit_reserve(order)
    x.emit_changed(ORDER_AMENDED, order, removed, 0)
    return OK


def _content_refusal(x: Exchange, order: Order, terms: _Terms) -> int:
    """Check what changes against the filters, and that the products fit."""
    market = order.market
    bound = order.ceiling or terms.price
    if terms.price != order.price and not market.price_min <= terms.price <= market.price_max:
        return Reason.PRICE_FILTER
    if terms.price != order.price and band_refusal(market, terms.price, is_bid=order.is_bid):
        return Reason.PERCENT_PRICE
    if terms.price > bound:
        return Reason.PRICE_ABOVE_CEILING
    if terms.quantity != order.quantity and not (
        market.quantity_min <= terms.quantity <= market.quantity_max
    ):
        return Reason.LOT_SIZE
    displayed = order.extra.display_lots if order.extra else 0
    if displayed and tranches(terms.quantity, displayed) > ICEBERG_TRANCHES_MAX:
        return Reason.INVALID_ICEBERG
    notional = bound * terms.quantity * market.tick_lot_atoms
    if terms.quantity * market.lot_atoms > INT64_MAX or notional > INT64_MAX:
        return Reason.OVERFLOW
    if _hold(order, terms) > INT64_MAX:
        return Reason.OVERFLOW
    value = terms.price * terms.quantity * market.tick_lot_atoms
    if value < market.notional_min:
        return Reason.NOTIONAL
    return amended_refusal(x, order, value, terms.leaves)


def _hold(order: Order, terms: _Terms) -> int:
    if not order.is_bid:
        return terms.leaves * order.market.lot_atoms
    return bid_hold(order, order.ceiling or terms.price, terms.leaves)


def _renew(x: Exchange, order: Order, terms: _Terms) -> int:
    """Send an order with its new terms to the back of a level, where it may trade as a taker."""
    crosses = terms.price != order.price and order.crosses(terms.price)
    if crosses and (order.order_type == LIMIT_MAKER or order.market.state == POST_ONLY):
        return Reason.WOULD_TAKE
    account = order.quote if order.is_bid else order.base
    more = _hold(order, terms) - order.reserved
    if more > account.available:
        return Reason.INSUFFICIENT_BALANCE
    account.reserve(more)
    order.reserved += more
    order.side.remove(order)
    removed = order.leaves - terms.leaves
    order.price, order.quantity, order.leaves = terms
    x.emit_changed(ORDER_AMENDED, order, removed, 0)
    if crosses:
        match(x, order)
    if order.leaves:
        fit_shown(order)
        order.side.add(order)
    return OK

"""What stops trading: kill switches, mass cancels and a user's status.

Each is one command; the orders that it cancels end in ascending order of their ids, wherever they
wait. Invariant: nothing that is cancelled here trades any more in the same command.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.kernel.codes import (
    BY_OPERATOR,
    CANCEL_ALL_DONE,
    CANCEL_RESTING,
    KILL_SWITCH,
    KILL_SWITCH_SET,
    MALFORMED,
    MASS_CANCEL,
    NOTHING_CHANGES,
    OK,
    OPERATOR,
    ORDER_CANCELED,
    SUSPENDED,
    UNKNOWN_MARKET,
    UNKNOWN_USER,
    USER_STATUS,
    USER_STATUS_SET,
)
from engine.kernel.reference.checks import Fields
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.matching import end_order, take_out
from engine.kernel.reference.model import Market, Order, User
from engine.kernel.reference.requests import apply_once
from engine.kernel.states import MATRIX, Ask
from engine.proto.records import NO_REQUEST_ID, MarketState


def owner_refusal(market: Market) -> int:
    """Whether an order's owner may not cancel or reduce it in this market now."""
    return MATRIX[MarketState(market.state)][Ask.CANCEL]


def cancel_orders(x: Exchange, wanted: Callable[[Order], bool], reason: int, flags: int) -> int:
    """Cancel the open orders that are wanted, by ascending id; return how many."""
    order_ids = sorted(key for key, order in x.orders.items() if wanted(order))
    count = 0
    for order_id in order_ids:
        order = x.orders.get(order_id)
        if order:
            parked = take_out(x, order)
            end_order(x, order, ORDER_CANCELED, flags=flags | parked, reason=reason)
            count += 1
    return count


def apply_cancel_all(x: Exchange, fields: Fields) -> int:
    """CANCEL_ALL: a user's orders, by himself or an operator, or an operator's for everybody."""
    user_id, is_operator = fields[8], bool(fields[4])
    if not 0 <= fields[11] <= 2:
        return MALFORMED
    user = x.users.get(user_id)
    if user is None and (user_id or not is_operator):
        return UNKNOWN_USER
    sender = x.house if is_operator or user is None else user
    if fields[15] == NO_REQUEST_ID:
        return _cancel_all(x, fields)
    return apply_once(x, sender, fields, partial(_cancel_all, x, fields))


def _cancel_all(x: Exchange, fields: Fields) -> int:
    is_operator, market_id, user_id, side = fields[4] == OPERATOR, fields[6], fields[8], fields[11]
    if market_id:
        market = x.markets.get(market_id)
        if market is None:
            return UNKNOWN_MARKET
        if not is_operator and owner_refusal(market):
            return owner_refusal(market)

    def is_wanted(order: Order) -> bool:
        return (
            (not user_id or order.user.user_id == user_id)
            and (not market_id or order.market.market_id == market_id)
            and (not side or order.is_bid == (side == 2))
            and (is_operator or not owner_refusal(order.market))
        )

    count = cancel_orders(x, is_wanted, MASS_CANCEL, BY_OPERATOR if is_operator else 0)
    x.emit(CANCEL_ALL_DONE, market_id, 0, OK, user_id, side, count)
    return OK


def set_kill_switch(x: Exchange, fields: Fields) -> int:
    """Switch a user, a market or everything off, and cancel what rests there; or on again."""
    market_id, user_id, is_on = fields[6], fields[8], fields[11]
    if not 0 <= is_on <= 1 or (market_id and user_id):
        return MALFORMED
    switch: User | Market | Exchange | None = x
    if user_id:
        switch = x.users.get(user_id)
        if switch is None:
            return UNKNOWN_USER
    elif market_id:
        switch = x.markets.get(market_id)
        if switch is None:
            return UNKNOWN_MARKET
    assert switch is not None
    if switch.is_killed == bool(is_on):
        return NOTHING_CHANGES
    switch.set_killed(is_killed=bool(is_on))
    x.emit(KILL_SWITCH_SET, market_id, 0, OK, user_id, is_on)
    if is_on:
        cancel_orders(
            x, lambda order: switch in (x, order.user, order.market), KILL_SWITCH, BY_OPERATOR
        )
    return OK


def set_user_status(x: Exchange, fields: Fields) -> int:
    """Suspend or free a user; his orders rest on unless the command says otherwise."""
    status, cancels = fields[11], fields[4] == CANCEL_RESTING
    if cancels and status != SUSPENDED:
        return MALFORMED
    user = x.users.get(fields[8])
    if user is None:
        return UNKNOWN_USER
    if user.status == status:
        return NOTHING_CHANGES
    user.set_status(status)
    x.emit(USER_STATUS_SET, 0, 0, OK, user.user_id, status)
    if cancels:
        cancel_orders(x, lambda order: order.user is user, USER_STATUS, BY_OPERATOR)
    return OK

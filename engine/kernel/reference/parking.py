"""Parked orders of the reference kernel: where they wait, and what makes them due.

An order that waits for its stop price, or for its list, is open but not in the book. Every trade of
its market is looked at, in order: so it becomes due at the very price that reached its trigger,
however many levels one command takes. It runs later (see `triggers`). Invariant: `Market.parked`
holds the market's orders whose `wait` is not 0, and `Exchange.due` those of them that are due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.kernel.codes import (
    BIPS,
    INT64_MAX,
    LIMIT_ONLY,
    OK,
    ORDER_IN_LIST,
    ORDER_IS_PARKED,
    PARKED,
    STOP_LOSS,
    STOP_LOSS_LIMIT,
    TRADING,
    WAIT_DUE,
    WAIT_STOP,
    WAIT_TRAIL,
)

if TYPE_CHECKING:
    from engine.kernel.reference.exchange import Exchange
    from engine.kernel.reference.model import Extra, Market, Order


def bound_refusal(order: Order) -> int:
    """Whether an order cannot be changed because it waits or belongs to a list."""
    extra = order.extra
    if extra is None or not (extra.wait or extra.list_id):
        return OK
    return ORDER_IS_PARKED if extra.wait else ORDER_IN_LIST


def is_rising(order: Order) -> bool:
    """Whether the order waits for a price at or above its stop price, not at or below it."""
    is_stop_loss = order.order_type in (STOP_LOSS, STOP_LOSS_LIMIT)
    return is_stop_loss == bool(order.is_bid)


def is_reached(order: Order, stop_price: int, price: int) -> bool:
    return price >= stop_price if is_rising(order) else price <= stop_price


def trail_trigger(order: Order, extreme: int, delta_bips: int) -> int:
    """Return the price at which a trailing stop that follows from `extreme` becomes due."""
    if order.is_bid:
        return min(INT64_MAX, -(-extreme * (BIPS + delta_bips) // BIPS))
    return extreme * (BIPS - delta_bips) // BIPS


def park(x: Exchange, order: Order, extra: Extra) -> None:
    """Let an order wait for its stop price, or follow the price at once if there is none."""
    extra.sequence = x.event_seq
    last = order.market.last_price_ticks
    extra.wait = WAIT_STOP
    is_begun = not extra.stop_price or (last and is_reached(order, extra.stop_price, last))
    if extra.delta_bips and is_begun:
        extra.wait, extra.extreme = WAIT_TRAIL, last
    order.market.parked[order.order_id] = order


def unpark(x: Exchange, order: Order) -> int:
    """Take an order away from where it waits; return the flag that says so of its next event."""
    extra = order.extra
    if extra is None or not extra.wait:
        return 0
    extra.wait = 0
    del order.market.parked[order.order_id]
    x.due.pop(order.order_id, None)
    return PARKED


def note_price(x: Exchange, market: Market, price: int) -> None:
    """Take in a trade at another price than the last: who waits for it follows it, or is due."""
    for order in market.parked.values():
        extra = order.extra
        assert extra
        if extra.wait == WAIT_STOP and is_reached(order, extra.stop_price, price):
            if extra.delta_bips:
                extra.wait, extra.extreme = WAIT_TRAIL, price
            else:
                _make_due(x, order, extra, extra.stop_price)
        elif extra.wait == WAIT_TRAIL:
            _follow(x, order, extra, price)


def _follow(x: Exchange, order: Order, extra: Extra, price: int) -> None:
    best = min if order.is_bid else max
    extra.extreme = best(extra.extreme, price) if extra.extreme else price
    trigger = trail_trigger(order, extra.extreme, extra.delta_bips)
    if price >= trigger if order.is_bid else price <= trigger:
        _make_due(x, order, extra, trigger)


def _make_due(x: Exchange, order: Order, extra: Extra, trigger_price: int) -> None:
    """From now on `extreme` is the price that the order was triggered at."""
    extra.wait, extra.extreme = WAIT_DUE, trigger_price
    x.due[order.order_id] = order


def next_due(x: Exchange) -> Order | None:
    """Return the due order that may run and comes first: by market, trigger price, sequence."""
    ranked = [
        ((order.market.market_id, order.extra.extreme, order.extra.sequence), order)
        for order in x.due.values()
        if order.extra and may_run(order)
    ]
    return min(ranked, key=lambda each: each[0])[1] if ranked else None


def may_run(order: Order) -> bool:
    """Whether the market is in a state in which a triggered order may enter its book."""
    state = order.market.state
    return state == TRADING or (state == LIMIT_ONLY and order.price != 0)

"""How orders of the reference kernel meet: fills, self-trade prevention, the end of an order.

Invariant: a trade is at the maker's price, makers in price-time priority; what leaves one account
arrives in others (trader or house) within the same fill; an order with a mode of prevention never
trades as a taker with one of its own user or trade group.
"""

from __future__ import annotations

from engine.kernel.codes import (
    DECREMENT,
    DONE,
    EXPIRE_MAKER,
    EXPIRE_TAKER,
    MAKER_DONE,
    OCO,
    OK,
    ORDER_EXPIRED,
    ORDER_PREVENTED,
    SLIPPAGE,
    STP,
    TRADE,
    VOLATILITY,
)
from engine.kernel.reference.bands import Limits, limits_of, pause
from engine.kernel.reference.checks import NO_TEXT
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.fees import MAKER, TAKER, bid_hold, due_fee
from engine.kernel.reference.icebergs import fit_shown, use_shown
from engine.kernel.reference.model import NO_BANDS, Order
from engine.kernel.reference.parking import note_price, unpark
from engine.kernel.reference.timers import disarm_expiry


def match(x: Exchange, taker: Order) -> None:
    """Trade until the taker has ended or nothing is left within its price (0 = any price)."""
    makers = taker.opposite
    limits, limit_price = None, taker.price
    if taker.market.bands is not NO_BANDS:
        limits = limits_of(taker, limit_price)
        limit_price = limits.price
    while taker.leaves:
        maker = makers.best(limit_price)
        if maker is None:
            if limits is not None:
                _stop_at_band(x, taker, limits)
            return
        if taker.stp and taker.user.is_one_with(maker.user):
            _prevent(x, taker, maker)
            continue
        refilled = _fill(x, taker, maker)
        if not maker.leaves:
            makers.remove(maker)
            forget(x, maker)
        elif refilled:
            makers.requeue(maker, maker.price)
    forget(x, taker)


def _stop_at_band(x: Exchange, taker: Order, limits: Limits) -> None:
    """End a taker that only a band keeps from trading on, and pause the market if it must."""
    if not taker.opposite.is_within(taker.price):
        return
    if limits.volatility and not taker.opposite.is_within(limits.volatility):
        end_order(x, taker, ORDER_EXPIRED, reason=VOLATILITY)
        pause(x, taker.market)
    else:
        end_order(x, taker, ORDER_EXPIRED, reason=SLIPPAGE)


def forget(x: Exchange, order: Order) -> None:
    """Free the ids of an order that has ended (one that never rested has none in use)."""
    if x.orders.pop(order.order_id, None):
        if order.text != NO_TEXT:
            x.open_texts.discard((order.user.user_id, order.text))
        if order.extra:
            disarm_expiry(x, order)
    if order.extra and order.extra.list_id:
        x.noted.add(order.extra.list_id)


def note_fill(x: Exchange, order: Order, list_id: int) -> None:
    """Note that a leg of a list has traded."""
    each = x.lists[list_id]
    if each.list_type != OCO and order.order_id == each.legs[0]:
        each.is_filled = each.is_filled or not order.leaves
    else:
        each.has_traded = True
    x.noted.add(list_id)


def take_out(x: Exchange, order: Order) -> int:
    """Take an open order away from where it rests or waits; return the flags of its next event."""
    parked = unpark(x, order) if order.extra else 0
    if not parked:
        order.side.remove(order)
    return parked


def _prevent(x: Exchange, taker: Order, maker: Order) -> None:
    """Do what the taker's mode says instead of a trade with one of its own orders."""
    if taker.stp == DECREMENT:
        _decrement(x, taker, maker)
        return
    if taker.stp != EXPIRE_TAKER:
        maker.side.remove(maker)
        end_order(x, maker, ORDER_EXPIRED, reason=STP)
    if taker.stp != EXPIRE_MAKER:
        end_order(x, taker, ORDER_EXPIRED, reason=STP)


def _decrement(x: Exchange, taker: Order, maker: Order) -> None:
    """Take off both orders what they would have traded."""
    lots = min(taker.leaves, maker.shown)
    refilled = 0
    for order, other in ((maker, taker), (taker, maker)):
        is_shown = order.is_iceberg and order.order_id in x.orders
        was_shown = min(order.shown, order.leaves) if is_shown else 0
        order.leaves -= lots
        fit_reserve(order)
        if order.extra and order.extra.list_id and order.leaves:
            note_fill(x, order, order.extra.list_id)
        if order is maker:
            refilled = use_shown(maker, lots)
        fit_shown(order)
        x.emit(
            ORDER_PREVENTED,
            order.market.market_id,
            order.is_bid | (0 if order.leaves else DONE),
            STP,
            order.order_id,
            order.user.user_id,
            order.price,
            lots,
            order.leaves,
            order.reserved,
            was_shown,
            order.shown if is_shown else 0,
            other.order_id,
            maker.price,
        )
    if not maker.leaves:
        maker.side.remove(maker)
        forget(x, maker)
    elif refilled:
        maker.side.requeue(maker, maker.price)


def fit_reserve(order: Order) -> None:
    """Return what an order need not hold any more, now that it has fewer lots to trade."""
    reserve = order.reserved
    if not order.is_bid:
        reserve = order.leaves * order.market.lot_atoms
    elif not order.leaves:
        reserve = 0
    elif order.hold_price:
        reserve = min(reserve, bid_hold(order, order.hold_price, order.leaves))
    (order.quote if order.is_bid else order.base).release(order.reserved - reserve)
    order.reserved = reserve


def _fill(x: Exchange, taker: Order, maker: Order) -> int:
    """Trade one maker's lots at its price; return what comes into view of an iceberg maker."""
    lots = min(taker.leaves, maker.shown if maker.extra else maker.leaves)
    return fill_at(x, taker, maker, lots, maker.price, TAKER, 0)


def fill_at(
    x: Exchange, taker: Order, maker: Order, lots: int, price: int, taker_role: int, flags: int
) -> int:
    """Trade lots at a price: move the money, then say so in a TRADE.

    Return what comes into view of an iceberg maker.
    """
    market = taker.market
    taker.leaves -= lots
    maker.leaves -= lots
    refilled = use_shown(maker, lots) if maker.extra else 0
    for order in (maker, taker):
        if order.extra and order.extra.list_id:
            note_fill(x, order, order.extra.list_id)
    notional = lots * price * market.tick_lot_atoms
    bid_role, ask_role = (taker_role, MAKER) if taker.is_bid else (MAKER, taker_role)
    bid, ask = (taker, maker) if taker.is_bid else (maker, taker)
    if taker.is_bid:  # the taker first: his fee may pay the maker's rebate
        bid_fee = _settle_bid(bid, bid_role, notional, lots)
        ask_fee = _settle_ask(ask, ask_role, notional, lots)
    else:
        ask_fee = _settle_ask(ask, ask_role, notional, lots)
        bid_fee = _settle_bid(bid, bid_role, notional, lots)
    market.last_trade_id += 1
    if market.parked and price != market.last_price_ticks:
        note_price(x, market, price)
    market.last_price_ticks = price
    x.emit(
        TRADE,
        market.market_id,
        flags | taker.is_bid | (0 if taker.leaves else DONE) | (0 if maker.leaves else MAKER_DONE),
        OK,
        market.last_trade_id,
        maker.order_id,
        taker.order_id,
        maker.user.user_id,
        taker.user.user_id,
        price,
        lots,
        ask_fee if taker.is_bid else bid_fee,
        bid_fee if taker.is_bid else ask_fee,
        maker.reserved,
        taker.reserved,
        refilled,
    )
    return refilled


def _settle_bid(bid: Order, role: int, notional: int, lots: int) -> int:
    """Pay for a bid's fill out of its reserve, release what it needs no more, return its fee."""
    market = bid.market
    received = lots * market.lot_atoms
    if market.is_fee_in_quote:
        must_keep = bid.leaves * bid.hold_price * market.tick_lot_atoms
        fee = due_fee(bid, role, notional, lots, bid.reserved - notional - must_keep)
        cost = notional + fee
        market.house_quote.credit(fee)
        bid.base.credit(received)
    else:
        fee = due_fee(bid, role, received, lots, received)
        cost = notional
        market.house_base.credit(fee)
        bid.base.credit(received - fee)
    left = bid.reserved - cost
    reserve = left
    if not bid.leaves:
        reserve = 0
    elif bid.hold_price:
        reserve = min(left, bid_hold(bid, bid.hold_price, bid.leaves))
    bid.quote.spend(cost)
    bid.quote.release(left - reserve)
    bid.reserved = reserve
    return fee


def _settle_ask(ask: Order, role: int, notional: int, lots: int) -> int:
    """Deliver an ask's lots out of its reserve, credit the proceeds, return its fee."""
    market = ask.market
    delivered = lots * market.lot_atoms
    fee = due_fee(ask, role, notional, lots, notional)
    ask.base.spend(delivered)
    ask.reserved -= delivered
    ask.quote.credit(notional - fee)
    market.house_quote.credit(fee)
    return fee


def end_order(x: Exchange, order: Order, kind: int, *, flags: int = 0, reason: int = OK) -> None:
    """End an order that is no longer on the book: return its reserve, say so, free its ids."""
    removed = order.leaves
    order.leaves = 0
    (order.quote if order.is_bid else order.base).release(order.reserved)
    order.reserved = 0
    x.emit_changed(kind, order, removed, flags | DONE, reason)
    forget(x, order)

"""How orders of the reference kernel meet: fills, sweeps, and the end of an order.

Invariant: a trade is at the maker's price, makers in price-time priority; what leaves one account
arrives in others (trader or house) within the same fill.
"""

from __future__ import annotations

from engine.kernel.codes import DONE, MAKER_DONE, OK, TRADE
from engine.kernel.reference.checks import NO_TEXT
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.fees import MAKER, TAKER, bid_hold, due_fee
from engine.kernel.reference.model import Order


def match(x: Exchange, taker: Order) -> None:
    """Trade until the taker is filled or nothing is left within its price (0 = any price)."""
    makers = taker.opposite
    while taker.leaves:
        maker = makers.best(taker.price)
        if maker is None:
            return
        _fill(x, taker, maker)
        if not maker.leaves:
            makers.remove(maker)
            forget(x, maker)
    forget(x, taker)


def forget(x: Exchange, order: Order) -> None:
    """Free the ids of an order that has ended (one that never rested has none in use)."""
    if x.orders.pop(order.order_id, None) and order.text != NO_TEXT:
        x.open_texts.discard((order.user.user_id, order.text))


def _fill(x: Exchange, taker: Order, maker: Order) -> None:
    """Trade one maker's lots: move the money, then say so in a TRADE."""
    market = taker.market
    lots = min(taker.leaves, maker.leaves)
    taker.leaves -= lots
    maker.leaves -= lots
    notional = lots * maker.price * market.tick_lot_atoms
    bid_role, ask_role = (TAKER, MAKER) if taker.is_bid else (MAKER, TAKER)
    bid, ask = (taker, maker) if taker.is_bid else (maker, taker)
    bid_fee = _settle_bid(bid, bid_role, notional, lots)
    ask_fee = _settle_ask(ask, ask_role, notional, lots)
    market.last_trade_id += 1
    market.last_price_ticks = maker.price
    x.emit(
        TRADE,
        market.market_id,
        taker.is_bid | (0 if taker.leaves else DONE) | (0 if maker.leaves else MAKER_DONE),
        OK,
        market.last_trade_id,
        maker.order_id,
        taker.order_id,
        maker.user.user_id,
        taker.user.user_id,
        maker.price,
        lots,
        ask_fee if taker.is_bid else bid_fee,
        bid_fee if taker.is_bid else ask_fee,
        maker.reserved,
        taker.reserved,
        0,
    )


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


def lots_within(taker: Order) -> int:
    """Return how many lots the book offers within the taker's price."""
    return sum(maker.leaves for maker in taker.opposite.orders_within(taker.price))


def notional_of_sweep(taker: Order) -> tuple[int, int]:
    """Return (lots, quote atoms) of taking up to the order's quantity at any price."""
    wanted = taker.quantity
    notional = 0
    for maker in taker.opposite.orders_within(0):
        lots = min(wanted, maker.leaves)
        wanted -= lots
        notional += lots * maker.price * taker.market.tick_lot_atoms
        if not wanted:
            break
    return taker.quantity - wanted, notional


def end_order(x: Exchange, order: Order, kind: int, *, flags: int = 0, reason: int = OK) -> None:
    """End an order that is no longer on the book: return its reserve, say so, free its ids."""
    removed = order.leaves
    order.leaves = 0
    (order.quote if order.is_bid else order.base).release(order.reserved)
    order.reserved = 0
    x.emit_changed(kind, order, removed, flags | DONE, reason)
    forget(x, order)

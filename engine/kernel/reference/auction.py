"""Auctions: the one price at which a book that crosses is uncrossed (rule 32).

Invariant: afterwards the book does not cross; every trade is at the auction's price, both sides
pay the maker's rate, and no trade is between orders of which the later prevents self-trades.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from engine.kernel.codes import IN_AUCTION, MARKET_UNCROSSED, OK, ORDER_EXPIRED, STP
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.fees import MAKER
from engine.kernel.reference.icebergs import use_shown
from engine.kernel.reference.matching import end_order, fill_at, forget
from engine.kernel.reference.model import Market, Order


class Outcome(NamedTuple):
    """What an auction at this price would trade, and what it would leave (positive: of bids)."""

    price: int
    lots: int
    imbalance: int


def uncross(x: Exchange, market: Market, *, was_auction: bool) -> None:
    """Trade until the book does not cross.

    Only orders that end by prevention can leave it crossed behind one price: then there is another.
    """
    reference = market.reference_price
    is_told = False
    while _is_crossed(market):
        outcome = auction_outcome(market, reference)
        lots = _execute(x, market, outcome.price)
        _emit(x, market, Outcome(outcome.price, lots, outcome.imbalance), reference)
        is_told = True
    if was_auction and not is_told:
        _emit(x, market, Outcome(0, 0, 0), 0)


def _is_crossed(market: Market) -> bool:
    bids, asks = market.bids.prices, market.asks.prices
    return bool(bids and asks and bids[-1] >= asks[0])


def _emit(x: Exchange, market: Market, outcome: Outcome, reference: int) -> None:
    x.emit(MARKET_UNCROSSED, market.market_id, 0, OK, *outcome, reference)


def auction_outcome(market: Market, reference: int) -> Outcome:
    """Return the outcome with the most volume, then the least imbalance, then nearest to the
    reference price (0 = there is none), then at the lowest price."""

    def rank(outcome: Outcome) -> tuple[int, int, int, int]:
        distance = abs(outcome.price - reference) if reference else 0
        return -outcome.lots, abs(outcome.imbalance), distance, outcome.price

    return min(_outcomes(market, reference), key=rank)


def _outcomes(market: Market, reference: int) -> Iterator[Outcome]:
    """Yield the outcome at each price of an order, and between two at the price nearest to the
    reference: between them volume and imbalance do not change."""
    low, high = market.asks.prices[0], market.bids.prices[-1]
    both = {*market.bids.prices, *market.asks.prices}
    prices = sorted(price for price in both if low <= price <= high)
    for price in prices:
        yield _outcome(market, price)
    for lower, upper in pairwise(prices):
        if upper - lower > 1:
            yield _outcome(market, min(max(reference, lower + 1), upper - 1))


def _outcome(market: Market, price: int) -> Outcome:
    demand = sum(order.leaves for order in market.bids.orders_within(price))
    supply = sum(order.leaves for order in market.asks.orders_within(price))
    return Outcome(price, min(demand, supply), demand - supply)


def _execute(x: Exchange, market: Market, price: int) -> int:
    """Let the orders within the price meet, first come first served; return the lots traded."""
    traded = 0
    while True:
        bid, ask = market.bids.best(price), market.asks.best(price)
        if bid is None or ask is None:
            return traded
        earlier, later = (bid, ask) if bid.order_id < ask.order_id else (ask, bid)
        if later.stp and later.user.is_one_with(earlier.user):
            later.side.remove(later)
            end_order(x, later, ORDER_EXPIRED, reason=STP)
            continue
        traded += _trade(x, earlier, later, price)


def _trade(x: Exchange, earlier: Order, later: Order, price: int) -> int:
    lots = min(earlier.shown, later.shown)
    refilled = fill_at(x, later, earlier, lots, price, MAKER, IN_AUCTION)
    for order, more in ((earlier, refilled), (later, use_shown(later, lots))):
        if not order.leaves:
            order.side.remove(order)
            forget(x, order)
        elif more:
            order.side.requeue(order, order.price)
    return lots

"""One side of a market's order book, price levels sorted, orders in each level by arrival.

Invariant: no level is empty, and every price of `levels` is in `prices` exactly once, ascending.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.kernel.reference.model import Order


class BookSide:
    """A level is a dict by order id: Python keeps insertion order, which is time priority."""

    __slots__ = ("best_index", "is_bid", "levels", "prices")

    def __init__(self, *, is_bid: bool) -> None:
        self.is_bid = is_bid
        self.best_index = -1 if is_bid else 0
        self.levels: dict[int, dict[int, Order]] = {}
        self.prices: list[int] = []

    def add(self, order: Order) -> None:
        """Put an order at the back of its level."""
        level = self.levels.get(order.price)
        if level is None:
            self.levels[order.price] = {order.order_id: order}
            insort(self.prices, order.price)
        else:
            level[order.order_id] = order

    def remove(self, order: Order) -> None:
        price = order.price
        level = self.levels[price]
        del level[order.order_id]
        if not level:
            del self.levels[price]
            del self.prices[bisect_left(self.prices, price)]

    def requeue(self, order: Order, price: int) -> None:
        """Take an order off its level and put it at the back of that of `price`."""
        levels = self.levels
        order_id = order.order_id
        level = levels[order.price]
        del level[order_id]
        if not level:
            del levels[order.price]
            del self.prices[bisect_left(self.prices, order.price)]
        order.price = price
        if price in levels:
            levels[price][order_id] = order
        else:
            levels[price] = {order_id: order}
            insort(self.prices, price)

    def best(self, limit_price: int) -> Order | None:
        """Return the first order in priority that a taker with this limit (0 = none) may hit."""
        if not self.is_within(limit_price):
            return None
        return next(iter(self.levels[self.prices[self.best_index]].values()))

    def is_within(self, limit_price: int) -> bool:
        """Whether a taker with this limit (0 = none) may hit the best level."""
        if not self.prices:
            return False
        price = self.prices[self.best_index]
        return not limit_price or (price >= limit_price if self.is_bid else price <= limit_price)

    def prices_best_first(self) -> Iterator[int]:
        return reversed(self.prices) if self.is_bid else iter(self.prices)

    def orders_within(self, limit_price: int) -> Iterator[Order]:
        """Yield the orders that a taker with this limit (0 = none) may hit, in priority order."""
        for price in self.prices_best_first():
            if limit_price and (price < limit_price if self.is_bid else price > limit_price):
                return
            yield from self.levels[price].values()

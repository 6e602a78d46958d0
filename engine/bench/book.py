"""A price-time order book, small enough to be seen to be right, for the workload's generator.

The generator needs a matching book's answers while it makes commands (what rests, what traded), and
the benchmark needs an oracle that shares no code with the kernels. Prices and sizes are plain
integers; there are no users, balances or fees.

Invariant: a price has a level only while an order rests there, and no bid is at or above an ask.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final

ASK: Final = 0
BID: Final = 1

# What an operation answers, in the order in which it is to be reported. One event is
# (kind, maker id, price, size, active order done, maker done); REJECT and REDUCE have no maker.
TRADE: Final = "T"
REJECT: Final = "R"  # of `size`, what an order that may not rest could not trade
REDUCE: Final = "D"  # by `size`, through a cancel or a reduction
Event = tuple[str, int, int, int, bool, bool]
Events = list[Event]
Level = tuple[int, int, int]  # price, volume, orders
L2 = tuple[list[Level], list[Level]]  # asks ascending, bids descending

# A resting order: [side, price, size left]. A list, because it is what changes fastest here.
_SIDE: Final = 0
_PRICE: Final = 1
_LEFT: Final = 2
_Order = list[int]


class _Half:
    """One side of the book. Keys are prices, negated for asks, so that the best is the last."""

    __slots__ = ("keys", "levels", "order_count", "sign", "volume")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.levels: dict[int, dict[int, _Order]] = {}
        self.order_count = 0
        self.volume = 0

    def add(self, order_id: int, order: _Order) -> None:
        key = order[_PRICE] * self.sign
        level = self.levels.get(key)
        if level is None:
            self.levels[key] = {order_id: order}
            insort(self.keys, key)
        else:
            level[order_id] = order
        self.order_count += 1
        self.volume += order[_LEFT]

    def remove(self, order_id: int, order: _Order) -> None:
        key = order[_PRICE] * self.sign
        level = self.levels[key]
        del level[order_id]
        if not level:
            self.drop_level(key)
        self.order_count -= 1
        self.volume -= order[_LEFT]

    def drop_level(self, key: int) -> None:
        del self.levels[key]
        if self.keys[-1] == key:
            self.keys.pop()
        else:
            del self.keys[bisect_left(self.keys, key)]

    def best_first(self) -> Iterator[Level]:
        for key in reversed(self.keys):
            level = self.levels[key]
            yield key * self.sign, sum(order[_LEFT] for order in level.values()), len(level)


class Book:
    """The book of one symbol. Asking for an order that does not rest is a KeyError."""

    __slots__ = ("_halves", "_orders")

    def __init__(self) -> None:
        self._halves = (_Half(-1), _Half(1))
        self._orders: dict[int, _Order] = {}

    def order_count(self, side: int) -> int:
        return self._halves[side].order_count

    def volume(self, side: int) -> int:
        return self._halves[side].volume

    def l2(self) -> L2:
        asks, bids = self._halves
        return list(asks.best_first()), list(bids.best_first())

    def place(self, order_id: int, side: int, price: int, size: int) -> Events:
        """Trade what crosses, rest with what is left."""
        events: Events = []
        left = self._match(side, price, size, events)
        if left:
            order = [side, price, left]
            self._orders[order_id] = order
            self._halves[side].add(order_id, order)
        return events

    def place_instant(self, side: int, price: int, size: int) -> Events:
        """Trade what crosses, reject the rest. The rejection is reported first."""
        events: Events = []
        left = self._match(side, price, size, events)
        if left:
            events.insert(0, (REJECT, 0, 0, left, True, False))
        return events

    def place_budget(self, side: int, budget: int, size: int) -> Events:
        """Trade all of `size` at once if it costs a bid at most, or yields an ask at least,
        `budget` (price times size); else reject all of it."""
        cost = self._cost(side, size)
        if cost is None or (cost > budget if side == BID else cost < budget):
            return [(REJECT, 0, 0, size, True, False)]
        events: Events = []
        self._match(side, None, size, events)
        return events

    def cancel(self, order_id: int) -> Events:
        order = self._orders.pop(order_id)
        self._halves[order[_SIDE]].remove(order_id, order)
        return [(REDUCE, 0, 0, order[_LEFT], True, False)]

    def reduce(self, order_id: int, size: int) -> Events:
        """Take `size` off, or all there is; the order keeps its place in the queue."""
        order = self._orders[order_id]
        if size >= order[_LEFT]:
            return self.cancel(order_id)
        order[_LEFT] -= size
        self._halves[order[_SIDE]].volume -= size
        return [(REDUCE, 0, 0, size, False, False)]

    def move(self, order_id: int, price: int) -> Events:
        """Take the order out and place it anew: last in the queue, even at an unchanged price."""
        order = self._orders[order_id]
        side = order[_SIDE]
        half = self._halves[side]
        half.remove(order_id, order)
        order[_PRICE] = price
        opposite = self._halves[1 - side]
        events: Events = []
        if opposite.keys and opposite.keys[-1] >= price * opposite.sign:
            order[_LEFT] = self._match(side, price, order[_LEFT], events)
            if not order[_LEFT]:
                del self._orders[order_id]
                return events
        half.add(order_id, order)
        return events

    def _match(self, side: int, price: int | None, size: int, events: Events) -> int:
        """Trade up to `size` against the other side down to `price` (None: any); what is left."""
        half = self._halves[1 - side]
        keys = half.keys
        limit = None if price is None else price * half.sign
        while size and keys and (limit is None or keys[-1] >= limit):
            key = keys[-1]
            level = half.levels[key]
            maker_id = next(iter(level))
            maker = level[maker_id]
            traded = min(size, maker[_LEFT])
            size -= traded
            half.volume -= traded
            maker[_LEFT] -= traded
            maker_done = not maker[_LEFT]
            events.append((TRADE, maker_id, maker[_PRICE], traded, not size, maker_done))
            if maker_done:
                del self._orders[maker_id]
                half.remove(maker_id, maker)
        return size

    def _cost(self, side: int, size: int) -> int | None:
        """Price times size of trading `size` at once; None if the other side holds less."""
        cost = 0
        for price, volume, _ in self._halves[1 - side].best_first():
            if size <= volume:
                return cost + price * size
            cost += price * volume
            size -= volume
        return None

"""A market's order book as levels, kept from events alone once it was loaded.

The engine states a book at an event sequence; from there every event moves it on. The price of an
order before a move is not in the event, so prices of orders are remembered from the events that
told them, and a move of an order that was never heard of makes the book *stale*: it must be loaded
again. Invariant: a book that is not stale and not crossed is the engine's own at `event_seq`, down
to its horizon. It is crossed exactly while events of one command are still to come.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Final

from engine.client import Book, Level
from engine.proto.records import (
    EventBody,
    EventFlag,
    EventHeader,
    EventType,
    OrderAccepted,
    OrderChanged,
    OrderType,
    Side,
    TimeInForce,
    Trade,
)

LOAD_DEPTH: Final = 5_000  # levels a side that are asked of the engine
LEVELS_MAX: Final = 2 * LOAD_DEPTH  # a side is cut back to LOAD_DEPTH beyond this
PENDING_MAX: Final = 200_000  # events kept while a book is being loaded

_GTC: Final = OrderType.LIMIT | TimeInForce.GTC << 8
_MAKER: Final = OrderType.LIMIT_MAKER | TimeInForce.NONE << 8
_RESTING: Final = frozenset({int(_GTC), int(_MAKER)})


class _MismatchError(Exception):
    """A level would hold less than nothing: this book is not the engine's."""


class Levels:
    """One side. Keys rise from the best price outwards: asks as they are, bids negated.

    Beyond `horizon` nothing is known; None means that every level is.
    """

    def __init__(self, side: Side) -> None:
        self._sign = -1 if side is Side.BID else 1
        self._keys: list[int] = []
        self._lots: dict[int, int] = {}
        self._horizon: int | None = None

    def load(self, levels: Iterable[Level], depth: int) -> None:
        """Replace everything by the engine's best `depth` levels, best first."""
        self._lots = {self._sign * each.price_ticks: each.quantity_lots for each in levels}
        self._keys = list(self._lots)
        self._horizon = self._keys[-1] if len(self._keys) >= depth else None

    def add(self, price_ticks: int, lots: int) -> None:
        """Add lots, or take them off if negative."""
        key = self._sign * price_ticks
        if self._horizon is not None and key > self._horizon:
            return
        held = self._lots.get(key, 0)
        left = held + lots
        if left < 0:
            raise _MismatchError(f"level {price_ticks} would hold {left} lots")
        if left == 0:
            if held:
                del self._lots[key]
                del self._keys[bisect_left(self._keys, key)]
            return
        if not held:
            insort(self._keys, key)
        self._lots[key] = left
        if len(self._keys) > LEVELS_MAX:
            self._cut()

    def _cut(self) -> None:
        for key in self._keys[LOAD_DEPTH:]:
            del self._lots[key]
        del self._keys[LOAD_DEPTH:]
        self._horizon = self._keys[-1]

    def top(self, depth: int) -> list[tuple[int, int]]:
        """Return the best levels as (price in ticks, lots)."""
        return [(self._sign * key, self._lots[key]) for key in self._keys[:depth]]

    def best(self) -> int | None:
        """Return the best price in ticks."""
        return self._sign * self._keys[0] if self._keys else None

    def knows(self, depth: int) -> bool:
        """True if the best `depth` levels are surely known."""
        return self._horizon is None or len(self._keys) >= depth


class MarketBook:
    """Both sides of one market. Stale until it is loaded."""

    def __init__(self) -> None:
        self.event_seq = 0
        self._sides = {Side.BID: Levels(Side.BID), Side.ASK: Levels(Side.ASK)}
        self._prices: dict[int, int] = {}  # of orders that may rest, as far as events told them
        self._pending: list[tuple[EventHeader, EventBody]] = []
        self._is_stale = True
        self.generation = 0  # rises when an answer that is under way would come too late

    @property
    def is_stale(self) -> bool:
        """True while it must be loaded."""
        return self._is_stale

    @property
    def is_crossed(self) -> bool:
        """True in the middle of a command."""
        bid, ask = self._sides[Side.BID].best(), self._sides[Side.ASK].best()
        return bid is not None and ask is not None and bid >= ask

    def best(self, side: Side) -> int | None:
        """Return the best price of a side in ticks."""
        return self._sides[side].best()

    def top(self, side: Side, depth: int) -> list[tuple[int, int]]:
        """Return the best levels of a side as (price in ticks, lots)."""
        return self._sides[side].top(depth)

    def invalidate(self, *, forget: bool = False) -> None:
        """Require a load; with `forget` events were missed, so prices are no longer known."""
        self._is_stale = True
        self.generation += 1
        self._pending.clear()
        if forget:
            self._prices.clear()

    def require_depth(self, depth: int) -> None:
        """Require a load if fewer than `depth` levels are left of what was known."""
        if not all(side.knows(depth) for side in self._sides.values()):
            self._is_stale = True

    def load(self, book: Book, generation: int, depth: int = LOAD_DEPTH) -> bool:
        """Take the engine's book and what happened since; False if it must be loaded again.

        The book must have been asked for while this one was stale, and of this generation.
        """
        if generation != self.generation:
            return False
        self._sides[Side.BID].load(book.bids, depth)
        self._sides[Side.ASK].load(book.asks, depth)
        self.event_seq = book.event_seq
        self._is_stale = False
        pending, self._pending = self._pending, []
        for header, body in pending:
            self.apply(header, body)
        return not self._is_stale

    def apply(self, header: EventHeader, body: EventBody) -> None:
        """Move on by one event of this market."""
        if self._is_stale:
            self._keep(header, body)
            return
        try:
            self._move(header, body, is_news=header.event_seq > self.event_seq)
        except _MismatchError:
            self.invalidate(forget=True)
        self.event_seq = max(self.event_seq, header.event_seq)

    def _keep(self, header: EventHeader, body: EventBody) -> None:
        self._pending.append((header, body))
        if len(self._pending) > PENDING_MAX:
            self.invalidate(forget=True)

    def _move(self, header: EventHeader, body: EventBody, *, is_news: bool) -> None:
        side = Side.BID if header.flags & EventFlag.BID else Side.ASK
        if isinstance(body, Trade):
            self._trade(header, body, side, is_news=is_news)
        elif isinstance(body, OrderAccepted):
            if body.terms in _RESTING:
                self._prices[body.order_id] = body.price_ticks
                if is_news:
                    self._sides[side].add(body.price_ticks, body.quantity_lots)
        elif isinstance(body, OrderChanged):
            self._change(header, body, side, is_news=is_news)

    def _trade(self, header: EventHeader, trade: Trade, taker: Side, *, is_news: bool) -> None:
        taker_price = self._prices.get(trade.taker_order_id)
        if is_news:
            maker = Side.ASK if taker is Side.BID else Side.BID
            self._sides[maker].add(trade.price_ticks, -trade.quantity_lots)
            if taker_price is not None:
                self._sides[taker].add(taker_price, -trade.quantity_lots)
        if header.flags & EventFlag.MAKER_DONE:
            self._prices.pop(trade.maker_order_id, None)
        if header.flags & EventFlag.DONE:
            self._prices.pop(trade.taker_order_id, None)

    def _change(
        self, header: EventHeader, change: OrderChanged, side: Side, *, is_news: bool
    ) -> None:
        if header.type == EventType.ORDER_EXPIRED:
            return  # what expires never rested
        if header.type == EventType.ORDER_MOVED:
            before = self._prices.get(change.order_id)
            self._prices[change.order_id] = change.price_ticks
            if is_news and before is None:
                self._is_stale = True  # where it stood is not known
            elif is_news and before is not None:
                self._sides[side].add(before, -change.leaves_lots)
                self._sides[side].add(change.price_ticks, change.leaves_lots)
            return
        if is_news:
            self._sides[side].add(change.price_ticks, -change.removed_lots)
        if header.flags & EventFlag.DONE:
            self._prices.pop(change.order_id, None)

"""A market's order book as levels, kept from events alone once it was loaded.

The engine states a book at an event sequence; from there every event moves it on. The price of an
order before a move is not in the event, so orders are remembered from the events that told them,
and a move of an order that was never heard of makes the book *stale*: it must be loaded again. So
does the trigger of a parked order that was never heard of, and the end of an auction. Of an iceberg
only the displayed lots are in the book; how many those are is in the events.

Invariant: a book that is not stale and not crossed is the engine's own at `event_seq`, down to its
horizon. It is crossed exactly while events of one command are still to come, and in an auction.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from apps.trading.types import ORDER_EFFECTS
from engine.client import Book, Level
from engine.proto.records import (
    EventBody,
    EventFlag,
    EventHeader,
    EventType,
    MarketUncrossed,
    OrderAccepted,
    OrderChanged,
    OrderPrevented,
    OrderTerms,
    OrderType,
    Side,
    TimeInForce,
    Trade,
)

LOAD_DEPTH: Final = 5_000  # levels a side that are asked of the engine
LEVELS_MAX: Final = 2 * LOAD_DEPTH  # a side is cut back to LOAD_DEPTH beyond this
PENDING_MAX: Final = 200_000  # events kept while a book is being loaded

_WITH_LIMIT: Final = frozenset(
    map(
        int,
        (
            OrderType.LIMIT,
            OrderType.LIMIT_MAKER,
            OrderType.STOP_LOSS_LIMIT,
            OrderType.TAKE_PROFIT_LIMIT,
        ),
    )
)
_AT_ONCE: Final = frozenset({int(TimeInForce.IOC), int(TimeInForce.FOK)})
_PRICED: Final = frozenset({int(EventType.ORDER_MOVED), int(EventType.ORDER_AMENDED)})


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


@dataclass(slots=True)
class _Order:
    """An order as far as events told of it. Of an iceberg the book shows `shown_lots`, of any other
    all that it leaves."""

    price_ticks: int
    leaves_lots: int
    shown_lots: int
    is_iceberg: bool = False

    def take(self, lots: int) -> int:
        """Trade as taker or lose lots on the way; return by how much what it shows changed."""
        before = self.shown_lots
        self.leaves_lots -= lots
        self.shown_lots = min(before, self.leaves_lots)
        return self.shown_lots - before

    def give(self, lots: int, refilled_lots: int) -> None:
        """Trade as maker."""
        self.leaves_lots -= lots
        self.shown_lots += refilled_lots - lots


class MarketBook:
    """Both sides of one market. Stale until it is loaded."""

    def __init__(self) -> None:
        self.event_seq = 0
        self._sides = {Side.BID: Levels(Side.BID), Side.ASK: Levels(Side.ASK)}
        self._orders: dict[int, _Order] = {}  # that may rest, as far as events told of them
        self._parked: dict[int, tuple[_Order, bool]] = {}  # and whether they may rest later
        self._passing = 0  # the order that is under way and will not rest
        self._display = (0, 0)  # the order of the newest terms, and what the book shows of it
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
        """Require a load; with `forget` events were missed, so orders are no longer known."""
        self._is_stale = True
        self.generation += 1
        self._pending.clear()
        if forget:
            self._orders.clear()
            self._parked.clear()

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
        elif isinstance(body, OrderTerms):
            self._display = (body.order_id, body.display_lots)
        elif isinstance(body, OrderAccepted):
            self._accept(header, body, side, is_news=is_news)
        elif isinstance(body, OrderChanged | OrderPrevented):
            is_parked = bool(header.flags & EventFlag.PARKED)  # a pending stop leg still waits
            if ORDER_EFFECTS[header.type].is_trigger and not is_parked:
                self._trigger(body, side, is_news=is_news)
            elif not is_parked:
                self._change(header, body, side, is_news=is_news)
            elif header.flags & EventFlag.DONE:
                self._parked.pop(body.order_id, None)
        elif isinstance(body, MarketUncrossed) and is_news:
            self._is_stale = True  # in an auction both sides rested, each at a price of its own

    def _accept(
        self, header: EventHeader, body: OrderAccepted, side: Side, *, is_news: bool
    ) -> None:
        of_order, display_lots = self._display
        is_iceberg = of_order == body.order_id and display_lots > 0
        order = _Order(
            price_ticks=body.price_ticks,
            leaves_lots=body.quantity_lots,
            shown_lots=min(display_lots, body.quantity_lots) if is_iceberg else body.quantity_lots,
            is_iceberg=is_iceberg,
        )
        if header.flags & EventFlag.PARKED:
            self._parked[body.order_id] = (order, rests(body.terms))
        elif rests(body.terms):
            self._rest(body.order_id, order, side, is_news=is_news)
        else:
            self._passing = body.order_id

    def _trigger(self, change: OrderChanged | OrderPrevented, side: Side, *, is_news: bool) -> None:
        order, may_rest = self._parked.pop(change.order_id, (None, False))
        if order is None:
            self._is_stale = self._is_stale or is_news  # whether it may rest is not known
        elif may_rest:
            order.take(order.leaves_lots - change.leaves_lots)
            order.price_ticks = change.price_ticks
            self._rest(change.order_id, order, side, is_news=is_news)
        else:
            self._passing = change.order_id

    def _rest(self, order_id: int, order: _Order, side: Side, *, is_news: bool) -> None:
        self._orders[order_id] = order
        if is_news:
            self._sides[side].add(order.price_ticks, order.shown_lots)

    def _trade(self, header: EventHeader, trade: Trade, taker_side: Side, *, is_news: bool) -> None:
        maker_side = Side.ASK if taker_side is Side.BID else Side.BID
        maker = self._orders.get(trade.maker_order_id)
        taker = self._orders.get(trade.taker_order_id)
        lots = trade.quantity_lots
        if maker is not None:
            maker.give(lots, trade.maker_refilled_lots)
        if is_news:
            price_ticks = trade.price_ticks if maker is None else maker.price_ticks
            self._sides[maker_side].add(price_ticks, trade.maker_refilled_lots - lots)
        if taker is not None:
            shown = taker.take(lots)
            if is_news:
                self._sides[taker_side].add(taker.price_ticks, shown)
        if header.flags & EventFlag.MAKER_DONE:
            self._orders.pop(trade.maker_order_id, None)
        if header.flags & EventFlag.DONE:
            self._orders.pop(trade.taker_order_id, None)
            self._passing = 0

    def _change(
        self,
        header: EventHeader,
        change: OrderChanged | OrderPrevented,
        side: Side,
        *,
        is_news: bool,
    ) -> None:
        if change.order_id == self._passing:
            if header.flags & EventFlag.DONE:
                self._passing = 0
            return  # it never rested
        known = self._orders.get(change.order_id)
        was_at, was_shown, shown = change.price_ticks, change.was_shown_lots, change.shown_lots
        is_told = bool(was_shown or shown)  # what the book shows of an iceberg
        if known is not None:
            was_at = known.price_ticks
            if not is_told:
                was_shown = known.shown_lots
                shown = change.leaves_lots
                if known.is_iceberg:  # it is under way, as taker
                    shown = min(was_shown, shown)
        elif not is_told:
            was_shown, shown = change.leaves_lots + change.removed_lots, change.leaves_lots
        now = _Order(
            price_ticks=change.price_ticks,
            leaves_lots=change.leaves_lots,
            shown_lots=shown,
            is_iceberg=is_told or (known is not None and known.is_iceberg),
        )
        if header.flags & EventFlag.DONE:
            self._orders.pop(change.order_id, None)
        elif known is not None or header.type in _PRICED:
            self._orders[change.order_id] = now
        if not is_news:
            return
        if known is None and header.type in _PRICED and not header.flags & EventFlag.DONE:
            self._is_stale = True  # where it stood is not known
            return
        self._sides[side].add(was_at, -was_shown)
        self._sides[side].add(change.price_ticks, shown)


def rests(terms: int) -> bool:
    """Whether an order of this type and time in force stays in the book with what is left of it."""
    return terms & 0xFF in _WITH_LIMIT and terms >> 8 not in _AT_ONCE

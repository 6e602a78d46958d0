"""The recording's own order books, kept by the venue's published rule for depth streams.

They say what the engine's books must look like. The rule: updates are buffered until the symbol's
snapshot; updates whose last id is not above the snapshot's are dropped; the first one used must
cover the id after the snapshot's; from then on each update begins right after the one before.
Invariant: a book never applies an update out of turn; a gap is a SequenceGapError and not repaired
silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from apps.markets.recorded import (
    AggregateTrade,
    DepthSnapshot,
    DepthUpdate,
    Levels,
    StreamMessage,
)
from engine.proto.records import Side

UPDATES_BUFFERED_MAX: Final = 1_000  # before a symbol's snapshot; more means it never came


class SequenceGapError(ValueError):
    """An update does not continue its book. The message names symbol and ids."""


@dataclass(frozen=True, slots=True)
class LevelChange:
    """A level's total goes from `before` to `after`; 0 means that there is no such level."""

    side: Side
    price: Decimal
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class BookStep:
    """What one recorded message asks of a market."""

    symbol: str
    received_us: int
    cause: DepthSnapshot | DepthUpdate | AggregateTrade
    changes: tuple[LevelChange, ...] = ()
    is_dropped: bool = False

    @property
    def label(self) -> str:
        """Name the message in a sentence for people."""
        match self.cause:
            case DepthSnapshot():
                return f"snapshot {self.cause.last_update_id}"
            case DepthUpdate():
                return f"update {self.cause.first_update_id}..{self.cause.last_update_id}"
            case AggregateTrade():
                return f"trade {self.cause.trade_id}"


class RecordedBook:
    """One symbol's book. `last_update_id` is None until the snapshot has been loaded."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.last_update_id: int | None = None
        self.sides: dict[Side, Levels] = {Side.BID: {}, Side.ASK: {}}
        self._is_first = True

    def load(self, snapshot: DepthSnapshot) -> tuple[LevelChange, ...]:
        """Take the snapshot and return every level as a change from nothing."""
        if self.last_update_id is not None:
            raise SequenceGapError(f"{self.symbol} has its snapshot already")
        self.last_update_id = snapshot.last_update_id
        return self._set_levels(snapshot.bids, snapshot.asks)

    def take(self, update: DepthUpdate) -> tuple[LevelChange, ...] | None:
        """Apply an update and return what changed, or None if it is older than the snapshot."""
        held = self.last_update_id
        if held is None:
            raise SequenceGapError(f"{self.symbol} has no snapshot yet")
        first, last = update.first_update_id, update.last_update_id
        if self._is_first:
            if last <= held:
                return None
            follows = first <= held + 1 <= last
        else:
            follows = first == held + 1
        if not follows or last < first:
            raise SequenceGapError(
                f"{self.symbol} update was {first}..{last}, expected to continue at {held + 1}"
            )
        self._is_first = False
        self.last_update_id = last
        return self._set_levels(update.bids, update.asks)

    def quantity(self, side: Side, price: Decimal) -> Decimal:
        """Return a level's total, 0 if there is none."""
        return self.sides[side].get(price, Decimal(0))

    def _set_levels(self, bids: Levels, asks: Levels) -> tuple[LevelChange, ...]:
        changes = []
        for side, levels in ((Side.BID, bids), (Side.ASK, asks)):
            held = self.sides[side]
            for price, after in levels.items():
                before = held.get(price, Decimal(0))
                if after == before:
                    continue
                changes.append(LevelChange(side, price, before, after))
                if after == 0:
                    del held[price]
                else:
                    held[price] = after
        return tuple(changes)


def steps(
    snapshots: Iterable[DepthSnapshot], messages: Iterable[StreamMessage]
) -> Iterator[tuple[BookStep, RecordedBook]]:
    """Yield the recording's steps in the order in which they took effect, each with its book.

    Snapshots and messages are merged by the time they were received. Updates that came before their
    symbol's snapshot follow it. The book is that symbol's, after the step; it goes on changing with
    the steps that follow.
    """
    books: dict[str, RecordedBook] = {}
    buffered: dict[str, list[DepthUpdate]] = {}
    inputs = sorted([*snapshots, *messages], key=lambda item: item.received_us)
    for item in inputs:
        book = books.setdefault(item.symbol, RecordedBook(item.symbol))
        if isinstance(item, DepthSnapshot):
            yield BookStep(item.symbol, item.received_us, item, book.load(item)), book
            for update in buffered.pop(item.symbol, []):
                yield _update_step(book, update), book
        elif isinstance(item, AggregateTrade):
            yield BookStep(item.symbol, item.received_us, item), book
        elif book.last_update_id is None:
            waiting = buffered.setdefault(item.symbol, [])
            if len(waiting) >= UPDATES_BUFFERED_MAX:
                raise SequenceGapError(
                    f"{item.symbol} has {len(waiting)} updates and no snapshot yet"
                )
            waiting.append(item)
        else:
            yield _update_step(book, item), book
    for symbol in buffered:
        raise SequenceGapError(f"{symbol} has updates but no snapshot")


def _update_step(book: RecordedBook, update: DepthUpdate) -> BookStep:
    changes = book.take(update)
    return BookStep(
        update.symbol, update.received_us, update, changes or (), is_dropped=changes is None
    )

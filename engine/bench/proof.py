"""Proof that a kernel did with the workload what a right book does: events, final books, money.

The kernel's events are written down in the form in which the workload's digests are published
(trades, rejections, reductions, numbered by the symbol's own commands) and compared with what the
generator's book gave; the final books and the conservation of every asset likewise.

Invariant: a figure is printed as proved only if every check here passed for the very commands that
were timed.
"""

from __future__ import annotations

import hashlib
from array import array
from typing import Final, NamedTuple

from engine.bench.book import Level
from engine.bench.encode import KernelStream, market_id_of
from engine.bench.streams import Stream
from engine.bench.workload import l2_digest
from engine.kernel.interface import Kernel, LevelView
from engine.proto.records import (
    BODY_STRUCTS,
    EVENT_HEADER,
    RECORD_BYTES,
    EventFlag,
    EventType,
    Reason,
)

DEPTH_MAX: Final = 2**31 - 1  # all levels
_UNPACK_HEADER: Final = EVENT_HEADER.unpack_from
_UNPACK_TRADE: Final = BODY_STRUCTS[EventType.TRADE][0].unpack_from
_UNPACK_CHANGED: Final = BODY_STRUCTS[EventType.ORDER_CANCELED][0].unpack_from
_QUIET: Final = frozenset({EventType.ORDER_ACCEPTED, EventType.ORDER_MOVED})
_REMOVED: Final = frozenset({EventType.ORDER_CANCELED, EventType.ORDER_REDUCED})


class BenchmarkError(Exception):
    """The kernel did something else than the workload's rules say."""


class MarketResult(NamedTuple):
    """What a kernel made of one market's commands."""

    commands: int
    event_count: int
    event_digest: str


class _MarketEvents:
    __slots__ = ("digest", "event_count", "index")

    def __init__(self) -> None:
        self.index = -1
        self.event_count = 0
        self.digest = hashlib.sha256()


class EventReader:
    """Reads the kernel's events, from the first command of the fill on."""

    def __init__(self, market_count: int, session_order_ids: array[int]) -> None:
        self._markets = {market_id_of(index): _MarketEvents() for index in range(market_count)}
        self._order_ids = session_order_ids
        self._command_seq = 0
        self._lines: list[str] = []
        self._market = _MarketEvents()

    def feed(self, events: bytes) -> None:
        for offset in range(0, len(events), RECORD_BYTES):
            event_seq, command_seq, _, kind, flags, reason, market_id = _UNPACK_HEADER(
                events, offset
            )
            if command_seq != self._command_seq:
                self._flush()
                self._command_seq = command_seq
                self._market = market = self._markets[market_id]
                market.index += 1
            if kind in _QUIET:
                continue
            body = offset + EVENT_HEADER.size
            if kind == EventType.TRADE:
                self._read_trade(_UNPACK_TRADE(events, body), flags)
            elif kind in _REMOVED:
                removed = _UNPACK_CHANGED(events, body)[3]
                done = flags & EventFlag.DONE != 0
                self._lines.append(f"{self._market.index},D,{removed},{done:d}\n")
            elif kind == EventType.ORDER_EXPIRED:
                # The digests were made where a rejection is reported before the trades.
                removed = _UNPACK_CHANGED(events, body)[3]
                self._lines.insert(0, f"{self._market.index},R,{removed}\n")
            else:
                raise BenchmarkError(
                    f"event {event_seq} of command {command_seq} was {EventType(kind).name} "
                    f"({Reason(reason).name}), expected one of an accepted order command"
                )

    def _read_trade(self, body: tuple[int, ...], flags: int) -> None:
        _, maker_order_id, _, _, _, price, quantity = body[:7]
        maker_id = self._order_ids[maker_order_id]
        done = flags & EventFlag.DONE != 0
        maker_done = flags & EventFlag.MAKER_DONE != 0
        self._lines.append(
            f"{self._market.index},T,{maker_id},{price},{quantity},{done:d},{maker_done:d}\n"
        )

    def _flush(self) -> None:
        if self._lines:
            self._market.event_count += len(self._lines)
            self._market.digest.update("".join(self._lines).encode())
            self._lines.clear()

    def results(self) -> list[MarketResult]:
        """By market id. Nothing may be fed afterwards."""
        self._flush()
        return [
            MarketResult(market.index + 1, market.event_count, market.digest.hexdigest())
            for market in self._markets.values()
        ]


def check_events(stream: Stream, results: list[MarketResult], *, whole: bool) -> None:
    """Compare with the generator's marks: the last ones, or (one market) one on the way."""
    for market, result in zip(stream.markets, results, strict=True):
        marks = {mark.commands: mark for mark in market.marks}
        name = f"{stream.name} symbol {market.symbol.symbol_id}"
        mark = market.marks[-1] if whole else marks.get(result.commands)
        if mark is None:
            raise BenchmarkError(
                f"{name}: events of {result.commands} commands, expected one of {sorted(marks)}"
            )
        expected = MarketResult(mark.commands, mark.event_count, mark.event_digest)
        if result != expected:
            raise BenchmarkError(f"{name}: events were {result}, expected {expected}")


def check_state(
    stream: Stream, kernel_stream: KernelStream, kernel: Kernel, commands_by_market: list[int]
) -> None:
    """Compare final books with the generator's, and holdings with what was deposited."""
    for index, market in enumerate(stream.markets):
        marks = {mark.commands: mark.l2_digest for mark in market.marks}
        book = kernel.book(market_id_of(index), DEPTH_MAX)
        if book is None:
            raise BenchmarkError(f"market {market_id_of(index)} was unknown, expected its book")
        bids, asks = book
        digest = l2_digest((_levels(asks), _levels(bids)))
        expected = marks[commands_by_market[index]]
        if digest != expected:
            raise BenchmarkError(
                f"{stream.name} symbol {market.symbol.symbol_id}: book was {digest}, "
                f"expected {expected}"
            )
    held = {total.asset_id: total.held_atoms for total in kernel.totals()}
    if held != kernel_stream.deposited:
        raise BenchmarkError(f"held atoms were {held}, expected {kernel_stream.deposited}")


def _levels(levels: list[LevelView]) -> list[Level]:
    return [(level.price_ticks, level.quantity_lots, level.orders) for level in levels]

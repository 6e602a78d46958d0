"""Picking trades and touched markets out of packed events, without unpacking the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from engine.proto.records import EVENT_TYPE_OFFSET, RECORD_BYTES, EventFlag, EventType
from engine.service.market.bars import SECOND_US, Bar

_TRADE: Final = int(EventType.TRADE)
_BID: Final = int(EventFlag.BID) << 8
_WORDS: Final = RECORD_BYTES // 8
_HALF_WORDS: Final = RECORD_BYTES // 4
_MARKET_HALF_WORD: Final = 7


class PublicTrade(NamedTuple):
    """One trade, as everybody may see it. `taker_buys`: the taker was the bid."""

    market_id: int
    event_seq: int
    time_us: int
    trade_id: int
    price_ticks: int
    quantity_lots: int
    taker_buys: bool


def trades(events: bytes) -> Iterator[PublicTrade]:
    """The trades among packed events, in order."""
    types = events[EVENT_TYPE_OFFSET::RECORD_BYTES]
    at = types.find(_TRADE)
    if at < 0:
        return
    words = memoryview(events).cast("q")
    while at >= 0:
        word = at * _WORDS
        head = words[word + 3]
        yield PublicTrade(
            head >> 32,
            words[word],
            words[word + 2],
            words[word + 4],
            words[word + 9],
            words[word + 10],
            bool(head & _BID),
        )
        at = types.find(_TRADE, at + 1)


def touched_markets(events: bytes) -> set[int]:
    """The markets that packed events name (0 among them where an event has none)."""
    return set(memoryview(events).cast("I")[_MARKET_HALF_WORD::_HALF_WORDS].tolist())


def seconds(events: bytes) -> Iterator[tuple[int, Bar]]:
    """Market and bar of each second with trades, in order of time. Quantities as in `Bar`."""
    # By hand and without a value for each trade: every trade of the engine passes here.
    types = events[EVENT_TYPE_OFFSET::RECORD_BYTES]
    at = types.find(_TRADE)
    if at < 0:
        return
    words = memoryview(events).cast("q")
    second, end_us = -1, 0
    sums: dict[int, list[int]] = {}
    while at >= 0:
        word = at * _WORDS
        time_us = words[word + 2]
        if time_us >= end_us:
            yield from _bars(sums, second)
            second, sums = time_us // SECOND_US, {}
            end_us = (second + 1) * SECOND_US
        head, price, lots = words[word + 3], words[word + 9], words[word + 10]
        known = sums.get(head >> 32)
        if known is None:
            trade_id = words[word + 4]
            known = [price, price, price, price, 0, 0, 0, 0, trade_id, trade_id]
            sums[head >> 32] = known
        if price > known[1]:
            known[1] = price
        elif price < known[2]:
            known[2] = price
        quote = price * lots
        known[3] = price
        known[4] += lots
        known[5] += quote
        if head & _BID:
            known[6] += lots
            known[7] += quote
        known[9] = words[word + 4]
        at = types.find(_TRADE, at + 1)
    yield from _bars(sums, second)


def _bars(sums: dict[int, list[int]], second: int) -> Iterator[tuple[int, Bar]]:
    for market, fields in sums.items():
        yield market, Bar(second * SECOND_US, *fields)

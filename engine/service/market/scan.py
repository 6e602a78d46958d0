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
    second = -1
    sums: dict[int, list[int]] = {}
    for market, _, time_us, trade_id, price, lots, taker_buys in trades(events):
        if time_us // SECOND_US != second:
            yield from _bars(sums, second)
            second, sums = time_us // SECOND_US, {}
        quote = price * lots
        bought = (lots, quote) if taker_buys else (0, 0)
        known = sums.get(market)
        if known is None:
            sums[market] = [price, price, price, price, lots, quote, *bought, trade_id, trade_id]
            continue
        if price > known[1]:
            known[1] = price
        elif price < known[2]:
            known[2] = price
        known[3] = price
        known[4] += lots
        known[5] += quote
        known[6] += bought[0]
        known[7] += bought[1]
        known[9] = trade_id
    yield from _bars(sums, second)


def _bars(sums: dict[int, list[int]], second: int) -> Iterator[tuple[int, Bar]]:
    for market, fields in sums.items():
        yield market, Bar(second * SECOND_US, *fields)

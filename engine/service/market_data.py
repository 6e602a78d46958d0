"""MarketDataService: what everybody may see, at the pace that each subscriber chooses.

Invariant: a subscriber costs a bounded amount of memory however slow he is: the state that he was
sent last, and nothing that waits for him.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Final, TypeVar

from engine.kernel.interface import LevelView
from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.service.calls import Context, refuse
from engine.service.core import Sequencer
from engine.service.errors import (
    CallRefusedError,
    InvalidCallError,
    NotFoundError,
    OverloadedError,
)
from engine.service.events import EventService
from engine.service.market.bars import (
    BARS_MAX,
    DAY_S,
    INTERVALS,
    SECOND_US,
    Bar,
    closing,
    opening,
)
from engine.service.market.books import Books, BookView, difference
from engine.service.market.collector import BarCollector
from engine.service.market.scan import trades

# ruff: noqa: N802 - the methods carry the names of the gRPC service

SUBSCRIPTIONS_MAX: Final = 256
MARKETS_MAX: Final = 100
DEPTH_DEFAULT: Final = 20
DEPTH_MAX: Final = 1_000
INTERVAL_MS_MIN: Final = 10
INTERVAL_MS_MAX: Final = 60_000
BOOK_INTERVAL_MS: Final = 100
BAR_INTERVAL_MS: Final = 1_000
KLINES_DEFAULT: Final = 500
FOREVER_US: Final = 2**62

T = TypeVar("T")


class MarketDataService(pb_grpc.MarketDataServiceServicer):
    def __init__(self, sequencer: Sequencer, events: EventService, bars: BarCollector) -> None:
        self._sequencer = sequencer
        self._events = events
        self._bars = bars
        self._books = Books(sequencer)
        self._subscriptions = 0
        sequencer.listen(self._books.hear)

    async def SubscribeDepth(
        self, request: pb.DepthRequest, context: Context
    ) -> AsyncIterator[pb.DepthUpdate]:
        markets = await self._markets(context, request.market_ids)
        pause_s = await _pause_s(context, request.interval_ms, BOOK_INTERVAL_MS)
        depth = await _at_most(context, "depth", request.depth, DEPTH_MAX) or DEPTH_DEFAULT
        async for market_id, before, view in self._changes(context, markets, depth, pause_s):
            yield pb.DepthUpdate(
                market_id=market_id,
                event_seq=view.event_seq,
                prev_event_seq=0 if before is None else before.event_seq,
                bids=_levels(view.bids if before is None else difference(before.bids, view.bids)),
                asks=_levels(view.asks if before is None else difference(before.asks, view.asks)),
            )

    async def SubscribeBest(
        self, request: pb.BestRequest, context: Context
    ) -> AsyncIterator[pb.BestPrices]:
        markets = await self._markets(context, request.market_ids)
        pause_s = await _pause_s(context, request.interval_ms, BOOK_INTERVAL_MS)
        async for market_id, _, view in self._changes(context, markets, 1, pause_s):
            best = pb.BestPrices(market_id=market_id, event_seq=view.event_seq)
            for side, levels in ((best.bid, view.bids), (best.ask, view.asks)):
                for level in levels:
                    side.CopyFrom(pb.Level(**level._asdict()))
            yield best

    async def _changes(
        self, context: Context, market_ids: list[int], depth: int, pause_s: float
    ) -> AsyncIterator[tuple[int, BookView | None, BookView]]:
        """Market, the view that was sent before, and the new one where it differs."""
        await self._count_subscription(context)
        sent: dict[int, BookView] = {}
        try:
            with self._books.watched(market_ids, depth):
                while True:
                    views = await self._books.views(market_ids)
                    for market_id, newest in views.items():
                        before, view = sent.get(market_id), newest.best(depth)
                        if before is None or before[1:] != view[1:]:
                            sent[market_id] = view
                            yield market_id, before, view
                    await asyncio.sleep(pause_s)
        except CallRefusedError as error:
            await refuse(context, error)
        finally:
            self._subscriptions -= 1

    async def SubscribeTrades(
        self, request: pb.TradesRequest, context: Context
    ) -> AsyncIterator[pb.PublicTrades]:
        wanted = set(await self._markets(context, request.market_ids, none_is_all=True))
        pause_ms = await _at_most(context, "interval", request.interval_ms, INTERVAL_MS_MAX)
        first = request.from_event_seq or self._sequencer.durable_event_seq + 1
        subscription = pb.SubscribeRequest(from_event_seq=first)
        async with aclosing(self._events.Subscribe(subscription, context)) as batches:
            async for batch in batches:
                found = [
                    pb.PublicTrade(**trade._asdict())
                    for trade in trades(batch.events)
                    if trade.market_id in wanted or not wanted
                ]
                if found:
                    yield pb.PublicTrades(event_seq=batch.last_event_seq, trades=found)
                    await asyncio.sleep(pause_ms / 1000)

    async def GetTickers(self, request: pb.TickersRequest, context: Context) -> pb.Tickers:
        markets = await self._markets(context, request.market_ids, none_is_all=True)
        if not markets:
            markets = await self._all_markets(context)
        try:
            return pb.Tickers(
                event_seq=self._bars.event_seq,
                tickers=[self._ticker(market_id) for market_id in sorted(set(markets))],
            )
        except CallRefusedError as error:
            await refuse(context, error)

    async def SubscribeTickers(
        self, request: pb.TickersRequest, context: Context
    ) -> AsyncIterator[pb.Tickers]:
        markets = await self._markets(context, request.market_ids)
        pause_s = await _pause_s(context, request.interval_ms, BAR_INTERVAL_MS)
        sent: dict[int, pb.Ticker] = {}

        def look() -> list[pb.Tickers]:
            newest = {market_id: self._ticker(market_id) for market_id in sorted(set(markets))}
            changed = [each for key, each in newest.items() if sent.get(key) != each]
            sent.update(newest)
            if not changed:
                return []
            return [pb.Tickers(event_seq=self._bars.event_seq, tickers=changed)]

        async for message in self._looking(context, look, pause_s):
            yield message

    async def GetKlines(self, request: pb.KlinesRequest, context: Context) -> pb.Klines:
        (market_id,) = await self._markets(context, [request.market_id])
        await _known_intervals(context, [request.interval])
        limit = await _at_most(context, "limit", request.limit, BARS_MAX) or KLINES_DEFAULT
        try:
            return self._klines(
                market_id, request.interval, request.from_us, request.to_us or FOREVER_US, limit
            )
        except CallRefusedError as error:
            await refuse(context, error)

    async def SubscribeKlines(
        self, request: pb.KlinesSubscription, context: Context
    ) -> AsyncIterator[pb.Klines]:
        markets = await self._markets(context, request.market_ids)
        intervals = await _known_intervals(context, request.intervals)
        pause_s = await _pause_s(context, request.interval_ms, BAR_INTERVAL_MS)
        sent: dict[tuple[int, str], pb.Kline] = {}

        def look() -> list[pb.Klines]:
            messages = []
            for key in ((market, interval) for market in markets for interval in intervals):
                before = sent.get(key)
                last = self._last_kline(*key)
                if last is None or last == before:
                    continue
                from_us = last.open_us if before is None else before.open_us
                messages.append(self._klines(*key, from_us, FOREVER_US, BARS_MAX))
                sent[key] = last
            return messages

        async for message in self._looking(context, look, pause_s):
            yield message

    async def _looking(
        self, context: Context, look: Callable[[], list[T]], pause_s: float
    ) -> AsyncIterator[T]:
        """What `look` finds, again and again."""
        await self._count_subscription(context)
        try:
            while True:
                for message in look():
                    yield message
                await asyncio.sleep(pause_s)
        except CallRefusedError as error:
            await refuse(context, error)
        finally:
            self._subscriptions -= 1

    def _ticker(self, market_id: int) -> pb.Ticker:
        now_us = time.time_ns() // 1000
        from_us = opening("1m", now_us) - DAY_S * SECOND_US
        market = self._bars.market(market_id)
        bar = None if market is None else market.since(from_us)
        ticker = pb.Ticker(market_id=market_id, from_us=from_us, volume_lots="0", quote_volume="0")
        if bar is not None:
            ticker.open_price_ticks, ticker.high_price_ticks = bar.open, bar.high
            ticker.low_price_ticks, ticker.last_price_ticks = bar.low, bar.close
            ticker.volume_lots, ticker.quote_volume = str(bar.volume), str(bar.quote)
            ticker.first_trade_id, ticker.last_trade_id = bar.first_trade_id, bar.last_trade_id
        return ticker

    def _klines(
        self, market_id: int, interval: str, from_us: int, to_us: int, limit: int
    ) -> pb.Klines:
        market = self._bars.market(market_id)
        bars = [] if market is None else market.bars(interval, from_us, to_us, limit)
        return pb.Klines(
            market_id=market_id,
            interval=interval,
            event_seq=self._bars.event_seq,
            complete_from_us=self._bars.complete_from_us,
            klines=[_kline(interval, bar) for bar in bars],
        )

    def _last_kline(self, market_id: int, interval: str) -> pb.Kline | None:
        market = self._bars.market(market_id)
        bar = None if market is None else market.last(interval)
        return None if bar is None else _kline(interval, bar)

    async def _count_subscription(self, context: Context) -> None:
        if self._subscriptions >= SUBSCRIPTIONS_MAX:
            await refuse(
                context,
                OverloadedError(
                    f"{self._subscriptions} subscriptions are open, the most there may",
                    pb.Error.SUBSCRIPTIONS_FULL,
                ),
            )
        self._subscriptions += 1

    async def _all_markets(self, context: Context) -> list[int]:
        try:
            return await self._sequencer.query(
                lambda kernel: [market.market_id for market in kernel.markets()]
            )
        except CallRefusedError as error:
            await refuse(context, error)

    async def _markets(
        self, context: Context, market_ids: Iterable[int], *, none_is_all: bool = False
    ) -> list[int]:
        """The markets that were asked for, each of which the engine knows."""
        asked = list(dict.fromkeys(market_ids))
        if len(asked) > MARKETS_MAX or not (asked or none_is_all):
            least = 0 if none_is_all else 1
            error: CallRefusedError = InvalidCallError(
                f"markets were {len(asked)}, expected {least}..{MARKETS_MAX}"
            )
            await refuse(context, error)
        strange = set(asked) - set(await self._all_markets(context)) if asked else None
        if strange:
            error = NotFoundError(f"market {min(strange)} is unknown", pb.Error.UNKNOWN_MARKET)
            await refuse(context, error)
        return asked


def _levels(levels: Iterable[LevelView]) -> list[pb.Level]:
    return [pb.Level(**level._asdict()) for level in levels]


def _kline(interval: str, bar: Bar) -> pb.Kline:
    close_us = closing(interval, bar.open_us)
    return pb.Kline(
        open_us=bar.open_us,
        close_us=close_us,
        open_price_ticks=bar.open,
        high_price_ticks=bar.high,
        low_price_ticks=bar.low,
        close_price_ticks=bar.close,
        volume_lots=str(bar.volume),
        quote_volume=str(bar.quote),
        buy_volume_lots=str(bar.buy_volume),
        buy_quote_volume=str(bar.buy_quote),
        first_trade_id=bar.first_trade_id,
        last_trade_id=bar.last_trade_id,
        is_closed=close_us <= time.time_ns() // 1000,
    )


async def _known_intervals(context: Context, intervals: Iterable[str]) -> list[str]:
    asked = list(dict.fromkeys(intervals))
    if not asked or not set(asked) <= set(INTERVALS):
        given = " ".join(asked)[:200]
        error = InvalidCallError(f"intervals were {given!r}, expected of {' '.join(INTERVALS)}")
        await refuse(context, error)
    return asked


async def _at_most(context: Context, name: str, value: int, value_max: int) -> int:
    if value > value_max:
        error = InvalidCallError(f"{name} was {value}, expected at most {value_max}")
        await refuse(context, error)
    return value


async def _pause_s(context: Context, interval_ms: int, default_ms: int) -> float:
    """The subscriber's interval in seconds."""
    if interval_ms and not INTERVAL_MS_MIN <= interval_ms <= INTERVAL_MS_MAX:
        error = InvalidCallError(
            f"interval was {interval_ms} ms, expected {INTERVAL_MS_MIN}..{INTERVAL_MS_MAX}"
        )
        await refuse(context, error)
    return (interval_ms or default_ms) / 1000

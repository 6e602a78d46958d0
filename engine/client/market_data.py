"""Public market data: books, best prices, trades, tickers and klines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import grpc
from grpc import aio

from engine.client.channel import translate
from engine.client.connection import Connection, resumed, value_of
from engine.client.types import Level
from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc

T = TypeVar("T")
INTERVALS: Final = (
    *("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h"),
    *("1d", "3d", "1w", "1M"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthUpdate:
    """A market's best levels (`is_snapshot`), or what changed in them since `prev_event_seq`;
    quantity 0 takes a level away."""

    market_id: int
    event_seq: int
    prev_event_seq: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    @property
    def is_snapshot(self) -> bool:
        return self.prev_event_seq == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BestPrices:
    market_id: int
    event_seq: int
    bid: Level | None
    ask: Level | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    market_id: int
    event_seq: int
    time_us: int
    trade_id: int
    price_ticks: int
    quantity_lots: int
    taker_buys: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """The last 24 hours, to the minute; prices are 0 without a trade. `quote_volume`: the sum of
    price x quantity in ticks x lots."""

    market_id: int
    from_us: int
    open_price_ticks: int
    high_price_ticks: int
    low_price_ticks: int
    last_price_ticks: int
    volume_lots: int
    quote_volume: int
    first_trade_id: int
    last_trade_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kline:
    """One interval in which there was a trade. `buy_*`: what takers bought."""

    open_us: int
    close_us: int
    open_price_ticks: int
    high_price_ticks: int
    low_price_ticks: int
    close_price_ticks: int
    volume_lots: int
    quote_volume: int
    buy_volume_lots: int
    buy_quote_volume: int
    first_trade_id: int
    last_trade_id: int
    is_closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Klines:
    """Oldest first. Trades before `complete_from_us` are not counted; 0: all are."""

    market_id: int
    interval: str
    event_seq: int
    complete_from_us: int
    klines: tuple[Kline, ...]


class BookGapError(Exception):
    """An update does not follow the one before: subscribe again."""


class LocalBook:
    """A market's best levels, kept up to date by the updates of a subscription."""

    def __init__(self) -> None:
        self.event_seq = 0
        self._bids: dict[int, Level] = {}
        self._asks: dict[int, Level] = {}

    def apply(self, update: DepthUpdate) -> None:
        """Follow one update. BookGapError if one is missing before it."""
        if update.is_snapshot:
            self._bids, self._asks = {}, {}
        elif update.prev_event_seq != self.event_seq:
            raise BookGapError(
                f"update follows event {update.prev_event_seq}, expected {self.event_seq}"
            )
        for side, levels in ((self._bids, update.bids), (self._asks, update.asks)):
            for level in levels:
                if level.quantity_lots:
                    side[level.price_ticks] = level
                else:
                    side.pop(level.price_ticks, None)
        self.event_seq = update.event_seq

    @property
    def bids(self) -> tuple[Level, ...]:
        """Best first."""
        return tuple(self._bids[price] for price in sorted(self._bids, reverse=True))

    @property
    def asks(self) -> tuple[Level, ...]:
        """Best first."""
        return tuple(self._asks[price] for price in sorted(self._asks))


class MarketData(Connection):
    """MarketDataService. `interval_ms` is how often the subscriber wants to hear, 0 = usual."""

    def _market_data(self) -> pb_grpc.MarketDataServiceAsyncStub:
        return pb_grpc.MarketDataServiceStub(self._channel)

    async def subscribe_depth(
        self, *market_ids: int, depth: int = 0, interval_ms: int = 0, resume: bool = False
    ) -> AsyncIterator[DepthUpdate]:
        """A snapshot of each book, then what changes. LookupError for an unknown market.

        With `resume` a new snapshot follows when the engine was away.
        """
        request = pb.DepthRequest(market_ids=market_ids, depth=depth, interval_ms=interval_ms)

        def subscribed() -> AsyncIterator[pb.DepthUpdate]:
            return self._stream(self._market_data().SubscribeDepth, request)

        async for update in resumed(subscribed) if resume else subscribed():
            yield DepthUpdate(
                market_id=update.market_id,
                event_seq=update.event_seq,
                prev_event_seq=update.prev_event_seq,
                bids=_levels(update.bids),
                asks=_levels(update.asks),
            )

    async def subscribe_best(
        self, *market_ids: int, interval_ms: int = 0
    ) -> AsyncIterator[BestPrices]:
        """The best prices of each market now, and whenever they change."""
        request = pb.BestRequest(market_ids=market_ids, interval_ms=interval_ms)
        async for best in self._stream(self._market_data().SubscribeBest, request):
            yield BestPrices(
                market_id=best.market_id,
                event_seq=best.event_seq,
                bid=value_of(Level, best.bid) if best.HasField("bid") else None,
                ask=value_of(Level, best.ask) if best.HasField("ask") else None,
            )

    async def subscribe_trades(
        self,
        *market_ids: int,
        from_event_seq: int = 0,
        interval_ms: int = 0,
        resume: bool = False,
    ) -> AsyncIterator[PublicTrade]:
        """Every trade (of all markets if none is named) from an event on, 0: from now on.

        With `resume` it goes on behind the last trade when the engine was away; from the first one
        on none is missed.
        """
        following = from_event_seq

        def subscribed() -> AsyncIterator[pb.PublicTrades]:
            request = pb.TradesRequest(
                market_ids=market_ids, from_event_seq=following, interval_ms=interval_ms
            )
            return self._stream(self._market_data().SubscribeTrades, request)

        async for batch in resumed(subscribed) if resume else subscribed():
            following = batch.event_seq + 1
            for trade in batch.trades:
                yield value_of(PublicTrade, trade)

    async def get_tickers(self, *market_ids: int) -> tuple[Ticker, ...]:
        """The last 24 hours of these markets (of all if none is named), by id."""
        request = pb.TickersRequest(market_ids=market_ids)
        answer = await self._ask(self._market_data().GetTickers, request)
        return tuple(_ticker(ticker) for ticker in answer.tickers)

    async def subscribe_tickers(
        self, *market_ids: int, interval_ms: int = 0
    ) -> AsyncIterator[Ticker]:
        """Each ticker now, and whenever it changes."""
        request = pb.TickersRequest(market_ids=market_ids, interval_ms=interval_ms)
        async for tickers in self._stream(self._market_data().SubscribeTickers, request):
            for ticker in tickers.tickers:
                yield _ticker(ticker)

    async def get_klines(
        self, market_id: int, interval: str, *, from_us: int = 0, to_us: int = 0, limit: int = 0
    ) -> Klines:
        """The last `limit` (0: 500) klines that open within from_us <= open_us < to_us."""
        request = pb.KlinesRequest(
            market_id=market_id, interval=interval, from_us=from_us, to_us=to_us, limit=limit
        )
        return _klines(await self._ask(self._market_data().GetKlines, request))

    async def subscribe_klines(
        self, *market_ids: int, intervals: Iterable[str], interval_ms: int = 0
    ) -> AsyncIterator[Klines]:
        """The newest kline of each market and interval, and again whenever it changes."""
        request = pb.KlinesSubscription(
            market_ids=market_ids, intervals=intervals, interval_ms=interval_ms
        )
        async for klines in self._stream(self._market_data().SubscribeKlines, request):
            yield _klines(klines)

    async def _stream(
        self, call: aio.UnaryStreamMultiCallable[Any, T], request: Any
    ) -> AsyncIterator[T]:
        await self._connected()
        running = call(request, metadata=self._access.metadata())
        try:
            async for message in running:
                yield message
        except aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.OUT_OF_RANGE):
                raise LookupError(error.details()) from error
            raise translate(error, executed=False) from error
        finally:
            running.cancel()


def _levels(levels: Iterable[pb.Level]) -> tuple[Level, ...]:
    return tuple(value_of(Level, level) for level in levels)


def _ticker(message: pb.Ticker) -> Ticker:
    return Ticker(
        market_id=message.market_id,
        from_us=message.from_us,
        open_price_ticks=message.open_price_ticks,
        high_price_ticks=message.high_price_ticks,
        low_price_ticks=message.low_price_ticks,
        last_price_ticks=message.last_price_ticks,
        volume_lots=int(message.volume_lots),
        quote_volume=int(message.quote_volume),
        first_trade_id=message.first_trade_id,
        last_trade_id=message.last_trade_id,
    )


def _klines(message: pb.Klines) -> Klines:
    return Klines(
        market_id=message.market_id,
        interval=message.interval,
        event_seq=message.event_seq,
        complete_from_us=message.complete_from_us,
        klines=tuple(
            Kline(
                open_us=kline.open_us,
                close_us=kline.close_us,
                open_price_ticks=kline.open_price_ticks,
                high_price_ticks=kline.high_price_ticks,
                low_price_ticks=kline.low_price_ticks,
                close_price_ticks=kline.close_price_ticks,
                volume_lots=int(kline.volume_lots),
                quote_volume=int(kline.quote_volume),
                buy_volume_lots=int(kline.buy_volume_lots),
                buy_quote_volume=int(kline.buy_quote_volume),
                first_trade_id=kline.first_trade_id,
                last_trade_id=kline.last_trade_id,
                is_closed=kline.is_closed,
            )
            for kline in message.klines
        ),
    )

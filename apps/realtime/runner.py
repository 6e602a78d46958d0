"""What keeps the hub fed: the stream, the engine's answers, and the clocks.

One session is: connect, take a snapshot if the stream does not go on where the last one ended,
then apply batches until something fails; then the next one, after a pause. Invariant: sockets stay
open whatever fails here; subscribers are told the state, and get fresh snapshots once it is over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final

import structlog
from prometheus_client import Counter, Gauge

from apps.realtime.book import LOAD_DEPTH
from apps.realtime.history import history_read
from apps.realtime.hub import GapError, Hub
from apps.realtime.market_feed import MarketFeed
from apps.realtime.state import StateBoard
from apps.realtime.stream import FeedStream, StreamLostError
from apps.realtime.ticker import WINDOW_MINUTES
from apps.realtime.user_feed import UserFeed
from engine.client import EngineClient, EngineError

ENGINE_TIMEOUT_S: Final = 3.0
BATCH_WAIT_S: Final = 0.5
RETRY_FIRST_S: Final = 0.2
RETRY_MAX_S: Final = 3.0
WATCH_INTERVAL_S: Final = 1.0
STALL_S: Final = 20.0  # behind the engine this long without a batch: the session begins again
ASK_INTERVAL_S: Final = 0.1
HISTORY_RETRY_S: Final = 1.0
MINUTE_NS: Final = 60_000_000_000
_LOG: Final = structlog.get_logger("quantatrade.realtime")
_SESSIONS: Final = Counter("qt_edge_feed_sessions_total", "Connections to the stream.", ["outcome"])
_BEHIND: Final = Gauge("qt_edge_feed_behind_events", "Events of the engine not yet in the feeds.")


class HubRunner:
    """The tasks around one hub."""

    def __init__(
        self,
        hub: Hub,
        states: StateBoard,
        *,
        nats_url: str,
        engine_address: str,
        reads_history: bool = True,
    ) -> None:
        self._hub = hub
        self._states = states
        self._nats_url = nats_url
        self._engine_address = engine_address
        self._reads_history = reads_history
        self._engine: EngineClient | None = None
        self._stream_seq = 0
        self._progress_s = time.monotonic()
        self._is_behind = False
        self._must_load = True
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin; call it inside the loop that serves the sockets."""
        self._engine = EngineClient(self._engine_address, timeout_s=ENGINE_TIMEOUT_S)
        loops = (self._follow, self._watch, self._tick, self._ask_books, self._ask_users)
        self._tasks = [asyncio.create_task(run_for_ever(loop)) for loop in loops]
        if self._reads_history:
            self._tasks.append(asyncio.create_task(run_for_ever(self._load_history)))

    async def stop(self) -> None:
        """End every task and close the engine's channel."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._engine is not None:
            await self._engine.close()

    @property
    def engine(self) -> EngineClient:
        """The one client of this process's feeds."""
        assert self._engine is not None, "the runner was not started"
        return self._engine

    async def _follow(self) -> None:
        """Sessions with the stream, one after the other."""
        pause_s = RETRY_FIRST_S
        while True:
            began = time.monotonic()
            try:
                async with await FeedStream.open(self._nats_url, self._resume_place()) as stream:
                    await self._session(stream)
            except (StreamLostError, GapError, EngineError) as error:
                _LOG.warning("feed_interrupted", error=type(error).__name__, detail=str(error))
            finally:
                self._states.update(stream_is_up=False)
            _SESSIONS.labels("lost").inc()
            if time.monotonic() - began > RETRY_MAX_S:
                pause_s = RETRY_FIRST_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_MAX_S)

    def _resume_place(self) -> int:
        return 0 if self._must_load else self._stream_seq

    async def _session(self, stream: FeedStream) -> None:
        if self._must_load or not stream.is_resumed:
            # The consumer is there already: what happens after this answer will reach it.
            await self._load()
        else:
            self._hub.refresh()
        _SESSIONS.labels("opened").inc()
        self._progress_s = time.monotonic()
        self._states.update(stream_is_up=True)
        while not self._must_load:
            batch = await stream.next(BATCH_WAIT_S)
            if batch is not None:
                self._must_load = True  # unless all of it is applied
                self._hub.apply(batch)
                self._must_load = False
                self._stream_seq = stream.stream_seq
                self._progress_s = time.monotonic()
            elif self._is_behind and time.monotonic() - self._progress_s > STALL_S:
                raise StreamLostError(f"nothing came for {STALL_S:g} s while the engine went on")

    async def _load(self) -> None:
        status = await self.engine.get_status()
        # Markets first: every asset of theirs was there before them.
        markets = await self.engine.list_markets()
        assets = await self.engine.list_assets()
        self._hub.load(status.event_seq, status.time_us, assets, markets)
        self._must_load = False
        self._stream_seq = 0
        _LOG.info("feeds_loaded", event_seq=status.event_seq, markets=len(markets))

    async def _watch(self) -> None:
        """Tell whether the engine answers, and how far the feeds are behind it."""
        engine_seq_before = 0
        while True:
            seen = self._hub.event_seq
            try:
                status = await self.engine.get_status()
            except EngineError:
                self._states.update(engine_is_up=False)
            else:
                if not self._states.engine_is_up and self._hub.is_loaded:
                    self._hub.refresh()
                if status.event_seq < seen:
                    self._must_load = True  # another engine, or one that has lost events
                self._is_behind = self._hub.event_seq < engine_seq_before
                engine_seq_before = status.event_seq
                _BEHIND.set(max(status.event_seq - self._hub.event_seq, 0))
                self._states.update(engine_is_up=True, is_delayed=self._is_behind)
            await asyncio.sleep(WATCH_INTERVAL_S)

    async def _tick(self) -> None:
        """Publish what is conflated."""
        limits = self._hub.limits
        ticker_due_s = time.monotonic()
        while True:
            await asyncio.sleep(limits.book_interval_s)
            self._hub.tick_books()
            if time.monotonic() >= ticker_due_s:
                ticker_due_s = time.monotonic() + limits.ticker_interval_s
                self._hub.tick_tickers(time.time_ns() // 1_000)

    async def _ask_books(self) -> None:
        """Load every book that is stale."""
        while True:
            for feed in self._hub.stale_books() if self._hub.is_loaded else []:
                await self._ask_book(feed)
            await asyncio.sleep(ASK_INTERVAL_S)

    async def _ask_book(self, feed: MarketFeed) -> None:
        generation = feed.book.generation
        try:
            answer = await self.engine.get_book(feed.terms.market_id, LOAD_DEPTH)
        except (EngineError, LookupError) as error:
            _LOG.warning("book_not_answered", symbol=feed.terms.symbol, error=type(error).__name__)
            await asyncio.sleep(RETRY_FIRST_S)
            return
        feed.book.load(answer, generation)

    async def _ask_users(self) -> None:
        """Load the orders and balances that listeners wait for, a few at a time."""
        limits = self._hub.limits
        while True:
            asks: list[Callable[[], Awaitable[None]]] = []
            if self._hub.is_loaded:
                asks += [partial(self._ask_orders, user) for user in self._hub.orders_wanted()]
                asks += [partial(self._ask_balances, user) for user in self._hub.balances_wanted()]
            for first in range(0, len(asks), limits.balances_at_once):
                some = asks[first : first + limits.balances_at_once]
                await asyncio.gather(*(ask() for ask in some))
            await asyncio.sleep(limits.balances_interval_s)

    async def _ask_orders(self, user: UserFeed) -> None:
        generation = user.generation
        with suppress(EngineError):  # it stays wanted, and the state tells that the engine is down
            answer = await self.engine.list_open_orders(
                user_id=user.user_id, limit=self._hub.limits.user_orders_max
            )
            user.load_orders(answer, generation)

    async def _ask_balances(self, user: UserFeed) -> None:
        user.wants_balances = False
        try:
            answer = await self.engine.get_balances(user.user_id)
        except EngineError:
            user.wants_balances = True
        else:
            user.load_balances(answer)

    async def _load_history(self) -> None:
        """Put what happened before the start in front of tickers and trades, once for each."""
        while True:
            for feed in list(self._hub.markets.values()):
                upto = feed.ticker.history_trade_id
                if feed.ticker.is_complete:
                    continue
                past = await history_read(
                    feed.terms,
                    first_minute=time.time_ns() // MINUTE_NS - WINDOW_MINUTES + 1,
                    last_trade_id=upto,
                    trades=self._hub.limits.trades_remembered,
                )
                if past is not None and feed.ticker.history_trade_id == upto:
                    feed.load_past(past.minutes, past.trades)
            await asyncio.sleep(HISTORY_RETRY_S)


async def run_for_ever(loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a loop that does not end; an error it did not expect is logged, and it begins again."""
    while True:
        try:
            await loop()
        except Exception:
            _LOG.exception("feed_loop_failed", loop=loop.__name__)
            await asyncio.sleep(RETRY_MAX_S)

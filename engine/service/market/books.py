"""Books for those who watch them: asked of the kernel, compared, and sent as differences.

A view is one consistent cut of a market's best levels. Each subscriber remembers the view that he
was sent last; whoever comes late skips the ones between. Invariants: snapshot and differences give
exactly the kernel's best levels at the event sequence that they name; the kernel is asked only for
markets that are watched and have changed, and for at most a tenth of the time.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from engine.kernel.interface import Kernel, LevelView
from engine.service.core import Sequencer
from engine.service.market.scan import touched_markets

LEVELS_PER_QUERY: Final = 2_000
REST_PER_WORK: Final = 9  # time left to the kernel for each second of asking

Levels = tuple[LevelView, ...]


class BookView(NamedTuple):
    """Best levels of a market at an event, best first."""

    event_seq: int
    bids: Levels
    asks: Levels

    def best(self, depth: int) -> BookView:
        """The same with fewer levels."""
        return BookView(self.event_seq, self.bids[:depth], self.asks[:depth])


EMPTY: Final = BookView(0, (), ())


def difference(before: Levels, after: Levels) -> list[LevelView]:
    """Levels to set to get from one side to the other; quantity 0: take the level away."""
    known = {level.price_ticks: level for level in before}
    changed = [level for level in after if known.pop(level.price_ticks, None) != level]
    return changed + [LevelView(price, 0, 0) for price in known]


class Books:
    """The newest views of the markets that are watched. Lives on the event loop's thread."""

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer
        self._watchers: dict[int, Counter[int]] = {}
        self._views: dict[int, BookView] = {}
        self._touched: set[int] = set()
        self._asking = asyncio.Lock()
        self._rest_until_s = 0.0

    def hear(self, events: bytes) -> None:
        """Note which of the watched books events may have changed."""
        if self._watchers:
            self._touched |= touched_markets(events) & self._watchers.keys()

    @contextmanager
    def watched(self, market_ids: Iterable[int], depth: int) -> Iterator[None]:
        """Keep views of these markets, at least `depth` levels deep."""
        markets = list(market_ids)
        for market_id in markets:
            depths = self._watchers.setdefault(market_id, Counter())
            if depth > max(depths, default=0):
                self._touched.add(market_id)  # the view that is there is not deep enough
            depths[depth] += 1
        try:
            yield
        finally:
            for market_id in markets:
                depths = self._watchers[market_id]
                depths[depth] -= 1
                if not depths[depth]:
                    del depths[depth]
                if not depths:
                    del self._watchers[market_id]
                    self._views.pop(market_id, None)
                    self._touched.discard(market_id)

    async def views(self, market_ids: list[int]) -> dict[int, BookView]:
        """Views of watched markets, as new as the kernel's rest allows."""
        async with self._asking:
            is_new = any(market_id not in self._views for market_id in market_ids)
            rest_s = self._rest_until_s - time.monotonic()
            if is_new and rest_s > 0:
                await asyncio.sleep(rest_s)
            if is_new or rest_s <= 0:
                await self._ask([each for each in market_ids if self._is_old(each)])
        return {each: self._views[each] for each in market_ids if each in self._views}

    def _is_old(self, market_id: int) -> bool:
        return market_id in self._touched or market_id not in self._views

    async def _ask(self, market_ids: list[int]) -> None:
        """Bring the views of these up to date, a bounded number of levels at a time."""
        part: dict[int, int] = {}
        for market_id in market_ids:
            part[market_id] = max(self._watchers[market_id])
            if sum(part.values()) >= LEVELS_PER_QUERY:
                await self._ask_part(part)
                part = {}
        if part:
            await self._ask_part(part)

    async def _ask_part(self, depths: dict[int, int]) -> None:
        self._touched -= depths.keys()

        def ask(kernel: Kernel) -> tuple[float, dict[int, BookView]]:
            started = time.perf_counter()
            found = {}
            for market_id, depth in depths.items():
                book = kernel.book(market_id, depth)
                if book is not None:
                    found[market_id] = BookView(kernel.event_seq, tuple(book[0]), tuple(book[1]))
            return time.perf_counter() - started, found

        took_s, views = await self._sequencer.query(ask)
        self._rest_until_s = time.monotonic() + REST_PER_WORK * took_s
        for market_id, view in views.items():
            if market_id in self._watchers:
                self._views[market_id] = view

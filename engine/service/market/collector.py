"""Keeps the bars: what a file and the journal say at start, then what becomes durable.

Counting up from the journal happens in a thread while the engine serves already; then the loop
takes over, batch by batch. Invariant: every event is counted exactly once, in order, and at most
REBUILD_EVENTS_MAX events are read at a start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import Final

import structlog

from engine.journal.errors import JournalError
from engine.journal.reader import Follower
from engine.proto import engine_pb2 as pb
from engine.proto.records import EVENT_HEADER, RECORD_BYTES, EventHeader
from engine.service.core import Sequencer
from engine.service.errors import UnavailableError
from engine.service.market.bars import MarketBars
from engine.service.market.scan import seconds
from engine.service.market.store import Collected, load, save

REBUILD_EVENTS_MAX: Final = 8_000_000  # 1 GiB of events
READ_EVENTS: Final = 4096
BUFFER_BYTES_MAX: Final = 64 << 20  # of what becomes durable while the rest is counted
SAVE_EVERY_S: Final = 60.0
RETRY_S: Final = 0.1
log = structlog.get_logger(__name__)


class BarCollector:
    """The bars of all markets. All methods are called on the event loop's thread."""

    def __init__(self, data_dir: Path, sequencer: Sequencer) -> None:
        self._data_dir = data_dir
        self._sequencer = sequencer
        self._collected = Collected()
        self._heard_seq = 0
        self._buffer: deque[bytes] | None = None
        self._buffer_bytes = 0
        self._is_live = False
        self._saved_seq = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; call it when the sequencer has started."""
        self._heard_seq = self._sequencer.durable_event_seq
        self._sequencer.listen(self._hear)
        self._task = asyncio.create_task(self._run_or_tell())

    async def stop(self) -> None:
        """Save what was counted."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._is_live:
            await self._save()

    @property
    def event_seq(self) -> int:
        """The last event that was counted."""
        return self._collected.event_seq

    @property
    def complete_from_us(self) -> int:
        """Trades before this time are not in the bars; 0: all are."""
        return self._collected.complete_from_us

    def market(self, market_id: int) -> MarketBars | None:
        """The bars of a market, None before its first trade. UnavailableError: still counting."""
        if not self._is_live:
            raise UnavailableError("the engine still counts its trades up", pb.Error.STARTING)
        return self._collected.markets.get(market_id)

    def _hear(self, events: bytes) -> None:
        self._heard_seq = _last_seq(events)
        if self._is_live:
            _count(self._collected, events)
        elif self._buffer is not None:
            self._buffer.append(events)
            self._buffer_bytes += len(events)

    async def _run_or_tell(self) -> None:
        try:
            await self._run()
        except (JournalError, OSError) as error:
            self._is_live = False
            log.error("bars_failed", detail=str(error))

    async def _run(self) -> None:
        loaded = await asyncio.to_thread(load, self._data_dir)
        if loaded is not None:
            self._collected = loaded
        self._saved_seq = self._collected.event_seq
        while not self._is_live:
            # What is heard from here on is kept; what was heard before is in the journal.
            self._buffer, self._buffer_bytes = None, 0
            await asyncio.to_thread(catch_up, self._data_dir, self._collected, self._heard_seq)
            self._buffer = deque()
            await asyncio.to_thread(catch_up, self._data_dir, self._collected, self._heard_seq)
            if self._buffer_bytes <= BUFFER_BYTES_MAX:
                self._go_live(self._buffer)
            await asyncio.sleep(0 if self._is_live else RETRY_S)
        log.info("bars_ready", event_seq=self.event_seq, markets=len(self._collected.markets))
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            await self._save()

    def _go_live(self, buffer: deque[bytes]) -> None:
        """Count what was heard meanwhile, and go on so if nothing is missing in between."""
        for events in buffer:
            following = self._collected.event_seq + 1
            first = EventHeader._make(EVENT_HEADER.unpack_from(events)).event_seq
            if first <= following <= _last_seq(events):
                _count(self._collected, events[(following - first) * RECORD_BYTES :])
        self._buffer = None
        self._is_live = self._collected.event_seq == self._heard_seq

    async def _save(self) -> None:
        collected = self._collected
        if collected.event_seq == self._saved_seq:
            return
        lines = list(collected.lines())
        self._saved_seq = collected.event_seq
        try:
            await asyncio.to_thread(
                save, self._data_dir, collected.event_seq, collected.complete_from_us, lines
            )
        except OSError as error:
            log.warning("bars_not_saved", detail=str(error))


def catch_up(data_dir: Path, collected: Collected, until_event_seq: int) -> None:
    """Count what the journal has up to an event; of a long one only the end."""
    following = collected.event_seq + 1
    if until_event_seq - collected.event_seq > REBUILD_EVENTS_MAX:
        following = until_event_seq - REBUILD_EVENTS_MAX + 1
        collected.markets.clear()
        collected.event_seq = following - 1
        collected.complete_from_us = -1  # until the first event that is read tells its time
    follower = Follower(data_dir, following)
    try:
        while collected.event_seq < until_event_seq:
            found = follower.read(min(READ_EVENTS, until_event_seq - collected.event_seq))
            if found is None:
                return
            if collected.complete_from_us < 0:
                header = EventHeader._make(EVENT_HEADER.unpack_from(found.events))
                collected.complete_from_us = header.time_us
            _count(collected, found.events)
    finally:
        follower.close()


def _count(collected: Collected, events: bytes) -> None:
    for market_id, bar in seconds(events):
        market = collected.markets.get(market_id)
        if market is None:
            market = collected.markets[market_id] = MarketBars()
        market.add(bar)
    collected.event_seq = _last_seq(events)


def _last_seq(events: bytes) -> int:
    header = EventHeader._make(EVENT_HEADER.unpack_from(events, len(events) - RECORD_BYTES))
    return header.event_seq

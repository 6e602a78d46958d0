"""The mirror process: reads the stream, books what it brings, and stays truthful about its state.

A session is one database connection, one stream consumer and one watch over the engine. It ends
with the first thing that fails; the next one, after a pause, begins at the cursor, so nothing has
to be repaired in between. Invariant: when books and engine contradict each other (`HaltError`) the
mirror stands still, says so everywhere it can, and books nothing more until it is started anew.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import Final

import nats.errors
import psycopg
import structlog
from nats.js import errors as stream_errors
from prometheus_client import CollectorRegistry

from apps.mirror.books import MIRROR_NAME, Books, EventRun
from apps.mirror.errors import GapError, HaltError, MirrorFencedError
from apps.mirror.metrics import MirrorMetrics
from apps.mirror.runs import RUN_EVENTS_MAX, Gap, Message, next_step
from apps.mirror.stream import EventStream, StreamLostError
from apps.mirror.watch import EngineWatch
from engine.client import EngineClient, EngineError
from engine.proto.records import RECORD_BYTES

BACKOFF_S_MIN: Final = 0.1
BACKOFF_S_MAX: Final = 5.0
IDLE_S: Final = 1.0  # an idle mirror reports this often
SILENCE_S: Final = 5.0  # behind the engine this long without a message: ask the engine itself
READY_LAG_S: Final = 10.0
MEASURE_S: Final = 0.25
QUEUE_BATCHES_MAX: Final = 4
TROUBLES: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    nats.errors.Error,
    stream_errors.Error,
    StreamLostError,
    EngineError,
    OSError,
    TimeoutError,
)
log = structlog.get_logger(__name__)


class MirrorProcess:
    """One mirror, from its start to `stop`."""

    def __init__(
        self,
        *,
        database_url: str,
        nats_url: str,
        engine_address: str,
        registry: CollectorRegistry,
        name: str = MIRROR_NAME,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.books = Books(database_url, name)
        self._nats_url = nats_url
        self._watch = EngineWatch(engine_address, self.books)
        self._silence_s = silence_s
        self._metrics = MirrorMetrics(registry)
        self._stopping = asyncio.Event()
        self._halted: str | None = None
        self._trouble: str | None = "has not connected yet"
        self._heard_at = self._reported_at = time.monotonic()
        self._backoff_s = BACKOFF_S_MIN
        self._helpers: list[asyncio.Task[None]] = []

    def stop(self) -> None:
        """Let `run` return after the run of events that is being booked."""
        self._stopping.set()

    def not_ready(self) -> str | None:
        """Return why the books do not follow the engine, or None."""
        if self._halted is not None:
            return f"mirror halted: {self._halted}"
        if self._trouble is not None:
            return f"mirror {self._trouble}"
        lag_s = self._watch.behind_s(self.books.booked_us)
        if lag_s > READY_LAG_S:
            return f"mirror is {lag_s:.1f} s behind, expected at most {READY_LAG_S:g} s"
        return None

    async def run(self) -> None:
        """Book events until `stop`. MirrorFencedError if another mirror took the cursor."""
        self._helpers = [
            asyncio.create_task(self._watch.run()),
            asyncio.create_task(self._measure()),
        ]
        try:
            while not self._stopping.is_set():
                await self._run_session()
        finally:
            for task in self._helpers:
                task.cancel()
            await asyncio.gather(*self._helpers, return_exceptions=True)
            self.books.close()

    async def _run_session(self) -> None:
        try:
            await self._session()
        except HaltError as error:
            await self._halt(error)
        except MirrorFencedError:
            raise
        except TROUBLES as error:
            cause = type(error).__name__
            self._trouble = f"has lost its session: {cause}: {error}"
            self._metrics.failures.labels(cause).inc()
            log.warning("session_failed", cause=cause, detail=str(error), pause_s=self._backoff_s)
            await self._report_if_open()
            await self._pause(self._backoff_s)
            self._backoff_s = min(2 * self._backoff_s, BACKOFF_S_MAX)

    async def _session(self) -> None:
        await asyncio.to_thread(self.books.open)
        position = self.books.position
        log.info("books_opened", event_seq=position.last_event_seq, epoch=position.epoch)
        async with self._watch.client() as engine:
            await self._watch.greet_if_up(engine)
            stream = await EventStream.open(self._nats_url, position.stream_seq)
            fetched: asyncio.Queue[list[Message]] = asyncio.Queue(QUEUE_BATCHES_MAX)
            reader = asyncio.create_task(_read(stream, fetched))
            self._trouble = None
            self._heard_at = time.monotonic()
            try:
                await self._book(engine, fetched, reader)
            finally:
                reader.cancel()
                with suppress(asyncio.CancelledError, *TROUBLES, HaltError):
                    await reader
                await stream.close()

    async def _book(
        self,
        engine: EngineClient,
        fetched: asyncio.Queue[list[Message]],
        reader: asyncio.Task[None],
    ) -> None:
        pending: deque[Message] = deque()
        while not self._stopping.is_set():
            for task in (reader, *self._helpers):
                if task.done():
                    task.result()  # none of them ends but by an error
            if self._watch.refusal is not None:
                raise self._watch.refusal
            pending.extend(await _next(fetched))
            if pending:
                self._heard_at = time.monotonic()
            while (step := next_step(pending, self.books.position)) is not None:
                if isinstance(step, Gap):
                    await self._fill(engine, step)
                else:
                    await self._apply(step)
                if self._stopping.is_set():
                    return
            await self._when_idle(engine)

    async def _when_idle(self, engine: EngineClient) -> None:
        position, newest, now = self.books.position, self.books.engine_event_seq, time.monotonic()
        if now - self._heard_at > self._silence_s:
            self._heard_at = now
            if newest > position.last_event_seq:
                await self._fill(engine, Gap(position.last_event_seq + 1, newest))
        if now - self._reported_at > IDLE_S:
            self._reported_at = now
            await asyncio.to_thread(self.books.report)

    async def _report_if_open(self) -> None:
        if self.books.is_open:
            with suppress(psycopg.Error):
                await asyncio.to_thread(self.books.report)

    async def _apply(self, run: EventRun) -> None:
        before = self.books.position.last_event_seq
        try:
            with self._metrics.apply_seconds.time():
                await asyncio.to_thread(self.books.apply, run)
        finally:
            self._metrics.events.inc(self.books.position.last_event_seq - before)
            self._watch.measure()
        self._backoff_s = BACKOFF_S_MIN
        self._reported_at = time.monotonic()

    async def _fill(self, engine: EngineClient, gap: Gap) -> None:
        """Book from the engine's journal what the stream did not bring."""
        log.warning("gap", first=gap.first_event_seq, last=gap.last_event_seq)
        self._metrics.gaps.inc()
        expected = gap.first_event_seq
        try:
            async for batch in engine.read_events(gap.first_event_seq, gap.last_event_seq):
                if batch.first_event_seq != expected:
                    raise GapError(
                        f"the engine gave events from {batch.first_event_seq} on, "
                        f"expected {expected}"
                    )
                size = RUN_EVENTS_MAX * RECORD_BYTES
                for offset in range(0, len(batch.events), size):
                    part = batch.events[offset : offset + size]
                    await self._apply(EventRun(batch.epoch, expected, part))
                    expected += len(part) // RECORD_BYTES
        except LookupError as error:
            raise GapError(
                f"events {expected}..{gap.last_event_seq} are neither in the stream nor in the "
                f"engine: {error}"
            ) from error
        if expected != gap.last_event_seq + 1:
            raise GapError(
                f"the engine gave events up to {expected - 1}, expected {gap.last_event_seq}"
            )

    async def _halt(self, error: HaltError) -> None:
        self._halted = f"{type(error).__name__}: {error}"
        self._metrics.halted.set(1)
        log.error("halted", cause=type(error).__name__, detail=str(error))
        while not self._stopping.is_set():
            try:
                await asyncio.to_thread(self.books.open)
                await asyncio.to_thread(self.books.halt, error)
                self.books.close()
                break
            except psycopg.Error as trouble:
                log.warning("halt_not_recorded", detail=str(trouble))
                await self._pause(BACKOFF_S_MAX)
        await self._stopping.wait()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _measure(self) -> None:
        """Keep the metrics true; never returns."""
        metrics, books = self._metrics, self.books
        while True:
            position = books.position
            metrics.lag_events.set(max(0, books.engine_event_seq - position.last_event_seq))
            metrics.lag_seconds.set(self._watch.behind_s(books.booked_us))
            metrics.last_event_seq.set(position.last_event_seq)
            metrics.last_checkpoint_seq.set(position.last_checkpoint_seq)
            metrics.engine_reachable.set(self._watch.is_reachable)
            await asyncio.sleep(MEASURE_S)


async def _read(stream: EventStream, fetched: asyncio.Queue[list[Message]]) -> None:
    """Fetch ahead of the bookings, as far as the queue lets us."""
    while True:
        messages = await stream.fetch(IDLE_S)
        if messages:
            await fetched.put(messages)
        else:
            await stream.verify()


async def _next(fetched: asyncio.Queue[list[Message]]) -> list[Message]:
    with suppress(TimeoutError):
        return await asyncio.wait_for(fetched.get(), IDLE_S)
    return []

"""One relay: connect, prove the stream's end, publish what follows; on any trouble, again.

A session is one connection to the server. It begins by reading the stream's last message and ends
with the first thing that did not go as expected: a lost connection, a time-out, error 10071 (the
stream's last sequence is not the one expected). Nothing is repaired inside a session, since after
trouble the only truth is what the stream holds: the next session reads it. Invariant: once a
session was verified, `published` is an event that the stream has confirmed, with the chain computed
from this journal; before that it is the note's, or the beginning.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from pathlib import Path
from typing import Final, NamedTuple

import nats
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import PubAck
from nats.js.errors import APIError
from prometheus_client import CollectorRegistry

from engine.journal import JournalError
from engine.proto.stream import StreamBatch
from engine.relay import stream
from engine.relay.errors import ForeignStreamError, JournalDamagedError, StaleRelayError
from engine.relay.feed import NOTHING_DURABLE, JournalFeed, durable_mark, event_time_us
from engine.relay.greeting import Claim
from engine.relay.metrics import READY_LAG_S_DEFAULT, RelayMetrics
from engine.relay.progress import GENESIS, Anchor, load_progress, save_progress

CONNECT_TIMEOUT_S: Final = 2
CONNECT_S_MAX: Final = 5.0
BACKOFF_S_MIN: Final = 0.05
BACKOFF_S_MAX: Final = 2.0
POLL_S: Final = 0.002  # how often the durable position is looked at while events come
IDLE_POLL_S: Final = 0.01  # and when none has come for a while: a fifth of the processor time
IDLE_AFTER_S: Final = 0.25
SETTLE_S_DEFAULT: Final = 5.0  # a restarted engine may be still publishing its durable position
SETTLE_POLL_S: Final = 0.1
STOP_S_MAX: Final = 2.0  # for confirmations under way when asked to stop
STATUS_INTERVAL_S: Final = 0.25
PROGRESS_INTERVAL_S: Final = 1.0
CHAIN_YIELD_BATCHES: Final = 16  # computing a long chain lets other tasks run this often
log = structlog.get_logger(__name__)


class SessionLostError(Exception):
    """This connection is of no further use. `cause` is a short label for the metrics."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause


class InFlight(NamedTuple):
    """A message under way: what it reaches, and what its confirmation must say."""

    batch: StreamBatch
    first_time_us: int
    stream_seq: int
    confirmation: asyncio.Task[PubAck]


class Relay:
    """Publishes one engine directory to one NATS server until stopped or refused."""

    def __init__(
        self,
        data_dir: Path,
        nats_url: str,
        registry: CollectorRegistry,
        *,
        settle_s: float = SETTLE_S_DEFAULT,
        ready_lag_s: float = READY_LAG_S_DEFAULT,
        stream_bytes_max: int = stream.STREAM_BYTES_DEFAULT,
    ) -> None:
        self.data_dir = data_dir
        self.published = _noted(data_dir)
        self.claim: Claim | None = None
        self._nats_url = nats_url
        self._settle_s = settle_s
        self._ready_lag_s = ready_lag_s
        self._stream_bytes_max = stream_bytes_max
        self._metrics = RelayMetrics(registry)
        self._in_flight: deque[InFlight] = deque()
        self._stopping = asyncio.Event()
        self._trouble: str | None = "has not connected yet"
        self._lag_s = 0.0
        self._waiting_since: tuple[int, int] = (0, 0)  # event sequence, its time stamp
        self._saved = self.published
        self._backoff_s = BACKOFF_S_MIN

    def stop(self) -> None:
        """Finish what is under way and let `run` return."""
        self._stopping.set()

    def not_ready(self) -> str | None:
        """Return why events do not reach the stream in time, or None."""
        if self._trouble is not None:
            return f"relay {self._trouble}"
        if self._lag_s > self._ready_lag_s:
            return f"relay is {self._lag_s:.1f} s behind, expected at most {self._ready_lag_s:g} s"
        return None

    async def run(self) -> None:
        """Publish until `stop`. Raises RelayError when waiting cannot mend what is wrong."""
        try:
            while not self._stopping.is_set():
                await self._run_session()
        except JournalError as error:
            raise JournalDamagedError(str(error)) from error
        finally:
            self._save_progress()

    async def report_status(self) -> None:
        """Keep the metrics and the progress note fresh; never returns."""
        saved_at = time.monotonic()
        while True:
            try:
                self._measure_lag()
            except JournalError as error:
                raise JournalDamagedError(str(error)) from error
            if time.monotonic() - saved_at >= PROGRESS_INTERVAL_S:
                self._save_progress()
                saved_at = time.monotonic()
            await asyncio.sleep(STATUS_INTERVAL_S)

    async def _run_session(self) -> None:
        """One connection from its beginning to its end, and the pause after a failed one."""
        if durable_mark(self.data_dir) == NOTHING_DURABLE:
            await self._pause("no_journal", "the engine has written nothing yet")
            return
        client = Client()
        try:
            await self._connect(client)
            js = stream.stream_context(client)
            await stream.ensure_stream(js, self._stream_bytes_max)
            tail = await stream.read_tail(js)
            batch = tail.batch
            self.claim = Claim(Anchor(batch.last_event_seq, batch.chain) if batch else GENESIS)
            self.published = await self._prove(tail)
            self.claim = Claim(self.published, is_proved=True)
            log.info(
                "stream_verified",
                stream_seq=tail.stream_seq,
                event_seq=self.published.event_seq,
            )
            await self._pump(client, js, tail.stream_seq)
        except SessionLostError as error:
            await self._pause(error.cause, str(error))
        except APIError as error:
            await self._pause("refused", f"{type(error).__name__} {error.err_code}: {error}")
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            await self._pause("connection", f"{type(error).__name__}: {error}")
        finally:
            await self._forget_in_flight()
            await _close(client)

    async def _connect(self, client: Client) -> None:
        """Connect, without the library's own reconnecting: after a loss the stream's end must be
        read before anything is published."""
        seen: list[Exception] = []

        async def note(error: Exception) -> None:
            seen[:] = [error]

        connecting = client.connect(
            self._nats_url,
            name="relay",
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=CONNECT_TIMEOUT_S,
            error_cb=note,
        )
        try:
            await asyncio.wait_for(connecting, CONNECT_S_MAX)
        except nats.errors.NoServersError as error:
            raise SessionLostError("connection", f"no connection: {seen or [error]}") from error

    async def _pause(self, cause: str, detail: str) -> None:
        """Note why the session ended and wait a little longer each time until one works."""
        self._trouble = f"cannot publish: {detail}"
        self._metrics.connected.set(0)
        self._metrics.sessions_lost.labels(cause).inc()
        log.warning("session_lost", cause=cause, detail=detail)
        await self._sleep(self._backoff_s)
        self._backoff_s = min(self._backoff_s * 2, BACKOFF_S_MAX)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not past a request to stop."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _prove(self, tail: stream.Tail) -> Anchor:
        """Return the place after the stream's last message, once it is shown to be our own."""
        batch = tail.batch
        if batch is None:
            return GENESIS
        await self._await_durable(batch)
        known = self.published
        starts = [known] if known.event_seq <= batch.last_event_seq else []
        starts += [GENESIS] if known != GENESIS or not starts else []
        for start in starts:
            anchor = await self._chain_at(start, batch.last_event_seq)
            if anchor.chain == batch.chain:
                return anchor
        raise ForeignStreamError(
            f"stream message {tail.stream_seq} ends at event {batch.last_event_seq} with chain "
            f"{batch.chain.hex()}, this journal has {anchor.chain.hex()} there"
        )

    async def _await_durable(self, batch: StreamBatch) -> None:
        """Wait for a journal that reaches the stream's last message, or refuse as stale."""
        deadline = time.monotonic() + self._settle_s
        while True:
            mark = durable_mark(self.data_dir)
            if batch.epoch <= mark.epoch and batch.last_event_seq <= mark.event_seq:
                return
            if self._stopping.is_set():
                raise SessionLostError("stopping", "asked to stop before the stream was verified")
            if time.monotonic() >= deadline:
                raise StaleRelayError(
                    "stale relay: another, newer engine and relay own the stream; its last "
                    f"message is event {batch.last_event_seq} of epoch {batch.epoch}, this "
                    f"journal is durable to event {mark.event_seq} of epoch {mark.epoch}"
                )
            await self._sleep(SETTLE_POLL_S)

    async def _chain_at(self, start: Anchor, event_seq: int) -> Anchor:
        """Compute the chain from a known place to a later one."""
        feed = JournalFeed(self.data_dir, start)
        try:
            rounds = 0
            while feed.anchor.event_seq < event_seq:
                if feed.next_batch(event_seq) is None:
                    raise JournalDamagedError(
                        f"journal ended at event {feed.anchor.event_seq}, expected {event_seq}"
                    )
                rounds += 1
                if rounds % CHAIN_YIELD_BATCHES == 0:
                    await asyncio.sleep(0)
            return feed.anchor
        finally:
            feed.close()

    async def _pump(self, client: Client, js: JetStreamContext, stream_seq: int) -> None:
        """Publish what follows `published` until asked to stop or something goes wrong."""
        feed = JournalFeed(self.data_dir, self.published)
        self._trouble = None
        self._metrics.connected.set(1)
        busy_at = time.monotonic()
        try:
            while not self._stopping.is_set():
                stream_seq = self._fill_window(js, feed, stream_seq)
                now = time.monotonic()
                if self._in_flight:
                    busy_at = now
                is_idle = now - busy_at > IDLE_AFTER_S
                await self._wait_for_confirmation(client, IDLE_POLL_S if is_idle else POLL_S)
            deadline = time.monotonic() + STOP_S_MAX
            while self._in_flight and time.monotonic() < deadline:
                await self._wait_for_confirmation(client, POLL_S)
        finally:
            feed.close()

    def _fill_window(self, js: JetStreamContext, feed: JournalFeed, stream_seq: int) -> int:
        """Send durable events while the window has room; return the last sequence expected."""
        while len(self._in_flight) < stream.IN_FLIGHT_MAX:
            fed = feed.next_batch()
            if fed is None:
                break
            confirmation = asyncio.create_task(stream.publish(js, fed.batch, stream_seq))
            stream_seq += 1
            self._in_flight.append(InFlight(fed.batch, fed.first_time_us, stream_seq, confirmation))
        return stream_seq

    async def _wait_for_confirmation(self, client: Client, wait_s: float) -> None:
        """Take the confirmations that have come, in order; wait at most so long for the first."""
        if not self._in_flight:
            await asyncio.sleep(wait_s)
        else:
            await asyncio.wait([self._in_flight[0].confirmation], timeout=wait_s)
        while self._in_flight and self._in_flight[0].confirmation.done():
            self._confirm(self._in_flight[0])
            self._in_flight.popleft()
        if client.is_closed:
            raise SessionLostError("connection", "the server closed the connection")

    def _confirm(self, message: InFlight) -> None:
        try:
            ack = message.confirmation.result()
        except APIError as error:
            if error.err_code == stream.WRONG_LAST_SEQUENCE:
                raise SessionLostError("wrong_last_sequence", str(error.description)) from error
            raise
        except nats.errors.TimeoutError as error:
            raise SessionLostError("unconfirmed", "no confirmation in time") from error
        if ack.duplicate or ack.seq != message.stream_seq:
            raise SessionLostError(
                "wrong_last_sequence",
                f"message was stored as {ack.seq}, expected {message.stream_seq}",
            )
        batch = message.batch
        self.published = Anchor(batch.last_event_seq, batch.chain)
        self.claim = Claim(self.published, is_proved=True)
        self._backoff_s = BACKOFF_S_MIN
        self._metrics.published_events.inc(batch.last_event_seq - batch.first_event_seq + 1)
        self._metrics.published_messages.inc()

    async def _forget_in_flight(self) -> None:
        """Outcomes of a session that is over are unknown, and the next session reads them."""
        tasks = [message.confirmation for message in self._in_flight]
        self._in_flight.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _measure_lag(self) -> None:
        durable, published = durable_mark(self.data_dir).event_seq, self.published.event_seq
        lag_events = max(0, durable - published)
        self._lag_s = 0.0
        if lag_events:
            age_us = time.time_ns() // 1_000 - self._oldest_time_us(published + 1)
            self._lag_s = max(0, age_us) / 1_000_000
        self._metrics.lag_events.set(lag_events)
        self._metrics.lag_seconds.set(self._lag_s)
        self._metrics.durable_event_seq.set(durable)
        self._metrics.published_event_seq.set(published)

    def _oldest_time_us(self, event_seq: int) -> int:
        """Return the time stamp of the first event that is not confirmed."""
        if self._in_flight:
            return self._in_flight[0].first_time_us
        if self._trouble is None:  # about to be sent, and not worth a search in the journal
            return time.time_ns() // 1_000
        if self._waiting_since[0] != event_seq:
            self._waiting_since = (event_seq, event_time_us(self.data_dir, event_seq))
        return self._waiting_since[1]

    def _save_progress(self) -> None:
        if self._saved != self.published:
            save_progress(self.data_dir, self.published)
            self._saved = self.published


def _noted(data_dir: Path) -> Anchor:
    """Return the place in the note if the journal reaches it, else the beginning."""
    note = load_progress(data_dir) or GENESIS
    return note if note.event_seq <= durable_mark(data_dir).event_seq else GENESIS


async def _close(client: Client) -> None:
    """Close a connection that may be in any state; its fate is of no interest any more."""
    try:
        await asyncio.wait_for(client.close(), STOP_S_MAX)
    except (nats.errors.Error, TimeoutError, OSError) as error:
        log.info("connection_not_closed", detail=repr(error))

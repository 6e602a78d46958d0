"""The sequencer: one thread that puts all commands in one order and makes them durable.

The event loop hands batches over; the writer thread takes whatever is waiting, applies it, writes
one journal record, syncs, and only then releases the answers, all with one call into the loop.
Where a timer of the kernel is due, a TICK stands at the head of the record; the writer wakes for a
record with nothing else in it. Invariants: the kernel is touched by the writer thread alone; no
answer leaves before its record is durable; no command is applied before what is due at its time;
queries run between batches, so they too see durable state only; the queue is bounded.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from itertools import compress
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple, TypeVar, cast

import structlog

from engine.journal.errors import JournalFullError
from engine.journal.faults import reach
from engine.journal.log import CommandLog
from engine.kernel.interface import Kernel
from engine.kernel.limits import ICEBERG_TRANCHES_MAX
from engine.proto import engine_pb2 as pb
from engine.proto.records import RECORD_BYTES, Command, CommandType, pack_command
from engine.service import metrics
from engine.service.commands import Batch, iceberg_count
from engine.service.errors import (
    DeadlinePassedError,
    ErrorReason,
    KernelFailedError,
    OverloadedError,
    UnavailableError,
)

RECORD_COMMANDS_MAX: Final = 4096
QUEUE_COMMANDS_MAX: Final = 65_536
QUERIES_WAITING_MAX: Final = 1024
CHECKPOINT_EVERY_S: Final = 1.0
STOP_TIMEOUT_S: Final = 30.0
RETRY_EVERY_S: Final = 1.0  # how often a timer that finds the disk full tries again
# Of a QUOTE: six of its own, and what can later end its two orders. A PLACE has one less order, and
# may also meet an order in part and pause its market.
EVENTS_PER_COMMAND_MAX: Final = 12
EVENTS_PER_ICEBERG_MAX: Final = 2 * ICEBERG_TRANCHES_MAX
EVENTS_SPARE: Final = 64
ORDER_ID_MAX: Final = 2**53 - 1

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Outcome(NamedTuple):
    """Durable result of one batch: its commands are consecutive from `first_command_seq` on."""

    first_command_seq: int
    events: bytes


class _Submission(NamedTuple):
    batch: Batch
    size: int
    answer: asyncio.Future[Outcome]
    deadline_s: float


class _Query(NamedTuple):
    ask: Callable[[Kernel], object]
    answer: asyncio.Future[object]


class _Stop(NamedTuple):
    pass


class Sequencer:
    """The way into the kernel. All methods are called on the event loop's thread."""

    def __init__(
        self,
        kernel: Kernel,
        journal: CommandLog,
        fail: Callable[[Exception], None],
        *,
        checkpoint_every_s: float = CHECKPOINT_EVERY_S,
    ) -> None:
        self._kernel = kernel
        self._journal = journal
        self._fail = fail
        self._checkpoint_every_s = checkpoint_every_s
        self._queue: SimpleQueue[_Submission | _Query | _Stop] = SimpleQueue()
        self._waiting_commands = 0
        self._waiting_queries = 0
        self._room = asyncio.Event()
        self._room.set()
        self._refusal: UnavailableError | None = UnavailableError(
            "the engine is starting", pb.Error.STARTING
        )
        self._no_space: UnavailableError | None = None
        self._halted = False
        self._loop = asyncio.get_running_loop()
        self._published: asyncio.Future[None] = self._loop.create_future()
        self._carry: _Submission | None = None
        self._stopping = False
        self._next_checkpoint = 0.0
        self._next_attempt = 0.0
        self._full: str | None = None  # the writer's own view of `_no_space`
        self._listeners: list[Callable[[bytes], None]] = []
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self.durable_event_seq = 0
        self.epoch = journal.epoch

    # --- the event loop's side ------------------------------------------------------------------

    def start(self, kernel: Kernel | None = None) -> None:
        """Begin, on a recovered journal and kernel (None: the one of the constructor); commands
        are refused until `open`."""
        self._kernel = kernel or self._kernel
        self.durable_event_seq = self._journal.event_seq
        metrics.EPOCH.set(self.epoch)
        metrics.QUEUE_COMMANDS.set_function(lambda: self._waiting_commands)
        metrics.COMMAND_SEQ.set_function(lambda: self._journal.command_seq)
        metrics.EVENT_SEQ.set_function(lambda: self._journal.event_seq)
        self._thread.start()

    @property
    def started(self) -> bool:
        return self._thread.ident is not None

    @property
    def refusal(self) -> str | None:
        """Why commands are not taken now, None if they are."""
        error = self._refusal or self._no_space
        return None if error is None else str(error)

    def close(self, text: str, reason: ErrorReason = pb.Error.STOPPING) -> None:
        """Take no more commands, for this reason."""
        self._refusal = UnavailableError(text, reason)

    def open(self) -> None:
        """Take commands."""
        self._refusal = None

    def halt(self, text: str) -> None:
        """Acknowledge nothing any more, not even what is being written now."""
        self._refusal = UnavailableError(text, pb.Error.PEER_AHEAD)
        self._halted = True

    def submit(self, batch: Batch, deadline_s: float = math.inf) -> asyncio.Future[Outcome]:
        """Queue a batch. The future resolves when it is durable.

        If its turn comes after `deadline_s` (monotonic), or after the future was cancelled, nothing
        of it is executed.
        """
        if self._refusal is not None:
            raise UnavailableError(str(self._refusal), self._refusal.reason)
        if self._waiting_commands + batch.size > QUEUE_COMMANDS_MAX:
            raise OverloadedError(
                f"{self._waiting_commands} commands are waiting, at most {QUEUE_COMMANDS_MAX} may"
            )
        answer: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting_commands += batch.size
        if self._waiting_commands > QUEUE_COMMANDS_MAX // 2:
            self._room.clear()
        self._queue.put(_Submission(batch, batch.size, answer, deadline_s))
        return answer

    async def room(self) -> None:
        """Wait until the queue is at most half full: the brake of pipelined streams."""
        while not self._room.is_set():  # of several that wake together, each looks again
            await self._room.wait()

    def query(self, ask: Callable[[Kernel], T]) -> asyncio.Future[T]:
        """Run `ask` on the writer thread between two batches."""
        if not self.started or self._stopping:
            if self._refusal is None:
                raise UnavailableError("the engine is stopping", pb.Error.STOPPING)
            raise UnavailableError(str(self._refusal), self._refusal.reason)
        if self._waiting_queries >= QUERIES_WAITING_MAX:
            raise OverloadedError(
                f"{self._waiting_queries} queries are waiting, the most there may",
                pb.Error.QUERIES_FULL,
            )
        answer: asyncio.Future[object] = self._loop.create_future()
        self._waiting_queries += 1
        self._queue.put(_Query(ask, answer))
        return cast("asyncio.Future[T]", answer)

    def listen(self, hear: Callable[[bytes], None]) -> None:
        """Have the events of every record told from now on, once durable, without a gap."""
        self._listeners.append(hear)

    def _tell(self, events: bytes) -> None:
        if not self._halted:
            for hear in self._listeners:
                self._loop.call_soon(hear, events)  # the answers of the record go first

    async def published_beyond(self, event_seq: int) -> None:
        """Wait until events after `event_seq` are durable."""
        while self.durable_event_seq <= event_seq:
            await asyncio.shield(self._published)

    async def stop(self) -> None:
        """Finish what is queued, journal a last checkpoint, and end the thread."""
        if self._refusal is None:
            self.close("the engine is stopping")
        if not self.started or self._stopping:
            return
        self._stopping = True
        self._queue.put(_Stop())
        await asyncio.to_thread(self._thread.join, STOP_TIMEOUT_S)

    def _release(
        self, submissions: list[_Submission], outcomes: list[Outcome], event_seq: int
    ) -> None:
        """Let the answers of one durable record out."""
        self._forget(submissions)
        if self._halted:
            return
        self.durable_event_seq = event_seq
        self._published.set_result(None)
        self._published = self._loop.create_future()
        for submission, outcome in zip(submissions, outcomes, strict=True):
            if not submission.answer.done():  # the caller may have gone away meanwhile
                submission.answer.set_result(outcome)

    def _turn_away(self, submissions: list[_Submission], reason: str) -> None:
        """Tell that nothing of these was executed, because the disk has no room."""
        self._forget(submissions)
        if self._no_space is None:
            log.error("disk_full", detail=reason)
        self._no_space = UnavailableError(reason, pb.Error.DISK_FULL)
        for submission in submissions:
            if not submission.answer.done():
                submission.answer.set_exception(UnavailableError(reason, pb.Error.DISK_FULL))

    def _pass_over(self, submissions: list[_Submission]) -> None:
        """Tell that nothing of these was executed: their turn came after their deadline."""
        self._forget(submissions)
        for submission in submissions:
            if not submission.answer.done():
                submission.answer.set_exception(
                    DeadlinePassedError("the deadline passed before the command had its turn")
                )

    def _found_room(self) -> None:
        self._no_space = None
        log.info("disk_has_room_again")

    def _forget(self, submissions: list[_Submission]) -> None:
        self._waiting_commands -= sum(submission.size for submission in submissions)
        if self._waiting_commands <= QUEUE_COMMANDS_MAX // 2:
            self._room.set()

    def _answer(self, results: list[tuple[_Query, object]]) -> None:
        self._waiting_queries -= len(results)
        for query, result in results:
            if query.answer.done():
                continue
            if isinstance(result, Exception):
                query.answer.set_exception(result)
            else:
                query.answer.set_result(result)

    # --- the writer thread ----------------------------------------------------------------------

    def _run(self) -> None:
        self._next_checkpoint = time.monotonic() + self._checkpoint_every_s
        try:
            stop = False
            while not stop or self._carry is not None:
                submissions, queries, stop_seen = self._take(block=not stop)
                stop = stop or stop_seen
                if submissions:
                    self._commit(submissions)
                elif self._seconds_to_timer() <= 0.0:
                    self._tick()
                if queries:
                    self._ask(queries)
                if time.monotonic() >= self._next_checkpoint:
                    self._checkpoint()
            self._checkpoint()
        except Exception as error:
            self._fail(error)

    def _take(self, *, block: bool) -> tuple[list[_Submission], list[_Query], bool]:
        """Everything that waits, up to one record's worth of commands."""
        submissions: list[_Submission] = []
        queries: list[_Query] = []
        count = 0
        if self._carry is not None:
            submissions.append(self._carry)
            count = self._carry.size
            self._carry = None
            block = False
        try:
            if block:
                timeout = min(self._next_checkpoint - time.monotonic(), self._seconds_to_timer())
                item = self._queue.get(timeout=max(0.0, timeout))
            else:
                item = self._queue.get_nowait()
            while True:
                if isinstance(item, _Submission):
                    count += item.size
                    if count > RECORD_COMMANDS_MAX:
                        self._carry = item
                        return submissions, queries, False
                    submissions.append(item)
                elif isinstance(item, _Query):
                    queries.append(item)
                else:
                    return submissions, queries, True
                item = self._queue.get_nowait()
        except Empty:
            return submissions, queries, False

    def _seconds_to_timer(self) -> float:
        """How long to wait for the next timer; while the disk is full, the next attempt."""
        due_us = self._kernel.next_timer_us
        if not due_us:
            return threading.TIMEOUT_MAX
        seconds = (due_us - max(time.time_ns() // 1000, self._kernel.time_us)) / 1e6
        if self._full is not None:
            seconds = max(seconds, self._next_attempt - time.monotonic())
        return min(seconds, threading.TIMEOUT_MAX)

    def _tick(self) -> None:
        """Fire what is due, in a record of its own."""
        self._next_attempt = time.monotonic() + RETRY_EVERY_S
        no_room = self._make_room(1)
        if no_room is not None:
            self._loop.call_soon_threadsafe(self._turn_away, [], no_room)
            return
        self._apply(_TICK, self._stamp())
        self._loop.call_soon_threadsafe(self._release, [], [], self._kernel.event_seq)

    def _stamp(self) -> int:
        """The time of a record that begins now; never behind that of the last one."""
        return max(time.time_ns() // 1000, self._kernel.time_us)

    def _make_room(self, command_count: int, iceberg_count: int = 0) -> str | None:
        """Make room for the most that these commands can cause; why not, if there is none.

        They can end every order that is open now, or that one of them has placed, tranche by
        tranche.
        """
        own = EVENTS_PER_COMMAND_MAX * command_count + EVENTS_PER_ICEBERG_MAX * iceberg_count
        try:
            self._journal.prepare(command_count, own + self._kernel.event_bound + EVENTS_SPARE)
        except JournalFullError as error:
            self._full = str(error)
            return self._full
        if self._full is not None:
            self._full = None
            self._loop.call_soon_threadsafe(self._found_room)
        return None

    def _in_time(self, submissions: list[_Submission]) -> list[_Submission]:
        """Those that somebody still waits for; the others are passed over."""
        now = time.monotonic()
        late = [each.deadline_s <= now or each.answer.cancelled() for each in submissions]
        if not any(late):
            return submissions
        self._loop.call_soon_threadsafe(self._pass_over, list(compress(submissions, late)))
        return [each for each, is_late in zip(submissions, late, strict=True) if not is_late]

    def _commit(self, submissions: list[_Submission]) -> None:
        kernel = self._kernel
        submissions = self._in_time(submissions)
        if not submissions:
            return
        no_room = self._make_room(
            sum(submission.size for submission in submissions) + 1,
            sum(iceberg_count(submission.batch.commands) for submission in submissions),
        )
        if no_room is not None:
            self._loop.call_soon_threadsafe(self._turn_away, submissions, no_room)
            return
        next_id = kernel.last_order_id + 1
        for submission in submissions:
            next_id = submission.batch.assign_order_ids(next_id)
        assert next_id <= ORDER_ID_MAX
        time_us = self._stamp()
        is_due = 0 < kernel.next_timer_us <= time_us
        first_command_seq = kernel.command_seq + 1 + is_due
        if len(submissions) == 1 and not is_due:
            commands = submissions[0].batch.commands
        else:
            head = [bytearray(_TICK)] if is_due else []
            commands = bytearray().join(
                [*head, *(submission.batch.commands for submission in submissions)]
            )
        events = self._apply(commands, time_us)
        outcomes = _split(submissions, events, first_command_seq, has_head=is_due)
        self._loop.call_soon_threadsafe(self._release, submissions, outcomes, kernel.event_seq)

    def _apply(self, commands: bytearray | bytes, time_us: int) -> bytes:
        """Apply and journal one record; when this returns, it is durable."""
        kernel = self._kernel
        started = time.perf_counter()
        try:
            events = kernel.apply(commands, time_us)
        except Exception as error:
            raise KernelFailedError(
                f"kernel {kernel.name} failed after command {kernel.command_seq}: {error!r}"
            ) from error
        applied = time.perf_counter()
        reach("applied")
        self._journal.append(commands, events, time_us)
        metrics.APPLY_SECONDS.observe(applied - started)
        metrics.SYNC_SECONDS.observe(time.perf_counter() - applied)
        count = len(commands) // RECORD_BYTES
        metrics.COMMANDS.inc(count)
        metrics.EVENTS.inc(len(events) // RECORD_BYTES)
        metrics.BATCH_COMMANDS.observe(count)
        if self._listeners:
            self._loop.call_soon_threadsafe(self._tell, events)
        return events

    def _checkpoint(self) -> None:
        self._next_checkpoint = time.monotonic() + self._checkpoint_every_s
        metrics.OPEN_ORDERS.set(self._kernel.open_order_count)
        if self._full is not None and self._make_room(1) is not None:
            return
        if not self._kernel.needs_checkpoint:
            return
        try:
            self._journal.prepare(1, len(self._kernel.assets()) + 1)
        except JournalFullError as error:
            self._full = str(error)
            self._loop.call_soon_threadsafe(self._turn_away, [], self._full)
            return
        self._apply(_CHECKPOINT, self._stamp())
        self._loop.call_soon_threadsafe(self._release, [], [], self._kernel.event_seq)

    def _ask(self, queries: list[_Query]) -> None:
        results: list[tuple[_Query, object]] = []
        for query in queries:
            try:
                results.append((query, query.ask(self._kernel)))
            except Exception as error:
                results.append((query, error))
        self._loop.call_soon_threadsafe(self._answer, results)


_CHECKPOINT: Final = pack_command(Command(CommandType.CHECKPOINT))
_TICK: Final = pack_command(Command(CommandType.TICK))


def _split(
    submissions: list[_Submission], events: bytes, first_command_seq: int, *, has_head: bool
) -> list[Outcome]:
    """Give each submission the events of its own commands, which come after those of a head."""
    if len(submissions) == 1 and not has_head:
        return [Outcome(first_command_seq, events)]
    command_seqs = memoryview(events).cast("Q")[1 :: RECORD_BYTES // 8]
    outcomes: list[Outcome] = []
    start = bisect_left(command_seqs, first_command_seq)
    for submission in submissions:
        following = first_command_seq + submission.size
        end = bisect_left(command_seqs, following, lo=start)
        outcomes.append(
            Outcome(first_command_seq, events[start * RECORD_BYTES : end * RECORD_BYTES])
        )
        first_command_seq, start = following, end
    return outcomes

"""One pipelined stream of packed commands, shared by all callers of a process.

Callers await one command each; whatever is waiting goes out together in one message, and at most
two messages are unanswered. So a single caller is answered at once, and the more callers there are
the fewer messages, and fdatasyncs, each of them costs.

Invariants: commands leave in the order in which they were handed in. After a lost connection a
command that was already sent is sent again only if it carries a request id, by which the engine
recognises it; any other one ends as `OutcomeUnknown`.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from grpc import aio

from engine.client.access import Access
from engine.client.channel import not_executed, translate
from engine.client.errors import AccessDenied, EngineError, EngineUnavailable, OutcomeUnknown
from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.proto.records import RECORD_BYTES

MESSAGE_COMMANDS_MAX: Final = 1024
MESSAGES_IN_FLIGHT_MAX: Final = 2
WAITING_MAX: Final = 65_536
BACKOFF_MIN_S: Final = 0.02
BACKOFF_MAX_S: Final = 1.0
STATUS_TIMEOUT_S: Final = 1.0
SWEEP_EVERY_S: Final = 0.1
SESSION_KEY: Final = "qt-session"


class StreamSession(NamedTuple):
    """A session of a user that ends with the connection: `grace_ms` later the engine cancels the
    orders that were placed in it, unless it was opened again meanwhile."""

    user_id: int
    session_id: int
    grace_ms: int


class _Item:
    """One command on its way. `maybe_executed`: an earlier message with it was never answered."""

    __slots__ = ("answer", "deadline_s", "maybe_executed", "record", "retry", "sent")

    def __init__(
        self, record: bytes, answer: asyncio.Future[bytes], deadline_s: float, *, retry: bool
    ) -> None:
        self.record = record
        self.retry = retry
        self.answer = answer
        self.deadline_s = deadline_s
        self.sent = False
        self.maybe_executed = False

    def fail(self, error: EngineError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def give_up(self) -> None:
        """The deadline has passed."""
        if self.sent:
            self.fail(OutcomeUnknown("the engine did not answer in time"))
        else:
            self.fail(EngineUnavailable("the engine was not reached in time"))


class Submitter:
    """Runs the stream as long as it is open; reconnects by itself."""

    def __init__(
        self, channel: aio.Channel, access: Access, sessions: Sequence[StreamSession] = ()
    ) -> None:
        self._access = access
        self._sessions = tuple((SESSION_KEY, "/".join(map(str, each))) for each in sessions)
        self._stub = pb_grpc.OrderServiceStub(channel)
        self._channel = channel
        self._waiting: deque[_Item] = deque()
        self._in_flight: deque[tuple[int, Sequence[_Item]]] = deque()
        self._wake = asyncio.Event()
        self._passed_over: list[tuple[int, Sequence[_Item]]] = []
        self._tag = 0  # position in the stream, from 1
        self._task = asyncio.create_task(self._run())
        self._closed = False
        self._answered = False
        self._loop = asyncio.get_running_loop()
        self._sweep: asyncio.TimerHandle | None = None

    def submit(self, record: bytes, timeout_s: float, *, retry: bool) -> asyncio.Future[bytes]:
        """Queue a trader's packed command; resolves to its packed events once it is durable.

        `retry` tells that it carries a request id.
        """
        if self._closed:
            raise EngineUnavailable("the client is closed")
        if len(self._waiting) >= WAITING_MAX:  # those who gave up meanwhile do not count
            self._waiting = deque(item for item in self._waiting if not item.answer.done())
            if len(self._waiting) >= WAITING_MAX:
                raise EngineUnavailable(f"{WAITING_MAX} commands are waiting, the most there may")
        answer: asyncio.Future[bytes] = self._loop.create_future()
        deadline_s = self._loop.time() + timeout_s
        self._waiting.append(_Item(record, answer, deadline_s, retry=retry))
        self._wake.set()
        if self._sweep is None:
            self._sweep = self._loop.call_later(SWEEP_EVERY_S, self._sweep_overdue)
        return answer

    def _sweep_overdue(self) -> None:
        """End what is overdue: one timer for all is cheaper than one for each command."""
        now = self._loop.time()
        for item in self._unanswered():
            if item.deadline_s < now:
                item.give_up()
        for item in self._waiting:
            if item.deadline_s < now:
                item.give_up()
        self._sweep = None
        if self._waiting or self._in_flight or self._passed_over:
            self._sweep = self._loop.call_later(SWEEP_EVERY_S, self._sweep_overdue)

    def _unanswered(self) -> Iterator[_Item]:
        """Everything that was sent."""
        for _, items in (*self._passed_over, *self._in_flight):
            yield from items

    async def _run(self) -> None:
        """Keep a stream open whenever there is something to send."""
        backoff_s = BACKOFF_MIN_S
        while True:
            await self._wake.wait()
            await self._channel.channel_ready()
            self._answered = False
            try:
                self._settle(await self._stream())
            except AccessDenied as error:  # before anything was sent
                for item in self._waiting:
                    item.fail(error)
            backoff_s = BACKOFF_MIN_S if self._answered else min(backoff_s * 2, BACKOFF_MAX_S)
            await asyncio.sleep(backoff_s * (1 + random.random()))  # noqa: S311 - not a secret

    async def _stream(self) -> aio.AioRpcError | None:
        """One stream's life; returns the status that ended it, None if it ended without one."""
        self._tag = 0
        call = self._stub.SubmitPacked(  # type: ignore[call-arg] # requests are written below
            metadata=(*self._access.metadata(), *self._sessions)
        )
        slots = asyncio.Semaphore(MESSAGES_IN_FLIGHT_MAX)
        receiver = asyncio.create_task(self._receive(call, slots))
        sender = asyncio.create_task(self._send(call, slots))
        try:
            await asyncio.wait((receiver, sender), return_when=asyncio.FIRST_COMPLETED)
            # A sender that fails first says only that the stream is over; the receiver knows why.
            await asyncio.wait((receiver,), timeout=STATUS_TIMEOUT_S)
        finally:
            sender.cancel()
            receiver.cancel()
            ends = await asyncio.gather(receiver, sender, return_exceptions=True)
            call.cancel()
        for end in ends:
            if isinstance(end, aio.AioRpcError):
                return end
        return None

    async def _send(
        self,
        call: aio.StreamStreamCall[pb.PackedCommands, pb.PackedResults],
        slots: asyncio.Semaphore,
    ) -> None:
        while True:
            await slots.acquire()
            items: list[_Item] = []
            while not items:
                await self._wake.wait()
                waiting = self._waiting
                while waiting and len(items) < MESSAGE_COMMANDS_MAX:
                    item = waiting.popleft()
                    if not item.answer.done():
                        items.append(item)
                if not waiting:
                    self._wake.clear()
            for item in items:
                item.sent = True
            self._tag += 1
            self._in_flight.append((self._tag, items))
            await call.write(
                pb.PackedCommands(tag=self._tag, commands=b"".join([item.record for item in items]))
            )

    async def _receive(
        self,
        call: aio.StreamStreamCall[pb.PackedCommands, pb.PackedResults],
        slots: asyncio.Semaphore,
    ) -> None:
        async for results in call:
            tag, items = self._in_flight.popleft()
            while tag != results.tag:  # passed over: it was refused, the status will tell why
                self._passed_over.append((tag, items))
                tag, items = self._in_flight.popleft()
            self._answered = True
            slots.release()
            for item, events in zip(
                items, split_events(results.events, results.first_command_seq), strict=True
            ):
                if not item.answer.done():
                    item.answer.set_result(events)

    def _settle(self, error: aio.AioRpcError | None) -> None:
        """Decide about everything unanswered after a stream ended."""
        mark = (not_executed(error) if error is not None else None) or ""
        untouched_tags = {int(tag) for tag in mark.split(",") if tag.isdigit()}
        text = error.details() if error is not None else "the stream ended"
        again: list[_Item] = []
        for tag, items in (*self._passed_over, *self._in_flight):
            untouched = mark == "all" or tag in untouched_tags
            for item in items:
                if untouched and not item.maybe_executed:
                    assert error is not None
                    item.sent = False
                    item.fail(translate(error, executed=False))
                elif item.retry:
                    item.maybe_executed = True
                    again.append(item)
                else:
                    item.fail(OutcomeUnknown(f"the connection to the engine was lost: {text}"))
        self._in_flight.clear()
        self._passed_over.clear()
        self._waiting.extendleft(reversed(again))
        if self._waiting:
            self._wake.set()

    async def close(self) -> None:
        """Stop. Whoever still waits gets an error."""
        self._closed = True
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._sweep is not None:
            self._sweep.cancel()
        for item in self._unanswered():
            item.fail(OutcomeUnknown("the client was closed before the answer came"))
        for item in self._waiting:
            item.fail(EngineUnavailable("the client was closed"))


def split_events(events: bytes, first_command_seq: int) -> list[bytes]:
    """Cut the events of consecutive commands apart; every command has at least one."""
    command_seqs = memoryview(events).cast("Q")[1 :: RECORD_BYTES // 8].tolist()
    cuts = [
        position
        for position, (before, seq) in enumerate(
            zip((first_command_seq - 1, *command_seqs), command_seqs, strict=False)
        )
        if seq != before
    ]
    cuts.append(len(command_seqs))
    return [events[start * RECORD_BYTES : end * RECORD_BYTES] for start, end in pairwise(cuts)]

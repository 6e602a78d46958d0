"""What all commands of one call share: sending again, and the first outcome of a retry."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from typing import Any, Final

from grpc import aio

from engine.client.channel import translate
from engine.client.errors import EngineUnavailable, OutcomeUnknown
from engine.client.events import Events
from engine.client.types import Outcome, outcome_of
from engine.proto import engine_pb2 as pb
from engine.proto.records import EVENT_HEADER, RECORD_BYTES, EventHeader

ADMIN_RETRY_S: Final = 0.2
REPLAY_READ_EVENTS: Final = 64


class Commander(Events):
    """Unary commands. Those that the engine recognises are sent again after a lost connection."""

    async def _command(
        self,
        call: aio.UnaryUnaryMultiCallable[Any, pb.CommandResult],
        request: Any,
        *,
        idempotent: bool = False,
    ) -> Outcome:
        """An operator's command. One that the engine recognises again is sent again if need be."""
        deadline_s = time.monotonic() + self._timeout_s
        unknown: OutcomeUnknown | None = None
        while True:
            try:
                outcome = await self._once(call, request)
            except OutcomeUnknown as error:
                unknown = error
            except EngineUnavailable:
                if unknown is None:
                    raise
            else:
                if outcome.replayed:
                    outcome = await self._first_outcome(outcome)
                return outcome.expect()
            if not idempotent or time.monotonic() >= deadline_s:
                raise unknown
            await asyncio.sleep(ADMIN_RETRY_S)

    async def _once(
        self, call: aio.UnaryUnaryMultiCallable[Any, pb.CommandResult], request: Any
    ) -> Outcome:
        await self._connected()
        try:
            result = await call(request, timeout=self._timeout_s, metadata=self._access.metadata())
        except aio.AioRpcError as error:
            raise translate(error, executed=True) from error
        return outcome_of(result.events)

    async def _first_outcome(self, replay: Outcome) -> Outcome:
        """The outcome that a replayed request had the first time, from the journal."""
        replayed_at = EventHeader._make(EVENT_HEADER.unpack_from(replay.records)).event_seq
        deadline_s = time.monotonic() + self._timeout_s
        while True:
            try:
                async with self._replay_reads:
                    records = await self._events_of_command(replay.first_event_seq, replayed_at - 1)
            except EngineUnavailable as error:
                if time.monotonic() >= deadline_s:
                    raise OutcomeUnknown(
                        f"the command was executed before, at event {replay.first_event_seq}, "
                        f"but its events cannot be read: {error}"
                    ) from error
                await asyncio.sleep(ADMIN_RETRY_S)
            else:
                return Outcome(
                    command_seq=_command_seq(records, 0),
                    first_event_seq=replay.first_event_seq,
                    order_id=replay.order_id,
                    reason=replay.reason,
                    replayed=True,
                    records=records,
                )

    async def _events_of_command(self, first_event_seq: int, last_event_seq: int) -> bytes:
        """All events of the command that begins at `first_event_seq`."""
        parts: list[bytes] = []
        following, step = first_event_seq, REPLAY_READ_EVENTS
        while following <= last_event_seq:
            last = min(following + step - 1, last_event_seq)
            parts += [batch.events async for batch in self.read_events(following, last)]
            if _command_seq(parts[-1], -RECORD_BYTES) != _command_seq(parts[0], 0):
                break
            following, step = last + 1, step * 2
        records = b"".join(parts)
        own = _command_seq(records, 0)
        count = bisect_right(
            range(len(records) // RECORD_BYTES),
            own,
            key=lambda at: _command_seq(records, at * RECORD_BYTES),
        )
        return records[: count * RECORD_BYTES]


def _command_seq(records: bytes, offset: int) -> int:
    """Command sequence of the event at an offset."""
    seq: int = EVENT_HEADER.unpack_from(records, offset)[1]
    return seq

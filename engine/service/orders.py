"""OrderService: traders' commands, one at a time or as a pipelined stream of packed batches.

Invariant: answers of a stream leave in the order of its requests. A stream holds a bounded number
of unanswered requests and reads on only when the sequencer has room and the caller's rate allows
it, so a fast sender waits instead of being refused.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, NamedTuple

from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.proto.records import Command, CommandType
from engine.service import forms
from engine.service.calls import Context, deadline_of, execute, refuse
from engine.service.commands import packed, request_id
from engine.service.core import Outcome, Sequencer
from engine.service.errors import CallRefusedError
from engine.service.gate import current_caller
from engine.service.roles import Role
from engine.service.sessions import Sessions, declared

# ruff: noqa: N802 - the methods carry the names of the gRPC service

STREAM_REQUESTS_MAX: Final = 64
POSITIONS_NAMED_MAX: Final = 2 * STREAM_REQUESTS_MAX
REFUSED_PAUSE_S: Final = 0.02
REFUSED_DRAIN_MAX_S: Final = 1.0


class OrderService(pb_grpc.OrderServiceServicer):
    def __init__(self, sequencer: Sequencer, sessions: Sessions) -> None:
        self._sequencer = sequencer
        self._sessions = sessions

    async def Place(self, request: pb.PlaceRequest, context: Context) -> pb.CommandResult:
        return await execute(self._sequencer, context, lambda: [forms.place(request)])

    async def Cancel(self, request: pb.CancelRequest, context: Context) -> pb.CommandResult:
        return await execute(self._sequencer, context, lambda: [forms.cancel(request)])

    async def Reduce(self, request: pb.ReduceRequest, context: Context) -> pb.CommandResult:
        command = Command(
            CommandType.REDUCE, order_id=request.order_id, quantity=request.quantity_lots
        )
        return await self._run(context, request, command)

    async def Move(self, request: pb.MoveRequest, context: Context) -> pb.CommandResult:
        command = Command(CommandType.MOVE, order_id=request.order_id, price=request.price_ticks)
        return await self._run(context, request, command)

    async def Amend(self, request: pb.AmendRequest, context: Context) -> pb.CommandResult:
        command = Command(
            CommandType.AMEND,
            order_id=request.order_id,
            price=request.price_ticks,
            quantity=request.quantity_lots,
        )
        return await self._run(context, request, command)

    async def Replace(self, request: pb.ReplaceRequest, context: Context) -> pb.CommandResult:
        return await execute(self._sequencer, context, lambda: forms.replace(request))

    async def CancelAll(self, request: pb.CancelAllRequest, context: Context) -> pb.CommandResult:
        return await self._run(
            context, request, Command(CommandType.CANCEL_ALL, quantity=request.side)
        )

    async def Quote(self, request: pb.QuoteRequest, context: Context) -> pb.CommandResult:
        return await execute(self._sequencer, context, lambda: [forms.quote(request)])

    async def PlaceList(self, request: pb.PlaceListRequest, context: Context) -> pb.CommandResult:
        return await execute(self._sequencer, context, lambda: forms.place_list(request))

    async def SetDeadman(self, request: pb.SetDeadmanRequest, context: Context) -> pb.CommandResult:
        command = Command(
            CommandType.SET_DEADMAN, user_id=request.user_id, quantity=request.timeout_ms
        )
        return await execute(self._sequencer, context, lambda: [command])

    async def SetSession(self, request: pb.SetSessionRequest, context: Context) -> pb.CommandResult:
        command = Command(
            CommandType.SET_SESSION,
            user_id=request.user_id,
            order_id=request.session_id,
            quantity=request.state,
            amount=request.grace_ms,
        )
        return await execute(self._sequencer, context, lambda: [command])

    async def _run(
        self,
        context: Context,
        request: pb.ReduceRequest | pb.MoveRequest | pb.AmendRequest | pb.CancelAllRequest,
        command: Command,
    ) -> pb.CommandResult:
        """A command about orders of one user, with what all of them state."""

        def make() -> list[Command]:
            return [
                command._replace(
                    market_id=request.market_id,
                    user_id=request.user_id,
                    request_id=request_id(request.request_id),
                )
            ]

        return await execute(self._sequencer, context, make)

    async def SubmitPacked(
        self, request_iterator: AsyncIterator[pb.PackedCommands], context: Context
    ) -> AsyncIterator[pb.PackedResults]:
        try:
            sessions = declared(context.invocation_metadata() or ())
            self._sessions.begin(sessions)
        except CallRefusedError as error:
            await refuse(context, error)
        if not sessions:
            async with aclosing(self._exchange(request_iterator, context)) as results:
                async for result in results:
                    yield result
            return
        try:
            await self._sessions.open(sessions)
            async with aclosing(self._exchange(request_iterator, context)) as results:
                async for result in results:
                    yield result
        except CallRefusedError as error:
            await refuse(context, error)
        finally:
            self._sessions.end(sessions)

    async def _exchange(
        self, request_iterator: AsyncIterator[pb.PackedCommands], context: Context
    ) -> AsyncGenerator[pb.PackedResults, None]:
        stream = _Stream(deadline_of(context))
        reader = asyncio.create_task(self._read(request_iterator, stream))
        try:
            while (item := await stream.next()) is not None:
                try:
                    outcome = await item.outcome()
                except CallRefusedError as error:
                    stream.refuse(error)
                    stream.refused_positions.append(item.position)
                    continue
                yield pb.PackedResults(
                    tag=item.tag,
                    first_command_seq=outcome.first_command_seq,
                    events=outcome.events,
                )
            if stream.refusal is not None:
                await refuse(context, stream.refusal, stream.not_executed())
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _read(self, requests: AsyncIterator[pb.PackedCommands], stream: _Stream) -> None:
        """Hand requests to the sequencer; after the first refusal all that follow are refused."""
        caller, position = current_caller(), 0
        async for request in requests:
            position += 1
            answer: asyncio.Future[Outcome] | CallRefusedError
            try:
                if stream.refusal is not None:
                    raise stream.refusal
                caller.require_token()
                batch = packed(request.commands, is_operator=Role.OPERATOR in caller.roles)
                await caller.meter.turn()
                await self._sequencer.room()
                answer = self._sequencer.submit(batch, stream.call_deadline_s)
            except CallRefusedError as error:
                stream.refuse(error)
                answer = error
            await stream.waiting.put(_Waiting(position, request.tag, answer))
            if stream.refusal is not None and time.monotonic() > stream.deadline_s:
                break
        await stream.waiting.put(None)


class _Waiting(NamedTuple):
    """The n-th request of a stream, submitted or refused."""

    position: int
    tag: int
    answer: asyncio.Future[Outcome] | CallRefusedError

    async def outcome(self) -> Outcome:
        if isinstance(self.answer, CallRefusedError):
            raise self.answer
        return await asyncio.shield(self.answer)  # a stream that ends calls nothing back


class _Stream:
    """The unanswered requests of one stream, and what of it was refused.

    A stream that was refused something still answers what it had submitted before, and reads on
    until the sender pauses: a status sent while the other side writes would be lost on it.
    """

    def __init__(self, call_deadline_s: float) -> None:
        self.call_deadline_s = call_deadline_s
        self.waiting: asyncio.Queue[_Waiting | None] = asyncio.Queue(STREAM_REQUESTS_MAX)
        self.refusal: CallRefusedError | None = None
        self.refused_positions: list[int] = []
        self.deadline_s = 0.0

    async def next(self) -> _Waiting | None:
        """The next request to answer; None when there will be none any more."""
        if self.refusal is None or not self.waiting.empty():
            return await self.waiting.get()
        try:
            return await asyncio.wait_for(self.waiting.get(), REFUSED_PAUSE_S)
        except TimeoutError:
            return None

    def refuse(self, error: CallRefusedError) -> None:
        """Take no further request; the first reason is the one that is told."""
        if self.refusal is None:
            self.refusal = error
            self.deadline_s = time.monotonic() + REFUSED_DRAIN_MAX_S

    def not_executed(self) -> str:
        return ",".join(map(str, self.refused_positions[:POSITIONS_NAMED_MAX]))

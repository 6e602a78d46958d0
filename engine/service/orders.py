"""OrderService: traders' commands, one at a time or as a pipelined stream of packed batches.

Invariant: answers of a stream leave in the order of its requests. A stream holds a bounded number
of unanswered requests and reads on only when the sequencer has room, so a fast sender waits instead
of being refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.proto.records import Command, CommandType
from engine.service.calls import Context, execute, refuse
from engine.service.commands import packed, request_id, single
from engine.service.core import Outcome, Sequencer
from engine.service.errors import CallRefusedError

# ruff: noqa: N802 - the methods carry the names of the gRPC service

STREAM_REQUESTS_MAX: Final = 64


class _Waiting(NamedTuple):
    tag: int
    answer: asyncio.Future[Outcome] | CallRefusedError


class OrderService(pb_grpc.OrderServiceServicer):
    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer

    async def Place(self, request: pb.PlaceRequest, context: Context) -> pb.CommandResult:
        command = Command(
            CommandType.PLACE,
            side=request.side,
            order_type=request.order_type,
            time_in_force=request.time_in_force,
            price=request.price_ticks,
            quantity=request.quantity_lots,
            amount=request.budget_atoms,
            ceiling=request.ceiling_ticks,
            text=request.client_order_id.encode(),
        )
        return await self._run(context, request, command)

    async def Cancel(self, request: pb.CancelRequest, context: Context) -> pb.CommandResult:
        command = Command(CommandType.CANCEL, order_id=request.order_id)
        return await self._run(context, request, command)

    async def Reduce(self, request: pb.ReduceRequest, context: Context) -> pb.CommandResult:
        command = Command(
            CommandType.REDUCE, order_id=request.order_id, quantity=request.quantity_lots
        )
        return await self._run(context, request, command)

    async def Move(self, request: pb.MoveRequest, context: Context) -> pb.CommandResult:
        command = Command(CommandType.MOVE, order_id=request.order_id, price=request.price_ticks)
        return await self._run(context, request, command)

    async def _run(
        self,
        context: Context,
        request: pb.PlaceRequest | pb.CancelRequest | pb.ReduceRequest | pb.MoveRequest,
        command: Command,
    ) -> pb.CommandResult:
        try:
            batch = single(
                command._replace(
                    market_id=request.market_id,
                    user_id=request.user_id,
                    request_id=request_id(request.request_id),
                )
            )
        except CallRefusedError as error:
            await refuse(context, error)
        return await execute(self._sequencer, context, batch)

    async def SubmitPacked(
        self, request_iterator: AsyncIterator[pb.PackedCommands], context: Context
    ) -> AsyncIterator[pb.PackedResults]:
        waiting: asyncio.Queue[_Waiting | None] = asyncio.Queue(STREAM_REQUESTS_MAX)
        reader = asyncio.create_task(self._read(request_iterator, waiting))
        try:
            while (item := await waiting.get()) is not None:
                try:
                    if isinstance(item.answer, CallRefusedError):
                        raise item.answer
                    outcome = await item.answer
                except CallRefusedError as error:
                    await refuse(context, error, str(item.tag))
                yield pb.PackedResults(
                    tag=item.tag,
                    first_command_seq=outcome.first_command_seq,
                    events=outcome.events,
                )
        finally:
            reader.cancel()

    async def _read(
        self,
        requests: AsyncIterator[pb.PackedCommands],
        waiting: asyncio.Queue[_Waiting | None],
    ) -> None:
        """Hand requests to the sequencer; the first one refused ends the stream."""
        try:
            async for request in requests:
                try:
                    batch = packed(request.commands)
                    await self._sequencer.room()
                    answer = self._sequencer.submit(batch)
                except CallRefusedError as error:
                    await waiting.put(_Waiting(request.tag, error))
                    return
                await waiting.put(_Waiting(request.tag, answer))
        finally:
            await waiting.put(None)

"""The engine's durable events, and the greeting of those who carry them on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc import aio

from engine.client.channel import translate
from engine.client.connection import Connection, resumed, value_of
from engine.client.errors import PeerRefused
from engine.client.types import EventBatch, Greeting
from engine.proto import engine_pb2 as pb


class Events(Connection):
    """EventService."""

    async def read_events(
        self, first_event_seq: int, last_event_seq: int
    ) -> AsyncIterator[EventBatch]:
        """Events first..last inclusive. LookupError beyond the durable sequence."""
        call = self._events.Read(
            pb.ReadRequest(first_event_seq=first_event_seq, last_event_seq=last_event_seq),
            metadata=self._access.metadata(),
        )
        async for batch in self._batches(call):
            yield batch

    async def subscribe(
        self, from_event_seq: int, *, resume: bool = False
    ) -> AsyncIterator[EventBatch]:
        """Every event from one sequence on, for ever. LookupError beyond the durable sequence.

        With `resume` it goes on behind the last batch when the engine was away, after a pause that
        grows to two seconds; else EngineUnavailable ends it.
        """
        following = from_event_seq

        def subscribed() -> AsyncIterator[EventBatch]:
            return self._subscribed(following)

        async for batch in resumed(subscribed) if resume else subscribed():
            following = batch.last_event_seq + 1
            yield batch

    async def _subscribed(self, from_event_seq: int) -> AsyncIterator[EventBatch]:
        await self._connected()
        call = self._events.Subscribe(
            pb.SubscribeRequest(from_event_seq=from_event_seq), metadata=self._access.metadata()
        )
        async for batch in self._batches(call):
            yield batch

    async def _batches(
        self, call: aio.UnaryStreamCall[Any, pb.EventBatch]
    ) -> AsyncIterator[EventBatch]:
        try:
            async for batch in call:
                yield value_of(EventBatch, batch)
        except aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.OUT_OF_RANGE:
                raise LookupError(error.details()) from error
            raise translate(error, executed=False) from error
        finally:
            call.cancel()

    async def greet(self, *, name: str, event_seq: int, chain: bytes) -> Greeting:
        """State how far a relay or mirror has come. PeerRefused if the engine disagrees."""
        request = pb.PeerState(name=name, event_seq=event_seq, chain=chain)
        await self._connected()
        try:
            answer = await self._events.Greet(
                request, timeout=self._timeout_s, metadata=self._access.metadata()
            )
        except aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                raise PeerRefused(error.details()) from error
            raise translate(error, executed=False) from error
        return Greeting(epoch=answer.epoch, event_seq=answer.event_seq)

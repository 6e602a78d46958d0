"""What all parts of the client share: one channel, its state, and values out of messages."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import fields
from typing import Any, Final, TypeVar

import grpc
from grpc import aio

from engine.client.access import Access
from engine.client.channel import open_channel, translate
from engine.client.errors import EngineUnavailable
from engine.proto import engine_pb2_grpc as pb_grpc

TIMEOUT_DEFAULT_S: Final = 10.0
RESUME_MIN_S: Final = 0.05
RESUME_MAX_S: Final = 2.0
REPLAY_READS_MAX: Final = 8  # first outcomes read at the same time

T = TypeVar("T")


class Connection:
    """A channel to one engine. Make it inside the event loop that uses it, after any fork.

    Without `access`, token and certificates are those that the environment names.
    """

    def __init__(
        self, address: str, *, timeout_s: float = TIMEOUT_DEFAULT_S, access: Access | None = None
    ) -> None:
        self._timeout_s = timeout_s
        self._access = Access.from_environment() if access is None else access
        self._channel = open_channel(address, self._access)
        self._replay_reads = asyncio.Semaphore(REPLAY_READS_MAX)
        self._admin = pb_grpc.AdminServiceStub(self._channel)
        self._query = pb_grpc.QueryServiceStub(self._channel)
        self._events = pb_grpc.EventServiceStub(self._channel)

    async def _connected(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._channel.channel_ready()
        except TimeoutError:
            raise EngineUnavailable(
                f"the engine was not reached within {self._timeout_s} s"
            ) from None

    async def _ask(self, call: aio.UnaryUnaryMultiCallable[Any, T], request: Any) -> T:
        await self._connected()
        try:
            return await call(request, timeout=self._timeout_s, metadata=self._access.metadata())
        except aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise LookupError(error.details()) from error
            raise translate(error, executed=False) from error


async def resumed(open_stream: Callable[[], AsyncIterator[T]]) -> AsyncIterator[T]:
    """A stream that is opened again, after a growing but bounded pause, when the engine is away.

    Ends only with an error that waiting does not mend.
    """
    pause_s = RESUME_MIN_S
    while True:
        try:
            async for message in open_stream():
                pause_s = RESUME_MIN_S
                yield message
        except EngineUnavailable:
            await asyncio.sleep(pause_s * (1 + random.random()))  # noqa: S311 - not a secret
            pause_s = min(2 * pause_s, RESUME_MAX_S)


def value_of(kind: type[T], message: Any) -> T:
    """The dataclass `kind` from a message that has a field for each of its own."""
    return kind(**{field.name: getattr(message, field.name) for field in fields(kind)})  # type: ignore[arg-type]

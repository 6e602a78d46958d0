"""The engine for asyncio programs: every service as typed methods.

Commands return an `Outcome` or raise: `EngineRefused` for the engine's own, journaled refusal;
`EngineUnavailable` if nothing was executed; `OutcomeUnknown` if that cannot be told. Units as in
`engine.proto.records`.
"""

from __future__ import annotations

import asyncio
from typing import Final

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from engine.client.channel import translate
from engine.client.errors import AccessDenied, EngineUnavailable
from engine.client.funds import Funds
from engine.client.market_data import MarketData
from engine.client.operator import Operator
from engine.client.queries import Queries
from engine.client.trader import Trader

READY_POLL_S: Final = 0.1


class EngineClient(Trader, Operator, Funds, Queries, MarketData):
    """One engine. Make it inside the event loop that uses it, and after any fork."""

    async def __aenter__(self) -> EngineClient:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the stream and the channel."""
        if self._submitter is not None:
            await self._submitter.close()
        await self._channel.close(None)

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until the engine takes commands. EngineUnavailable if it does not in time."""
        health = health_pb2_grpc.HealthStub(self._channel)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    await self._channel.channel_ready()
                    if await self._is_serving(health):
                        return
                    await asyncio.sleep(READY_POLL_S)
        except TimeoutError:
            raise EngineUnavailable(f"the engine was not ready within {timeout_s} s") from None

    async def _is_serving(self, health: health_pb2_grpc.HealthStub) -> bool:
        """What the engine's health service says. AccessDenied if it does not speak to us."""
        request = health_pb2.HealthCheckRequest()
        try:
            answer = await health.Check(request, metadata=self._access.metadata())
        except aio.AioRpcError as error:
            translated = translate(error, executed=False)
            if isinstance(translated, AccessDenied):
                raise translated from error
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

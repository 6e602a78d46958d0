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

from engine.client.access import Access
from engine.client.channel import translate
from engine.client.connection import TIMEOUT_DEFAULT_S
from engine.client.errors import AccessDenied, EngineUnavailable
from engine.client.operator import Operator
from engine.client.queries import Queries
from engine.client.submitter import Submitter
from engine.client.types import Outcome, outcome_of
from engine.proto.records import (
    NO_REQUEST_ID,
    Command,
    CommandFlag,
    CommandType,
    OrderType,
    Side,
    TimeInForce,
    pack_command,
)

READY_POLL_S: Final = 0.1
_OPERATOR: Final = int(CommandFlag.OPERATOR)
_TRADER_TYPES: Final = frozenset(
    map(int, (CommandType.PLACE, CommandType.CANCEL, CommandType.REDUCE, CommandType.MOVE))
)


class EngineClient(Operator, Queries):
    """One engine. Make it inside the event loop that uses it, and after any fork."""

    def __init__(
        self, address: str, *, timeout_s: float = TIMEOUT_DEFAULT_S, access: Access | None = None
    ) -> None:
        super().__init__(address, timeout_s=timeout_s, access=access)
        self._submitter: Submitter | None = None

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

    async def submit(self, command: Command) -> Outcome:
        """One trader's command over the shared stream; a refusal is returned, not raised.

        ValueError for what would make the engine refuse a whole message of other callers too.
        """
        if command.type not in _TRADER_TYPES or command.flags & _OPERATOR:
            raise ValueError(f"command was {command.type}, expected a trader's")
        if command.type == CommandType.PLACE and command.order_id:
            raise ValueError(f"order id was {command.order_id}, expected 0: the engine gives it")
        if self._submitter is None:
            self._submitter = Submitter(self._channel, self._access)
        retry = command.request_id != NO_REQUEST_ID
        record = pack_command(command)
        outcome = outcome_of(await self._submitter.submit(record, self._timeout_s, retry=retry))
        return await self._first_outcome(outcome) if outcome.replayed else outcome

    async def place(
        self,
        *,
        user_id: int,
        market_id: int,
        side: Side,
        quantity_lots: int,
        price_ticks: int = 0,
        order_type: OrderType = OrderType.LIMIT,
        time_in_force: TimeInForce = TimeInForce.GTC,
        budget_atoms: int = 0,
        ceiling_ticks: int = 0,
        client_order_id: str = "",
        request_id: bytes = NO_REQUEST_ID,
    ) -> Outcome:
        """Place an order. MARKET, LIMIT_MAKER and FOK_BUDGET take `TimeInForce.NONE`."""
        command = Command(
            CommandType.PLACE,
            side=side,
            order_type=order_type,
            time_in_force=time_in_force,
            market_id=market_id,
            user_id=user_id,
            price=price_ticks,
            quantity=quantity_lots,
            amount=budget_atoms,
            ceiling=ceiling_ticks,
            request_id=request_id,
            text=client_order_id.encode(),
        )
        return (await self.submit(command)).expect()

    async def cancel(
        self, *, user_id: int, market_id: int, order_id: int, request_id: bytes = NO_REQUEST_ID
    ) -> Outcome:
        command = Command(
            CommandType.CANCEL,
            market_id=market_id,
            user_id=user_id,
            order_id=order_id,
            request_id=request_id,
        )
        return (await self.submit(command)).expect()

    async def reduce(
        self,
        *,
        user_id: int,
        market_id: int,
        order_id: int,
        quantity_lots: int,
        request_id: bytes = NO_REQUEST_ID,
    ) -> Outcome:
        """Take lots off an order; all that is left or more ends it."""
        command = Command(
            CommandType.REDUCE,
            market_id=market_id,
            user_id=user_id,
            order_id=order_id,
            quantity=quantity_lots,
            request_id=request_id,
        )
        return (await self.submit(command)).expect()

    async def move(
        self,
        *,
        user_id: int,
        market_id: int,
        order_id: int,
        price_ticks: int,
        requeue: bool = False,
        request_id: bytes = NO_REQUEST_ID,
    ) -> Outcome:
        """Give an order another price; with `requeue` the same one, at the back of its level."""
        command = Command(
            CommandType.MOVE,
            flags=CommandFlag.REQUEUE if requeue else 0,
            market_id=market_id,
            user_id=user_id,
            order_id=order_id,
            price=price_ticks,
            request_id=request_id,
        )
        return (await self.submit(command)).expect()

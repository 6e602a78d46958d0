"""Traders' commands: one at a time over the shared stream, lists and replacements as one call."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grpc import aio

from engine.client.access import Access
from engine.client.commanding import Commander
from engine.client.connection import TIMEOUT_DEFAULT_S
from engine.client.submitter import StreamSession, Submitter
from engine.client.types import Outcome, outcome_of
from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.proto.records import (
    NO_REQUEST_ID,
    Command,
    CommandFlag,
    CommandType,
    ListType,
    OrderType,
    SessionState,
    Side,
    StpMode,
    TimeInForce,
    pack_command,
)

_OPERATOR: Final = int(CommandFlag.OPERATOR)
_NEW_ORDERS: Final = frozenset((int(CommandType.PLACE), int(CommandType.QUOTE)))
_TRADER_TYPES: Final = frozenset(
    map(
        int,
        (
            *(CommandType.PLACE, CommandType.CANCEL, CommandType.REDUCE, CommandType.MOVE),
            *(CommandType.AMEND, CommandType.CANCEL_ALL, CommandType.QUOTE),
            *(CommandType.SET_DEADMAN, CommandType.SET_SESSION),
        ),
    )
)


def new_request_id() -> bytes:
    """An id for one command, by which the engine recognises it when it is sent again."""
    return secrets.token_bytes(len(NO_REQUEST_ID))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTicket:
    """All that an order can state. Types without a limit price take `TimeInForce.NONE`.

    `budget_atoms`: FOK_BUDGET. `quote_atoms`: MARKET by quote amount, with `quantity_lots` 0.
    `stop_price_ticks` and `trailing_delta_bips`: types with a stop. `expire_time_us`: GTD.
    `display_lots`: iceberg.
    """

    side: Side
    quantity_lots: int = 0
    price_ticks: int = 0
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.GTC
    budget_atoms: int = 0
    quote_atoms: int = 0
    stop_price_ticks: int = 0
    trailing_delta_bips: int = 0
    expire_time_us: int = 0
    ceiling_ticks: int = 0
    display_lots: int = 0
    stp: StpMode = StpMode.NONE
    in_session: bool = False
    client_order_id: str = ""

    def command(self, *, user_id: int, market_id: int, request_id: bytes) -> Command:
        """PLACE. ValueError for fields that share a place in the record."""
        flags = CommandFlag(0)
        if self.display_lots:
            flags |= CommandFlag.ICEBERG
        if self.in_session:
            flags |= CommandFlag.IN_SESSION
        return Command(
            CommandType.PLACE,
            side=self.side,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            flags=int(flags),
            stp=self.stp,
            market_id=market_id,
            asset_id=self.trailing_delta_bips,
            user_id=user_id,
            price=self.price_ticks,
            quantity=self.quantity_lots,
            amount=_one_of(self.budget_atoms, self.quote_atoms, self.stop_price_ticks),
            ceiling=_one_of(self.ceiling_ticks, self.display_lots),
            spare=self.expire_time_us,
            request_id=request_id,
            text=self.client_order_id.encode(),
        )

    def message(self, **common: int | bytes) -> pb.PlaceRequest:
        """The same for a call."""
        own = {name: getattr(self, name) for name in self.__slots__}
        return pb.PlaceRequest(**own, **common)  # type: ignore[arg-type] # fields of like names


def _one_of(*values: int) -> int:
    given = [value for value in values if value]
    if len(given) > 1:
        raise ValueError(f"{len(given)} of the fields were given of which an order has one")
    return given[0] if given else 0


class Trader(Commander):
    """OrderService. A refusal is raised as EngineRefused, except by `submit`.

    `sessions` are opened with the stream of orders, that is with the first one, and end with it.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout_s: float = TIMEOUT_DEFAULT_S,
        access: Access | None = None,
        sessions: Sequence[StreamSession] = (),
    ) -> None:
        super().__init__(address, timeout_s=timeout_s, access=access)
        self._sessions = sessions
        self._orders = pb_grpc.OrderServiceStub(self._channel)
        self._submitter: Submitter | None = None

    async def submit(self, command: Command) -> Outcome:
        """One trader's command over the shared stream; a refusal is returned, not raised.

        ValueError for what would make the engine refuse a whole message of other callers too.
        """
        if command.type not in _TRADER_TYPES or command.flags & _OPERATOR:
            raise ValueError(f"command was {command.type}, expected a trader's of its own")
        if command.type in _NEW_ORDERS and command.order_id:
            raise ValueError(f"order id was {command.order_id}, expected 0: the engine gives it")
        if self._submitter is None:
            self._submitter = Submitter(self._channel, self._access, self._sessions)
        retry = command.request_id != NO_REQUEST_ID
        record = pack_command(command)
        outcome = outcome_of(await self._submitter.submit(record, self._timeout_s, retry=retry))
        return await self._first_outcome(outcome) if outcome.replayed else outcome

    async def submit_order(
        self,
        ticket: OrderTicket,
        *,
        user_id: int,
        market_id: int,
        request_id: bytes = NO_REQUEST_ID,
    ) -> Outcome:
        """Place an order of any kind."""
        command = ticket.command(user_id=user_id, market_id=market_id, request_id=request_id)
        return (await self.submit(command)).expect()

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
        stp: StpMode = StpMode.NONE,
        request_id: bytes = NO_REQUEST_ID,
    ) -> Outcome:
        """Place an ordinary order; `submit_order` places the others.

        MARKET, LIMIT_MAKER and FOK_BUDGET take `TimeInForce.NONE`.
        """
        command = Command(
            CommandType.PLACE,
            side=side,
            order_type=order_type,
            time_in_force=time_in_force,
            stp=stp,
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
        self,
        *,
        user_id: int,
        market_id: int,
        order_id: int,
        only_new: bool = False,
        only_partially_filled: bool = False,
        request_id: bytes = NO_REQUEST_ID,
    ) -> Outcome:
        """Cancel an order; on wish only if nothing, or only if some of it was executed."""
        flags = CommandFlag(0)
        if only_new:
            flags |= CommandFlag.ONLY_NEW
        if only_partially_filled:
            flags |= CommandFlag.ONLY_PARTIALLY_FILLED
        command = Command(
            CommandType.CANCEL,
            flags=int(flags),
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

    async def amend(
        self,
        *,
        user_id: int,
        market_id: int,
        order_id: int,
        price_ticks: int = 0,
        quantity_lots: int = 0,
        request_id: bytes = NO_REQUEST_ID,
    ) -> Outcome:
        """Give an order another price or total quantity (0: the same); less keeps its priority."""
        command = Command(
            CommandType.AMEND,
            market_id=market_id,
            user_id=user_id,
            order_id=order_id,
            price=price_ticks,
            quantity=quantity_lots,
            request_id=request_id,
        )
        return (await self.submit(command)).expect()

    async def cancel_all(
        self,
        *,
        user_id: int,
        market_id: int = 0,
        side: Side | None = None,
        request_id: bytes = NO_REQUEST_ID,
    ) -> Outcome:
        """Cancel all open orders of a user in a market (0: in all), of one side or both."""
        command = Command(
            CommandType.CANCEL_ALL,
            market_id=market_id,
            user_id=user_id,
            quantity=0 if side is None else 1 + side,
            request_id=request_id,
        )
        return (await self.submit(command)).expect()

    async def quote(
        self,
        *,
        user_id: int,
        market_id: int,
        bid: tuple[int, int] = (0, 0),
        ask: tuple[int, int] = (0, 0),
        stp: StpMode = StpMode.NONE,
        request_id: bytes = NO_REQUEST_ID,
    ) -> Outcome:
        """Put a bid and an ask, each (price in ticks, lots), in the place of the last quote."""
        command = Command(
            CommandType.QUOTE,
            stp=stp,
            market_id=market_id,
            user_id=user_id,
            price=bid[0],
            quantity=bid[1],
            ceiling=ask[0],
            amount=ask[1],
            request_id=request_id,
        )
        return (await self.submit(command)).expect()

    async def set_deadman(self, *, user_id: int, timeout_ms: int) -> Outcome:
        """Have all orders of a user cancelled unless this is called again in time; 0 = off."""
        command = Command(CommandType.SET_DEADMAN, user_id=user_id, quantity=timeout_ms)
        return (await self.submit(command)).expect()

    async def set_session(
        self, *, user_id: int, session_id: int, state: SessionState, grace_ms: int = 0
    ) -> Outcome:
        """Open a session, or close it: after the grace time its orders are cancelled."""
        command = Command(
            CommandType.SET_SESSION,
            user_id=user_id,
            order_id=session_id,
            quantity=state,
            amount=grace_ms,
        )
        return (await self.submit(command)).expect()

    async def replace(
        self,
        ticket: OrderTicket,
        *,
        user_id: int,
        market_id: int,
        order_id: int,
        allow_failure: bool = False,
        only_new: bool = False,
        only_partially_filled: bool = False,
        request_id: bytes = NO_REQUEST_ID,
    ) -> Outcome:
        """Cancel one order and place another; `allow_failure` places it in any case."""
        request = pb.ReplaceRequest(
            order_id=order_id,
            order=ticket.message(
                user_id=user_id, market_id=market_id, request_id=_given(request_id)
            ),
            allow_failure=allow_failure,
            only_new=only_new,
            only_partially_filled=only_partially_filled,
        )
        return await self._call(self._orders.Replace, request, request_id)

    async def place_list(
        self,
        list_type: ListType,
        *legs: OrderTicket,
        user_id: int,
        market_id: int,
        client_list_id: str = "",
        request_id: bytes = NO_REQUEST_ID,
    ) -> Outcome:
        """Place orders that belong together, all or none."""
        request = pb.PlaceListRequest(
            user_id=user_id,
            market_id=market_id,
            list_type=list_type,
            legs=[leg.message() for leg in legs],
            client_list_id=client_list_id,
            request_id=_given(request_id),
        )
        return await self._call(self._orders.PlaceList, request, request_id)

    async def _call(
        self,
        call: aio.UnaryUnaryMultiCallable[pb.ReplaceRequest, pb.CommandResult]
        | aio.UnaryUnaryMultiCallable[pb.PlaceListRequest, pb.CommandResult],
        request: pb.ReplaceRequest | pb.PlaceListRequest,
        request_id: bytes,
    ) -> Outcome:
        return await self._command(call, request, idempotent=request_id != NO_REQUEST_ID)


def _given(request_id: bytes) -> bytes:
    """In messages no request id is no bytes."""
    return b"" if request_id == NO_REQUEST_ID else request_id

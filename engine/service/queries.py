"""QueryService: reads of durable state, each one consistent cut that names its event sequence.

A query runs on the writer thread between two batches. Invariant: whatever a query copies out there
is bounded, except the dump of all balances, which verification needs as one cut.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import Final, TypeVar

from engine.journal.format import SEMANTICS_VERSION
from engine.kernel.interface import BalanceView, HoldView, Kernel
from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.proto.records import INT64_MAX, CommandFlag
from engine.service.calls import Context, refuse
from engine.service.core import Sequencer
from engine.service.errors import CallRefusedError, InvalidCallError, NotFoundError

# ruff: noqa: N802 - the methods carry the names of the gRPC service

ORDERS_DEFAULT: Final = 1_000
ORDERS_MAX: Final = 100_000
DEPTH_DEFAULT: Final = 100
DEPTH_MAX: Final = 5_000
BALANCES_PAGE: Final = 10_000

T = TypeVar("T")


class QueryService(pb_grpc.QueryServiceServicer):
    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer

    async def _ask(self, context: Context, ask: Callable[[Kernel], T]) -> tuple[int, T]:
        """Run `ask` between two batches; with the event sequence of that moment."""
        try:
            return await self._sequencer.query(lambda kernel: (kernel.event_seq, ask(kernel)))
        except CallRefusedError as error:
            await refuse(context, error)

    async def GetStatus(self, _request: pb.GetStatusRequest, context: Context) -> pb.EngineStatus:
        epoch = self._sequencer.epoch

        def status(kernel: Kernel) -> pb.EngineStatus:
            return pb.EngineStatus(
                epoch=epoch,
                command_seq=kernel.command_seq,
                event_seq=kernel.event_seq,
                kernel=kernel.name,
                open_orders=kernel.open_order_count,
                users=kernel.user_count,
                accounts=kernel.account_count,
                time_us=kernel.time_us,
                semantics=str(SEMANTICS_VERSION),
            )

        return (await self._ask(context, status))[1]

    async def ListAssets(self, _request: pb.ListAssetsRequest, context: Context) -> pb.Assets:
        event_seq, assets = await self._ask(context, lambda kernel: kernel.assets())
        return pb.Assets(
            event_seq=event_seq, assets=[pb.Asset(**asset._asdict()) for asset in assets]
        )

    async def ListMarkets(self, _request: pb.ListMarketsRequest, context: Context) -> pb.Markets:
        event_seq, markets = await self._ask(context, lambda kernel: kernel.markets())
        answer = pb.Markets(event_seq=event_seq)
        for market in markets:
            fields = market._asdict()
            flags = CommandFlag(fields.pop("fee_flags"))
            answer.markets.add(
                fee_in_quote=bool(flags & (CommandFlag.FEE_IN_QUOTE | CommandFlag.FEE_PER_LOT)),
                fee_per_lot=CommandFlag.FEE_PER_LOT in flags,
                **fields,
            )
        return answer

    async def GetBalances(self, request: pb.GetBalancesRequest, context: Context) -> pb.Balances:
        user_id = await self._checked(context, "user id", request.user_id, INT64_MAX)
        event_seq, balances = await self._ask(context, lambda kernel: kernel.balances(user_id))
        return _balances(event_seq, balances)

    async def DumpBalances(
        self, _request: pb.DumpBalancesRequest, context: Context
    ) -> AsyncIterator[pb.Balances]:
        event_seq, balances = await self._ask(context, lambda kernel: list(kernel.all_balances()))
        for start in range(0, max(len(balances), 1), BALANCES_PAGE):
            yield _balances(event_seq, balances[start : start + BALANCES_PAGE])

    async def GetOrder(self, request: pb.GetOrderRequest, context: Context) -> pb.Order:
        market_id = request.market_id
        order_id = await self._checked(context, "order id", request.order_id, INT64_MAX)
        _, order = await self._ask(context, lambda kernel: kernel.order(market_id, order_id))
        if order is None:
            await refuse(
                context,
                NotFoundError(
                    f"order {order_id} is not open in market {market_id}", pb.Error.UNKNOWN_ORDER
                ),
            )
        return pb.Order(**order._asdict())

    async def ListOpenOrders(
        self, request: pb.ListOpenOrdersRequest, context: Context
    ) -> pb.Orders:
        user_id = await self._checked(context, "user id", request.user_id, INT64_MAX)
        market_id = request.market_id
        limit = await self._checked(context, "limit", request.limit, ORDERS_MAX) or ORDERS_DEFAULT
        event_seq, orders = await self._ask(
            context,
            lambda kernel: list(islice(kernel.open_orders(user_id, market_id), limit)),
        )
        return pb.Orders(
            event_seq=event_seq, orders=[pb.Order(**order._asdict()) for order in orders]
        )

    async def ListHolds(self, request: pb.ListHoldsRequest, context: Context) -> pb.Holds:
        user_id = await self._checked(context, "user id", request.user_id, INT64_MAX)
        limit = await self._checked(context, "limit", request.limit, ORDERS_MAX) or ORDERS_DEFAULT

        def holds(kernel: Kernel) -> list[HoldView]:
            of_user = (hold for hold in kernel.holds() if user_id in (0, hold.user_id))
            return list(islice(of_user, limit))

        event_seq, found = await self._ask(context, holds)
        return pb.Holds(event_seq=event_seq, holds=[pb.Hold(**hold._asdict()) for hold in found])

    async def GetBook(self, request: pb.GetBookRequest, context: Context) -> pb.Book:
        market_id = request.market_id
        depth = await self._checked(context, "depth", request.depth, DEPTH_MAX) or DEPTH_DEFAULT
        event_seq, book = await self._ask(context, lambda kernel: kernel.book(market_id, depth))
        if book is None:
            await refuse(
                context,
                NotFoundError(f"market {market_id} is unknown", pb.Error.UNKNOWN_MARKET),
            )
        bids, asks = book
        return pb.Book(
            event_seq=event_seq,
            bids=[pb.Level(**level._asdict()) for level in bids],
            asks=[pb.Level(**level._asdict()) for level in asks],
        )

    async def GetTotals(self, _request: pb.GetTotalsRequest, context: Context) -> pb.Totals:
        event_seq, totals = await self._ask(context, lambda kernel: kernel.totals())
        return pb.Totals(
            event_seq=event_seq, totals=[pb.AssetTotals(**total._asdict()) for total in totals]
        )

    async def GetStateHash(
        self, _request: pb.GetStateHashRequest, context: Context
    ) -> pb.StateHash:
        event_seq, (command_seq, state_hash) = await self._ask(
            context, lambda kernel: (kernel.command_seq, kernel.state_hash())
        )
        return pb.StateHash(command_seq=command_seq, event_seq=event_seq, state_hash=state_hash)

    @staticmethod
    async def _checked(context: Context, name: str, value: int, value_max: int) -> int:
        if value > value_max:
            await refuse(
                context, InvalidCallError(f"{name} was {value}, expected at most {value_max}")
            )
        return value


def _balances(event_seq: int, balances: list[BalanceView]) -> pb.Balances:
    return pb.Balances(
        event_seq=event_seq, balances=[pb.Balance(**balance._asdict()) for balance in balances]
    )

"""Reads of the engine's durable state. Each is one consistent cut, taken at `event_seq`."""

from __future__ import annotations

from grpc import aio

from engine.client.channel import translate
from engine.client.connection import Connection, value_of
from engine.client.types import (
    Asset,
    AssetTotals,
    Balance,
    Balances,
    Book,
    Hold,
    Level,
    Market,
    OpenOrder,
    OpenOrders,
    StateHash,
    Status,
    Totals,
)
from engine.proto import engine_pb2 as pb


class Queries(Connection):
    """QueryService."""

    async def get_status(self) -> Status:
        return value_of(Status, await self._ask(self._query.GetStatus, pb.GetStatusRequest()))

    async def list_assets(self) -> tuple[Asset, ...]:
        answer = await self._ask(self._query.ListAssets, pb.ListAssetsRequest())
        return tuple(value_of(Asset, asset) for asset in answer.assets)

    async def list_markets(self) -> tuple[Market, ...]:
        answer = await self._ask(self._query.ListMarkets, pb.ListMarketsRequest())
        return tuple(value_of(Market, market) for market in answer.markets)

    async def get_balances(self, user_id: int) -> Balances:
        """One user's accounts by asset id; none for an unknown user."""
        answer = await self._ask(self._query.GetBalances, pb.GetBalancesRequest(user_id=user_id))
        return Balances(
            event_seq=answer.event_seq,
            balances=tuple(value_of(Balance, balance) for balance in answer.balances),
        )

    async def dump_balances(self) -> Balances:
        """All accounts that are not (0, 0), by user and asset: one consistent cut."""
        await self._connected()
        balances: list[Balance] = []
        event_seq = 0
        try:
            async for page in self._query.DumpBalances(
                pb.DumpBalancesRequest(), metadata=self._access.metadata()
            ):
                event_seq = page.event_seq
                balances.extend(value_of(Balance, balance) for balance in page.balances)
        except aio.AioRpcError as error:
            raise translate(error, executed=False) from error
        return Balances(event_seq=event_seq, balances=tuple(balances))

    async def get_order(self, *, market_id: int, order_id: int) -> OpenOrder | None:
        """An open order, None if there is none."""
        request = pb.GetOrderRequest(market_id=market_id, order_id=order_id)
        try:
            return value_of(OpenOrder, await self._ask(self._query.GetOrder, request))
        except LookupError:
            return None

    async def list_open_orders(
        self, *, user_id: int = 0, market_id: int = 0, limit: int = 0
    ) -> OpenOrders:
        """By market, bids best first then asks best first, in queue order. 0 = all, limit 1000."""
        request = pb.ListOpenOrdersRequest(user_id=user_id, market_id=market_id, limit=limit)
        answer = await self._ask(self._query.ListOpenOrders, request)
        return OpenOrders(
            event_seq=answer.event_seq,
            orders=tuple(value_of(OpenOrder, order) for order in answer.orders),
        )

    async def list_holds(self, *, user_id: int = 0, limit: int = 0) -> tuple[Hold, ...]:
        """Funds held for withdrawals, by id. User 0 = of everybody, limit 0 = 1000."""
        request = pb.ListHoldsRequest(user_id=user_id, limit=limit)
        answer = await self._ask(self._query.ListHolds, request)
        return tuple(value_of(Hold, hold) for hold in answer.holds)

    async def get_book(self, market_id: int, depth: int = 0) -> Book:
        """Best `depth` levels of each side (0: 100). LookupError for an unknown market."""
        request = pb.GetBookRequest(market_id=market_id, depth=depth)
        answer = await self._ask(self._query.GetBook, request)
        return Book(
            event_seq=answer.event_seq,
            bids=tuple(value_of(Level, level) for level in answer.bids),
            asks=tuple(value_of(Level, level) for level in answer.asks),
        )

    async def get_totals(self) -> Totals:
        answer = await self._ask(self._query.GetTotals, pb.GetTotalsRequest())
        return Totals(
            event_seq=answer.event_seq,
            totals=tuple(value_of(AssetTotals, total) for total in answer.totals),
        )

    async def get_state_hash(self) -> StateHash:
        answer = await self._ask(self._query.GetStateHash, pb.GetStateHashRequest())
        return value_of(StateHash, answer)

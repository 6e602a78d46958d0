"""Operators' commands. The idempotent ones are sent again by themselves after a lost connection."""

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
from engine.proto.records import (
    EVENT_HEADER,
    RECORD_BYTES,
    EventHeader,
    MarketState,
    UserStatus,
)

ADMIN_RETRY_S: Final = 0.2
REPLAY_READ_EVENTS: Final = 64


class Operator(Events):
    """AdminService. A refusal is raised as EngineRefused."""

    async def add_asset(
        self, *, asset_id: int, code: str, decimals: int, max_total_atoms: int
    ) -> Outcome:
        request = pb.AddAssetRequest(
            asset_id=asset_id, code=code, decimals=decimals, max_total_atoms=max_total_atoms
        )
        return await self._command(self._admin.AddAsset, request, idempotent=True)

    async def add_market(
        self,
        *,
        market_id: int,
        symbol: str,
        base_asset_id: int,
        quote_asset_id: int,
        tick_atoms: int,
        lot_atoms: int,
        maker_fee: int = 0,
        taker_fee: int = 0,
        fee_in_quote: bool = False,
        fee_per_lot: bool = False,
    ) -> Outcome:
        request = pb.AddMarketRequest(
            market_id=market_id,
            symbol=symbol,
            base_asset_id=base_asset_id,
            quote_asset_id=quote_asset_id,
            tick_atoms=tick_atoms,
            lot_atoms=lot_atoms,
            maker_fee=maker_fee,
            taker_fee=taker_fee,
            fee_in_quote=fee_in_quote,
            fee_per_lot=fee_per_lot,
        )
        return await self._command(self._admin.AddMarket, request, idempotent=True)

    async def set_market_filters(
        self,
        *,
        market_id: int,
        min_price_ticks: int = 0,
        max_price_ticks: int = 0,
        min_quantity_lots: int = 0,
        max_quantity_lots: int = 0,
        min_notional_atoms: int = 0,
    ) -> Outcome:
        """Set all bounds of a market at once; 0 = no bound."""
        request = pb.SetMarketFiltersRequest(
            market_id=market_id,
            min_price_ticks=min_price_ticks,
            max_price_ticks=max_price_ticks,
            min_quantity_lots=min_quantity_lots,
            max_quantity_lots=max_quantity_lots,
            min_notional_atoms=min_notional_atoms,
        )
        return await self._command(self._admin.SetMarketFilters, request)

    async def set_market_fees(self, *, market_id: int, maker_fee: int, taker_fee: int) -> Outcome:
        request = pb.SetMarketFeesRequest(
            market_id=market_id, maker_fee=maker_fee, taker_fee=taker_fee
        )
        return await self._command(self._admin.SetMarketFees, request)

    async def set_market_state(self, *, market_id: int, state: MarketState) -> Outcome:
        request = pb.SetMarketStateRequest(market_id=market_id, state=state)
        return await self._command(self._admin.SetMarketState, request)

    async def add_user(self, *, user_id: int) -> Outcome:
        request = pb.AddUserRequest(user_id=user_id)
        return await self._command(self._admin.AddUser, request, idempotent=True)

    async def set_user_status(self, *, user_id: int, status: UserStatus) -> Outcome:
        request = pb.SetUserStatusRequest(user_id=user_id, status=status)
        return await self._command(self._admin.SetUserStatus, request)

    async def deposit(
        self,
        *,
        user_id: int,
        asset_id: int,
        amount_atoms: int,
        business_id: bytes,
        reference: str = "",
    ) -> Outcome:
        """Credit once for ever per `business_id` (16 bytes). `reference`: as a client order id."""
        request = _funds(user_id, asset_id, amount_atoms, business_id, reference)
        return await self._command(self._admin.Deposit, request, idempotent=True)

    async def withdraw(
        self,
        *,
        user_id: int,
        asset_id: int,
        amount_atoms: int,
        business_id: bytes,
        reference: str = "",
    ) -> Outcome:
        """Debit once for ever per `business_id` (16 bytes)."""
        request = _funds(user_id, asset_id, amount_atoms, business_id, reference)
        return await self._command(self._admin.Withdraw, request, idempotent=True)

    async def adjust(
        self,
        *,
        user_id: int,
        asset_id: int,
        amount_atoms: int,
        business_id: bytes,
        reference: str = "",
    ) -> Outcome:
        """Credit or debit (signed) once for ever per `business_id` (16 bytes)."""
        request = _funds(user_id, asset_id, amount_atoms, business_id, reference)
        return await self._command(self._admin.Adjust, request, idempotent=True)

    async def force_cancel(self, *, market_id: int, order_id: int) -> Outcome:
        request = pb.ForceCancelRequest(market_id=market_id, order_id=order_id)
        return await self._command(self._admin.ForceCancel, request)

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


def _funds(
    user_id: int, asset_id: int, amount_atoms: int, business_id: bytes, reference: str
) -> pb.FundsRequest:
    return pb.FundsRequest(
        user_id=user_id,
        asset_id=asset_id,
        amount_atoms=amount_atoms,
        business_id=business_id,
        reference=reference,
    )


def _command_seq(records: bytes, offset: int) -> int:
    """Command sequence of the event at an offset."""
    seq: int = EVENT_HEADER.unpack_from(records, offset)[1]
    return seq

"""Operators' commands about assets, markets and users."""

from __future__ import annotations

from engine.client.commanding import Commander
from engine.client.types import Outcome
from engine.proto import engine_pb2 as pb
from engine.proto.records import MarketState, Side, UserStatus


class Operator(Commander):
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

    async def set_user_status(
        self, *, user_id: int, status: UserStatus, cancel_resting: bool = False
    ) -> Outcome:
        """Suspend a user, on wish with the end of all open orders, or let him trade again."""
        request = pb.SetUserStatusRequest(
            user_id=user_id, status=status, cancel_resting=cancel_resting
        )
        return await self._command(self._admin.SetUserStatus, request)

    async def force_cancel(self, *, market_id: int, order_id: int) -> Outcome:
        request = pb.ForceCancelRequest(market_id=market_id, order_id=order_id)
        return await self._command(self._admin.ForceCancel, request)

    async def force_cancel_all(
        self, *, user_id: int = 0, market_id: int = 0, side: Side | None = None
    ) -> Outcome:
        """Cancel the open orders of a user (0: of everybody) in a market (0: in all)."""
        request = pb.ForceCancelAllRequest(
            user_id=user_id, market_id=market_id, side=0 if side is None else 1 + side
        )
        return await self._command(self._admin.ForceCancelAll, request)

    async def set_user_fees(
        self, *, user_id: int, maker_fee: int, taker_fee: int, market_id: int = 0
    ) -> Outcome:
        """Give a user own fees in a market (0: in every one whose fees are in ppm)."""
        request = pb.SetUserFeesRequest(
            user_id=user_id,
            market_id=market_id,
            is_set=True,
            maker_fee=maker_fee,
            taker_fee=taker_fee,
        )
        return await self._command(self._admin.SetUserFees, request)

    async def clear_user_fees(self, *, user_id: int, market_id: int = 0) -> Outcome:
        """Take a user's own fees back."""
        request = pb.SetUserFeesRequest(user_id=user_id, market_id=market_id)
        return await self._command(self._admin.SetUserFees, request)

    async def set_market_limits(
        self,
        *,
        market_id: int,
        market_min_lots: int = 0,
        market_max_lots: int = 0,
        max_notional_atoms: int = 0,
        max_orders: int = 0,
        max_algo_orders: int = 0,
        max_position_atoms: int = 0,
        min_notional_to_market: bool = False,
        max_notional_to_market: bool = False,
    ) -> Outcome:
        """Set all limits of a market at once; 0 = no bound."""
        request = pb.SetMarketLimitsRequest(
            market_id=market_id,
            market_min_lots=market_min_lots,
            market_max_lots=market_max_lots,
            max_notional_atoms=max_notional_atoms,
            max_orders=max_orders,
            max_algo_orders=max_algo_orders,
            max_position_atoms=max_position_atoms,
            min_notional_to_market=min_notional_to_market,
            max_notional_to_market=max_notional_to_market,
        )
        return await self._command(self._admin.SetMarketLimits, request)

    async def set_market_bands(
        self,
        *,
        market_id: int,
        reference_price_ticks: int = 0,
        bid_ppm: tuple[int, int] = (0, 0),
        ask_ppm: tuple[int, int] = (0, 0),
        slippage_ppm: int = 0,
        volatility_ppm: int = 0,
        pause_us: int = 0,
    ) -> Outcome:
        """Set all price bands of a market at once; 0 = no bound.

        `*_ppm` are the lowest and highest price of a side, of the reference price, which is the
        last trade's where it is 0.
        """
        request = pb.SetMarketBandsRequest(
            market_id=market_id,
            reference_price_ticks=reference_price_ticks,
            bid_lowest_ppm=bid_ppm[0],
            bid_highest_ppm=bid_ppm[1],
            ask_lowest_ppm=ask_ppm[0],
            ask_highest_ppm=ask_ppm[1],
            slippage_ppm=slippage_ppm,
            volatility_ppm=volatility_ppm,
            pause_us=pause_us,
        )
        return await self._command(self._admin.SetMarketBands, request)

    async def set_kill_switch(
        self, *, is_on: bool, user_id: int = 0, market_id: int = 0
    ) -> Outcome:
        """Stop a user, or a market, or (neither) everything, and cancel what rests; or go on."""
        request = pb.SetKillSwitchRequest(user_id=user_id, market_id=market_id, is_on=is_on)
        return await self._command(self._admin.SetKillSwitch, request)

    async def set_trade_group(self, *, user_id: int, group_id: int) -> Outcome:
        """Users of one group are as one user to self-trade prevention; 0 = no group."""
        request = pb.SetTradeGroupRequest(user_id=user_id, group_id=group_id)
        return await self._command(self._admin.SetTradeGroup, request)

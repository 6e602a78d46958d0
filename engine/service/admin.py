"""AdminService: operators' commands. Each is one journaled command like any other."""

from __future__ import annotations

from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.proto.records import Command, CommandFlag, CommandType
from engine.service import forms
from engine.service.calls import Context, execute
from engine.service.commands import request_id
from engine.service.core import Sequencer

# ruff: noqa: N802 - the methods carry the names of the gRPC service


class AdminService(pb_grpc.AdminServiceServicer):
    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer

    async def AddAsset(self, request: pb.AddAssetRequest, context: Context) -> pb.CommandResult:
        return await self._run(
            context,
            Command(
                CommandType.ADD_ASSET,
                asset_id=request.asset_id,
                quantity=request.decimals,
                amount=request.max_total_atoms,
                text=request.code.encode(),
            ),
        )

    async def AddMarket(self, request: pb.AddMarketRequest, context: Context) -> pb.CommandResult:
        flags = CommandFlag(0)
        if request.fee_in_quote:
            flags |= CommandFlag.FEE_IN_QUOTE
        if request.fee_per_lot:
            flags |= CommandFlag.FEE_PER_LOT
        return await self._run(
            context,
            Command(
                CommandType.ADD_MARKET,
                flags=flags,
                market_id=request.market_id,
                asset_id=request.base_asset_id,
                order_id=request.quote_asset_id,
                price=request.tick_atoms,
                quantity=request.lot_atoms,
                amount=request.maker_fee,
                ceiling=request.taker_fee,
                text=request.symbol.encode(),
            ),
        )

    async def SetMarketFilters(
        self, request: pb.SetMarketFiltersRequest, context: Context
    ) -> pb.CommandResult:
        return await self._run(
            context,
            Command(
                CommandType.SET_MARKET_FILTERS,
                market_id=request.market_id,
                price=request.min_price_ticks,
                ceiling=request.max_price_ticks,
                quantity=request.min_quantity_lots,
                order_id=request.max_quantity_lots,
                amount=request.min_notional_atoms,
            ),
        )

    async def SetMarketFees(
        self, request: pb.SetMarketFeesRequest, context: Context
    ) -> pb.CommandResult:
        return await self._run(
            context,
            Command(
                CommandType.SET_MARKET_FEES,
                market_id=request.market_id,
                amount=request.maker_fee,
                ceiling=request.taker_fee,
            ),
        )

    async def SetMarketState(
        self, request: pb.SetMarketStateRequest, context: Context
    ) -> pb.CommandResult:
        return await self._run(
            context,
            Command(
                CommandType.SET_MARKET_STATE,
                market_id=request.market_id,
                quantity=request.state,
            ),
        )

    async def AddUser(self, request: pb.AddUserRequest, context: Context) -> pb.CommandResult:
        return await self._run(context, Command(CommandType.ADD_USER, user_id=request.user_id))

    async def SetUserStatus(
        self, request: pb.SetUserStatusRequest, context: Context
    ) -> pb.CommandResult:
        return await self._run(
            context,
            Command(
                CommandType.SET_USER_STATUS,
                user_id=request.user_id,
                quantity=request.status,
                flags=CommandFlag.CANCEL_RESTING if request.cancel_resting else 0,
            ),
        )

    async def SetUserFees(
        self, request: pb.SetUserFeesRequest, context: Context
    ) -> pb.CommandResult:
        return await self._run(
            context,
            Command(
                CommandType.SET_USER_FEES,
                market_id=request.market_id,
                user_id=request.user_id,
                quantity=int(request.is_set),
                amount=request.maker_fee,
                ceiling=request.taker_fee,
            ),
        )

    async def SetMarketLimits(
        self, request: pb.SetMarketLimitsRequest, context: Context
    ) -> pb.CommandResult:
        return await self._run(
            context,
            Command(
                CommandType.SET_MARKET_LIMITS,
                side=int(request.min_notional_to_market) + 2 * int(request.max_notional_to_market),
                market_id=request.market_id,
                quantity=request.market_min_lots,
                order_id=request.market_max_lots,
                amount=request.max_notional_atoms,
                price=request.max_orders,
                ceiling=request.max_algo_orders,
                spare=request.max_position_atoms,
            ),
        )

    async def SetMarketBands(
        self, request: pb.SetMarketBandsRequest, context: Context
    ) -> pb.CommandResult:
        return await self._run(
            context,
            Command(
                CommandType.SET_MARKET_BANDS,
                market_id=request.market_id,
                price=request.reference_price_ticks,
                quantity=request.bid_lowest_ppm | request.bid_highest_ppm << 32,
                amount=request.ask_lowest_ppm | request.ask_highest_ppm << 32,
                ceiling=request.slippage_ppm,
                order_id=request.volatility_ppm,
                spare=request.pause_us,
            ),
        )

    async def SetKillSwitch(
        self, request: pb.SetKillSwitchRequest, context: Context
    ) -> pb.CommandResult:
        return await self._run(
            context,
            Command(
                CommandType.SET_KILL_SWITCH,
                market_id=request.market_id,
                user_id=request.user_id,
                quantity=int(request.is_on),
            ),
        )

    async def SetTradeGroup(
        self, request: pb.SetTradeGroupRequest, context: Context
    ) -> pb.CommandResult:
        return await self._run(
            context,
            Command(
                CommandType.SET_TRADE_GROUP, user_id=request.user_id, quantity=request.group_id
            ),
        )

    async def Deposit(self, request: pb.FundsRequest, context: Context) -> pb.CommandResult:
        return await self._move_funds(CommandType.DEPOSIT, request, context)

    async def Withdraw(self, request: pb.FundsRequest, context: Context) -> pb.CommandResult:
        return await self._move_funds(CommandType.WITHDRAW, request, context)

    async def Adjust(self, request: pb.FundsRequest, context: Context) -> pb.CommandResult:
        return await self._move_funds(CommandType.ADJUST, request, context)

    async def Hold(self, request: pb.FundsRequest, context: Context) -> pb.CommandResult:
        return await self._move_funds(CommandType.HOLD, request, context)

    async def SettleHold(self, request: pb.HoldRequest, context: Context) -> pb.CommandResult:
        return await self._end_hold(CommandType.SETTLE_HOLD, request, context)

    async def ReleaseHold(self, request: pb.HoldRequest, context: Context) -> pb.CommandResult:
        return await self._end_hold(CommandType.RELEASE_HOLD, request, context)

    async def Transfer(self, request: pb.TransferRequest, context: Context) -> pb.CommandResult:
        return await execute(self._sequencer, context, lambda: forms.transfer(request))

    async def ForceCancel(
        self, request: pb.ForceCancelRequest, context: Context
    ) -> pb.CommandResult:
        return await self._run(
            context,
            Command(
                CommandType.CANCEL,
                flags=CommandFlag.OPERATOR,
                market_id=request.market_id,
                order_id=request.order_id,
            ),
        )

    async def ForceCancelAll(
        self, request: pb.ForceCancelAllRequest, context: Context
    ) -> pb.CommandResult:
        return await self._run(
            context,
            Command(
                CommandType.CANCEL_ALL,
                flags=CommandFlag.OPERATOR,
                market_id=request.market_id,
                user_id=request.user_id,
                quantity=request.side,
            ),
        )

    async def _move_funds(
        self, kind: CommandType, request: pb.FundsRequest, context: Context
    ) -> pb.CommandResult:
        def make() -> list[Command]:
            return [
                Command(
                    kind,
                    user_id=request.user_id,
                    asset_id=request.asset_id,
                    amount=request.amount_atoms,
                    request_id=request_id(request.business_id),
                    text=request.reference.encode(),
                )
            ]

        return await execute(self._sequencer, context, make)

    async def _end_hold(
        self, kind: CommandType, request: pb.HoldRequest, context: Context
    ) -> pb.CommandResult:
        def make() -> list[Command]:
            hold_id = request_id(request.hold_id)
            return [Command(kind, user_id=request.user_id, request_id=hold_id)]

        return await execute(self._sequencer, context, make)

    async def _run(self, context: Context, command: Command) -> pb.CommandResult:
        return await execute(self._sequencer, context, lambda: [command])

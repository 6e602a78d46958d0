"""Sub-commands that change something. Each carries an id, so that a lost answer costs nothing."""

from __future__ import annotations

from argparse import Namespace
from typing import Final

from engine.cli.output import Output, row_of
from engine.cli.reading import asset_id_of, market_id_of
from engine.client import EngineClient, OrderTicket, Outcome, new_request_id
from engine.proto.records import MarketState, OrderType, Side, StpMode, TimeInForce

_WITHOUT_TIME: Final = (
    *(OrderType.MARKET, OrderType.LIMIT_MAKER, OrderType.FOK_BUDGET),
    *(OrderType.STOP_LOSS, OrderType.TAKE_PROFIT),
)


def _tell(outcome: Outcome, output: Output) -> None:
    output.row(
        {
            "order_id": outcome.order_id,
            "command_seq": outcome.command_seq,
            "event_seq": outcome.first_event_seq,
            "executed_lots": outcome.executed_lots,
            "leaves_lots": outcome.leaves_lots,
            "fills": [row_of(fill) for fill in outcome.fills],
        }
    )


def _tell_done(outcome: Outcome, output: Output) -> None:
    output.row(
        {
            "command_seq": outcome.command_seq,
            "event_seq": outcome.first_event_seq,
            "replayed": outcome.replayed,
        }
    )


async def place(engine: EngineClient, options: Namespace, output: Output) -> None:
    order_type = OrderType[options.type]
    is_timeless = order_type in _WITHOUT_TIME and options.tif is None
    ticket = OrderTicket(
        side=Side[options.side],
        order_type=order_type,
        time_in_force=TimeInForce.NONE if is_timeless else TimeInForce[options.tif or "GTC"],
        quantity_lots=options.quantity,
        price_ticks=options.price,
        budget_atoms=options.budget_atoms,
        quote_atoms=options.quote_atoms,
        stop_price_ticks=options.stop_price,
        trailing_delta_bips=options.trailing_delta_bips,
        expire_time_us=options.expire_time_us,
        display_lots=options.display,
        stp=StpMode[options.stp],
        client_order_id=options.client_order_id,
    )
    outcome = await engine.submit_order(
        ticket,
        user_id=options.user,
        market_id=await market_id_of(engine, options.market),
        request_id=options.request_id or new_request_id(),
    )
    _tell(outcome, output)


async def cancel(engine: EngineClient, options: Namespace, output: Output) -> None:
    outcome = await engine.cancel(
        user_id=options.user,
        market_id=await market_id_of(engine, options.market),
        order_id=options.order,
        request_id=new_request_id(),
    )
    _tell_done(outcome, output)


async def cancel_all(engine: EngineClient, options: Namespace, output: Output) -> None:
    outcome = await engine.cancel_all(
        user_id=options.user,
        market_id=await market_id_of(engine, options.market) if options.market else 0,
        side=Side[options.side] if options.side else None,
        request_id=new_request_id(),
    )
    _tell_done(outcome, output)


async def funds(engine: EngineClient, options: Namespace, output: Output) -> None:
    """deposit, withdraw and adjust."""
    move = {"deposit": engine.deposit, "withdraw": engine.withdraw, "adjust": engine.adjust}
    outcome = await move[options.command](
        user_id=options.user,
        asset_id=await asset_id_of(engine, options.asset),
        amount_atoms=options.amount,
        business_id=options.business_id or new_request_id(),
        reference=options.reference,
    )
    _tell_done(outcome, output)


async def add_asset(engine: EngineClient, options: Namespace, output: Output) -> None:
    outcome = await engine.add_asset(
        asset_id=options.id,
        code=options.code,
        decimals=options.decimals,
        max_total_atoms=options.max_total_atoms,
    )
    _tell_done(outcome, output)


async def add_market(engine: EngineClient, options: Namespace, output: Output) -> None:
    outcome = await engine.add_market(
        market_id=options.id,
        symbol=options.symbol,
        base_asset_id=await asset_id_of(engine, options.base),
        quote_asset_id=await asset_id_of(engine, options.quote),
        tick_atoms=options.tick_atoms,
        lot_atoms=options.lot_atoms,
        maker_fee=options.maker_fee,
        taker_fee=options.taker_fee,
        fee_in_quote=options.fee_in_quote,
    )
    _tell_done(outcome, output)


async def add_user(engine: EngineClient, options: Namespace, output: Output) -> None:
    _tell_done(await engine.add_user(user_id=options.user), output)


async def set_state(engine: EngineClient, options: Namespace, output: Output) -> None:
    outcome = await engine.set_market_state(
        market_id=await market_id_of(engine, options.market), state=MarketState[options.state]
    )
    _tell_done(outcome, output)


async def kill_switch(engine: EngineClient, options: Namespace, output: Output) -> None:
    outcome = await engine.set_kill_switch(
        is_on=options.switch == "on",
        user_id=options.user,
        market_id=await market_id_of(engine, options.market) if options.market else 0,
    )
    _tell_done(outcome, output)

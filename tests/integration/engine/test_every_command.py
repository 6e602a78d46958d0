"""Every command of the engine through the client: it arrives with all that it states."""

from __future__ import annotations

import time
from typing import Any, Final

import pytest

from engine.client import (
    EngineClient,
    EngineRefused,
    Hold,
    OrderTicket,
    Outcome,
    SyncEngineClient,
    TransferLeg,
)
from engine.proto.records import (
    DeadmanSet,
    EventType,
    FundsTransferred,
    KillSwitchSet,
    ListType,
    MarketBandsSet,
    MarketLimitsSet,
    OrderTerms,
    OrderType,
    Reason,
    SessionSet,
    SessionState,
    Side,
    StpMode,
    TimeInForce,
    TradeGroupSet,
    UserFeesSet,
    UserStatus,
)
from tests.fixtures_engine import EngineUnderTest
from tests.integration.engine.support import (
    BASE,
    BASE_ATOMS,
    BUYER,
    MARKET,
    QUOTE,
    QUOTE_ATOMS,
    SELLER,
    request_id,
)

BID: Final = OrderTicket(side=Side.BID, price_ticks=100, quantity_lots=5)
OWN: Final[dict[str, Any]] = {"user_id": BUYER, "market_id": MARKET}


def kinds(outcome: Outcome) -> list[str]:
    return [EventType(header.type).name for header, _ in outcome.events]


def terms(outcome: Outcome) -> OrderTerms:
    (found,) = [body for _, body in outcome.events if isinstance(body, OrderTerms)]
    return found


async def test_orders_state_all_that_they_can(client: EngineClient) -> None:
    expire_us = time.time_ns() // 1000 + 3_600_000_000
    gtd = await client.submit_order(
        OrderTicket(
            side=Side.BID,
            price_ticks=100,
            quantity_lots=50,
            time_in_force=TimeInForce.GTD,
            expire_time_us=expire_us,
            display_lots=10,
            stp=StpMode.EXPIRE_MAKER,
        ),
        **OWN,
    )
    assert kinds(gtd) == ["ORDER_TERMS", "ORDER_ACCEPTED"]
    found = terms(gtd)
    assert (found.expire_time_us, found.display_lots, found.stp) == (
        expire_us,
        10,
        StpMode.EXPIRE_MAKER,
    )
    (order,) = (await client.list_open_orders(user_id=BUYER)).orders
    assert (order.order_id, order.leaves_lots, order.shown_lots, order.expire_time_us) == (
        gtd.order_id,
        50,
        10,
        expire_us,
    )
    by_quote = await client.submit_order(
        OrderTicket(
            side=Side.ASK,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.NONE,
            quote_atoms=3_000,  # 3 lots at 100 ticks of 10 atoms
        ),
        user_id=SELLER,
        market_id=MARKET,
    )
    assert (by_quote.executed_lots, by_quote.leaves_lots) == (3, 0)
    stop = await client.submit_order(
        OrderTicket(
            side=Side.BID,
            order_type=OrderType.STOP_LOSS_LIMIT,
            price_ticks=130,
            quantity_lots=2,
            stop_price_ticks=120,
        ),
        **OWN,
    )
    assert terms(stop).stop_price_ticks == 120
    waiting = await client.get_order(market_id=MARKET, order_id=stop.order_id)
    assert waiting is not None
    assert (waiting.wait, waiting.stop_price_ticks) == (1, 120)


async def test_orders_are_amended_replaced_quoted_and_cancelled_together(
    client: EngineClient,
) -> None:
    placed = await client.submit_order(BID, **OWN)
    amended = await client.amend(**OWN, order_id=placed.order_id, price_ticks=90, quantity_lots=8)
    assert (amended.order_id, amended.leaves_lots) == (placed.order_id, 8)
    with pytest.raises(EngineRefused) as restricted:
        await client.cancel(**OWN, order_id=placed.order_id, only_partially_filled=True)
    assert restricted.value.reason is Reason.CANCEL_RESTRICTED
    replaced = await client.replace(
        OrderTicket(side=Side.BID, price_ticks=95, quantity_lots=4),
        **OWN,
        order_id=placed.order_id,
        request_id=request_id(1, 3),
    )
    assert kinds(replaced) == ["LEG_TAKEN", "ORDER_CANCELED", "ORDER_ACCEPTED"]
    assert replaced.order_id == placed.order_id + 1
    assert replaced.leaves_lots == 4
    with pytest.raises(EngineRefused) as gone:
        await client.replace(BID, **OWN, order_id=placed.order_id)
    assert gone.value.reason is Reason.UNKNOWN_ORDER
    quoted = await client.quote(**OWN, bid=(80, 3), ask=(120, 2), request_id=request_id(2, 3))
    assert len(quoted.order_ids) == 2
    quoted_again = await client.quote(**OWN, bid=(81, 3), ask=(119, 2))
    book = await client.get_book(MARKET)
    assert [(level.price_ticks, level.quantity_lots) for level in book.bids] == [(95, 4), (81, 3)]
    assert [(level.price_ticks, level.quantity_lots) for level in book.asks] == [(119, 2)]
    canceled = await client.cancel_all(**OWN, side=Side.BID)
    assert kinds(canceled) == ["ORDER_CANCELED", "ORDER_CANCELED", "CANCEL_ALL_DONE"]
    assert canceled.order_id == 0
    forced = await client.force_cancel_all(market_id=MARKET)
    assert kinds(forced) == ["ORDER_CANCELED", "CANCEL_ALL_DONE"]
    assert (await client.list_open_orders()).orders == ()
    assert quoted_again.order_ids[0] > quoted.order_ids[1]


async def test_money_is_transferred_and_held(client: EngineClient) -> None:
    legs = (TransferLeg(SELLER, QUOTE, 700, "fee"), TransferLeg(BUYER, QUOTE, -700))
    moved = await client.transfer(*legs, business_id=request_id(1, 4))
    assert [body for _, body in moved.events if isinstance(body, FundsTransferred)] == [
        FundsTransferred(SELLER, QUOTE, 700, 1, 2, request_id(1, 4), b"fee"),
        FundsTransferred(BUYER, QUOTE, -700, 2, 2, request_id(1, 4), b""),
    ]
    again = await client.transfer(*legs, business_id=request_id(1, 4))
    assert again.replayed
    with pytest.raises(EngineRefused) as unbalanced:
        await client.transfer(legs[0], business_id=request_id(2, 4))
    assert unbalanced.value.reason is Reason.UNBALANCED
    for number, end in ((3, client.settle_hold), (4, client.release_hold)):
        hold_id = request_id(number, 4)
        await client.hold(
            user_id=SELLER, asset_id=BASE, amount_atoms=50, business_id=hold_id, reference="w-1"
        )
        assert await client.list_holds(user_id=SELLER) == (
            Hold(
                request_id=hold_id, user_id=SELLER, asset_id=BASE, amount_atoms=50, reference="w-1"
            ),
        )
        await end(user_id=SELLER, hold_id=hold_id)
        assert await client.list_holds() == ()
    base, quote = (await client.get_balances(SELLER)).balances
    assert (base.available_atoms, base.locked_atoms) == (BASE_ATOMS - 50, 0)
    assert quote.available_atoms == QUOTE_ATOMS + 700


async def test_switches_groups_and_sessions_are_set(client: EngineClient) -> None:
    group = await client.set_trade_group(user_id=BUYER, group_id=9)
    deadman = await client.set_deadman(user_id=BUYER, timeout_ms=60_000)
    session = await client.set_session(user_id=BUYER, session_id=4, state=SessionState.OPEN)
    switch = await client.set_kill_switch(is_on=True, user_id=BUYER)
    assert [each.events[-1][1] for each in (group, session, switch)] == [
        TradeGroupSet(BUYER, 9),
        SessionSet(BUYER, 4, SessionState.OPEN, 0, 0),
        KillSwitchSet(BUYER, 1),
    ]
    ((_, armed),) = deadman.events
    assert isinstance(armed, DeadmanSet)
    assert (armed.user_id, armed.timeout_ms) == (BUYER, 60_000)
    with pytest.raises(EngineRefused) as stopped:
        await client.submit_order(BID, **OWN)
    assert stopped.value.reason is Reason.KILL_SWITCH
    await client.set_kill_switch(is_on=False, user_id=BUYER)
    placed = await client.submit_order(BID, **OWN)
    suspended = await client.set_user_status(
        user_id=BUYER, status=UserStatus.SUSPENDED, cancel_resting=True
    )
    assert sorted(kinds(suspended)) == ["ORDER_CANCELED", "USER_STATUS_SET"]
    assert await client.get_order(market_id=MARKET, order_id=placed.order_id) is None


async def test_fees_and_limits_arrive_field_by_field(client: EngineClient) -> None:
    fees = await client.set_user_fees(user_id=BUYER, maker_fee=1, taker_fee=2, market_id=MARKET)
    limits = await client.set_market_limits(
        market_id=MARKET,
        market_min_lots=1,
        market_max_lots=900,
        max_notional_atoms=10**12,
        max_orders=100,
        max_algo_orders=7,
        max_position_atoms=10**16,
        max_notional_to_market=True,
    )
    assert [each.events[-1][1] for each in (fees, limits)] == [
        UserFeesSet(BUYER, 1, 2, 1),
        MarketLimitsSet(1, 900, 10**12, 100, 7, 10**16, 2),
    ]
    back = await client.clear_user_fees(user_id=BUYER, market_id=MARKET)
    assert back.events[-1][1] == UserFeesSet(BUYER, 0, 0, 0)


async def test_price_bands_arrive_field_by_field(client: EngineClient) -> None:
    bands = await client.set_market_bands(
        market_id=MARKET,
        reference_price_ticks=100,
        bid_ppm=(500_000, 2_000_000),
        ask_ppm=(600_000, 3_000_000),
        slippage_ppm=100_000,
        volatility_ppm=200_000,
        pause_us=5_000_000,
    )
    assert [body for _, body in bands.events] == [
        MarketBandsSet(100, 500_000, 2_000_000, 600_000, 3_000_000, 100_000, 200_000, 5_000_000)
    ]


async def test_a_list_is_placed_as_a_whole(client: EngineClient) -> None:
    listed = await client.place_list(
        ListType.OCO,
        OrderTicket(
            side=Side.ASK,
            order_type=OrderType.LIMIT_MAKER,
            time_in_force=TimeInForce.NONE,
            price_ticks=130,
            quantity_lots=3,
        ),
        OrderTicket(
            side=Side.ASK,
            order_type=OrderType.STOP_LOSS_LIMIT,
            price_ticks=70,
            stop_price_ticks=80,
            quantity_lots=3,
        ),
        user_id=SELLER,
        market_id=MARKET,
        client_list_id="oco",
        request_id=request_id(1, 5),
    )
    assert kinds(listed)[:3] == ["LEG_TAKEN", "LEG_TAKEN", "LIST_ACCEPTED"]
    assert len(listed.order_ids) == 2
    assert listed.order_id == listed.order_ids[0]
    await client.cancel(user_id=SELLER, market_id=MARKET, order_id=listed.order_ids[1])
    assert (await client.list_open_orders()).orders == ()


def test_the_blocking_client_has_every_method(engine: EngineUnderTest) -> None:
    streams = {name for name in dir(EngineClient) if name.startswith("subscribe")}
    own = {name for name in dir(EngineClient) if not name.startswith("_")} - streams
    assert own - set(dir(SyncEngineClient)) == set()

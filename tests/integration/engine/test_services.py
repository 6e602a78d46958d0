"""Every call of every service, against a real engine process."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from engine.client import (
    AssetTotals,
    Balance,
    EngineClient,
    EngineRefused,
    InvalidRequest,
    Level,
    SyncEngineClient,
)
from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.proto.records import EventType, MarketState, OrderType, Reason, Side, UserStatus
from tests.fixtures_engine import EngineUnderTest
from tests.integration.engine.pages import page
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


async def test_orders_meet_at_the_makers_price(client: EngineClient) -> None:
    resting = await client.place(
        user_id=SELLER, market_id=MARKET, side=Side.ASK, price_ticks=1000, quantity_lots=10
    )
    assert (resting.order_id, resting.executed_lots, resting.leaves_lots) == (1, 0, 10)
    taker = await client.place(
        user_id=BUYER, market_id=MARKET, side=Side.BID, price_ticks=1010, quantity_lots=4
    )
    assert (taker.order_id, taker.executed_lots, taker.leaves_lots) == (2, 4, 0)
    assert [
        (fill.price_ticks, fill.quantity_lots, fill.maker_order_id) for fill in taker.fills
    ] == [(1000, 4, resting.order_id)]
    assert taker.first_event_seq == resting.first_event_seq + 1
    order = await client.get_order(market_id=MARKET, order_id=resting.order_id)
    assert order is not None
    assert (order.leaves_lots, order.reserved_atoms) == (6, 6000)
    assert await client.get_order(market_id=MARKET, order_id=2) is None


async def test_an_order_can_be_reduced_moved_and_cancelled(client: EngineClient) -> None:
    placed = await client.place(
        user_id=BUYER,
        market_id=MARKET,
        side=Side.BID,
        price_ticks=100,
        quantity_lots=10,
        client_order_id="mine",
    )
    own: dict[str, Any] = {"user_id": BUYER, "market_id": MARKET, "order_id": placed.order_id}
    reduced = await client.reduce(**own, quantity_lots=3)
    assert (reduced.order_id, reduced.leaves_lots) == (placed.order_id, 7)
    moved = await client.move(**own, price_ticks=90)
    assert moved.leaves_lots == 7
    with pytest.raises(EngineRefused) as same_price:
        await client.move(**own, price_ticks=90)
    assert same_price.value.reason is Reason.NOTHING_CHANGES
    assert (await client.move(**own, price_ticks=90, requeue=True)).leaves_lots == 7
    (order,) = (await client.list_open_orders(user_id=BUYER)).orders
    assert (order.price_ticks, order.leaves_lots, order.client_order_id) == (90, 7, "mine")
    assert (await client.cancel(**own)).leaves_lots == 0
    with pytest.raises(EngineRefused) as gone:
        await client.cancel(**own)
    assert gone.value.reason is Reason.UNKNOWN_ORDER


async def test_the_unary_calls_answer_like_the_stream(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    async with aio.insecure_channel(engine.address) as channel:
        orders = pb_grpc.OrderServiceStub(channel)
        place = pb.PlaceRequest(
            user_id=BUYER,
            market_id=MARKET,
            side=Side.BID,
            order_type=OrderType.LIMIT,
            time_in_force=1,
            price_ticks=50,
            quantity_lots=5,
            request_id=request_id(1),
        )
        first = await orders.Place(place)
        assert (first.order_id, first.reason, first.replayed) == (1, 0, False)
        again = await orders.Place(place)
        assert (again.order_id, again.reason, again.replayed) == (1, 0, True)
        assert again.first_event_seq == first.first_event_seq
        assert again.command_seq == first.command_seq + 1
        own: dict[str, Any] = {"user_id": BUYER, "market_id": MARKET, "order_id": 1}
        assert (await orders.Reduce(pb.ReduceRequest(**own, quantity_lots=1))).order_id == 1
        assert (await orders.Move(pb.MoveRequest(**own, price_ticks=51))).order_id == 1
        assert (await orders.Cancel(pb.CancelRequest(**own))).reason == 0
        refused = await orders.Cancel(pb.CancelRequest(**own))
        assert (refused.reason, len(refused.events)) == (Reason.UNKNOWN_ORDER, 128)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (pb.PlaceRequest(request_id=b"short"), "request id was 5 bytes, expected 16 or none"),
        (pb.PlaceRequest(client_order_id="x" * 41), "text was 41 bytes, expected at most 40"),
        (pb.PlaceRequest(side=256), "does not fit a command record"),
        (pb.PlaceRequest(user_id=2**63), "does not fit a command record"),
    ],
)
async def test_a_call_that_makes_no_command_is_invalid_and_not_journaled(
    engine: EngineUnderTest, client: EngineClient, request_: pb.PlaceRequest, sentence: str
) -> None:
    before = (await client.get_status()).command_seq
    async with aio.insecure_channel(engine.address) as channel:
        with pytest.raises(aio.AioRpcError) as refused:
            await pb_grpc.OrderServiceStub(channel).Place(request_)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert sentence in (refused.value.details() or "")
    status = await client.get_status()
    # A checkpoint may have come between.
    assert status.command_seq - before <= 1


async def test_operators_commands_are_idempotent(client: EngineClient) -> None:
    asset: dict[str, Any] = {"asset_id": 9, "code": "ETH", "decimals": 6, "max_total_atoms": 10**15}
    first = await client.add_asset(**asset)
    again = await client.add_asset(**asset)
    assert not first.replayed
    assert again.replayed
    assert again.records == first.records
    with pytest.raises(EngineRefused) as other:
        await client.add_asset(**{**asset, "decimals": 7})
    assert other.value.reason is Reason.ALREADY_EXISTS

    funds: dict[str, Any] = {
        "user_id": BUYER,
        "asset_id": BASE,
        "amount_atoms": 5,
        "business_id": request_id(1),
    }
    credited = await client.deposit(**funds, reference="tx-1")
    repeated = await client.deposit(**funds, reference="tx-1")
    assert (credited.replayed, repeated.replayed) == (False, True)
    assert repeated.records == credited.records
    with pytest.raises(EngineRefused) as reused:
        await client.deposit(**{**funds, "amount_atoms": 6})
    assert reused.value.reason is Reason.REQUEST_ID_REUSED
    with pytest.raises(EngineRefused) as without:
        await client.deposit(**{**funds, "business_id": b""})
    assert without.value.reason is Reason.REQUEST_ID_REQUIRED


async def test_money_moves_and_totals_conserve(client: EngineClient) -> None:
    await client.withdraw(
        user_id=BUYER, asset_id=QUOTE, amount_atoms=300, business_id=request_id(1)
    )
    await client.adjust(user_id=BUYER, asset_id=QUOTE, amount_atoms=-20, business_id=request_id(2))
    await client.adjust(user_id=BUYER, asset_id=BASE, amount_atoms=7, business_id=request_id(3))
    assert (await client.get_balances(BUYER)).balances == (
        Balance(user_id=BUYER, asset_id=BASE, available_atoms=BASE_ATOMS + 7, locked_atoms=0),
        Balance(user_id=BUYER, asset_id=QUOTE, available_atoms=QUOTE_ATOMS - 320, locked_atoms=0),
    )
    assert (await client.get_totals()).totals == (
        AssetTotals(
            asset_id=BASE,
            held_atoms=2 * BASE_ATOMS + 7,
            deposited_atoms=2 * BASE_ATOMS,
            withdrawn_atoms=0,
            adjusted_atoms=7,
        ),
        AssetTotals(
            asset_id=QUOTE,
            held_atoms=2 * QUOTE_ATOMS - 320,
            deposited_atoms=2 * QUOTE_ATOMS,
            withdrawn_atoms=300,
            adjusted_atoms=-20,
        ),
    )
    dump = await client.dump_balances()
    assert sum(balance.available_atoms for balance in dump.balances) == (
        2 * BASE_ATOMS + 7 + 2 * QUOTE_ATOMS - 320
    )
    assert (await client.get_balances(12345)).balances == ()


async def test_a_market_can_be_halted_filtered_and_charged(client: EngineClient) -> None:
    order: dict[str, Any] = {"user_id": BUYER, "market_id": MARKET, "side": Side.BID}
    resting = await client.place(**order, price_ticks=100, quantity_lots=10)
    await client.set_market_state(market_id=MARKET, state=MarketState.HALT)
    with pytest.raises(EngineRefused) as halted:
        await client.place(**order, price_ticks=100, quantity_lots=10)
    assert halted.value.reason is Reason.MARKET_NOT_TRADING
    cancelled = await client.force_cancel(market_id=MARKET, order_id=resting.order_id)
    assert cancelled.events[0][0].type == EventType.ORDER_CANCELED
    await client.set_market_state(market_id=MARKET, state=MarketState.TRADING)
    await client.set_market_filters(market_id=MARKET, min_price_ticks=200, max_quantity_lots=50)
    with pytest.raises(EngineRefused) as too_low:
        await client.place(**order, price_ticks=199, quantity_lots=10)
    assert too_low.value.reason is Reason.PRICE_FILTER
    await client.set_market_fees(market_id=MARKET, maker_fee=1, taker_fee=2)
    (market,) = await client.list_markets()
    assert (market.symbol, market.maker_fee, market.taker_fee) == ("BTCUSDT", 1, 2)
    assert (market.min_price_ticks, market.max_quantity_lots) == (200, 50)
    assert (market.state, market.tick_lot_atoms) == (MarketState.TRADING, 10)
    assert (market.fee_in_quote, market.fee_per_lot) == (False, False)


async def test_a_suspended_user_places_nothing(client: EngineClient) -> None:
    await client.set_user_status(user_id=BUYER, status=UserStatus.SUSPENDED)
    with pytest.raises(EngineRefused) as suspended:
        await client.place(
            user_id=BUYER, market_id=MARKET, side=Side.BID, price_ticks=1, quantity_lots=1
        )
    assert suspended.value.reason is Reason.USER_SUSPENDED
    with pytest.raises(EngineRefused) as same:
        await client.set_user_status(user_id=BUYER, status=UserStatus.SUSPENDED)
    assert same.value.reason is Reason.NOTHING_CHANGES


async def test_queries_are_bounded_and_name_their_sequence(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    for price in (90, 91, 91, 92):
        await client.place(
            user_id=BUYER, market_id=MARKET, side=Side.BID, price_ticks=price, quantity_lots=2
        )
    book = await client.get_book(MARKET, depth=2)
    assert book.bids == (
        Level(price_ticks=92, quantity_lots=2, orders=1),
        Level(price_ticks=91, quantity_lots=4, orders=2),
    )
    assert book.asks == ()
    orders = await client.list_open_orders(limit=3)
    assert [order.price_ticks for order in orders.orders] == [92, 91, 91]
    status = await client.get_status()
    assert (status.open_orders, status.users, status.semantics) == (4, 2, "2")
    assert status.event_seq >= orders.event_seq >= book.event_seq > 0
    assert [asset.code for asset in await client.list_assets()] == ["BTC", "USDT"]
    state = await client.get_state_hash()
    assert len(state.state_hash) == 32
    with pytest.raises(LookupError, match="market 77 is unknown"):
        await client.get_book(77)
    for call in (client.get_book(MARKET, 5001), client.list_open_orders(limit=100_001)):
        with pytest.raises(InvalidRequest, match="expected at most"):
            await call


async def test_events_are_read_and_followed_live(client: EngineClient) -> None:
    last = (await client.get_status()).event_seq
    read = [batch async for batch in client.read_events(1, last)]
    assert [(batch.first_event_seq, batch.last_event_seq) for batch in read] == [(1, last)]
    followed: list[bytes] = []

    async def follow(count: int) -> None:
        async for batch in client.subscribe(1):
            for at in range(0, len(batch.events), 128):
                followed.append(batch.events[at : at + 128])  # noqa: PERF401
            if len(followed) >= count:
                return

    task = asyncio.create_task(follow(last + 20))
    for _ in range(20):
        await client.place(
            user_id=BUYER, market_id=MARKET, side=Side.BID, price_ticks=1, quantity_lots=1
        )
    await asyncio.wait_for(task, 10)
    now = (await client.get_status()).event_seq
    everything = b"".join([batch.events async for batch in client.read_events(1, now)])
    assert b"".join(followed) == everything[: len(followed) * 128]
    for first, end in ((0, 1), (2, 1), (1, now + 1000)):
        with pytest.raises(LookupError, match="expected within"):
            [batch async for batch in client.read_events(first, end)]
    with pytest.raises(LookupError, match="expected within"):
        [batch async for batch in client.subscribe(now + 1000)]


async def test_health_is_serving_for_every_service(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    async with aio.insecure_channel(engine.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        package = "quantatrade.engine.v1"
        for name in ("", *(f"{package}.{kind}Service" for kind in ("Order", "Admin", "Query"))):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_checkpoint_is_journaled_when_balances_changed_and_only_then(
    client: EngineClient,
) -> None:
    async def checkpoints() -> int:
        last = (await client.get_status()).event_seq
        events = b"".join([batch.events async for batch in client.read_events(1, last)])
        return [events[at + 24] for at in range(0, len(events), 128)].count(EventType.CHECKPOINT)

    await asyncio.sleep(1.3)
    before = await checkpoints()
    assert before >= 1
    await asyncio.sleep(2.2)
    assert await checkpoints() == before


async def test_the_engine_counts_what_it_does(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    await asyncio.sleep(1.3)
    status = await client.get_status()
    code, text = await page(engine, "metrics")
    assert code == 200
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    assert float(samples["engine_commands_total"]) == status.command_seq
    assert float(samples["engine_events_total"]) == status.event_seq
    assert float(samples["engine_command_seq"]) == status.command_seq
    assert float(samples["engine_event_seq"]) == status.event_seq
    assert float(samples["engine_epoch"]) == status.epoch == 1
    assert float(samples["engine_queue_commands"]) == 0
    records = float(samples["engine_fsync_seconds_count"])
    assert records == float(samples["engine_batch_commands_count"])
    assert 0 < records <= status.command_seq


def test_the_blocking_client_does_the_same(engine: EngineUnderTest) -> None:
    with SyncEngineClient(engine.address) as client:
        client.wait_ready(10)
        client.add_user(user_id=5)
        assert client.get_status().users == 1
        with pytest.raises(EngineRefused):
            client.set_user_status(user_id=6, status=UserStatus.SUSPENDED)
        (batch,) = client.read_events(1, 1)
        assert batch.last_event_seq == 1

"""Cancel on disconnect: a stream's sessions end with it, whoever of the two dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import grpc
import pytest
from grpc import aio

from engine.client import (
    EngineClient,
    InvalidRequest,
    OrderTicket,
    OutcomeUnknown,
    StreamSession,
    iterate_events,
)
from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.proto.records import EventType, OrderChanged, Reason, SessionSet, SessionState, Side
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.integration.engine.support import BUYER, MARKET, set_up

SESSION: Final = 77
ATTEMPTS_MAX: Final = 10
STAYS: Final = OrderTicket(side=Side.BID, price_ticks=10, quantity_lots=1)
GOES: Final = OrderTicket(side=Side.BID, price_ticks=11, quantity_lots=1, in_session=True)


def trader(address: str, grace_ms: int) -> EngineClient:
    return EngineClient(address, sessions=[StreamSession(BUYER, SESSION, grace_ms)])


async def place_both(client: EngineClient) -> tuple[int, int]:
    """The ids of an order that stays and of one that goes with the session."""
    orders = [
        await client.submit_order(ticket, user_id=BUYER, market_id=MARKET)
        for ticket in (STAYS, GOES)
    ]
    return orders[0].order_id, orders[1].order_id


async def open_orders(client: EngineClient) -> set[int]:
    return {order.order_id for order in (await client.list_open_orders()).orders}


async def until(client: EngineClient, order_ids: set[int]) -> None:
    """Wait until exactly these orders are open."""
    for _ in range(400):
        if await open_orders(client) == order_ids:
            return
        await asyncio.sleep(0.05)
    assert await open_orders(client) == order_ids


async def states(client: EngineClient) -> list[int]:
    """What became of the session, in order."""
    last = (await client.get_status()).event_seq
    batches = [batch.events async for batch in client.read_events(1, last)]
    bodies = [body for _, body in iterate_events(b"".join(batches))]
    return [body.state for body in bodies if isinstance(body, SessionSet)]


async def test_the_orders_of_a_session_go_with_its_stream(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    async with trader(engine.address, 200) as gone:
        stays, goes = await place_both(gone)
        assert await open_orders(client) == {stays, goes}
    await until(client, {stays})
    assert await states(client) == [SessionState.OPEN, SessionState.CLOSED, SessionState.ENDED]
    last = (await client.get_status()).event_seq
    batches = [batch.events async for batch in client.read_events(1, last)]
    canceled = [
        (header.reason, body.order_id)
        for header, body in iterate_events(b"".join(batches))
        if header.type == EventType.ORDER_CANCELED and isinstance(body, OrderChanged)
    ]
    assert canceled == [(Reason.SESSION, goes)]


async def test_a_session_that_is_opened_again_in_time_keeps_its_orders(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    async with trader(engine.address, 2_000) as first:
        stays, goes = await place_both(first)
    async with trader(engine.address, 2_000) as second:
        third = await second.submit_order(STAYS, user_id=BUYER, market_id=MARKET)
        await asyncio.sleep(3)
        assert await open_orders(client) == {stays, goes, third.order_id}
        assert await states(client) == [SessionState.OPEN, SessionState.CLOSED, SessionState.OPEN]


async def test_of_two_streams_the_last_one_closes_the_session(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    async with trader(engine.address, 0) as first:
        async with trader(engine.address, 0) as second:
            stays, goes = await place_both(first)
            other = await second.submit_order(STAYS, user_id=BUYER, market_id=MARKET)
        await asyncio.sleep(1)
        assert await open_orders(client) == {stays, goes, other.order_id}
    await until(client, {stays, other.order_id})


async def test_a_dead_engine_closes_the_session_when_it_is_back(
    engine_process: EngineFactory,
) -> None:
    engine = engine_process()
    async with trader(engine.address, 300) as client:
        await client.wait_ready(10)
        await set_up(client)
        stays, goes = await place_both(client)
        engine.kill()
    again = engine_process()
    async with EngineClient(again.address) as client:
        await until(client, {stays})
        assert await states(client) == [SessionState.OPEN, SessionState.CLOSED, SessionState.ENDED]
    assert goes != stays


async def refusal_of(client: EngineClient) -> InvalidRequest:
    """Why the client's stream is refused. One that ends while grpc is still sending on it tells
    nothing: its outcome is unknown, and asking again tells."""
    for _ in range(ATTEMPTS_MAX):
        try:
            await client.submit_order(STAYS, user_id=BUYER, market_id=MARKET)
        except OutcomeUnknown:
            continue
        except InvalidRequest as refused:
            return refused
        break
    raise AssertionError("the stream was not refused")


@pytest.mark.parametrize(
    ("session", "sentence", "code"),
    [
        (
            StreamSession(999, 1, 0),
            "session 1 of user 999 was refused: UNKNOWN_USER",
            "SESSION_REFUSED",
        ),
        (StreamSession(BUYER, 1, -1), "qt-session was '2/1/-1', expected USER/SESSION/MS", ""),
        (StreamSession(BUYER, 1, 10**9 * 9), "qt-session was '2/1/9000000000', expected", ""),
    ],
)
async def test_a_session_that_cannot_be_refuses_the_stream(
    engine: EngineUnderTest, client: EngineClient, session: StreamSession, sentence: str, code: str
) -> None:
    async with EngineClient(engine.address, sessions=[session]) as wrong:
        refused = await refusal_of(wrong)
    assert sentence in str(refused)
    assert refused.code == (code or "MALFORMED")
    assert await open_orders(client) == set()


async def test_too_many_sessions_refuse_the_stream(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    async def nothing() -> AsyncIterator[pb.PackedCommands]:
        return
        yield

    async with aio.insecure_channel(engine.address) as channel:
        names = [("qt-session", f"{BUYER}/{number}/0") for number in range(1, 66)]
        for _ in range(ATTEMPTS_MAX):
            call = pb_grpc.OrderServiceStub(channel).SubmitPacked(nothing(), metadata=names)
            with pytest.raises(aio.AioRpcError) as refused:
                await call.read()
            if refused.value.code() is not grpc.StatusCode.INTERNAL:
                break
    assert refused.value.details() == "a stream named 65 sessions, expected at most 64"
    assert await states(client) == []
